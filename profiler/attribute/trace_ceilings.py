"""What the device of a trace can reach: measured, where a report of such a device is at hand, else by its datasheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from profiler.catalogue.datasheet import Datasheet, find_datasheet
from profiler.report.ceilings import Ceilings
from profiler.report.evidence import Peaks

# What devices were measured to reach of their datasheets: an H100 reads at 3.08 of 3.35 TB/s and an H200 at 4.31 of
# 4.8; a bf16 product of 8192^3 runs at 796 of 989 TFLOP/s on the one and at 784 on the other.
READ_EFFICIENCY = 0.9
GEMM_EFFICIENCY = 0.8
# The fixed cost of a kernel on an H100: the period of a graph of a thousand kernels of one element.
KERNEL_US = 1.1
_FORMATS = {"bfloat16": "bfloat16", "float16": "float16", "float32": "float32", "tf32": "tfloat32"}
_SI = {"GB/s": 1e9, "TFLOP/s": 1e12}


class TraceCeilings(Struct, frozen=True):
    """The ceilings of a trace's device; `note` says where they are from, or why there are none, and what gives some.

    `missing` says why the bandwidth of its memory is not known, without which no kernel's limit is; empty where it is.
    """

    device: str | None
    peaks: Peaks
    gemm_flops_per_s: Mapping[str, float | None]
    note: str
    compute_capability: tuple[int, int] | None = None
    missing: str = ""


def ceilings_of(
    properties: Sequence[Mapping[str, Any]],
    device: int | None = None,
    measured: Ceilings | None = None,
    named: Datasheet | None = None,
) -> TraceCeilings:
    """The ceilings of device number `device` of a trace, by the properties that the trace has of its devices.

    `named` is what the user says that it is, and counts where the trace's own name for it has no datasheet. `measured`
    are those of a report, and count if they are of a device of this name.
    """
    mine, name = _of_device(properties, device), device_name(properties, device, named)
    sheet = (find_datasheet(name) if name is not None else None) or named
    if measured is not None and (name is None or _is_same(name, measured.device)):
        return _ceilings(name or measured.device, mine, sheet or find_datasheet(measured.device), measured)
    found = _ceilings(name, mine, sheet, None)
    notes = [found.note]
    if named is not None:
        notes.append("the device is as named by --device" if sheet is named else f"--device {named.name} is not used")
    if measured is not None:
        notes.append(f"the ceilings that were given are of {measured.device}: not used")
    return replace(found, note="; ".join(notes))


def device_name(
    properties: Sequence[Mapping[str, Any]], device: int | None = None, named: Datasheet | None = None
) -> str | None:
    """The name of device number `device` of a trace, else that of the one that the user `named`, or None."""
    name = _of_device(properties, device).get("name")
    return name if isinstance(name, str) and name else named.name if named is not None else None


def _of_device(properties: Sequence[Mapping[str, Any]], device: int | None) -> Mapping[str, Any]:
    return next((each for each in properties if each.get("id") == device), properties[0] if properties else {})


def _ceilings(
    name: str | None, properties: Mapping[str, Any], sheet: Datasheet | None, measured: Ceilings | None
) -> TraceCeilings:
    values: dict[str, float | None] = {}
    missing = ""
    if measured is not None:
        values = {c.name: c.value * _SI.get(c.unit, 1.0) for c in measured.ceilings if c.value is not None}
        note = f"ceilings as measured on {measured.device}"
        if values.get("read") is None:
            missing = f"the bandwidth of {measured.device} was not measured"
    elif sheet is not None:
        values = {"read": sheet.memory_bandwidth_bytes_per_s * READ_EFFICIENCY, "kernel": KERNEL_US}
        for ours, theirs in _FORMATS.items():
            peak = sheet.flops_per_s.get(theirs)
            values[f"gemm.{ours}"] = peak * GEMM_EFFICIENCY if peak else None
        reached = f"{READ_EFFICIENCY:.0%} (memory) and {GEMM_EFFICIENCY:.0%} (GEMM)"
        note = f"ceilings are {reached} of the datasheet of {sheet.name}, as on devices that were measured"
    else:
        missing = f"there is no datasheet of {name}" if name else "the trace does not name its device"
        note = (
            f"{missing}: what limits its kernels is not known (--device names it, "
            "--ceilings takes a report of such a device)"
        )
    major, minor = _number(properties, "computeMajor"), _number(properties, "computeMinor")
    return TraceCeilings(
        device=name,
        peaks=Peaks(
            dram_bytes_per_s=values.get("read"),
            kernel_us=values.get("kernel") or KERNEL_US,
            sm_count=_number(properties, "numSms") or (sheet.sm_count if sheet else None),
            l2_bytes=sheet.l2_bytes if sheet else None,
            threads_per_sm=_number(properties, "maxThreadsPerMultiprocessor"),
            registers_per_sm=_number(properties, "regsPerMultiprocessor"),
            shared_bytes_per_sm=_number(properties, "maxSharedMemoryPerMultiProcessor")
            or _number(properties, "sharedMemPerMultiprocessor"),
        ),
        gemm_flops_per_s={key: value for key, value in values.items() if key.startswith("gemm.")},
        note=note,
        compute_capability=(major, minor) if major is not None and minor is not None else None,
        missing=missing,
    )


def _is_same(name: str, measured: str) -> bool:
    sheet = find_datasheet(name)
    return name == measured or (sheet is not None and sheet is find_datasheet(measured))


def _number(properties: Mapping[str, Any], key: str) -> int | None:
    value = properties.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
