"""What each verb but `profile` keeps, from what lies in this repository: run from its root to write them anew.

python -m tests.data.results.record
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from profiler.__main__ import main
from tests.fake_endpoint import FakeServer, vllm_metrics

# Relative, as the answers name what they read.
DATA = Path("tests/data")
HERE = DATA / "results"
RECORDINGS = DATA / "recordings"
REPORT = DATA / "truth" / "counted_whole_report_h100.json.gz"


def kept(name: str, *arguments: str) -> None:
    """Run a verb and keep what it answers and pack it."""
    path = HERE / f"{name}.json"
    sys.argv = ["bottleneck", *arguments, "--force", "-o", str(path)]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
    path.with_suffix(".json.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    path.unlink()


def record() -> None:
    """One of each."""
    kept("whatif", "whatif", str(REPORT), "--device", "h200")
    kept(
        "analyze", "analyze", str(RECORDINGS / "decode_b1_graph_body.json.gz"), str(RECORDINGS / "tiny_kernels.json.gz")
    )
    eager, graph = (str(RECORDINGS / f"decode_b1_{mode}.json.gz") for mode in ("eager", "graph"))
    kept("analyze-comparison", "analyze", graph, "--against", eager)
    speeds = ("--prefill-tokens-per-s", "20000", "--decode-tokens-per-s", "50")
    kept("simulate", "simulate", "500:100,1000:100,1000:300,4000:700", *speeds)
    kept("check", "check", str(REPORT), "--budget", "everything", "--baseline", "none", "--inconclusive", "pass")
    own = [str(DATA / "own" / f"llama8b-{mode}.json.gz") for mode in ("eager", "graph")]
    kept("compare", "compare", *own)
    kept("history", "history", *own, str(REPORT))
    server = FakeServer(slots=4, prefill_s=0.01, decode_s=0.002, metrics=vllm_metrics)
    with server.running():
        load = ("--prompt-tokens", "lognormal:100:0.5", "--output-tokens", "lognormal:12:0.5", "--slo-ttft-ms", "200")
        kept("endpoint", "endpoint", server.url, "--knee", "--step-s", "1.5", *load)


if __name__ == "__main__":
    record()
