"""What is claimed of the simulator: a million requests in a minute on one core, in linear memory; and real servers.

    python -m benchmarks.simulate                     # all of it
    python -m benchmarks.simulate --requests 100000   # no claim about a million
    python -m benchmarks.simulate --logs FOLDER       # where the measured logs are, default ../shared/data/requests

Speed: each policy serves generated requests in a process of its own that may use one core, with everything that
`bottleneck simulate` makes of it but the printing. CPU time counts, as others may use the machine. Reality: costs are
fitted to the first 100 requests of a server's log, all are simulated, the others are compared.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from benchmarks._common import Estimate, Row, arguments, finish, stage
from profiler.report.cost_surface import CostSurface, DecodeCost, PrefillCost
from profiler.report.vocabulary import Tier
from profiler.serving.fit import MOST_E2E_OFF_RATIO, MOST_SHARE_OFF, fitted_costs, held_out, read_measured
from profiler.serving.fleet import serve
from profiler.serving.generated import Lengths, generated_requests
from profiler.serving.policies.policy import Limits
from profiler.serving.surface import SurfaceCosts
from profiler.session.simulate import Basis, constant_basis, simulate, surface_basis

MILLION = 1_000_000
MOST_SECONDS = 60.0
# Memory per request may grow by no more than this from a tenth of the requests to all of them.
MOST_GROWTH = 1.1
FITTED = 100
SERVERS = (
    ("RTX4090_Llama-3.1-8B", Limits(slots=256, token_budget=2048, kv_tokens=41_408), 1),
    ("RTXPRO6000_Qwen3-30B-A3B-Instruct-2507", Limits(slots=128, token_budget=2048), 2),
)
# Rates near what each carries, where there is most to do: Llama-3.1-8B's lengths as in Azure's conversations.
CASES = {"serial": 0.2, "static": 1.0, "continuous": 20.0, "continuous, full memory": 9.0, "shortest-first": 20.0}
LOGS = Path(__file__).parents[1] / "../shared/data/requests"


def run_case(case: str, requests: int) -> None:
    """Simulate, then print CPU seconds and peak bytes. The process is meant to do nothing else."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    policy, _, memory = case.partition(",")
    log = generated_requests(
        CASES[case], requests, Lengths("lognormal", 1020, 0.8), Lengths("lognormal", 129, 0.9), burstiness=1, seed=0
    )
    basis = _llama() if memory else constant_basis(20_000, 50)
    limits = Limits(kv_tokens=60_000 if memory else None)
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    simulate(log, basis, name=case, policies=[policy], limits=limits)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(time.process_time() - begin, 1024 * (usage.ru_maxrss - idle))


def speed_rows(requests: int) -> list[Row]:
    """Of each policy: time, and whether memory is linear."""
    rows = []
    for case in CASES:
        with stage(f"{case}: {requests:,} requests"):
            (less, few), (seconds, most) = (_measured(case, number) for number in (requests // 10, requests))
        claimed = requests >= MILLION
        rows.append(
            Row(
                f"{case}: CPU time of {requests:,} requests",
                Estimate(seconds),
                "s",
                f"< {MOST_SECONDS:.0f}" if claimed else "",
                seconds < MOST_SECONDS if claimed else None,
                f"{seconds / requests * 1e6:.1f} us a request; {less / requests * 1e7:.1f} of a tenth of them",
            )
        )
        growth = most / few / 10
        rows.append(
            Row(
                f"{case}: memory per request, all over a tenth",
                Estimate(growth),
                "",
                f"<= {MOST_GROWTH}" if claimed else "",
                growth <= MOST_GROWTH if claimed else None,
                f"{most / requests:,.0f} bytes a request",
            )
        )
    return rows


def reality_rows(folder: Path) -> list[Row]:
    """Of each server whose log is there: shares and mean end-to-end latency of the requests after the first 100."""
    rows = []
    for name, limits, replicas in SERVERS:
        path = folder / f"vllm_measured_{name}_vllm_requests.jsonl"
        if not path.exists():
            rows.append(Row(f"{name}: not at {folder}", None, ""))
            continue
        with stage(name):
            measured = read_measured(path)
            costs = SurfaceCosts(fitted_costs(measured, FITTED, limits, replicas))
            ledger = serve("continuous", measured.log, costs, limits, replicas)
        held = held_out(measured, "continuous", ledger, FITTED)
        assert held is not None  # both logs have 300 requests
        for phase in ("queue", "prefill", "decode"):
            own, real = (getattr(times, f"{phase}_share") for times in (held.simulated, held.measured))
            claim, note = f"{MOST_SHARE_OFF * 100:.0f} points", f"{own:.1%}, measured {real:.1%}"
            off = Estimate((own - real) * 100)
            rows.append(Row(f"{name}: {phase} share", off, "points", claim, abs(own - real) <= MOST_SHARE_OFF, note))
        own, real = (times.mean_e2e_ms for times in (held.simulated, held.measured))
        error, note = own / real - 1, f"{own / 1e3:.2f} s, measured {real / 1e3:.2f} s"
        claim = f"{MOST_E2E_OFF_RATIO * 100:.0f}%"
        rows.append(Row(f"{name}: mean e2e", Estimate(error * 100), "%", claim, abs(error) <= MOST_E2E_OFF_RATIO, note))
    return rows


def _measured(case: str, requests: int) -> tuple[float, float]:
    command = [sys.executable, "-m", "benchmarks.simulate", "--case", case, "--requests", str(requests)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds, peak = printed.split()
    return float(seconds), float(peak)


def _llama() -> Basis:
    """Costs of an iteration like those fitted to Llama-3.1-8B on an RTX 4090."""
    surface = CostSurface(
        tier=Tier.HOST,
        prefill=[PrefillCost(batch_size=1, prompt_tokens=tokens, ms=11.4 + 0.128 * tokens) for tokens in (1, 2048)],
        decode=[
            DecodeCost(batch_size=size, context_tokens=context, ms=11.4 + 0.084 * size + 1.8e-4 * size * context)
            for size in (1, 256)
            for context in (0, 4096)
        ],
        prefill_error_ratio=None,
        decode_error_ratio=None,
    )
    return surface_basis(surface, "fitted")


def main() -> int:
    """Run and print; the exit code says whether the claims hold."""
    parser = arguments(__doc__)
    parser.add_argument("--requests", type=int, default=MILLION)
    parser.add_argument("--logs", type=Path, default=LOGS)
    parser.add_argument("--case", choices=CASES, help="only this one, in this process, as two numbers")
    typed = parser.parse_args()
    if typed.case:
        run_case(typed.case, typed.requests)
        return 0
    rows = [*speed_rows(typed.requests), *reality_rows(typed.logs)]
    return finish("The serving loop, simulated", rows, typed.out, {"requests": typed.requests})


if __name__ == "__main__":
    sys.exit(main())
