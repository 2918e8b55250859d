"""The rules, held against what torch really reads and writes, and against its own FLOP counter."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM, StaticCache

from profiler.attribute.body_match import common_subsequence
from profiler.attribute.operation_work import Category, OperationWork, TokenShape, has_rule, operation_work
from profiler.report.vocabulary import Cause
from profiler.trace.kineto import read_kineto
from profiler.trace.timeline import Timeline

BATCH, PROMPT, HEAD_SIZE, KV_HEADS, SLOTS = 2, 12, 16, 2, 32
_SMALL = {
    "hidden_size": 64,
    "intermediate_size": 176,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": KV_HEADS,
    "head_dim": HEAD_SIZE,
    "vocab_size": 256,
    "max_position_embeddings": 128,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": _SMALL,
    "gemma2": _SMALL | {"sliding_window": 8},
    "mixtral": _SMALL | {"intermediate_size": 128, "num_local_experts": 4, "num_experts_per_tok": 2},
    "gpt2": {
        "n_embd": 64,
        "n_layer": 2,
        "n_head": 4,
        "vocab_size": 256,
        "n_positions": 128,
        "bos_token_id": None,
        "eos_token_id": None,
    },
}
HINT = TokenShape(
    batch_size=BATCH,
    query_tokens=PROMPT,
    context_tokens=PROMPT,
    kv_heads=KV_HEADS,
    head_size=HEAD_SIZE,
    element_bytes=4,
)
DECODE = TokenShape(batch_size=1, query_tokens=1, context_tokens=600, kv_heads=8, head_size=128)
BF16 = "c10::BFloat16"


def _work(
    name: str, shapes: list[Any], types: list[str], concrete: list[str] | None = None, **known: Any
) -> OperationWork:
    found = operation_work(name, shapes, types, concrete or [""] * len(types), **known)
    assert found is not None
    return found


# What torch does ------------------------------------------------------------------------------------------------


@dataclass
class _Call:
    """One operation as torch dispatched it, with the bytes that its tensors really hold."""

    name: str
    inputs: list[int]
    outputs: list[int]
    is_view: bool


@dataclass
class _Ran:
    calls: list[_Call]
    timeline: Timeline
    counted_flops: int
    pairs: list[tuple[_Call, int]] = field(default_factory=list)  # a call and its row in the operations


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[_Call] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        inputs = [_stored_bytes(t) for t in tree_leaves((args, kwargs or {})) if isinstance(t, torch.Tensor)]
        out = func(*args, **(kwargs or {}))
        outputs = [t.numel() * t.element_size() for t in tree_leaves(out) if isinstance(t, torch.Tensor)]
        aliases = [returned.alias_info for returned in func._schema.returns]
        is_view = any(alias is not None and not alias.is_write for alias in aliases)
        self.calls.append(_Call(func._schema.name, inputs, outputs, is_view))
        return out


def _stored_bytes(tensor: torch.Tensor) -> int:
    sizes = [size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride or not size]
    return math.prod(sizes) * tensor.element_size()


def _run(family: str, attention: str, folder: Path, *, static: bool = False, experts: str | None = None) -> _Ran:
    """A prefill and a decode step of a tiny model: dispatched, profiled, and counted by torch."""
    config = AutoConfig.for_model(family, **CONFIGS[family])
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation=attention).eval()
    if experts:
        model.set_experts_implementation(experts)
    tokens = torch.randint(0, 255, (BATCH, PROMPT))

    def go() -> None:
        cache = {"past_key_values": StaticCache(config=config, max_cache_len=SLOTS)} if static else {}
        with torch.no_grad():
            out = model(tokens, logits_to_keep=1, **cache)
            model(out.logits.argmax(-1), past_key_values=out.past_key_values)

    go()
    with _Recorder() as recorder:
        go()
    counter = FlopCounterMode(display=False)
    with counter:
        go()
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiled:
        go()
    profiled.export_chrome_trace(str(folder / "trace.json"))
    ran = _Ran(recorder.calls, read_kineto(folder / "trace.json"), counter.get_total_flops())
    ran.pairs = _paired(ran.calls, ran.timeline)
    return ran


def _paired(calls: list[_Call], timeline: Timeline) -> list[tuple[_Call, int]]:
    """Each dispatched call that has a rule with its row in the trace.

    The trace also has the composites around the dispatched operations, and what their kernels call within.
    """
    calls = [call for call in calls if has_rule(call.name)]
    dispatched = {call.name for call in calls}
    operations = timeline.operations
    names = [timeline.names[name] for name in operations.name.tolist()]
    inside: set[int] = set()
    rows = []
    for row, parent in enumerate(operations.parent.tolist()):
        if parent in inside:
            inside.add(row)
        elif names[row] in dispatched:
            inside.add(row)
            rows.append(row)
    pairs = common_subsequence([call.name for call in calls], [names[row] for row in rows])
    assert len(pairs) > 0.98 * len(calls)
    return [(calls[left], rows[right]) for left, right in pairs]


def _traced_work(timeline: Timeline, row: int) -> OperationWork | None:
    operations = timeline.operations
    output = None
    if timeline.name_of(operations.name, row) == "aten::index":
        output = tuple(int(size) for size in operations.concrete[row + 1][1].strip("[]").split(","))
    return operation_work(
        timeline.name_of(operations.name, row),
        operations.shapes[row],
        operations.types[row],
        operations.concrete[row],
        strides=operations.strides[row],
        hint=HINT,
        output_shape=output,
    )


# Reading a part of an input, or writing a part of an output, is what these are for; and torch's views of whole
# tensors do not tell which part. Their rules have tests of their own below.
_PARTIAL = {"embedding", "index", "index_select", "gather", "index_copy_", "index_put_", "scatter_", "_grouped_mm"}
_ONLY_WRITTEN = {"fill_", "zero_", "arange", "copy_"}
# A number beside a tensor is handed over as a tensor of no dimensions, of at most 8 bytes.
_SCALARS_BYTES = 16


@pytest.fixture(scope="module", params=[("llama", "sdpa", True), ("gemma2", "eager", False), ("gpt2", "sdpa", False)])
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> _Ran:
    family, attention, static = request.param
    return _run(family, attention, tmp_path_factory.mktemp(family), static=static)


def test_bytes_written_are_those_of_the_real_outputs(ran: _Ran) -> None:
    checked = 0
    for call, row in ran.pairs:
        work = _traced_work(ran.timeline, row)
        if work is None or call.name.removeprefix("aten::") in _PARTIAL:
            continue
        assert work.write_bytes == sum(call.outputs), (call, ran.timeline.operations.shapes[row])
        checked += 1
    assert checked > 80


def test_bytes_read_are_those_that_the_real_inputs_hold(ran: _Ran) -> None:
    for call, row in ran.pairs:
        work = _traced_work(ran.timeline, row)
        if work is None or call.name.removeprefix("aten::") in _PARTIAL | _ONLY_WRITTEN:
            continue
        excess = sum(call.inputs) - work.read_bytes
        assert 0 <= excess <= _SCALARS_BYTES, (call, ran.timeline.operations.shapes[row])


def test_every_operation_that_computes_has_a_rule(ran: _Ran) -> None:
    allocates = {"empty", "empty_like", "zeros", "zeros_like", "ones", "new_ones", "full", "scalar_tensor"}
    unknown = {call.name.removeprefix("aten::") for call in ran.calls if not call.is_view and not has_rule(call.name)}
    assert unknown <= allocates | {"_unsafe_view"}


@pytest.mark.parametrize(("family", "static"), [("llama", True), ("llama", False), ("gemma2", False), ("gpt2", False)])
def test_flops_of_products_are_those_that_torch_counts(family: str, static: bool, tmp_path: Path) -> None:
    ran = _run(family, "eager", tmp_path, static=static)
    products = [work for call, row in ran.pairs if (work := _traced_work(ran.timeline, row))]
    assert sum(work.flops for work in products if work.category is Category.GEMM) == ran.counted_flops


def test_flops_of_experts_do_not_depend_on_how_they_are_run(tmp_path: Path) -> None:
    """torch counts grouped products as nothing, but it counts the same experts run one by one."""
    (tmp_path / "loop").mkdir()
    grouped = _run("mixtral", "eager", tmp_path)
    loop = _run("mixtral", "eager", tmp_path / "loop", experts="eager")
    ours = sum(
        work.flops
        for call, row in grouped.pairs
        if (work := _traced_work(grouped.timeline, row)) and work.category is Category.GEMM
    )
    assert grouped.counted_flops < loop.counted_flops
    assert ours == loop.counted_flops


# What the rules say ---------------------------------------------------------------------------------------------


def test_an_operation_without_a_rule_has_no_work() -> None:
    assert operation_work("aten::nonzero", [[48]], ["float"], [""]) is None


def test_an_operation_traced_without_its_inputs_has_no_work() -> None:
    assert operation_work("aten::mm", [], [], []) is None


def test_inputs_that_do_not_fit_the_rule_have_no_work() -> None:
    assert operation_work("aten::mm", [[4, 8], [16, 32]], [BF16, BF16], ["", ""]) is None
    assert operation_work("aten::add", [[4, 8], [3, 8]], [BF16, BF16], ["", ""]) is None
    assert operation_work("aten::index_select", [[], [], [4]], [BF16, "Scalar", "long int"], ["", "0", ""]) is not None


def test_a_decode_product_reads_its_weights() -> None:
    work = _work("aten::mm", [[1, 4096], [4096, 14336]], [BF16, BF16], strides=[[4096, 1], [1, 4096]])
    assert work.flops == 2 * 4096 * 14336
    assert work.weights_bytes == 4096 * 14336 * 2
    assert work.read_bytes == work.weights_bytes + 4096 * 2
    assert work.write_bytes == 14336 * 2
    assert work.cause is Cause.MEMORY_WEIGHTS
    assert work.data_type == "bfloat16"


def test_a_long_prefill_product_moves_mostly_activations() -> None:
    work = _work("aten::mm", [[8192, 4096], [4096, 4096]], [BF16, BF16])
    assert work.cause is Cause.MEMORY_ACTIVATIONS


def test_a_product_with_a_vector_takes_the_matrix_for_weights() -> None:
    work = _work("aten::mv", [[512, 64], [64]], ["float", "float"], strides=[[64, 1], [1]])
    assert (work.flops, work.weights_bytes, work.write_bytes) == (2 * 512 * 64, 512 * 64 * 4, 512 * 4)


def test_the_bias_of_a_product_is_weights() -> None:
    work = _work("aten::addmm", [[192], [24, 64], [64, 192]], ["float"] * 3)
    assert work.weights_bytes == (192 + 64 * 192) * 4


def test_a_weight_expanded_over_the_batch_is_stored_once() -> None:
    shapes = [[16, 1, 4096], [16, 4096, 128256]]
    work = _work("aten::bmm", shapes, [BF16, BF16], strides=[[4096, 4096, 1], [0, 1, 4096]])
    assert work.weights_bytes == 4096 * 128256 * 2


def test_written_out_attention_reads_keys_and_experts_read_weights() -> None:
    keys = _work("aten::bmm", [[32, 1, 128], [32, 128, 600]], [BF16, BF16], hint=DECODE)
    experts = _work("aten::bmm", [[32, 4, 2880], [32, 2880, 5760]], [BF16, BF16], hint=DECODE)
    rotary = _work("aten::bmm", [[1, 64, 1], [1, 1, 512]], ["float", "float"], hint=DECODE)
    causes = [work.cause for work in (keys, experts, rotary)]
    assert causes == [Cause.MEMORY_KV_CACHE, Cause.MEMORY_WEIGHTS, Cause.MEMORY_ACTIVATIONS]


def test_few_tokens_touch_few_experts() -> None:
    shapes = [[2, 64], [128, 64, 256], [128]]
    types = [BF16, BF16, "int", "", ""]
    one_token = _work("aten::_grouped_mm", shapes, types, hint=TokenShape(batch_size=1, query_tokens=1))
    many = [[4096, 64], [128, 64, 256], [128]]
    all_experts = _work("aten::_grouped_mm", many, types, hint=TokenShape(batch_size=1, query_tokens=2048))
    expert_bytes = 64 * 256 * 2
    assert one_token.weights_bytes == pytest.approx(2 * expert_bytes)
    assert all_experts.weights_bytes == pytest.approx(128 * expert_bytes, rel=1e-3)


def test_causal_attention_counts_only_what_is_visible() -> None:
    shapes = [[1, 512, 32, 128], [1, 512, 8, 128], [1, 512, 8, 128], *([[]] * 12)]
    types = [BF16] * 3 + ["", "", "Scalar", "Scalar", "Scalar", "Scalar", "Scalar", "Scalar", "", "", "", ""]
    concrete = ["", "", "", "", "", "512", "512", "0.", "True", "False", "0.08", "", "", "", ""]
    causal = _work("aten::_flash_attention_forward", shapes, types, concrete)
    full = _work("aten::_flash_attention_forward", shapes, types, [*concrete[:8], "False", *concrete[9:]])
    assert causal.flops == 4 * 32 * 128 * (512 * 513 // 2)
    assert full.flops == 4 * 32 * 128 * 512 * 512
    assert causal.kv_cache_bytes == 2 * 512 * 8 * 128 * 2


def test_a_prefill_after_a_prefix_sees_the_prefix() -> None:
    shapes = [[1, 4, 32, 128], [1, 10, 8, 128], [1, 10, 8, 128]]
    concrete = ["", "", "", "", "", "4", "10", "0.", "True"]
    types = [BF16] * 3 + ["", "", "Scalar", "Scalar", "Scalar", "Scalar"]
    work = _work("aten::_flash_attention_forward", shapes, types, concrete)
    assert work.flops == 4 * 32 * 128 * (4 * 6 + 4 * 5 // 2)


def test_packed_sequences_have_unknown_work() -> None:
    shapes = [[1, 20, 32, 128], [1, 20, 8, 128], [1, 20, 8, 128], [3], [3]]
    assert operation_work("aten::_flash_attention_forward", shapes, [BF16] * 3 + ["int", "int"], [""] * 5) is None


def test_copying_keys_for_every_query_head_reads_each_once() -> None:
    shape = [16, 8, 4, 520, 128]
    strides = [[2129920, 266240, 66560, 128, 1], [532480, 66560, 0, 128, 1], []]
    work = _work("aten::copy_", [shape, shape, []], [BF16, BF16, "Scalar"], strides=strides)
    assert work.write_bytes == 4 * work.read_bytes == 16 * 32 * 520 * 128 * 2
    assert work.cause is Cause.MEMORY_KV_CACHE
    assert work.flops == 0


def test_a_growing_cache_is_kv_cache_and_rotated_queries_are_activations() -> None:
    grown = _work(
        "aten::cat",
        [[[1, 8, 600, 128], [1, 8, 1, 128]], []],
        ["TensorList", "Scalar"],
        ["", "-2"],
        hint=DECODE,
        list_item_bytes=2,
    )
    rotated = _work(
        "aten::cat",
        [[[1, 32, 1, 64], [1, 32, 1, 64]], []],
        ["TensorList", "Scalar"],
        ["", "-1"],
        hint=DECODE,
        list_item_bytes=2,
    )
    assert grown.kv_cache_bytes == grown.bytes == 2 * 8 * 601 * 128 * 2
    assert rotated.cause is Cause.MEMORY_ACTIVATIONS


def test_a_list_of_tensors_of_unknown_type_has_unknown_work() -> None:
    assert operation_work("aten::cat", [[[4, 8], [4, 8]], []], ["TensorList", "Scalar"], ["", "0"]) is None


def test_a_cache_slot_is_written_without_reading_the_cache() -> None:
    shapes = [[16, 8, 520, 128], [], [1], [16, 8, 1, 128]]
    work = _work("aten::index_copy_", shapes, [BF16, "Scalar", "long int", BF16], ["", "2", "", ""])
    assert work.write_bytes == 16 * 8 * 128 * 2
    assert work.read_bytes == work.write_bytes + 8
    assert work.cause is Cause.MEMORY_KV_CACHE


def test_an_embedding_reads_a_row_for_each_token() -> None:
    shapes = [[128256, 4096], [1, 512], [], [], []]
    work = _work("aten::embedding", shapes, [BF16, "long int", "Scalar", "Scalar", "Scalar"])
    assert work.weights_bytes == 512 * 4096 * 2
    assert work.read_bytes == work.weights_bytes + 512 * 8


def test_rows_of_tokens_are_activations_and_rows_of_a_table_are_weights() -> None:
    types, concrete = ["float", "Scalar", "long int"], ["", "0", ""]
    tokens = _work("aten::index_select", [[24, 64], [], [48]], types, concrete, hint=HINT)
    table = _work("aten::index_select", [[256, 64], [], [48]], types, concrete, hint=HINT)
    assert (tokens.weights_bytes, table.weights_bytes) == (0, 48 * 64 * 4)


def test_the_scale_of_a_norm_is_weights() -> None:
    work = _work("aten::mul", [[4096], [1, 1, 4096]], [BF16, BF16])
    assert work.weights_bytes == 4096 * 2


def test_a_comparison_writes_booleans_and_a_sum_of_integers_is_wide() -> None:
    assert _work("aten::le", [[1, 1, 1, 520], [1, 1, 4, 1]], ["long int", "long int"]).write_bytes == 520 * 4
    assert _work("aten::sum", [[48], []], ["int", ""]).write_bytes == 8


def test_half_and_float_make_float() -> None:
    assert _work("aten::add", [[64], [64], []], [BF16, "float", "Scalar"]).write_bytes == 64 * 4
    assert _work("aten::mul", [[64], []], [BF16, "double"]).write_bytes == 64 * 2


def test_a_generated_kernel_moves_its_tensors_once() -> None:
    work = _work("triton_poi_fused_mul_silu_3", [[1, 14336], [1, 14336], [1, 14336], []], [BF16] * 3 + ["Scalar"])
    assert work.bytes == 3 * 14336 * 2
    assert work.category is Category.ELEMENTWISE


def test_a_generated_kernel_that_indexes_moves_what_the_tokens_touch() -> None:
    name, shapes = "triton_poi_fused_index_copy_2", [[1], [1, 1024], [1, 8, 520, 128]]
    types = ["long int", BF16, BF16]
    assert operation_work(name, shapes, types, [""] * 3) is None
    work = _work(name, shapes, types, hint=DECODE)
    assert work.kv_cache_bytes == 8 * 128 * 2
    assert work.bytes == 8 + 1024 * 2 + 8 * 128 * 2


def test_a_generated_product_has_unknown_work() -> None:
    assert operation_work("triton_tem_fused_mm_0", [[16, 64], [64, 64], [16, 64]], [BF16] * 3, [""] * 3) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.conv2d(torch.randn(2, 6, 17, 15), torch.randn(8, 3, 3, 5), None, 2, (1, 2), 1, 2),
        lambda: torch.baddbmm(torch.randn(3, 4, 6), torch.randn(3, 4, 5), torch.randn(3, 5, 6)),
        lambda: torch.nn.functional.scaled_dot_product_attention(*(torch.randn(2, 4, 9, 16) for _ in range(3))),
        lambda: torch.topk(torch.randn(7, 33), 5),
        lambda: torch.randn(4, 9).sort(),
        lambda: torch.ones(4, 9, dtype=torch.int32).cumsum(1),
        lambda: torch.randn(4, 9).max(1),
        lambda: torch.randn(4, 9).var(1),
        lambda: torch.nn.functional.group_norm(torch.randn(2, 6, 5, 5), 3, torch.ones(6), torch.ones(6)),
        lambda: torch.nn.functional.layer_norm(torch.randn(2, 6, 8), (8,), torch.ones(8)),
        lambda: torch.where(torch.randn(3, 1) > 0, torch.randn(3, 5), torch.randn(5)),
        lambda: torch.randn(3, 5).masked_fill_(torch.ones(3, 1, dtype=torch.bool), 0.0),
        lambda: torch.arange(3, 40, 4) / 2,
        lambda: torch.ones(3, 5, dtype=torch.int64).sigmoid(),
        lambda: torch.gather(torch.randn(4, 9), 1, torch.zeros(4, 2, dtype=torch.int64)),
    ],
)  # fmt: skip
def test_outputs_of_single_operations_are_foreseen(make: Any, tmp_path: Path) -> None:
    with _Recorder() as recorder:
        make()
    counter = FlopCounterMode(display=False)
    with counter:
        make()
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiled:
        make()
    profiled.export_chrome_trace(str(tmp_path / "trace.json"))
    timeline = read_kineto(tmp_path / "trace.json")
    known = [(call, work) for call, row in _paired(recorder.calls, timeline) if (work := _traced_work(timeline, row))]
    assert recorder.calls[-1].name in {call.name for call, _ in known}
    for call, work in known:
        assert work.write_bytes == sum(call.outputs), call
    counted = sum(work.flops for _, work in known if work.category.uses_matrix_units)
    assert counted == counter.get_total_flops() or known[-1][1].category is Category.ATTENTION
