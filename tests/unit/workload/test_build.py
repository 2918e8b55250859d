from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from profiler.catalogue.presets import load_preset
from profiler.device.cpu import CpuDevice
from profiler.errors import BottleneckError, UnreadableError, UnsupportedError, UsageError, WillNotFitError
from profiler.progress import SilentProgress
from profiler.workload.build import load
from profiler.workload.loaded import LoadedModel
from profiler.workload.source import resolve
from profiler.workload.spec import WorkloadSpec
from tests.unit.workload.models import FAMILIES, FakeCudaDevice, small_model, ticking_clock


def build(model: str | Path, device: CpuDevice | None = None, **changes: Any) -> LoadedModel:
    spec = WorkloadSpec(model=str(model), **({"prompt_tokens": 16, "new_tokens": 4} | changes))
    return load(spec, resolve(spec.model), device or CpuDevice(), SilentProgress(), ticking_clock())


def refused(error: type[BottleneckError], model: str | Path, **changes: Any) -> BottleneckError:
    with pytest.raises(error) as raised:
        build(model, **changes)
    assert "\n" not in raised.value.message
    assert raised.value.hint
    return raised.value


def architecture_folder(folder: Path, family: str, **changes: Any) -> Path:
    """A folder with nothing but a config."""
    folder.mkdir(exist_ok=True)
    AutoConfig.for_model(family, **FAMILIES[family] | changes).save_pretrained(folder)
    return folder


def checkpoint_folder(folder: Path, family: str) -> Path:
    small_model(family).model.save_pretrained(folder)
    return folder


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.arange(8)[None]).logits


def test_a_preset_is_built_from_its_architecture_alone() -> None:
    loaded = build("tiny")
    preset = load_preset("tiny")
    assert loaded.weights == "random"
    assert loaded.parameters == preset.total_params == loaded.architecture.parameters
    assert (loaded.dtype, loaded.weight_bytes) == ("float32", 4 * preset.total_params)
    assert (loaded.source_kind, loaded.source, loaded.remote_code_used) == ("preset", "tiny", False)
    assert loaded.max_positions == 4096
    assert not loaded.model.training


def test_random_weights_have_no_disk_and_no_copy_and_say_why() -> None:
    disk, host, device = build("tiny").legs
    assert (disk.leg, host.leg, device.leg) == ("disk", "host", "device")
    assert (disk.bytes, disk.seconds, device.bytes, device.seconds) == (None,) * 4
    assert "random" in disk.missing
    assert "CPU" in device.missing
    assert host.seconds == 2.0  # two spans of a clock that ticks once a reading
    assert "no transfer" in host.missing


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_filled_in_place_computes_what_one_built_directly_does(family: str, tmp_path: Path) -> None:
    # Rotary buffers and embedding scales, which are in no state dict, do not survive the meta device by themselves.
    folder = architecture_folder(tmp_path, family)
    loaded = build(folder)
    direct = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), dtype=torch.float32).eval()
    direct.load_state_dict(loaded.model.state_dict())
    assert torch.equal(logits(loaded.model), logits(direct))


def test_random_weights_are_the_same_for_the_same_seed_only(tmp_path: Path) -> None:
    folder = architecture_folder(tmp_path, "llama")
    first, again, other = (logits(build(folder, seed=seed).model) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.isfinite().all()


def test_building_leaves_the_callers_random_numbers_alone(tmp_path: Path) -> None:
    folder = architecture_folder(tmp_path, "llama")
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    build(folder)
    assert torch.equal(torch.rand(1), expected)


def test_tied_weights_stay_tied_and_count_once(tmp_path: Path) -> None:
    loaded = build(architecture_folder(tmp_path, "gpt2"))
    model = loaded.model
    assert model.get_input_embeddings().weight.data_ptr() == model.get_output_embeddings().weight.data_ptr()
    assert loaded.parameters == loaded.architecture.parameters


@pytest.mark.parametrize("family", ["llama", "gpt2", "mixtral"])
def test_a_checkpoint_is_read_and_computes_what_the_saved_model_did(family: str, tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path / "saved", family)
    loaded = build(folder)
    assert loaded.weights == "pretrained"
    assert loaded.source == "saved"
    torch.testing.assert_close(logits(loaded.model), logits(small_model(family).model))
    assert not loaded.model.training


def test_each_leg_of_a_checkpoint_has_its_own_bytes_and_seconds(tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path, "llama")
    stored = sum(t.nbytes for t in load_file(folder / "model.safetensors").values())
    disk, host, device = build(folder).legs
    assert (disk.bytes, disk.seconds, disk.gb_per_s) == (stored, 1.0, stored / 1e9)
    assert host.seconds == 2.0  # the module without weights, then its filling
    assert device.missing == "the CPU is the device"
    copied = build(folder, FakeCudaDevice(), dtype="bfloat16").legs[2]
    assert (copied.bytes, copied.seconds) == (stored // 2, 1.0)


def test_the_whole_load_holds_its_legs_and_what_lies_between_them(tmp_path: Path) -> None:
    loaded = build(checkpoint_folder(tmp_path, "llama"), FakeCudaDevice())
    legs = sum(leg.seconds or 0.0 for leg in loaded.legs)
    assert loaded.load_seconds == legs + 4  # on this clock a second passes between any two readings


def test_a_checkpoint_in_shards_is_read_whole(tmp_path: Path) -> None:
    model = small_model("llama").model
    model.save_pretrained(tmp_path, max_shard_size="100KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert torch.equal(logits(build(tmp_path).model), logits(model))


def test_weights_that_a_folder_holds_twice_are_read_once(tmp_path: Path) -> None:
    model = small_model("llama").model
    model.save_pretrained(tmp_path, max_shard_size="100KB")
    shards = [load_file(path) for path in sorted(tmp_path.glob("*.safetensors"))]
    stored = sum(tensor.nbytes for shard in shards for tensor in shard.values())
    save_file({"layers.0.wq": torch.ones(1000, 1000)}, tmp_path / "consolidated.safetensors")
    loaded = build(tmp_path)
    assert loaded.legs[0].bytes == stored
    assert torch.equal(logits(loaded.model), logits(model))


def test_a_shard_that_its_index_names_and_nobody_has_is_told_by_its_name(tmp_path: Path) -> None:
    small_model("llama").model.save_pretrained(tmp_path, max_shard_size="100KB")
    lost = sorted(tmp_path.glob("*.safetensors"))[1]
    lost.unlink()
    assert lost.name in refused(UnreadableError, tmp_path).message


@pytest.mark.parametrize(
    ("index", "said"),
    [("no json", "names no shards"), ("{}", "names no shards"), ('{"weight_map": {}}', "its map is empty")],
)
def test_an_index_that_names_nothing_is_told_so(index: str, said: str, tmp_path: Path) -> None:
    (architecture_folder(tmp_path, "llama") / "model.safetensors.index.json").write_text(index)
    assert said in refused(UnreadableError, tmp_path).message


def test_an_index_reads_nothing_outside_of_its_folder(tmp_path: Path) -> None:
    folder = architecture_folder(tmp_path / "model", "llama")
    save_file({"any": torch.ones(1)}, tmp_path / "secret.safetensors")
    named = {"weight_map": {"any": "../secret.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(named))
    assert "../secret.safetensors lies outside" in refused(UnreadableError, folder).message


def test_on_a_gpu_the_checkpoints_own_dtype_is_kept(tmp_path: Path) -> None:
    small_model("llama").model.to(torch.float16).save_pretrained(tmp_path)
    assert build(tmp_path, FakeCudaDevice()).dtype == "float16"
    assert build(tmp_path).dtype == "float32"


def test_random_weights_can_be_had_for_any_checkpoint(tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path, "llama")
    loaded = build(folder, weights="random")
    assert loaded.weights == "random"
    assert not torch.equal(logits(loaded.model), logits(small_model("llama").model))


def test_a_folder_of_pickles_is_refused_and_nothing_in_them_runs(tmp_path: Path) -> None:
    folder = architecture_folder(tmp_path, "llama")
    (folder / "pytorch_model.bin").write_bytes(b"cbuiltins\neval\n(V1/0\ntR.")
    error = refused(UsageError, folder)
    assert "pickle" in error.message
    assert "save_pretrained" in error.hint
    assert build(folder, weights="random").weights == "random"


def test_weights_that_are_not_there_are_missed_only_if_asked_for(tmp_path: Path) -> None:
    folder = architecture_folder(tmp_path, "llama")
    assert build(folder).weights == "random"
    assert "no safetensors" in refused(UsageError, folder, weights="pretrained").message
    assert "without weights" in refused(UsageError, "tiny", weights="pretrained").message


def test_a_truncated_file_is_told_by_its_name(tmp_path: Path) -> None:
    file = checkpoint_folder(tmp_path, "llama") / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    assert "model.safetensors is no whole safetensors file" in refused(UnreadableError, tmp_path).message


def test_a_missing_weight_is_not_made_up(tmp_path: Path) -> None:
    file = checkpoint_folder(tmp_path, "llama") / "model.safetensors"
    tensors = load_file(file)
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, file, metadata={"format": "pt"})
    assert "lacks 1 of its weights, model.layers.1.mlp.up_proj.weight" in refused(UnreadableError, tmp_path).message


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    checkpoint_folder(tmp_path, "llama")
    architecture_folder(tmp_path, "llama", intermediate_size=96)
    assert "do not fit its config" in refused(UnreadableError, tmp_path).message


def test_a_config_that_is_none_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"hidden_size": 3}')
    assert "config.json" in refused(UnreadableError, tmp_path).message
    (tmp_path / "config.json").write_text("not json")
    assert "config.json" in refused(UnreadableError, tmp_path).message


def test_a_model_that_generates_nothing_is_refused(tmp_path: Path) -> None:
    AutoConfig.for_model("vit").save_pretrained(tmp_path)
    assert "cannot be built" in refused(UsageError, tmp_path).message


@pytest.mark.parametrize("attention", ["sdpa", "math"])
def test_an_attention_that_the_model_lacks_is_told_with_those_that_it_has(tmp_path: Path, attention: str) -> None:
    AutoConfig.for_model("mamba", hidden_size=32, num_hidden_layers=2, vocab_size=257, state_size=4).save_pretrained(
        tmp_path
    )
    error = refused(UsageError, tmp_path, attention=attention)
    assert f"cannot be built with --attention {attention}" in error.message
    assert "MambaForCausalLM does not support" in error.message
    assert error.hint == "--attention eager or --attention auto"


def test_a_quantized_checkpoint_is_refused(tmp_path: Path) -> None:
    folder = architecture_folder(tmp_path, "llama")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "fp8"}}))
    assert "quantized" in refused(UsageError, folder).message


def test_a_prompt_beyond_the_models_positions_is_refused() -> None:
    assert "maximum is 4096" in refused(UsageError, "tiny", prompt_tokens=5000).message


def test_what_will_not_fit_is_refused_before_memory_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.Module, "to_empty", lambda *args, **kwargs: pytest.fail("took memory"))
    error = refused(WillNotFitError, "llama-3.1-70b", device=FakeCudaDevice(free_bytes=79_200_000_000))
    assert "llama-3.1-70b needs 141.4 GB" in error.message  # 141.1 of weights
    assert "79.2 GB are free" in error.message


def test_offload_needs_a_gpu() -> None:
    assert "the device is the CPU" in refused(UnsupportedError, "tiny", offload="cpu").message


def test_the_attention_asked_for_is_the_models(tmp_path: Path) -> None:
    folder = architecture_folder(tmp_path, "llama")
    assert build(folder).attention == "sdpa"
    assert build(folder, attention="eager").attention == "eager"
    loaded = build(folder, attention="math")
    assert (loaded.attention, loaded.model.config._attn_implementation) == ("math", "sdpa")


REMOTE_CONFIG = """
from transformers import LlamaConfig
class MineConfig(LlamaConfig):
    model_type = "mine"
"""
REMOTE_MODEL = """
from pathlib import Path
from transformers import LlamaForCausalLM
from .configuration_mine import MineConfig
Path({marker!r}).touch()
class MineForCausalLM(LlamaForCausalLM):
    config_class = MineConfig
"""


@pytest.fixture
def remote_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A checkpoint folder with Python code of its own, and the file that the code makes when it runs."""
    modules = tmp_path / "modules"
    modules.mkdir()
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(modules))
    monkeypatch.syspath_prepend(str(modules))
    folder, marker = tmp_path / "mine", tmp_path / "code_ran"
    folder.mkdir()
    (folder / "configuration_mine.py").write_text(REMOTE_CONFIG)
    (folder / "modeling_mine.py").write_text(REMOTE_MODEL.format(marker=str(marker)))
    config = FAMILIES["llama"] | {
        "model_type": "mine",
        "auto_map": {
            "AutoConfig": "configuration_mine.MineConfig",
            "AutoModelForCausalLM": "modeling_mine.MineForCausalLM",
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder, marker


def test_remote_code_does_not_run_unless_it_is_trusted(remote_code: tuple[Path, Path]) -> None:
    folder, marker = remote_code
    error = refused(UsageError, folder)
    assert "--trust-remote-code" in error.hint
    assert not marker.exists()


def test_remote_code_that_ran_is_recorded(remote_code: tuple[Path, Path]) -> None:
    folder, marker = remote_code
    loaded = build(folder, trust_remote_code=True)
    assert marker.exists()
    assert loaded.remote_code_used
    assert loaded.architecture is None  # its model_type is known to nobody
