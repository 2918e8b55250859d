"""Does a live server get the verdict of its model? `bottleneck endpoint --gpu --trace` against `transformers serve`.

A random checkpoint (llama-3.2-1b in bfloat16 on a GPU, tiny in float32 on a CPU) with a tokeniser of bytes is served
with continuous batching by `transformers serve`, in a process of its own, which is given vLLM's two routes for the
profiler. It is loaded with one request at a time, then with several. Then `bottleneck profile` runs the same
checkpoint, with as many sequences, prompts as long and as many new tokens.

Claimed: every request ends well; the engine's profiler writes a trace; and, where there is a GPU, the trace's steps are
told apart, and the class that holds the leading phase back is the same by the server's verdict and by the model's.

The server needs what `pip install 'transformers[serving]'` brings, in the environment of `--serve-python`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from benchmarks._common import Estimate, Row, arguments, finish, stage
from benchmarks.acceptance import bottleneck
from profiler.catalogue.presets import load_preset
from profiler.render.endpoint_blocks import endpoint_blocks
from profiler.render.markdown import render_blocks
from profiler.report.endpoint import Ending, Endpoint
from profiler.report.records import Report, Verdict
from profiler.report.store import load_report

_START_S, _COMMAND_S = 180, 300


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything: on a GPU more, as it is faster."""

    preset: str
    dtype: str
    prompt_tokens: int
    new_tokens: int
    loads: tuple[tuple[int, int], ...]  # so many at once, so many requests
    server: tuple[str, ...]


GPU = Size("llama-3.2-1b", "bfloat16", 256, 48, ((1, 12), (8, 64)), ("--cb-max-memory-percent", "0.3"))
CPU = Size("tiny", "float32", 64, 16, ((1, 4), (4, 12)), ("--cb-num-blocks", "64", "--cb-max-batch-tokens", "512"))


def save_model(folder: Path, preset: str, dtype: str, device: str) -> None:
    """A random checkpoint of the preset, with a token for every byte and one word of letters for each other one."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    told = dict(load_preset(preset).config) | {"bos_token_id": None, "eos_token_id": None}
    config = AutoConfig.for_model(told.pop("model_type"), **told)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))
    model.save_pretrained(folder)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*alphabet, *(f"w{number}" for number in range(config.vocab_size - len(alphabet)))]
    tokenizer = Tokenizer(models.BPE(vocab={word: place for place, word in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    del model
    if device.startswith("cuda"):
        torch.cuda.empty_cache()


@contextmanager
def serving(python: str, model: Path, traces: Path, device: str, more: Sequence[str], log: Path) -> Iterator[str]:
    """The URL of a server that runs while the context lasts. Raises `RuntimeError` where it does not start."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [python, "-m", "benchmarks._profiled_serve", str(traces), str(model), "--device", device]
    command += ["--host", "127.0.0.1", "--port", str(port), "--attn-implementation", "sdpa"]
    root = str(Path(__file__).parents[1])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    with log.open("wb") as told:
        process = subprocess.Popen(
            [*command, "--no-cb-use-cuda-graph", *more],
            stdout=told,
            stderr=subprocess.STDOUT,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": path},
        )
    url, end = f"http://127.0.0.1:{port}", time.monotonic() + _START_S
    try:
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server did not start: {log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def typed(*command: str) -> None:
    """Run a verb, its progress on our stderr. Raises where it fails."""
    subprocess.run([*bottleneck(), *command], stdout=subprocess.DEVNULL, check=True, timeout=_COMMAND_S)


def held_back(phase: str, verdict: Verdict) -> str:
    """In a few words."""
    cause = verdict.cause or verdict.class_ or "nobody knows what"
    return f"{phase} by {cause}, {verdict.state}"


def rows_of(at_once: int, live: Endpoint, model: Report, *, claimed: bool) -> list[Row]:
    """What is claimed of one load."""
    well = sum(each.count for each in live.endings if each.ending is Ending.OK)
    every = sum(each.count for each in live.endings)
    traced = live.trace is not None and bool(live.trace.files)
    steps = sum(phase.steps for phase in live.trace.phases) if live.trace is not None else 0
    name = f"{at_once} at once"
    rows = [
        Row(f"{name}: requests that ended well", Estimate(well), "", f"{every}", well == every > 0),
        Row(f"{name}: the engine wrote a trace", Estimate(float(traced)), "", "1", traced),
    ]
    alone = next((phase.verdict for phase in model.phases if phase.name == live.leader), None)
    told = held_back(str(live.leader), live.verdict)
    if not claimed:
        return [*rows, Row(f"{name}: classes agree", None, "", "", None, f"no GPU, so nothing tells: {told}")]
    agree = alone is not None and live.verdict.class_ is alone.class_
    told += f" (by {live.phase_class_from}); profile: {held_back(str(live.leader), alone)}" if alone is not None else ""
    return [
        *rows,
        Row(f"{name}: steps told apart", Estimate(steps), "", "> 0", steps > 0),
        Row(f"{name}: classes agree", Estimate(float(agree)), "", "1", agree, told),
    ]


def measure(size: Size, device: str, python: str, model: Path, kept: Path) -> tuple[list[Row], dict[str, Any]]:
    """The rows, and the tables for the documentation; all reports and traces stay in `kept`."""
    has_gpu, traces = device.startswith("cuda"), kept / "traces"
    with stage(f"save a random {size.preset}"):
        save_model(model, size.preset, size.dtype, device)
    work = ("--prompt-tokens", str(size.prompt_tokens))
    with stage("start the server"), serving(python, model, traces, device, size.server, kept / "server.log") as url:
        for at_once, requests in size.loads:
            with stage(f"{at_once} at once"):
                load = ("--concurrency", str(at_once), "--count", str(requests), "--baseline", "4")
                looks = ("--trace", str(traces), *(("--gpu",) if has_gpu else ()))
                answer = ("-o", str(kept / f"endpoint-{at_once}.json"), "--force")
                new = ("--output-tokens", str(size.new_tokens))
                typed("endpoint", url, "--model", str(model), *load, *work, *new, *looks, *answer)
    rows, tables = [], []
    for at_once, _ in size.loads:
        report = kept / f"profile-{at_once}.json"
        with stage(f"profile of {at_once}"):
            shape = ("--batch-size", str(at_once), "--new-tokens", str(size.new_tokens), "--dtype", size.dtype)
            typed("profile", str(model), "--quick", "--device", device, *work, *shape, "-o", str(report), "--force")
        live = msgspec.json.decode((kept / f"endpoint-{at_once}.json").read_bytes(), type=Endpoint)
        rows += rows_of(at_once, live, load_report(report), claimed=has_gpu)
        tables.append(render_blocks(endpoint_blocks(live)))
        print(f"\n{at_once} at once\n\n{tables[-1]}")
    return rows, {"preset": size.preset, "tables": tables}


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def main() -> int:
    """Run and print; the exit code says whether the claims hold."""
    import torch

    parser = arguments(__doc__)
    parser.add_argument("--model", choices=("llama-3.2-1b", "tiny"), help="the preset (default: by the device)")
    parser.add_argument("--kept", type=Path, default=Path("served"), metavar="FOLDER", help="for reports and traces")
    parser.add_argument("--serve-python", default=sys.executable, metavar="PYTHON", help="with transformers[serving]")
    typed_in = parser.parse_args()
    device = typed_in.device if typed_in.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    size = GPU if device.startswith("cuda") else CPU
    size = replace(size, preset=typed_in.model or size.preset)
    typed_in.kept.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="served-") as folder:
        rows, details = measure(size, device, typed_in.serve_python, Path(folder), typed_in.kept.absolute())
    return finish("A live server, and the model that it serves", rows, typed_in.out, details)


if __name__ == "__main__":
    sys.exit(main())
