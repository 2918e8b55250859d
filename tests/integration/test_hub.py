"""Hub ids, against a hub on loopback. Mostly not marked: it is up at once and nothing is fetched from elsewhere."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants, errors
from transformers import AutoConfig, AutoModelForCausalLM
from typer.testing import CliRunner

from profiler.cli.application import application
from profiler.device.cpu import CpuDevice
from profiler.errors import BottleneckError, FailedError, UnknownModelError, UnsupportedError, UsageError
from profiler.progress import SilentProgress
from profiler.report.store import load_report
from profiler.workload.build import load
from profiler.workload.loaded import LoadedModel
from profiler.workload.source import resolve
from profiler.workload.spec import WorkloadSpec
from tests.unit.session.machines import put_ceilings_into_the_cache
from tests.unit.session.missing_numbers import numbers_without_reason
from tests.unit.workload.models import FAMILIES, small_model, ticking_clock

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """The routes of huggingface.co that fetching a snapshot needs."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.models: dict[str, dict[str, bytes]] = {}
        self.gated: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self.user_agents: set[str] = set()
        self.broken = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def files_sent(self) -> set[str]:
        return {path.rpartition("/")[2] for method, path in self.asked if method == "GET" and "/resolve/" in path}


class _Answers(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Keep quiet."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append((self.command, path))
        self.server.user_agents.add(self.headers["User-Agent"])
        status, body, headers = self._find(path)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _find(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        if self.server.broken:
            return 500, b"", {}
        parts = path.strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        if api:
            parts = parts[2:]
        name, rest = "/".join(parts[:2]), parts[2:]
        if name in self.server.gated:
            return 403, b"", {"X-Error-Code": "GatedRepo"}
        files = self.server.models.get(name)
        if files is None:
            return 404, b"", {"X-Error-Code": "RepoNotFound"}
        if api and rest[:1] == ["tree"]:
            entries = [{"type": "file", "path": f, "size": len(b), "oid": _etag(b)} for f, b in files.items()]
            return 200, json.dumps(entries).encode(), {}
        if api:
            siblings = [{"rfilename": f} for f in files]
            return 200, json.dumps({"id": name, "sha": COMMIT, "siblings": siblings, "private": False}).encode(), {}
        body = files.get("/".join(rest[2:]))
        if body is None:
            return 404, b"", {"X-Error-Code": "EntryNotFound"}
        return 200, body, {"ETag": f'"{_etag(body)}"', "X-Repo-Commit": COMMIT}


def _etag(body: bytes) -> str:
    return hashlib.sha1(body).hexdigest()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **FAMILIES["llama"])).save_pretrained(folder)
    return folder


@pytest.fixture
def hub(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    server.models["some/llama"] = {path.name: path.read_bytes() for path in saved.iterdir()}
    server.models["some/pickle"] = {"config.json": (saved / "config.json").read_bytes(), "pytorch_model.bin": b"x"}
    server.models["some/data"] = {"README.md": b"no model"}
    server.gated.add("some/secret")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    # What the environment sets when the client is imported; the last test sets that.
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    template = server.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(name: str, weights: str = "auto") -> LoadedModel:
    spec = WorkloadSpec(model=name, prompt_tokens=4, new_tokens=4, weights=weights)
    return load(spec, resolve(name), CpuDevice(), SilentProgress(), ticking_clock())


def refused(error: type[BottleneckError], name: str) -> BottleneckError:
    with pytest.raises(error) as raised:
        fetch(name)
    assert "\n" not in raised.value.message
    assert raised.value.hint
    return raised.value


def test_a_hub_id_is_fetched_and_computes_what_the_saved_model_does(hub: Hub, saved: Path) -> None:
    loaded = fetch("some/llama")
    assert (loaded.source, loaded.source_kind, loaded.weights) == ("some/llama", "hub", "pretrained")
    direct = AutoModelForCausalLM.from_pretrained(saved)
    tokens = torch.arange(8)[None]
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(tokens).logits, direct(tokens).logits)


def sharded(folder: Path) -> dict[str, bytes]:
    small_model("llama").model.save_pretrained(folder, max_shard_size="100KB")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_of_weights_in_several_forms_the_shards_alone_are_fetched(hub: Hub, tmp_path: Path) -> None:
    files = sharded(tmp_path / "shards")
    other = {"consolidated.safetensors": b"the same again", "original/model-00001.safetensors": b"and again"}
    hub.models["some/shards"] = files | other
    assert fetch("some/shards").weights == "pretrained"
    sent = {name for name in hub.files_sent() if name.endswith(".safetensors")}
    assert sent == {name for name in files if name.endswith(".safetensors")}
    assert len(sent) > 1


def test_weights_under_another_name_are_found_beside_the_config(hub: Hub) -> None:
    files = hub.models["some/llama"]
    hub.models["some/renamed"] = {
        "config.json": files["config.json"],
        "weights.safetensors": files["model.safetensors"],
        "onnx/weights.safetensors": b"another form",
    }
    assert fetch("some/renamed").weights == "pretrained"
    assert [path for _, path in hub.asked if "onnx/" in path] == []


def test_shards_that_were_fetched_once_need_no_hub_again(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.models["some/shards"] = sharded(tmp_path / "shards")
    fetch("some/shards")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert fetch("some/shards").weights == "pretrained"


def test_random_weights_fetch_the_config_alone(hub: Hub) -> None:
    assert fetch("some/llama", weights="random").weights == "random"
    assert hub.files_sent() == {"config.json"}


def test_pickles_are_refused_without_being_fetched(hub: Hub) -> None:
    assert "pytorch_model.bin" in refused(UsageError, "some/pickle").message
    assert hub.files_sent() == {"config.json"}


def test_the_hub_is_only_asked_for_files_and_not_told_what_for(hub: Hub) -> None:
    fetch("some/llama")
    assert {method for method, _ in hub.asked} <= {"GET", "HEAD"}
    assert not [agent for agent in hub.user_agents if "torch" in agent]


def test_an_unknown_hub_id_is_told_with_the_hub_that_was_asked(hub: Hub) -> None:
    error = refused(UnknownModelError, "some/nothing")
    assert hub.address.removeprefix("http://") in error.message
    assert "some/nothing" in error.message


def test_a_gated_model_is_told_to_be_one(hub: Hub) -> None:
    assert "gated" in refused(UnsupportedError, "some/secret").message


def test_a_repository_without_a_config_is_no_model(hub: Hub) -> None:
    assert "no config.json" in refused(UsageError, "some/data").message


def test_a_hub_that_answers_with_an_error_is_told_in_one_line(hub: Hub) -> None:
    hub.broken = True
    assert "answered 500 for some/llama" in refused(FailedError, "some/llama").message


def test_a_hub_that_cannot_be_reached_is_told_in_one_line(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # the discard port: nobody listens
    error = refused(UnsupportedError, "some/llama")
    assert "127.0.0.1:9 cannot be reached" in error.message
    assert error.exit_code == 4


def test_the_http_client_below_the_hubs_may_be_another_one(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 2 of the hub's client brings httpx2, and no httpx."""

    class OtherClientError(Exception):
        """As `httpx2.HTTPError`."""

    class HubError(OtherClientError, OSError):
        """As `HfHubHTTPError` on top of it."""

    def unreachable(*args: object, **options: object) -> str:
        raise OtherClientError("Connection refused")

    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.setattr(errors, "HfHubHTTPError", HubError)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    assert "cannot be reached" in refused(UnsupportedError, "some/llama").message


def test_a_full_disk_is_not_taken_for_a_hub_that_cannot_be_reached(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **options: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", full)
    with pytest.raises(OSError, match="No space left"):
        fetch("some/llama")


def test_what_was_fetched_once_needs_no_hub_again(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch("some/llama")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert fetch("some/llama").weights == "pretrained"


def test_the_environment_names_the_hub_and_turns_telemetry_off(hub: Hub, tmp_path: Path) -> None:
    code = (
        "from profiler.workload import hub; from huggingface_hub import constants;"
        "print(hub.fetch('some/llama', weights=False, code=False)); print(constants.HF_HUB_DISABLE_TELEMETRY)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    folder, telemetry_off = done.stdout.split()
    assert Path(folder).is_relative_to(tmp_path / "home")
    assert telemetry_off == "True"


@pytest.mark.integration
def test_a_hub_id_is_profiled_from_its_name_to_its_verdict(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "ceilings"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    put_ceilings_into_the_cache(CpuDevice())
    sizes = ["--device", "cpu", "--quick", "--prompt-tokens", "16", "--new-tokens", "8"]
    output = tmp_path / "report.json"
    result = CliRunner().invoke(application, ["profile", "some/llama", *sizes, "-o", str(output)])
    torch.set_num_threads(threads)
    assert result.exit_code == 0, result.stderr
    report = load_report(output)
    assert report.complete
    assert report.workload is not None
    workload = report.workload
    assert (workload.model, workload.source, workload.weights) == ("some/llama", "hub", "pretrained")
    assert "Fetching some/llama" in result.stderr
    assert [phase.name for phase in report.phases] == ["load", "prefill", "decode"]
    disk = report.phases[0].legs[0]
    assert disk.bytes is not None
    assert numbers_without_reason(report) == []
