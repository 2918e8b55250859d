"""How fast another device is, resource by resource, from two datasheets and what was measured on one of the two.

What a device reaches of its maker's number (its efficiency) is taken to be the same on both. So an expected ceiling is
the other datasheet times the measured efficiency, and its factor the ratio of the two datasheets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from profiler.catalogue.datasheet import Datasheet
from profiler.numerals import three_digits
from profiler.report.ceilings import Ceiling
from profiler.report.vocabulary import Resource, Tier
from profiler.report.whatif import SpeedChange

# In this order, where a datasheet has no peak for the number format that ran.
_FORMATS = ("bfloat16", "float16", "float32")


class DeviceSpeeds(Struct, frozen=True):
    """What changes on the other device, and what makes that doubtful, in sentences."""

    changes: list[SpeedChange]
    doubts: list[str]


class _Factor(Struct, frozen=True):
    resource: Resource
    factor: float
    note: str
    ceiling: str | None = None
    doubt: str | None = None


def device_speeds(
    source: Datasheet,
    target: Datasheet,
    *,
    dtype: str | None = None,
    ceilings: Sequence[Ceiling] = (),
    pageable: bool = False,
    needed_bytes: float | None = None,
) -> DeviceSpeeds:
    """The speeds of `target` over those of `source`, the device of the report, with its measured `ceilings`.

    `dtype` is the number format that ran, `pageable` says whether memory that is not pinned was copied, and
    `needed_bytes` what must fit into the device's memory.
    """
    memory = (target.memory_bandwidth_bytes_per_s / 1e9, source.memory_bandwidth_bytes_per_s / 1e9)
    clock = _clock_ratio(source, target)
    same_clock = None
    if clock is None:
        silent = " and ".join(sheet.name for sheet in (source, target) if not sheet.boost_clock_hz)
        same_clock = f"no clock is stated for {silent}: the same clock was taken"
    processors = target.sm_count / source.sm_count
    measured = {ceiling.name: ceiling for ceiling in ceilings}
    factors = [
        _Factor(Resource.DRAM, memory[0] / memory[1], _over(*memory, "GB/s"), "read"),
        _tensor(source, target, dtype),
        _Factor(
            Resource.ISSUE,
            processors * (clock or 1.0),
            f"{target.sm_count} over {source.sm_count} multiprocessors, times the clocks",
        ),
        _link(source, target, measured, pageable=pageable),
        _Factor(Resource.LATENCY, clock or 1.0, "as the clocks", "kernel", same_clock),
        _Factor(Resource.HOST, 1.0, "the same host"),
    ]
    doubts = [factor.doubt for factor in factors if factor.doubt is not None]
    return DeviceSpeeds(
        [_change(factor, measured.get(factor.ceiling or "")) for factor in factors],
        [*_differences(source, target, needed_bytes), *doubts],
    )


def _change(factor: _Factor, ceiling: Ceiling | None) -> SpeedChange:
    """With the ceiling that was measured, and what it is expected to be: costs in microseconds fall, rates rise."""
    value = ceiling.value if ceiling is not None else None
    change = factor.factor if ceiling is None or ceiling.unit != "us" else 1 / factor.factor
    return SpeedChange(
        resource=factor.resource,
        factor=factor.factor,
        tier=Tier.DATASHEET,
        ceiling=ceiling.name if ceiling is not None else None,
        unit=ceiling.unit if ceiling is not None else None,
        measured=value,
        expected=None if value is None else value * change,
        note=factor.note,
    )


def _tensor(source: Datasheet, target: Datasheet, dtype: str | None) -> _Factor:
    wanted = dtype if dtype in _FORMATS else _FORMATS[0]
    shared = [name for name in (wanted, *_FORMATS) if _peak(source, name) and _peak(target, name)]
    if not shared:
        return _Factor(
            Resource.TENSOR,
            1.0,
            "not known",
            doubt="the datasheets share no number format: the speed of the matrix units was left as it is",
        )
    taken, doubt = shared[0], None
    if dtype not in _FORMATS:
        doubt = f"the report does not say which number format ran: {taken} was taken"
    elif taken != wanted:
        lacking = source if _peak(target, wanted) else target
        doubt = f"no speed in {wanted} is stated for {lacking.name}: that in {taken} was taken"
    peaks = (_peak(target, taken) / 1e12, _peak(source, taken) / 1e12)
    return _Factor(
        Resource.TENSOR, peaks[0] / peaks[1], f"{_over(*peaks, 'TFLOP/s')} in {taken}", f"gemm.{taken}", doubt
    )


def _link(source: Datasheet, target: Datasheet, measured: Mapping[str, Ceiling], *, pageable: bool) -> _Factor:
    ratio = target.host_link_bytes_per_s / source.host_link_bytes_per_s
    note = f"{target.host_link} over {source.host_link}"
    if not pageable:
        return _Factor(Resource.PCIE, ratio, note, "h2d.pinned")
    # The host copies them into a pinned buffer first, while the link carries the piece before: whichever is slower
    # counts. A slower link does so from where it carries less than the host was measured to stage.
    doubt = "copies of pageable memory wait for the host: a faster link was taken not to help" if ratio > 1 else None
    factor = min(ratio * _room_over_staging(measured), 1.0) if ratio < 1 else 1.0
    return _Factor(Resource.PCIE, factor, note, "h2d.pageable", doubt)


def _room_over_staging(measured: Mapping[str, Ceiling]) -> float:
    """What the link carries over what the host stages for it; 1 where that was not measured."""
    pinned, pageable = (measured.get(f"h2d.{memory}") for memory in ("pinned", "pageable"))
    if pinned is None or pageable is None or not pinned.value or not pageable.value:
        return 1.0
    return max(pinned.value / pageable.value, 1.0)


def _clock_ratio(source: Datasheet, target: Datasheet) -> float | None:
    if not source.boost_clock_hz or not target.boost_clock_hz:
        return None
    return target.boost_clock_hz / source.boost_clock_hz


def _differences(source: Datasheet, target: Datasheet, needed_bytes: float | None) -> list[str]:
    """What differs and is not modelled."""
    if source is target:
        return [f"{target.name} is the device of the report: nothing changes"]
    found = []
    if needed_bytes is not None and needed_bytes > target.memory_bytes:
        found.append(
            f"weights and KV cache take {three_digits(needed_bytes / 1e9)} GB and will not fit into the "
            f"{three_digits(target.memory_bytes / 1e9)} GB of {target.name}"
        )
    if source.architecture != target.architecture:
        found.append(
            f"{target.name} is another architecture ({target.architecture}, not {source.architecture}): libraries "
            "would run other kernels there, and the same ones are predicted"
        )
    if source.sm_count != target.sm_count:
        found.append(
            f"{target.name} has {target.sm_count} multiprocessors, not {source.sm_count}: that grids fill them better "
            "or worse is not modelled"
        )
    if source.l2_bytes and target.l2_bytes and source.l2_bytes != target.l2_bytes:
        found.append(
            f"{target.name} has {target.l2_bytes / 2**20:.0f} MiB of L2, not {source.l2_bytes / 2**20:.0f}: what the "
            "cache keeps from memory is taken to be the same"
        )
    return found


def _over(there: float, here: float, unit: str) -> str:
    return f"{there:,.0f} over {here:,.0f} {unit}"


def _peak(sheet: Datasheet, number_format: str) -> int:
    return sheet.flops_per_s.get(number_format) or 0
