"""The funnel: an NVML error can never end the workload."""

from __future__ import annotations

import sys
from pathlib import Path

import pynvml
import pytest

import profiler
from profiler.device.driver import Driver, DriverUnavailable, QueryRefused
from tests.fakes import FakeDriverLibrary


def test_a_missing_driver_is_a_state_with_a_reason_and_no_failure():
    library = FakeDriverLibrary()
    library.refuse("nvmlInit", pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
    with pytest.raises(DriverUnavailable) as unavailable:
        Driver.open(library)
    assert "Driver Not Loaded" in unavailable.value.reason


def test_a_missing_python_package_is_a_state_with_a_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(DriverUnavailable, match="nvidia-ml-py"):
        Driver.open()


def test_a_refusal_names_the_query_and_says_why():
    library = FakeDriverLibrary()
    library.refuse("nvmlSystemGetDriverVersion", pynvml.NVML_ERROR_NO_PERMISSION)
    with pytest.raises(QueryRefused) as refusal:
        Driver.open(library).version()
    assert refusal.value.name == "nvmlSystemGetDriverVersion"
    assert refusal.value.reason == "Insufficient Permissions"


def test_a_query_may_be_refused_in_the_middle_of_a_run_and_answered_before():
    library = FakeDriverLibrary()
    driver = Driver.open(library)
    library.refuse("nvmlSystemGetDriverVersion", pynvml.NVML_ERROR_GPU_IS_LOST, after=2)
    assert [driver.version(), driver.version()] == ["580.159.04", "580.159.04"]
    with pytest.raises(QueryRefused, match="GPU is lost"):
        driver.version()


def test_a_function_that_the_library_lacks_is_a_refusal():
    library = FakeDriverLibrary()
    library.lack("nvmlSystemGetDriverVersion")
    with pytest.raises(QueryRefused, match="no such query"):
        Driver.open(library).version()


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("odd"), UnicodeDecodeError("utf-8", b"", 0, 1, "bad")])
def test_errors_that_are_not_of_nvml_are_refusals_too(error):
    class Broken(FakeDriverLibrary):
        def nvmlSystemGetDriverVersion(self):  # noqa: N802 - NVML's name
            raise error

    with pytest.raises(QueryRefused, match=type(error).__name__):
        Driver.open(Broken()).version()


def test_ctrl_c_during_a_query_is_not_swallowed():
    class Interrupted(FakeDriverLibrary):
        def nvmlSystemGetDriverVersion(self):  # noqa: N802 - NVML's name
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Driver.open(Interrupted()).version()


def test_closing_a_driver_that_is_gone_is_no_matter():
    library = FakeDriverLibrary()
    driver = Driver.open(library)
    library.refuse_everything()
    driver.close()
    assert library.count("nvmlShutdown") == 1


def test_only_the_funnel_touches_pynvml():
    package = Path(profiler.__file__).parent
    users = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "import pynvml" in path.read_text() or "from pynvml" in path.read_text()
    }
    assert users == {"device/driver.py"}
