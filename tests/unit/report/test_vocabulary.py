"""Classes, causes and resources belong together."""

from __future__ import annotations

from profiler.report.vocabulary import BottleneckClass, Cause, Resource


def test_the_first_half_of_a_cause_is_its_class() -> None:
    for cause in Cause:
        assert cause.value.startswith(f"{cause.bottleneck_class.value}.")


def test_every_resource_has_a_class_and_every_class_a_resource() -> None:
    assert {resource.bottleneck_class for resource in Resource} == set(BottleneckClass)
    assert Resource.HOST.bottleneck_class is BottleneckClass.SCHEDULING
    assert Resource.DRAM.bottleneck_class is BottleneckClass.MEMORY
