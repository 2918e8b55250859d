"""`bottleneck endpoint`: a live server looked at, driven, and judged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from profiler.endpoint.address import Address
from profiler.endpoint.baseline import Unloaded
from profiler.endpoint.client import Client, needed_aiohttp
from profiler.endpoint.engine_profiler import EngineProfiler
from profiler.endpoint.exchange import Exchange, ended_well
from profiler.endpoint.knee import Step, default_slo, search
from profiler.endpoint.load import Driver, Sent
from profiler.endpoint.metrics import Gauges, server_times
from profiler.endpoint.outcome import Latencies, keeps
from profiler.endpoint.preflight import alone, look, supported_apis
from profiler.endpoint.scrape import Scraper
from profiler.endpoint.split import split_of, summed
from profiler.endpoint.watch import Watch
from profiler.errors import FailedError, InterruptedByUser
from profiler.progress import Progress, SilentProgress
from profiler.report.endpoint import ClientHealth, Endpoint, ServerTimes
from profiler.report.records import Report
from profiler.serving.log import RequestLog
from profiler.serving.outcome import Slo
from profiler.session.endpoint_gpu import GpuSampling, gpu_sampling
from profiler.session.endpoint_record import Driven, answer
from profiler.session.endpoint_trace import TraceStretch, engine_trace, traced_stretch

_NS_PER_S = 10**9
_FEWEST_IN_A_STEP = 20
# After Ctrl-C: who stops a run does not wait long for the server's own numbers.
_LAST_LOOK_S = 2.0
_TOO_LONG = "longer than the server's context"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do. Closed loop where `concurrency` is given; `step_s` is how long each rate of the knee is held.

    `log` has the requests with their arrivals; the knee takes theirs at other rates. `key` never leaves the client.
    `costs` is a report of the model. With `gpu` the GPUs of this machine are sampled under the load; `trace_folder` is
    where the engine's own profiler writes, which is then started beside the same load once more.
    """

    url: str
    log: RequestLog
    log_name: str
    api: str | None = None
    model: str | None = None
    key: str | None = field(default=None, repr=False)
    concurrency: int | None = None
    most_at_once: int | None = None
    slo: Slo = field(default_factory=Slo)
    seed: int = 0
    baseline: int = 8
    timeout_s: float = 600.0
    knee: bool = False
    step_s: float = 10.0
    most_listed: int = 10_000
    costs: Report | None = None
    gpu: bool = False
    trace_folder: Path | None = None


def drive_endpoint(
    plan: Plan,
    progress: Progress | None = None,
    gpus: Callable[[Address, ExitStack], GpuSampling] = gpu_sampling,
) -> Endpoint:
    """Look at the server, load it, judge. `gpus` starts what samples GPUs, where the plan asks for that.

    Raises `UsageError`, `FailedError` or `UnsupportedError` before anything is measured, and `InterruptedByUser` with
    what was measured before a Ctrl-C.
    """
    needed_aiohttp()
    address = Address.parsed(plan.url)
    progress = progress or SilentProgress()
    with ExitStack() as kept:
        sampling = gpus(address, kept) if plan.gpu else None
        run = _Run(replace(plan, api=address.api or plan.api), address, progress, sampling)
        try:
            asyncio.run(run.whole())
            if run.driven is not None and run.driven.stretch is not None:
                progress.stage("analyze the engine's trace")
                run.driven.trace = engine_trace(run.driven.stretch, plan.costs.ceilings if plan.costs else None)
        except (KeyboardInterrupt, InterruptedByUser) as interrupt:
            driven = run.driven
            measured = driven is not None and (driven.sent.exchanges or driven.steps)
            partial = answer(driven, complete=False) if driven is not None and measured else None
            raise InterruptedByUser(partial=partial) from interrupt
    assert run.driven is not None
    return answer(run.driven, complete=not run.driven.sent.stopped)


class _Run:
    """One run; `driven` holds what there is so far."""

    def __init__(self, plan: Plan, address: Address, progress: Progress, sampling: GpuSampling | None) -> None:
        self._plan, self._address, self._progress, self._sampling = plan, address, progress, sampling
        self.driven: Driven | None = None

    async def whole(self) -> None:
        plan = self._plan
        async with Client(self._address, key=plan.key, timeout_s=plan.timeout_s) as client:
            self._progress.stage(f"ask {self._address.root}")
            found = await look(client, plan.model, supported_apis(plan.api))
            log = _within_context(plan.log, found.context_tokens)
            scraper = Scraper(client)
            await scraper.snapshot()
            self._progress.stage("one request at a time", total=plan.baseline)
            lengths = np.quantile(log.prompt_tokens, np.linspace(0, 1, plan.baseline)).round().astype(int).tolist()
            idle, unloaded = await alone(
                client,
                lengths,
                lambda request, tokens: found.tokeniser.prompt(request, tokens, plan.seed),
                found.round_trip_ns,
                self._progress.advance,
            )
            self.driven = Driven(
                plan=plan, log=log, client=client, found=found, idle=idle, unloaded=unloaded, sampling=self._sampling
            )
            if plan.knee:
                await self._knee(client, scraper, self.driven)
            else:
                self._progress.stage("load", total=len(log))
                await self._load(client, scraper, self.driven, log)
                if plan.trace_folder is not None and not self.driven.sent.stopped:
                    await self._trace(client, self.driven, plan.trace_folder)

    async def _load(
        self, client: Client, scraper: Scraper, driven: Driven, log: RequestLog, rate_per_s: float | None = None
    ) -> None:
        """One load, at this rate of a knee. What it came to stands in `driven` also where it is cut short."""
        before, after = await scraper.snapshot(), None
        driven.begin(rate_per_s)
        gauges = Gauges()
        try:
            async with self._watched(client, scraper, driven, gauges):
                await self._sent(self._driver(client, driven, len(log), self._progress.advance), driven.sent, log)
            if before is not None:
                after = await scraper.settled(before, len(ended_well(driven.sent.exchanges)))
        except asyncio.CancelledError:
            after = await scraper.snapshot(_LAST_LOOK_S)
            raise
        finally:
            if scraper.engine is not None and before is not None and after is not None:
                driven.server = server_times(scraper.engine, before, after, gauges)
            elif scraper.engine is not None:
                driven.server_missing = "/metrics could not be read when the load began, or when it ended"

    @asynccontextmanager
    async def _watched(self, client: Client, scraper: Scraper, driven: Driven, gauges: Gauges) -> AsyncIterator[None]:
        """Within, the client, the server's gauges and the GPUs are sampled."""
        driven.watch = Watch(client.now_ns)
        beside = [asyncio.create_task(driven.watch.run()), asyncio.create_task(scraper.sample(gauges))]
        if self._sampling is not None:
            self._sampling.begin()
        try:
            yield
        finally:
            driven.sent.end_ns = driven.sent.end_ns or client.now_ns()
            for task in beside:
                task.cancel()
            if self._sampling is not None:
                self._sampling.end()
            await asyncio.gather(*beside, return_exceptions=True)

    def _driver(self, client: Client, driven: Driven, prompts: int, done: Callable[[], None]) -> Driver:
        """Sends so many prompts that no load before had, so that no prefix cache helps."""
        found, offset, seed = driven.found, driven.prompts, self._plan.seed
        driven.prompts += prompts

        async def send(exchange: Exchange) -> None:
            prompt = found.tokeniser.prompt(offset + exchange.request, exchange.prompt_tokens, seed)
            await client.stream(exchange, prompt)

        return Driver(send, client.now_ns, done)

    async def _sent(self, driver: Driver, sent: Sent, log: RequestLog) -> None:
        plan = self._plan
        if plan.concurrency is not None and not plan.knee:
            await driver.closed_loop(log, sent, plan.concurrency)
        else:
            await driver.open_loop(log, sent, plan.most_at_once)

    async def _trace(self, client: Client, driven: Driven, folder: Path) -> None:
        """The same load once more, for a stretch of it under the engine's profiler."""
        self._progress.stage("the same load under the engine's profiler")
        driven.stretch = TraceStretch(folder)

        async def load() -> None:
            sent = Sent()
            await self._sent(self._driver(client, driven, len(driven.log), lambda: None), sent, driven.log)
            if sent.stopped:
                await asyncio.Future()  # a server that only fails is not asked for ever

        latencies = Latencies.of(ended_well(driven.sent.exchanges))
        request_s = latencies.e2e_ms.mean / 1e3 if latencies.e2e_ms is not None else 0.0
        await traced_stretch(driven.stretch, EngineProfiler(client, folder), load, request_s, client.now_ns)

    async def _knee(self, client: Client, scraper: Scraper, driven: Driven) -> None:
        plan, idle = self._plan, Latencies.of(driven.idle)
        if idle.ttft_ms is None or idle.e2e_ms is None:
            raise FailedError("nothing is known of the idle server")
        pace = idle.tpot_ms.p50 if idle.tpot_ms is not None else None
        driven.knee_slo = default_slo(idle.ttft_ms.p50, pace) if plan.slo.empty else plan.slo
        driven.idle_tpot_ms = pace

        async def measure(rate_per_s: float) -> Step:
            log = at_rate(plan_log, rate_per_s, max(round(rate_per_s * plan.step_s), _FEWEST_IN_A_STEP))
            self._progress.stage(f"{rate_per_s:.3g} requests/s", total=len(log))
            await self._load(client, scraper, driven, log, rate_per_s)
            return _step(rate_per_s, driven.sent, driven.server, driven.health(), driven.unloaded, driven.knee_slo)

        plan_log = driven.log
        span_s = int(plan_log.arrival_ns[-1]) / _NS_PER_S
        begin = (len(plan_log) - 1) / span_s if span_s > 0 else 1.0
        await search(begin, measure, driven.steps)


def at_rate(log: RequestLog, rate_per_s: float, number: int) -> RequestLog:
    """So many requests of a log, from its begin and again, at another mean rate.

    Arrivals keep their pattern; where all came at once, they are spaced evenly.
    """
    places = np.arange(number) % len(log)
    gaps = np.diff(log.arrival_ns, prepend=0).astype(np.float64)
    if len(log) < 2 or not log.arrival_ns[-1]:
        gaps = np.ones(len(log))
    gaps[0] = float(gaps[1:].mean()) if len(log) > 1 else 1.0
    drawn = gaps[places]
    drawn[0] = 0.0
    arrival = np.cumsum(drawn)
    scale = (number - 1) / rate_per_s * _NS_PER_S / max(float(arrival[-1]), 1.0)
    return replace(log.taken(places, np.rint(arrival * scale).astype(np.int64)), findings=log.findings)


def _step(
    rate_per_s: float,
    sent: Sent,
    server: ServerTimes | None,
    health: ClientHealth,
    unloaded: Unloaded,
    slo: Slo,
) -> Step:
    well = ended_well(sent.exchanges)
    latencies = Latencies.of(well)
    _, times = summed(well, [split_of(each, unloaded) for each in well], server)
    whole = sum(times.values())
    return Step(
        rate_per_s=rate_per_s,
        requests=len(sent.exchanges),
        kept=sum(keeps(each, slo) for each in well),
        well=len(well),
        seconds=(sent.end_ns - sent.begin_ns) / _NS_PER_S,
        ttft_p99_ms=latencies.ttft_ms.p99 if latencies.ttft_ms else None,
        tpot_p50_ms=latencies.tpot_ms.p50 if latencies.tpot_ms else None,
        server=server,
        client=health,
        parts={name: ns / whole for name, ns in times.items()} if whole > 0 else {},
    )


def _within_context(log: RequestLog, context_tokens: int | None) -> RequestLog:
    """Without those that the server would refuse, the first of the rest at 0. Raises `FailedError` where all are."""
    if context_tokens is None:
        return log
    fits = log.prompt_tokens + log.output_tokens <= context_tokens
    if fits.all():
        return log
    if not fits.any():
        raise FailedError(
            f"no request fits into the server's context of {context_tokens:,} tokens",
            "--prompt-tokens and --output-tokens",
        )
    places = np.flatnonzero(fits)
    kept = log.taken(places, log.arrival_ns[places] - log.arrival_ns[places[0]])
    return replace(kept, findings=log.findings | {_TOO_LONG: len(log) - len(places)})
