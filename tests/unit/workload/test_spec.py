from __future__ import annotations

from typing import Any

import pytest
import torch

from profiler.errors import UnsupportedError, UsageError
from profiler.workload.spec import WorkloadSpec


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"batch_size": 0}, "--batch-size 0"),
        ({"batch_size": -3}, "--batch-size -3"),
        ({"prompt_tokens": 0}, "--prompt-tokens 0"),
        ({"new_tokens": -1}, "--new-tokens -1"),
        ({"new_tokens": 1}, "no decode step"),
        ({"seed": -1}, "--seed -1"),
        ({"dtype": "int8"}, "--dtype int8"),
        ({"mode": "fast"}, "--mode fast"),
        ({"weights": "some"}, "--weights some"),
        ({"attention": "paged"}, "--attention paged"),
        ({"offload": "disk"}, "--offload disk"),
        ({"mode": "graph", "offload": "cpu"}, "--mode graph cannot be combined"),
        ({"mode": "compile", "offload": "cpu"}, "--mode compile cannot be combined"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_in_one_line_with_a_way_out(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as raised:
        WorkloadSpec(model="m", **changes)
    assert told in raised.value.message
    assert "\n" not in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize("changes", [{"mode": "graph"}, {"offload": "cpu"}, {"attention": "cudnn"}])
def test_a_cpu_refuses_what_only_a_gpu_can(changes: dict[str, Any]) -> None:
    spec = WorkloadSpec(model="m", **changes)
    spec.check_device("cuda")
    with pytest.raises(UnsupportedError, match="the device is the CPU"):
        spec.check_device("cpu")


def test_prompt_and_answer_must_fit_the_models_positions() -> None:
    spec = WorkloadSpec(model="m", prompt_tokens=1000, new_tokens=100)
    spec.check_length(1100)
    spec.check_length(None)
    with pytest.raises(UsageError) as raised:
        spec.check_length(1024)
    assert "1100" in raised.value.message
    assert "1024" in raised.value.message
    assert raised.value.hint == "use --prompt-tokens 924"
    with pytest.raises(UsageError) as raised:
        spec.check_length(64)
    assert "64 together" in raised.value.hint


def test_the_dtype_is_the_one_asked_for_else_the_checkpoints_else_the_devices() -> None:
    auto = WorkloadSpec(model="m")
    assert WorkloadSpec(model="m", dtype="float16").dtype_on("cpu") == "float16"
    assert auto.dtype_on("cuda") == "bfloat16"
    assert auto.dtype_on("cuda", torch.float16) == "float16"
    assert auto.dtype_on("cuda", "float32") == "float32"
    assert auto.dtype_on("cuda", torch.float8_e4m3fn) == "bfloat16"
    assert auto.dtype_on("cpu", torch.float16) == "float32"
