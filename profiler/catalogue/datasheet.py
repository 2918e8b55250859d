"""What the makers of devices say about them."""

from __future__ import annotations

import re
from functools import cache

import msgspec
from msgspec import Struct

from profiler.catalogue.configs import configs_folder

# How a card is built in, as the names of datasheets say it.
_FORMS = {"sxm", "pcie", "nvl"}


class Datasheet(Struct, frozen=True):
    """One device by its maker's numbers, never measured ones; `None` where the source does not say.

    `flops_per_s` are dense peaks by operand type, accumulated in float32 (int32 for `int8`), with matrix units where
    there are any. Memory and caches are in binary units as makers mean them: an 80 GB card has 80 * 2^30 bytes,
    of which the driver keeps some. Links are one way: `host_link` after its line coding, `nvlink` all links
    together. `boost_clock_hz` is the highest; a tensor peak may assume a lower one, which `note` then says.
    `architecture` is what kernels are compiled for, as the compiler spells it.
    """

    name: str
    device_names: tuple[str, ...]  # as NVML and torch spell it
    source: str
    note: str | None
    architecture: str
    memory_bytes: int
    memory_bandwidth_bytes_per_s: int
    flops_per_s: dict[str, int | None]
    sm_count: int
    boost_clock_hz: int | None
    l2_bytes: int | None
    host_link: str
    host_link_bytes_per_s: int
    nvlink_bytes_per_s: int | None


def find_datasheet(device_name: str) -> Datasheet | None:
    """Datasheet of a device by the name that NVML or torch gives it, or by its file's name such as `h100-sxm`.

    Names must agree in every word but the maker's: a MIG slice or a variant with other memory is another device,
    for which None is better than a wrong peak.
    """
    return _datasheets_by_words().get(_words(device_name))


def datasheet_names() -> list[str]:
    """Short names of all datasheets, sorted."""
    return sorted(path.stem for path in (configs_folder() / "devices").glob("*.json"))


def find_variant(name: str, beside: str) -> Datasheet | None:
    """Of the variants that `name` leaves open, such as those of `h100`, the one built like the device `beside`.

    A name with fewer words stands for several forms of a card (SXM, PCIe, NVL). None where not exactly one is alike.
    """
    wanted, own = _words(name), find_datasheet(beside)
    form = next((_FORMS & set(_words(stem)) for stem in datasheet_names() if find_datasheet(stem) is own), set())
    alike = [
        stem
        for stem in datasheet_names()
        if wanted[:1] == _words(stem)[:1] and form and {*wanted, *form} <= set(_words(stem))
    ]
    return find_datasheet(alike[0]) if len(alike) == 1 else None


def similar_names(name: str) -> list[str]:
    """Short names that `name` could mean: those with its words, such as `a100`, else those spelt almost like it."""
    wanted, names = set(_words(name)), datasheet_names()
    having = [stem for stem in names if wanted and wanted <= set(_words(stem))]
    from difflib import get_close_matches  # takes a millisecond to import, and few names are wrong

    return having or get_close_matches("-".join(_words(name)), names, n=4, cutoff=0.5)


@cache
def _datasheets_by_words() -> dict[tuple[str, ...], Datasheet]:
    found = {}
    for stem in datasheet_names():
        datasheet = msgspec.json.decode((configs_folder() / "devices" / f"{stem}.json").read_bytes(), type=Datasheet)
        for name in (stem, datasheet.name, *datasheet.device_names):
            found[_words(name)] = datasheet
    return found


def _words(name: str) -> tuple[str, ...]:
    makers_words = {"nvidia", "tesla", "geforce", "amd", "instinct"}
    return tuple(word for word in re.findall(r"[a-z0-9]+", name.lower()) if word not in makers_words)
