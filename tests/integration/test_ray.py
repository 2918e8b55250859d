"""A Ray cluster of this machine's own: the same answer as without one, and each trace at its own risk."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from profiler.errors import FailedError, UnreadableError
from profiler.progress import SilentProgress
from profiler.session.analyze import analyze
from profiler.session.ray_map import map_on_ray
from profiler.session.trace_inputs import TraceInput
from profiler.session.trace_map import Failure
from tests.unit.session.test_trace_map import FILES, given, size_of

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'bottleneck-profiler[ray]'")

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Its address. Its processes are its own: other clusters of the machine are left alone."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    head = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield head.address
    ray.shutdown()
    head.shutdown()


def test_a_cluster_gives_the_same_answer_as_one_process(cluster: str, tmp_path: Path) -> None:
    archive = tmp_path / "ranks.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for file in FILES[:2]:
            tar.add(file, Path(file).name)
    traces = [*FILES, str(archive), str(tmp_path / "gone.json")]
    assert msgspec.json.encode(analyze(*traces, ray=cluster)) == msgspec.json.encode(analyze(*traces, jobs=1))


def test_what_goes_wrong_with_one_trace_costs_no_other(cluster: str) -> None:
    inputs = given("a", "gone", "bb", "broken")
    inputs.append(TraceInput("nowhere", UnreadableError("nowhere is not there")))
    found = {each.name: each.result for each in map_on_ray(inputs, size_of, cluster)}
    assert (found["a"], found["bb"]) == (1, 2)
    for name, reason in (("gone", "lost on the Ray cluster"), ("broken", "of a bug"), ("nowhere", "not there")):
        failure = found[name]
        assert isinstance(failure, Failure)
        assert reason in failure.reason


def test_a_file_that_no_node_has_is_sent(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("profiler.session.ray_map._stamp", lambda path: (0, 0))
    inputs = [TraceInput("a", Path(FILES[0]))]
    (found,) = map_on_ray(inputs, size_of, cluster)
    assert found.result == size_of("a", Path(FILES[0]))


def test_the_command_line_takes_an_address(cluster: str) -> None:
    command = [sys.executable, "-m", "profiler", "analyze", *FILES, "--ray", cluster, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.encode() == encoded(analyze(*FILES, jobs=1))
    assert "Traceback" not in done.stderr


def encoded(answer: object) -> bytes:
    from profiler.report.analysis import Analysis, encode_analysis

    assert isinstance(answer, Analysis)
    return encode_analysis(answer)


def test_where_no_cluster_is_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "init", unreachable)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(FailedError, match="no Ray cluster answers at auto: nobody there; try: ray status"):
        list(map_on_ray(given("a"), size_of, "auto"))


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_where_nobody_listens_ray_is_not_asked(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda *_, **__: pytest.fail("Ray would try for ten minutes"))
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        address = form.format(taken.getsockname()[1])
        with pytest.raises(FailedError, match=r"no Ray cluster answers at .*: Connection refused"):
            list(map_on_ray(given("a"), size_of, address))


@pytest.fixture
def cluster_without_cpus() -> Iterator[str]:
    """The address of one that is a head node alone, of which most are set up not to work."""
    from ray.cluster_utils import Cluster

    head = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield head.address
    head.shutdown()


class Told(SilentProgress):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_on_a_cluster_without_a_free_cpu_it_says_what_it_waits_for_and_gives_up(
    cluster_without_cpus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiler.session.ray_map._SOON_S", 0.1)
    monkeypatch.setattr("profiler.session.ray_map._FREE_CPU_S", 2.0)
    progress = Told()
    with pytest.raises(FailedError, match=r"has had no free CPU for 2 s; try: ray status"):
        analyze(*FILES, ray=cluster_without_cpus, progress=progress)
    assert progress.notes == ["waiting for a free CPU of the Ray cluster, 2 s at most"]


def unreachable(*_: object, **__: object) -> None:
    raise ConnectionError("nobody there\nand more")
