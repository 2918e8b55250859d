"""What `bottleneck simulate` is given: requests from somewhere, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from profiler.errors import UsageError
from profiler.progress import Progress
from profiler.serving.fit import MeasuredLog, fitted_costs, read_measured
from profiler.serving.generated import Lengths, generated_requests, inline_requests, is_inline, like_inline
from profiler.serving.log import RequestLog
from profiler.serving.policies.policy import Limits
from profiler.serving.request_file import STDIN, read_requests, shortened
from profiler.serving.text_lines import MAX_BYTES
from profiler.session.simulate import (
    Basis,
    FittedTo,
    check_server,
    constant_basis,
    report_basis,
    surface_basis,
    that_fit,
)

# The shape of the gamma distribution of the gaps between arrivals.
PROCESSES = {"poisson": 1.0, "bursty": 0.25}
_SPEEDS = "--prefill-tokens-per-s 20000 --decode-tokens-per-s 50, or --costs with a report of `profile --sweep`"
_REQUESTS = "a log, - for stdin, PROMPT:OUTPUT,... such as 500:100,1000:300, or poisson"
_LEAST_ALIKE = 0.7


@dataclass(frozen=True, slots=True)
class Generator:
    """What to draw where no log is named. `rate_per_s` is None where nobody asked for one.

    Of a log the first `number` are taken, and all where that is None.
    """

    rate_per_s: float | None
    number: int | None
    prompt_tokens: str
    output_tokens: str
    seed: int

    def drawn(self, process: str, rate_per_s: float) -> RequestLog:
        """The requests of one of the `PROCESSES` at that rate. Raises `UsageError` for lengths that cannot be meant."""
        assert self.number is not None  # of a log alone that may be
        return generated_requests(
            rate_per_s,
            self.number,
            Lengths.parsed(self.prompt_tokens),
            Lengths.parsed(self.output_tokens),
            burstiness=PROCESSES[process],
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True)
class CostSource:
    """Where costs come from: constant speeds, a report, or the log itself, fitted to so many requests."""

    prefill_tokens_per_s: float | None = None
    decode_tokens_per_s: float | None = None
    report: Path | None = None
    fit: int | None = None
    weight_bytes: int | None = None

    def check(self) -> None:
        """Raises `UsageError` unless one of them is given, and wholly."""
        speeds = (self.prefill_tokens_per_s, self.decode_tokens_per_s)
        given = [any(speed is not None for speed in speeds), self.report is not None, self.fit is not None]
        if not any(given):
            raise UsageError("nothing says what a request costs", _SPEEDS)
        if sum(given) > 1:
            raise UsageError("costs come from one place: constant speeds, --costs or --fit", "one of them alone")
        if given[0] and None in speeds:
            raise UsageError("a request is prefilled and decoded: both speeds are needed", _SPEEDS)


def read_inputs(
    requests: str,
    generator: Generator,
    source: CostSource,
    policies: Sequence[str],
    limits: Limits,
    replicas: int,
    progress: Progress,
    max_bytes: int = MAX_BYTES,
) -> tuple[RequestLog, Basis]:
    """The log and its costs.

    Raises `UsageError` for what cannot be meant, before anything is read where that can be, and `UnreadableError` for
    files that hold something else.
    """
    source.check()
    check_server(policies, limits)
    if source.fit is not None:
        path = _fitted_to(requests, generator)
        progress.stage("read the requests")
        measured = read_measured(path, max_bytes)
        if generator.number is not None:
            measured = measured.first(generator.number)
        that_fit(measured.log, limits)
        return measured.log, _fitted(measured, source, source.fit, limits, replicas, progress)
    basis = _basis(source)
    progress.stage("read the requests")
    return _log(requests, generator, max_bytes), basis


def log_file(requests: str) -> Path | None:
    """The file that `requests` names, or `STDIN`; None where nothing of that name is there, or no file is meant."""
    if requests == str(STDIN):
        return STDIN
    if not requests or requests in PROCESSES or is_inline(requests):
        return None
    path = Path(requests)
    try:
        return path if path.exists() else None
    except OSError:  # longer than any name
        return None


def check_meant(requests: str) -> None:
    """Raises `UsageError` for what is neither a process, nor requests that are typed, nor a file that is there."""
    if requests in PROCESSES or log_file(requests) is not None:
        return
    if like_inline(requests):
        inline_requests(requests)
        return
    near = get_close_matches(requests.lower(), PROCESSES, n=1, cutoff=_LEAST_ALIKE)
    meant = f": did you mean {near[0]}?" if near else ""
    raise UsageError(f"there is no file {shortened(requests)}{meant}", _REQUESTS)


def _log(requests: str, generator: Generator, max_bytes: int) -> RequestLog:
    if requests in PROCESSES:
        if generator.rate_per_s is None:
            raise UsageError(f"{requests} requests come at a rate", f"bottleneck simulate {requests} --rate 8")
        return generator.drawn(requests, generator.rate_per_s)
    if generator.rate_per_s is not None:
        check_meant(requests)
        raise _has_its_own_arrivals(requests)
    return logged(requests, generator.number, max_bytes)


def logged(requests: str, number: int | None, max_bytes: int) -> RequestLog:
    """The first `number` requests of a log, or of what was typed; all where that is None.

    Raises as `check_meant` does, and `UnreadableError` for a file that holds something else, or more text than that.
    """
    check_meant(requests)
    path = log_file(requests)
    log = inline_requests(requests) if path is None else read_requests(path, max_bytes)
    return log if number is None else log.first(number)


def _fitted_to(requests: str, generator: Generator) -> Path:
    path = log_file(requests)
    if path is None:
        raise UsageError(
            f"there is no file {shortened(requests)} to fit costs to",
            "--fit with a log whose server wrote down its times",
        )
    if path == STDIN:
        raise UsageError("a log to fit costs to is read twice, and stdin can be read once", "a file instead of -")
    if generator.rate_per_s is not None:
        raise _has_its_own_arrivals(requests)
    return path


def _has_its_own_arrivals(requests: str) -> UsageError:
    return UsageError(f"{shortened(requests)} has its own arrivals: --rate is for poisson and bursty", "without --rate")


def _basis(source: CostSource) -> Basis:
    if source.report is not None:
        return report_basis(source.report, source.weight_bytes)
    assert source.prefill_tokens_per_s is not None  # checked before
    assert source.decode_tokens_per_s is not None
    return constant_basis(source.prefill_tokens_per_s, source.decode_tokens_per_s, source.weight_bytes)


def _fitted(
    measured: MeasuredLog, source: CostSource, number: int, limits: Limits, replicas: int, progress: Progress
) -> Basis:
    progress.stage(f"fit costs to the first {number} requests")
    surface = fitted_costs(measured, number, limits, replicas)
    basis = surface_basis(surface, "fitted", source.weight_bytes)
    return replace(basis, fitted_to=FittedTo(measured, number))
