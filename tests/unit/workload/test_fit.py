from __future__ import annotations

from typing import Any

import pytest
import torch

from profiler.catalogue.architecture import Architecture
from profiler.catalogue.presets import load_preset
from profiler.errors import OutOfMemoryError, UnsupportedError, WillNotFitError
from profiler.workload.fit import (
    DTYPE_BYTES,
    Need,
    Room,
    check_fit,
    largest_batch,
    largest_context,
    translating_torch_errors,
)
from profiler.workload.spec import WorkloadSpec

H100 = Room("cuda", device_bytes=79_200_000_000, host_bytes=128 * 10**9)


def need(model: str, dtype: str = "bfloat16", **changes: Any) -> Need:
    preset = load_preset(model)
    return Need(
        spec=WorkloadSpec(model=model, **changes),
        weight_bytes=preset.total_params * DTYPE_BYTES[dtype],
        dtype=dtype,
        architecture=Architecture.from_config(preset.config),
        attention="sdpa",
    )


def refusal(wanted: Need, room: Room) -> WillNotFitError:
    with pytest.raises(WillNotFitError) as raised:
        check_fit(wanted, room)
    assert raised.value.exit_code == 4
    return raised.value


def test_an_8b_model_fits_an_h100() -> None:
    check_fit(need("llama-3.1-8b"), H100)


def test_a_model_that_is_too_large_is_refused_with_its_bytes_and_a_smaller_one() -> None:
    error = refusal(need("llama-3.1-70b"), H100)
    assert error.message.startswith("llama-3.1-70b needs 141.")
    assert error.message.endswith("79.2 GB are free")
    assert "a smaller model: qwen" in error.hint  # 32B in bfloat16, 65 GB
    assert "--batch-size" not in error.hint  # one sequence does not fit either


def test_what_is_offered_fits_and_one_more_would_not() -> None:
    error = refusal(need("llama-3.1-8b", batch_size=2000, prompt_tokens=1000), H100)
    offered = int(error.hint.partition("--batch-size ")[2].partition(",")[0])
    check_fit(need("llama-3.1-8b", batch_size=offered, prompt_tokens=1000), H100)
    refusal(need("llama-3.1-8b", batch_size=offered + 1, prompt_tokens=1000), H100)


def test_half_the_bytes_are_offered_where_they_would_do() -> None:
    assert "--dtype bfloat16" in refusal(need("qwen3-14b", "float32", new_tokens=16), Room("cuda", 40 * 10**9, 0)).hint


def test_streaming_from_the_host_is_offered_where_the_host_has_room() -> None:
    roomy = Room("cuda", H100.device_bytes, host_bytes=200 * 10**9)
    assert "--offload cpu" in refusal(need("llama-3.1-70b"), roomy).hint
    assert "--offload cpu" not in refusal(need("llama-3.1-70b"), H100).hint
    check_fit(need("llama-3.1-70b", offload="cpu"), roomy)


def test_streamed_weights_need_host_memory() -> None:
    error = refusal(need("llama-3.1-70b", offload="cpu"), H100)
    assert "141.1 GB of host memory, 128.0 GB are free" in error.message


def test_a_container_s_limit_is_named_where_it_is_what_does_not_hold_the_weights() -> None:
    container = Room("cuda", H100.device_bytes, host_bytes=7 * 10**9, host_limit_bytes=8 * 2**30)
    error = refusal(need("llama-3.1-8b", offload="cpu"), container)
    assert error.message.endswith("needs 16.1 GB of host memory, 7.0 GB are free (this container may use 8.6 GB)")
    too_large = refusal(need("llama-3.1-70b"), container)
    assert "container" not in too_large.message  # the card is what is too small


def test_the_largest_context_ends_where_the_model_has_no_more_positions() -> None:
    wanted = need("llama-3.2-1b")
    assert largest_context(wanted, 76 * 10**9) == 131072
    assert 0 < largest_context(wanted.sized(batch_size=8), 6 * 10**9) < 131072


def test_where_nothing_is_left_nothing_fits() -> None:
    assert largest_context(need("llama-3.1-8b"), 10**6) == 0
    assert largest_batch(need("llama-3.1-8b"), 10**6) == 0


def test_a_static_cache_keeps_windowed_layers_in_full() -> None:
    wanted = {"prompt_tokens": 32_000, "batch_size": 8}
    assert (
        need("gemma-3-12b-text", mode="graph", **wanted).device_bytes
        > 1.5 * need("gemma-3-12b-text", **wanted).device_bytes
    )


def test_running_out_of_memory_all_the_same_is_told_in_one_line() -> None:
    said = "CUDA out of memory. Tried to allocate 12.00 GiB. GPU 0 has a total capacity of 79.18 GiB\nmore"
    with pytest.raises(OutOfMemoryError) as raised, translating_torch_errors():
        raise torch.OutOfMemoryError(said)
    assert raised.value.exit_code == 1
    assert "12.00 GiB" in raised.value.message
    assert "\n" not in raised.value.message
    assert "--batch-size" in raised.value.hint


def test_the_hosts_allocator_running_out_is_recognised() -> None:
    with pytest.raises(OutOfMemoryError), translating_torch_errors():
        torch.empty(2**60, dtype=torch.uint8)


def test_a_forced_attention_backend_that_refuses_is_told_so() -> None:
    with pytest.raises(UnsupportedError, match="attention backend"), translating_torch_errors():
        raise RuntimeError("No available kernel. Aborting execution.")


def test_other_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"), translating_torch_errors():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
