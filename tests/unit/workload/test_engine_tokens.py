from __future__ import annotations

from typing import Any

import pytest
import torch

from profiler.device.cpu import CpuDevice
from profiler.workload.engines import Phases
from profiler.workload.engines.eager import EagerDecode, EagerEngine
from profiler.workload.engines.graph import GraphEngine, StaticStep
from profiler.workload.engines.paged import PagedDecode, PagedEngine
from profiler.workload.engines.prompt import waits_only_for_tokens
from profiler.workload.engines.static import StaticPrefill, StaticRequest
from profiler.workload.loaded import LoadedModel
from profiler.workload.spec import WorkloadSpec
from tests.unit.workload.models import FAMILIES, FakeCudaDevice, small_model

PROMPT, NEW = 11, 13


def spec(**changes: object) -> WorkloadSpec:
    arguments = {"model": "m", "batch_size": 2, "prompt_tokens": PROMPT, "new_tokens": NEW} | changes
    return WorkloadSpec(**arguments)  # type: ignore[arg-type]


def plain_loop(loaded: LoadedModel, wanted: WorkloadSpec) -> list[list[list[int]]]:
    """The generation loop that a user writes."""
    generator = torch.Generator().manual_seed(wanted.seed)
    prompt = torch.randint(
        0, loaded.model.config.vocab_size, (wanted.batch_size, wanted.prompt_tokens), generator=generator
    )
    tokens = []
    with torch.no_grad():
        output = loaded.model(prompt)
        for _ in range(wanted.new_tokens - 1):
            token = output.logits[:, -1:].argmax(-1)
            tokens.append(token.tolist())
            output = loaded.model(token, past_key_values=output.past_key_values)
        tokens.append(output.logits[:, -1:].argmax(-1).tolist())
    return tokens


def eager_tokens(decode: EagerDecode) -> list[list[list[int]]]:
    decode.reset()
    tokens = [decode._token.tolist()]
    for _ in range(decode.iterations_per_reset):
        decode.iterate()
        tokens.append(decode._token.tolist())
    return tokens


def static_tokens(step: StaticStep, steps: int) -> list[list[list[int]]]:
    with torch.no_grad():
        step.rewind()
        tokens = [step.token.tolist()]
        for _ in range(steps):
            step.run()
            tokens.append(step.token.tolist())
    return tokens


def paged_tokens(decode: PagedDecode) -> list[list[int]]:
    decode.reset()
    for _ in range(decode.iterations_per_reset):
        decode.iterate()
    return decode.batch.tokens()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_engine_yields_the_tokens_of_a_plain_loop(family: str) -> None:
    loaded, wanted, device = small_model(family), spec(), CpuDevice()
    expected = plain_loop(loaded, wanted)
    assert len({str(tokens) for tokens in expected}) > 1
    assert eager_tokens(EagerEngine(loaded, wanted, device).decode()) == expected
    # The step that graph mode captures; a CPU runs it op by op. The windows of gemma2 and gpt_oss, 8 tokens, are
    # shorter than the prompt.
    assert static_tokens(StaticStep(StaticRequest(loaded, wanted, device, PROMPT)), NEW - 1) == expected

    # Its last token would end the sequences.
    packed = paged_tokens(PagedEngine(loaded, wanted, device).decode())
    assert packed == [[step[place][0] for step in expected[: NEW - 1]] for place in range(wanted.batch_size)]


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_a_decode_starts_over_from_the_same_prompt_after_a_reset(family: str) -> None:
    loaded, device = small_model(family), CpuDevice()
    decode = EagerEngine(loaded, spec(), device).decode()
    assert eager_tokens(decode) == eager_tokens(decode)
    step = StaticStep(StaticRequest(loaded, spec(), device, PROMPT))
    assert static_tokens(step, NEW - 1) == static_tokens(step, NEW - 1)
    packed = PagedEngine(loaded, spec(), device).decode()
    assert paged_tokens(packed) == paged_tokens(packed)


def test_a_paged_cache_that_no_prompt_filled_holds_as_many_tokens() -> None:
    filled = PagedEngine(small_model("llama"), spec(prompt_tokens=100), CpuDevice()).decode_filled()
    for _ in range(2):  # a reset takes it back
        filled.reset()
        for step in range(filled.iterations_per_reset):
            filled.iterate()
            states = filled.batch._processor.scheduler.active_requests.values()
            assert [state.current_len() for state in states] == [101 + step] * 2


def test_a_mixed_iteration_prefills_the_newcomer_and_gives_everybody_a_token() -> None:
    mixed = PagedEngine(small_model("llama"), spec(prompt_tokens=100), CpuDevice()).mixed(40)
    for _ in range(2):  # a reset sends the newcomer away
        mixed.reset()
        before = list(map(len, mixed.batch.tokens()))
        mixed.iterate()
        assert list(map(len, mixed.batch.tokens())) == [tokens + 1 for tokens in before]
        newcomer = mixed.batch._processor.scheduler.active_requests["newcomer"]
        assert (newcomer.current_len(), len(newcomer.generated_tokens)) == (40, 1)


def test_a_reset_crops_the_cache_instead_of_prefilling_again() -> None:
    loaded = small_model("llama")
    decode = EagerEngine(loaded, spec(), CpuDevice()).decode()
    decode.reset()
    decode.iterate()
    forwards = count_forwards(loaded)
    decode.reset()
    assert forwards == []
    assert decode._cache.get_seq_length() == PROMPT


def test_a_reset_prefills_again_where_a_full_window_has_dropped_the_prompt() -> None:
    loaded = small_model("gemma2")
    decode = EagerEngine(loaded, spec(), CpuDevice()).decode()
    decode.reset()
    decode.iterate()
    forwards = count_forwards(loaded)
    decode.reset()
    assert forwards == [PROMPT]


def count_forwards(loaded: LoadedModel) -> list[int]:
    """The query tokens of each forward from now on."""
    seen: list[int] = []
    loaded.model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    return seen


def test_an_iteration_runs_one_forward_and_no_more() -> None:
    loaded = small_model("llama")
    phases = Phases(loaded, spec(), CpuDevice())
    phases.decode.reset()
    phases.prefill.reset()
    forwards = count_forwards(loaded)
    phases.prefill.iterate()
    assert forwards == [PROMPT]
    phases.decode.iterate()
    assert forwards == [PROMPT, 1]


def test_the_captured_step_writes_to_the_same_memory_each_time() -> None:
    step = StaticStep(StaticRequest(small_model("llama"), spec(), CpuDevice(), PROMPT))
    static_tokens(step, 1)
    layer = step._request.cache.layers[0]
    before = [t.data_ptr() for t in (step.token, layer.keys, layer.values, layer.cumulative_length)]
    static_tokens(step, NEW - 1)
    assert [t.data_ptr() for t in (step.token, layer.keys, layer.values, layer.cumulative_length)] == before


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_captured_step_brings_no_host_memory_to_the_device(family: str, attention: str) -> None:
    # On a GPU these operations are a copy from pageable memory, or a read of a value: a capture refuses both.
    if (family, attention) == ("gpt_oss", "sdpa"):
        pytest.skip("transformers has no sdpa attention for gpt_oss: its attention has sinks")
    step = StaticStep(StaticRequest(small_model(family, attention), spec(), CpuDevice(), PROMPT))
    static_tokens(step, 1)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile, torch.no_grad():
        step.run()
    names = {event.name for event in profile.events()}
    assert "aten::linear" in names
    if family in ("mixtral", "gpt_oss"):  # the CPU's grouped product of experts reads its offsets on the host
        names -= {"aten::item", "aten::_local_scalar_dense"}
    assert not names & {
        "aten::item",
        "aten::_local_scalar_dense",
        "aten::lift_fresh",
        "aten::nonzero",
        "aten::is_nonzero",
    }


def test_a_static_cache_has_slots_for_prompt_and_answer() -> None:
    decode = GraphEngine(small_model("llama"), spec(), CpuDevice()).decode()
    assert decode.shape.cache_tokens == PROMPT + NEW
    assert decode.shape.context_tokens == PROMPT + (NEW - 2) // 2
    assert decode.iterations_per_reset == NEW - 1


def test_a_growing_cache_is_read_as_far_as_it_is_filled() -> None:
    shape = EagerEngine(small_model("llama"), spec(), CpuDevice()).decode().shape
    assert (shape.query_tokens, shape.tokens_out) == (1, 2)
    assert shape.cache_tokens == shape.context_tokens


def test_the_mean_context_is_that_of_the_steps_that_run() -> None:
    loaded = small_model("llama")
    decode = EagerEngine(loaded, spec(), CpuDevice()).decode()
    decode.reset()
    contexts = []
    for _ in range(decode.iterations_per_reset):
        contexts.append(decode._cache.get_seq_length())
        decode.iterate()
    assert decode.shape.context_tokens == int(sum(contexts) / len(contexts))


def test_decode_at_another_length_fills_a_cache_of_that_length() -> None:
    phases = Phases(small_model("llama"), spec(), CpuDevice())
    longer = phases.decode_at(40)
    assert longer is not None
    longer.reset()
    longer.iterate()
    assert longer.shape.context_tokens == 40 + (NEW - 2) // 2
    assert longer._cache.get_seq_length() == 41


def test_decode_at_stops_at_the_models_positions() -> None:
    phases = Phases(small_model("llama"), spec(), CpuDevice())
    assert phases.decode_at(10_000).shape.context_tokens == 256 - NEW + (NEW - 2) // 2
    assert phases.decode_at(PROMPT) is None


def test_the_prompt_depends_on_the_seed_alone() -> None:
    loaded = small_model("llama")
    first, again, other = (eager_tokens(EagerEngine(loaded, spec(seed=s), CpuDevice()).decode()) for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_forced_backend_is_in_force_while_the_model_runs() -> None:
    loaded = small_model("llama")
    seen = []
    loaded.model.register_forward_pre_hook(
        lambda module, args: seen.append(
            (torch.backends.cuda.math_sdp_enabled(), torch.backends.cuda.flash_sdp_enabled())
        )
    )
    EagerEngine(loaded, spec(attention="math"), CpuDevice()).prefill().iterate()
    assert seen == [(True, False)]


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_a_compiled_step_is_one_graph_that_is_never_compiled_again(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, graphs = [], []

    def compile_without_inductor(function: Any, **asked: object) -> Any:
        settings.append(asked)
        return torch_compile(function, backend=count_graph)

    def count_graph(graph: torch.fx.GraphModule, inputs: object) -> Any:
        graphs.append(graph)
        return graph.forward

    torch_compile = torch.compile
    monkeypatch.setattr(torch, "compile", compile_without_inductor)
    torch._dynamo.reset()
    loaded, wanted = small_model(family), spec(mode="compile")
    decode: Any = Phases(loaded, wanted, CpuDevice()).decode
    expected = plain_loop(loaded, wanted)
    for _ in range(2):
        decode.reset()
        tokens = [decode._token.tolist()]
        for _ in range(NEW - 1):
            decode.iterate()
            tokens.append(decode._token.tolist())
        assert tokens == expected
    assert len(graphs) == 1
    assert settings[0] == {"mode": "reduce-overhead"}  # as transformers' CompileConfig has it
    assert decode.body is None  # a CPU replays no graphs


def test_an_emptied_cache_is_prefilled_again_before_it_is_decoded_from() -> None:
    request = StaticRequest(small_model("llama"), spec(), CpuDevice(), PROMPT)
    step = StaticStep(request)
    expected = static_tokens(step, NEW - 1)
    StaticPrefill(request).reset()
    assert static_tokens(step, NEW - 1) == expected


def test_an_iteration_is_split_only_where_its_launch_does_not_wait() -> None:
    phases = Phases(small_model("llama"), spec(), CpuDevice())
    assert phases.decode.launch is None  # on a CPU launching an operation is running it
    assert not waits_only_for_tokens(spec(offload="cpu"), FakeCudaDevice())
    assert waits_only_for_tokens(spec(), FakeCudaDevice())
