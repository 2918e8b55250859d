from __future__ import annotations

import pytest
import torch

from profiler.device.cpu import CpuDevice
from profiler.workload.engines.eager import EagerEngine
from profiler.workload.offload import RandomNumbersFrom, stream_from_host
from profiler.workload.spec import WorkloadSpec
from tests.unit.workload.models import small_model

SPEC = WorkloadSpec(model="m", batch_size=2, prompt_tokens=6, new_tokens=5)


@pytest.mark.parametrize("family", ["llama", "gpt2", "mixtral"])
def test_streamed_weights_give_the_same_tokens_and_leave_again(family: str) -> None:
    loaded = small_model(family)

    def tokens() -> list[list[list[int]]]:
        decode = EagerEngine(loaded, SPEC, CpuDevice()).decode()
        decode.reset()
        found = []
        for _ in range(decode.iterations_per_reset):
            decode.iterate()
            found.append(decode._token.tolist())
        return found

    expected = tokens()
    stream_from_host(loaded.model, "cpu")
    assert tokens() == expected
    assert {parameter.device.type for parameter in loaded.model.parameters()} == {"meta"}


def test_random_numbers_drawn_elsewhere_are_those_of_the_seed() -> None:
    drawn, here = torch.zeros(1000, dtype=torch.bfloat16), torch.zeros(1000, dtype=torch.bfloat16)
    torch.manual_seed(3)
    with RandomNumbersFrom("cpu"):
        torch.nn.init.normal_(drawn, std=0.02)
    torch.manual_seed(3)
    torch.nn.init.normal_(here, std=0.02)
    assert torch.equal(drawn, here)
    assert drawn.count_nonzero() > 900


def test_numbers_for_a_host_tensor_are_asked_of_the_other_device() -> None:
    # The meta device has no numbers to give, so that asking it is seen by the copy that fails.
    with RandomNumbersFrom("meta"), pytest.raises(NotImplementedError, match="meta"):
        torch.zeros(4).normal_()


def test_constants_are_written_in_place() -> None:
    with RandomNumbersFrom("meta"):
        assert torch.nn.init.ones_(torch.zeros(4)).tolist() == [1, 1, 1, 1]
