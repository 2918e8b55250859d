"""Does a sweep say what requests cost? `bottleneck profile --sweep`, and a real log served at its costs.

On a GPU, llama-3.1-8b in bfloat16 with captured steps; on a CPU the tiny preset. The log: the first 200 requests of
Azure's conversations (November 2023), which `--log` names, under the three usual policies.

Claimed: the sweep adds at most 2.5 minutes to the command; on a GPU, straight lines between its points are off by 10%
at most in the median, in both phases; the shares of every policy sum to 1; and continuous batching is done no later
than serving one by one.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks._common import Estimate, Row, arguments, finish, stage
from benchmarks.acceptance import bottleneck
from profiler.render.cost_blocks import cost_blocks
from profiler.render.document import Footnotes
from profiler.render.markdown import render_blocks
from profiler.render.simulation_blocks import simulation_blocks
from profiler.report.records import Report
from profiler.report.simulation import Simulation
from profiler.report.store import load_report
from profiler.serving.log import RequestLog
from profiler.serving.request_file import read_requests
from profiler.session.simulate import report_basis, simulate

LOG = Path(__file__).parents[1] / "../shared/data/requests/azure2023_conv.csv"
REQUESTS = 200
MOST_SECONDS = 150.0
MOST_ERROR = 0.1
SUM_TOLERANCE = 1e-3
GPU = ("llama-3.1-8b", "--weights", "random", "--dtype", "bfloat16", "--mode", "graph")
CPU = ("tiny",)


def profiled(command: tuple[str, ...], device: str, report: Path) -> float:
    """Run the command, its progress on our stderr: the seconds it took. Raises where it fails."""
    begin = time.perf_counter()
    typed = [*bottleneck(), "profile", *command, "--quick", "--device", device, "-o", str(report), "--force"]
    subprocess.run(typed, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def first_requests(path: Path, number: int) -> RequestLog:
    """The first of a log, as they arrive."""
    log = read_requests(path)
    places = log.arrival_ns.argsort(kind="stable")[:number]
    return log.taken(places, log.arrival_ns[places] - log.arrival_ns[places].min())


def sweep_rows(report: Report, seconds: float) -> list[Row]:
    """What is claimed of the surface; `seconds` are what the sweep added."""
    costs, claimed = report.costs, report.environment.device_kind == "cuda"  # a shared CPU disturbs every other point
    rows = [Row("the sweep takes", Estimate(seconds), "s", f"<= {MOST_SECONDS:.0f}", seconds <= MOST_SECONDS)]
    for phase in ("prefill", "decode"):
        points, error = getattr(costs, phase, []), getattr(costs, f"{phase}_error_ratio", None)
        held_out = getattr(costs, f"{phase}_held_out", [])
        rows.append(
            Row(
                f"{phase}: straight lines are off by",
                None if error is None else Estimate(error * 100),
                "%",
                f"<= {MOST_ERROR * 100:.0f}" if claimed else "",
                error is not None and error <= MOST_ERROR if claimed else None,
                f"{len(points)} points, {len(held_out)} held out",
            )
        )
    return rows


def serving_rows(answer: Simulation) -> list[Row]:
    """Each policy's makespan and shares, and what is claimed of them."""
    rows = []
    for policy in answer.policies:
        queue, prefill, decode = policy.queue_share, policy.prefill_share, policy.decode_share
        note = f"queue {queue:.1%}, prefill {prefill:.1%}, decode {decode:.1%}; {policy.verdict.cause}"
        whole = queue + prefill + decode
        rows.append(Row(f"{policy.policy}: makespan", Estimate(policy.makespan_ms / 1000), "s", note=note))
        rows.append(Row(f"{policy.policy}: shares sum to", Estimate(whole), "", "1", abs(whole - 1) <= SUM_TOLERANCE))
    spans = {policy.policy: policy.makespan_ms for policy in answer.policies}
    ratio = spans["continuous"] / spans["serial"]
    return [*rows, Row("continuous over serial: makespan", Estimate(ratio), "", "<= 1", ratio <= 1)]


def measure(
    device: str, command: tuple[str, ...], path: Path, requests: int, kept: Path | None = None
) -> tuple[list[Row], dict[str, Any]]:
    """The rows, and the details: the table for the documentation among them. The swept report goes to `kept`."""
    with TemporaryDirectory() as folder:
        plain, swept = Path(folder) / "plain.json", kept or Path(folder) / "swept.json"
        with stage("without a sweep"):
            before = profiled(command, device, plain)
        with stage("with a sweep"):
            after = profiled((*command, "--sweep"), device, swept)
        report = load_report(swept)
        rows = sweep_rows(report, after - before)
        if report.costs is None or not (report.costs.prefill and report.costs.decode) or not path.exists():
            return [*rows, Row(f"requests of {path.name}", None, "", "served", False)], {}
        log = first_requests(path, requests)
        answer = simulate(log, report_basis(swept), name=f"the first {requests} of {path.name}")
    table = render_blocks([*cost_blocks(report.costs, Footnotes()), *simulation_blocks(answer)])
    print(table)
    return [*rows, *serving_rows(answer)], {"device": report.environment.device, "table": table}


def main() -> int:
    """Run and print; the exit code says whether the claims hold."""
    import torch

    parser = arguments(__doc__)
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--report", type=Path, metavar="FILE", help="keep the swept report")
    typed = parser.parse_args()
    on_gpu = typed.device != "cpu" and torch.cuda.is_available()
    rows, details = measure(typed.device, GPU if on_gpu else CPU, typed.log, typed.requests, typed.report)
    return finish("The cost surface of a sweep", rows, typed.out, details)


if __name__ == "__main__":
    sys.exit(main())
