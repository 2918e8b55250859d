"""Does the simulator foretell a real engine? transformers' own continuous batching, in this process, on the CPU.

Costs come from `bottleneck profile tiny --mode paged --sweep`, which runs that engine's own iterations. Requests arrive
as a Poisson process at a moderate and at a high part of the load that the simulator says it carries, and at all of it;
they are added while the engine runs, which writes down when each was scheduled and got its tokens. The simulator serves
the same arrivals by the continuous policy.

A shared CPU changes its speed within minutes, and a sweep keeps the times of undisturbed steps. So, before and after
each load, a yardstick runs four decode steps of the sweep again, by themselves: costs are taken at the speed that these
found. What comes out without that is printed, too.

Claimed, of the rounds' median: mean end-to-end latency within 15%, the shares of queue, prefill and decode within 10
points. Nothing is claimed of the edge, where the queue is about to grow without end: what steps that take 5% longer
make of the latency is printed of each load, and there it is 16%.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from benchmarks._common import Estimate, Row, arguments, finish, stage
from benchmarks._workload import load_preset_model
from benchmarks.acceptance import bottleneck
from profiler.report.cost_surface import CostSurface
from profiler.report.store import load_report
from profiler.serving.carried import carried_load
from profiler.serving.fleet import serve
from profiler.serving.generated import Lengths, generated_requests
from profiler.serving.log import RequestLog
from profiler.serving.policies.policy import Limits
from profiler.serving.surface import SurfaceCosts
from profiler.workload.engines.paged import PagedBatch
from profiler.workload.loaded import LoadedModel
from profiler.workload.spec import WorkloadSpec

LOADS = {"moderate": 0.5, "high": 0.8, "edge": 1.0}  # of what the simulator says the engine carries
UNCLAIMED = "edge"
LONGER = 1.05  # steps
PROMPTS, ANSWERS = Lengths("uniform", 32, 256), Lengths("uniform", 8, 48)
LONGEST = 256 + 48
LIMITS = Limits(slots=16, token_budget=512)
SWEPT = ("--sweep-batches", "1,4,8,16", "--sweep-lengths", "16,128,448")
MOST_POINTS, MOST_E2E_ERROR = 0.10, 0.15
BLOCK_TOKENS = 16
YARDSTICK_TOKENS, YARDSTICK_STEPS = 128, 12  # of the sweep's lengths
PHASES = ("queue", "prefill", "decode")
Times = NDArray[np.int64]  # of shape (4, requests), in ns: arrival, scheduled, first token, last token


@dataclass(frozen=True, slots=True)
class Round:
    """One load in one round: what was measured, and what the simulator made of the same arrivals."""

    real: Times
    simulated: Times
    unscaled: Times
    slower: Times  # simulated with steps that take `LONGER` times as long
    pace: float

    @property
    def e2e_error(self) -> float:
        """Of the mean, simulated over measured."""
        return mean_e2e_ms(self.simulated) / mean_e2e_ms(self.real) - 1


def mean_e2e_ms(times: Times) -> float:
    """Of all requests."""
    return float((times[3] - times[0]).mean()) / 1e6


def shares(times: Times) -> list[float]:
    """Of queue, prefill and decode, as ratios of sums."""
    split = np.diff(times, axis=0).sum(axis=1)
    return [float(part) / float(split.sum()) for part in split]


def swept(mode: str, kept: Path) -> CostSurface:
    """The costs of a new sweep, by the command line, on one thread."""
    typed = [*bottleneck(), "profile", "tiny", "--mode", mode, "--device", "cpu", "--quick", "--sweep", *SWEPT]
    settings = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*typed, "-o", str(kept), "--force"], stdout=subprocess.DEVNULL, check=True, env=settings)
    costs = load_report(kept).costs
    assert costs is not None, "the sweep left no surface"
    return costs


def pace_of(loaded: LoadedModel, surface: CostSurface) -> float:
    """How many times as long decode steps of the sweep take now, by the median of four sizes."""
    ratios = []
    for point in surface.decode:
        if point.context_tokens != YARDSTICK_TOKENS:
            continue
        prompt_tokens = point.context_tokens - YARDSTICK_STEPS // 2
        spec = WorkloadSpec(
            model="tiny", batch_size=point.batch_size, prompt_tokens=prompt_tokens, new_tokens=2 * YARDSTICK_STEPS
        )
        batch = PagedBatch(loaded, spec, prompt_tokens, filled=True)
        batch.prefilled()
        ratios.append(median(timed_ms(batch) for _ in range(YARDSTICK_STEPS)) / point.ms)
    return median(ratios)


def timed_ms(batch: PagedBatch) -> float:
    """One step."""
    begin = time.perf_counter()
    batch.iterate()
    return (time.perf_counter() - begin) * 1e3


def at_pace(surface: CostSurface, pace: float) -> SurfaceCosts:
    """All of it so many times as long."""
    slower = {
        name: [replace(point, ms=point.ms * pace) for point in getattr(surface, name)]
        for name in ("prefill", "decode", "mixed")
    }
    return SurfaceCosts(replace(surface, **slower))


def drawn(rate_per_s: float, requests: int, seed: int) -> RequestLog:
    """A log at that rate."""
    return generated_requests(rate_per_s, requests, PROMPTS, ANSWERS, burstiness=1, seed=seed)


def carried(costs: SurfaceCosts, requests: int) -> float:
    """Requests a second that the simulator says the engine carries."""
    log = drawn(1.0, requests, seed=0)
    alone_ns = costs.alone_ns(log.prompt_tokens, log.output_tokens)
    ledger = serve("continuous", log, costs, LIMITS, 1)
    return carried_load("continuous", log, costs, LIMITS, 1, ledger.slots, alone_ns).most_requests_per_s


def served(model: Any, log: RequestLog) -> Times:
    """The times of a real run: each request is added at its arrival."""
    import torch
    from transformers import ContinuousBatchingConfig, GenerationConfig

    config = ContinuousBatchingConfig(
        block_size=BLOCK_TOKENS,
        num_blocks=2 * LIMITS.slots * 2 * LONGEST // BLOCK_TOKENS,
        max_batch_tokens=LIMITS.token_budget,
        max_requests_per_batch=LIMITS.slots,
        allow_block_sharing=False,
    )
    draw = torch.Generator().manual_seed(0)
    prompts = [torch.randint(0, 8192, (tokens,), generator=draw).tolist() for tokens in log.prompt_tokens.tolist()]
    greedy = GenerationConfig(do_sample=False, eos_token_id=-1)
    done: dict[str, Any] = {}
    with model.continuous_batching_context_manager(
        generation_config=greedy, continuous_batching_config=config
    ) as manager:
        for tokens in (64, 16):  # what is slow once
            manager.add_request(prompts[0][:tokens], max_new_tokens=4)
            while manager.get_result(timeout=1.0) is None:
                pass
        begin = time.perf_counter()
        for place, (arrival, most) in enumerate(zip(log.arrival_ns.tolist(), log.output_tokens.tolist(), strict=True)):
            time.sleep(max(begin + arrival / 1e9 - time.perf_counter(), 0))
            manager.add_request(prompts[place], str(place), max_new_tokens=most, record_timestamps=True)
        while len(done) < len(log):
            result = manager.get_result(timeout=1.0)
            if result is not None:
                done[result.request_id] = result
    found = [done[str(place)] for place in range(len(log))]
    seconds = [[one.created_time, one.lifespan[0], one.timestamps[0], one.timestamps[-1]] for one in found]
    times: Times = np.round((np.array(seconds).T - seconds[0][0]) * 1e9).astype(np.int64)
    return times


def foretold(costs: SurfaceCosts, log: RequestLog, arrival_ns: NDArray[np.int64]) -> Times:
    """The simulator's times of the same requests, at the arrivals that really were."""
    same = log.taken(np.arange(len(log)), arrival_ns)
    ledger = serve("continuous", same, costs, LIMITS, 1)
    times: Times = np.array([arrival_ns, *(ledger.column(each) for each in ("start", "first_token", "finish"))])
    return times


def rows_of(load: str, rounds: list[Round]) -> list[Row]:
    """What is claimed of one load."""
    errors = [each.e2e_error for each in rounds]
    error = median(errors)
    note = "; ".join(f"{mean_e2e_ms(one.simulated):.0f} ms, measured {mean_e2e_ms(one.real):.0f}" for one in rounds)
    estimate = Estimate(error * 100, min(errors) * 100, max(errors) * 100)
    claimed = load != UNCLAIMED
    holds = abs(error) <= MOST_E2E_ERROR if claimed else None
    rows = [Row(f"{load}: mean e2e", estimate, "%", "15%" if claimed else "", holds, note)]
    longer = median(mean_e2e_ms(one.slower) / mean_e2e_ms(one.simulated) - 1 for one in rounds)
    rows.append(Row(f"{load}: if steps took {LONGER - 1:.0%} longer", Estimate(longer * 100), "%"))
    as_swept = [mean_e2e_ms(one.unscaled) / mean_e2e_ms(one.real) - 1 for one in rounds]
    paces = ", ".join(f"{one.pace:.2f}" for one in rounds)
    told = f"steps took {paces} times as long as in the sweep"
    rows.append(Row(f"{load}: as swept", Estimate(median(as_swept) * 100), "%", note=told))
    for place, phase in enumerate(PHASES):
        ours, real = (median(shares(times)[place] for times in side) for side in zip(*_both(rounds), strict=True))
        off, told = Estimate((ours - real) * 100), f"{ours:.1%}, measured {real:.1%}"
        holds = abs(ours - real) <= MOST_POINTS if claimed else None
        rows.append(Row(f"{load}: {phase} share", off, "points", "10 points" if claimed else "", holds, told))
    return rows


def _both(rounds: list[Round]) -> list[tuple[Times, Times]]:
    return [(one.simulated, one.real) for one in rounds]


def main() -> int:
    """Run and print; the exit code says whether the claims hold."""
    import torch

    from profiler.device.cpu import CpuDevice

    parser = arguments(__doc__)
    parser.add_argument("--mode", default="paged", help="which engine the sweep runs (default: paged)")
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    typed = parser.parse_args()
    torch.set_num_threads(1)
    loaded = load_preset_model(WorkloadSpec(model="tiny", weights="random"), CpuDevice())
    rounds: dict[str, list[Round]] = {load: [] for load in LOADS}
    with TemporaryDirectory() as folder:
        rate = 0.0
        for number in range(typed.rounds):
            with stage(f"round {number + 1}: sweep"):
                surface = swept(typed.mode, Path(folder) / "swept.json")
            rate = rate or carried(SurfaceCosts(surface), typed.requests)
            for load, part in LOADS.items():
                log = drawn(part * rate, typed.requests, seed=number)
                with stage(f"round {number + 1}: {load} load, {part * rate:.1f} requests/s"):
                    before = pace_of(loaded, surface)
                    real = served(loaded.model, log)
                    pace = (before + pace_of(loaded, surface)) / 2
                paces = (pace, 1.0, LONGER * pace)
                ours, unscaled, slower = (foretold(at_pace(surface, each), log, real[0]) for each in paces)
                rounds[load].append(Round(real, ours, unscaled, slower, pace))
                print(f"e2e {rounds[load][-1].e2e_error:+.1%} at a pace of {pace:.2f}", file=sys.stderr)
    rows = [row for load in LOADS for row in rows_of(load, rounds[load])]
    return finish("transformers' continuous batching, foretold", rows, typed.out, {"rate_per_s": rate})


if __name__ == "__main__":
    sys.exit(main())
