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
_READ_TWICE = {"native_layer_norm"}  # their first input
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
        again = call.inputs[0] if call.name.removeprefix("aten::") in _READ_TWICE else 0
        excess = sum(call.inputs) + again - work.read_bytes
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
