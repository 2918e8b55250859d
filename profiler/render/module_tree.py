"""Which layers cost what: the modules of a model, equal layers taken together, each without its children."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from profiler.report.records import ModuleCost

_LAYER_NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)|^\d+(?=\.|$)")


class LayerGroup(Struct, frozen=True):
    """Modules that differ only in their layer's number.

    `rest` marks a module whose children are listed too: its numbers are what its children do not explain.
    """

    name: str
    layers: int
    device_ms: float
    fraction: float
    rest: bool


def grouped_modules(modules: Sequence[ModuleCost]) -> list[LayerGroup]:
    """Exclusive costs by group, largest first; they sum to the outermost modules' cost."""
    layers: dict[str, int] = {}
    inclusive_ms: dict[str, float] = {}
    inclusive_fraction: dict[str, float] = {}
    for module in modules:
        name = _LAYER_NUMBER.sub("*", module.module)
        layers[name] = layers.get(name, 0) + 1
        inclusive_ms[name] = inclusive_ms.get(name, 0.0) + module.device_ms
        inclusive_fraction[name] = inclusive_fraction.get(name, 0.0) + module.fraction
    own_ms, own_fraction, parents = dict(inclusive_ms), dict(inclusive_fraction), set()
    for name in layers:
        parent = _parent(name, layers)
        if parent is not None:
            parents.add(parent)
            own_ms[parent] -= inclusive_ms[name]
            own_fraction[parent] -= inclusive_fraction[name]
    groups = [
        LayerGroup(name, number, own_ms[name], own_fraction[name], name in parents) for name, number in layers.items()
    ]
    return sorted(groups, key=lambda group: -group.device_ms)


def _parent(name: str, known: dict[str, int]) -> str | None:
    """The innermost known module around this one; the model itself has the empty name."""
    if not name:
        return None
    prefix = name
    while prefix:
        prefix = prefix.rpartition(".")[0]
        if prefix in known:
            return prefix
    return None
