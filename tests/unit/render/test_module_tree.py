"""Which layers cost what."""

from __future__ import annotations

import pytest

from profiler.render.module_tree import grouped_modules
from profiler.report.records import ModuleCost
from tests.unit.render import sample


def cost(module: str, ms: float) -> ModuleCost:
    return ModuleCost(module=module, calls=1, device_ms=ms, fraction=ms / 10)


def test_equal_layers_are_taken_together() -> None:
    groups = {group.name: group for group in grouped_modules(sample.modules(8.1))}
    down = groups["model.layers.*.mlp.down_proj"]
    assert down.layers == 32
    assert down.device_ms == pytest.approx(32 * 0.0493)
    assert not down.rest


def test_a_module_with_children_is_charged_what_they_do_not_explain() -> None:
    groups = {group.name: group for group in grouped_modules([cost("a", 5.0), cost("a.b", 3.0), cost("a.b.c", 1.0)])}
    assert groups["a"].device_ms == pytest.approx(2.0)
    assert groups["a"].rest
    assert groups["a.b"].device_ms == pytest.approx(2.0)
    assert groups["a.b.c"].device_ms == 1.0


def test_the_groups_sum_to_the_whole_model() -> None:
    modules = sample.modules(8.1)
    outermost = sum(module.device_ms for module in modules if "." not in module.module)
    assert sum(group.device_ms for group in grouped_modules(modules)) == pytest.approx(outermost)


def test_a_name_that_only_begins_alike_is_no_child() -> None:
    groups = {group.name: group for group in grouped_modules([cost("model", 5.0), cost("model_head", 3.0)])}
    assert groups["model"].device_ms == 5.0


def test_numbers_inside_names_are_no_layers() -> None:
    names = [group.name for group in grouped_modules([cost("block1.conv2d", 1.0), cost("0.linear", 0.5)])]
    assert names == ["block1.conv2d", "*.linear"]
