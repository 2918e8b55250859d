"""`--trace` against a real server: `transformers serve` with the two routes of the benchmark, batching on a CPU."""

from __future__ import annotations

import gzip
import re
import sys
from pathlib import Path

import pytest

from tests.integration import tiny_checkpoint
from tests.integration.driven import driven
from tests.integration.served import serving

pytest.importorskip("fastapi", reason="the server is not installed: pip install 'transformers[serving]'")

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
LENGTHS = ("--prompt-tokens", "60", "--output-tokens", "12", "--baseline", "2")


def test_the_engines_own_profiler_traces_the_same_load_after_what_is_measured(tmp_path: Path) -> None:
    model, traces = tmp_path / "model", tmp_path / "traces"
    tiny_checkpoint.save(model)
    command: list[str | Path] = [sys.executable, "-m", "benchmarks._profiled_serve", traces, model, "--device", "cpu"]
    command += ["--dtype", "float32", "--attn-implementation", "sdpa", "--log-level", "error"]
    command += ["--cb-block-size", "16", "--cb-num-blocks", "512", "--cb-max-batch-tokens", "256"]
    with serving(command, tmp_path / "log.txt", {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}) as url:
        load = ("--concurrency", "2", "--count", "8", *LENGTHS)
        answer = driven(tmp_path, url, "--model", str(model), *load, "--trace", str(traces))
    assert answer["endings"] == [{"ending": "ok", "count": 8, "first": ""}]
    (written,) = traces.iterdir()
    assert answer["trace"]["files"] == [written.name]
    steps = re.findall(r"execute_context_\d+\(\d+\)_generation_(\d+)\(", gzip.decompress(written.read_bytes()).decode())
    assert steps
    assert {int(number) for number in steps} <= {0, 1, 2}
    assert "no GPU at work" in answer["trace"]["verdict"]["evidence"][0]
    assert "no GPU at work" in answer["verdict"]["evidence"][0]
