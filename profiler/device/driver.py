"""The one funnel that every call to NVML goes through, so that no NVML error can end the workload.

`Driver.query` answers or raises `QueryRefused`; nothing else leaves this module. What is asked of one GPU stands
in gpu.py, its counters over a window (GPM) in gpm.py.
"""

from __future__ import annotations

from typing import Any


class DriverUnavailable(Exception):  # noqa: N818 - a state of the machine, no error of the user's
    """There is no NVIDIA driver to ask. `reason` says why, in words for a report."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class QueryRefused(Exception):  # noqa: N818 - expected wherever a driver lacks a counter
    """The driver did not answer one query. `reason` says why, in words for a report."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class Driver:
    """NVML, opened. `library` is the module `pynvml` or anything with its functions."""

    def __init__(self, library: Any) -> None:
        self._library = library

    @classmethod
    def open(cls, library: Any = None) -> Driver:
        """Start NVML.

        Raises `DriverUnavailable` when there is no NVML library, no driver, or no permission to use it.
        """
        if library is None:
            try:
                import pynvml
            except ImportError as error:
                raise DriverUnavailable(f"the Python package nvidia-ml-py cannot be imported: {error}") from error
            library = pynvml
        driver = cls(library)
        try:
            driver.query("nvmlInit")
        except QueryRefused as refusal:
            raise DriverUnavailable(f"NVML does not start: {refusal.reason}") from refusal
        return driver

    def query(self, name: str, *arguments: Any) -> Any:
        """The answer of NVML's function `name`. Raises `QueryRefused` for whatever else happens in it."""
        function = getattr(self._library, name, None)
        if function is None:
            raise QueryRefused(name, "this version of nvidia-ml-py has no such query")
        try:
            return function(*arguments)
        except self._library.NVMLError as error:
            raise QueryRefused(name, str(error)) from error
        except Exception as error:  # ctypes and decoding errors too: a reading is never worth a run
            raise QueryRefused(name, f"{type(error).__name__}: {error}") from error

    def constant(self, name: str) -> Any:
        """A constant or structure of the library. Raises `QueryRefused` where its version lacks it."""
        value = getattr(self._library, name, None)
        if value is None:
            raise QueryRefused(name, "this version of nvidia-ml-py does not know it")
        return value

    def explain(self, code: int) -> str:
        """NVML's return code in words, e.g. `Not Supported`."""
        return str(self._library.NVMLError(code))

    def version(self) -> str:
        """The driver's version, e.g. `580.159.04`. Raises `QueryRefused`."""
        return str(self.query("nvmlSystemGetDriverVersion"))

    def close(self) -> None:
        """Stop NVML; a driver that is gone already is no matter."""
        try:
            self.query("nvmlShutdown")
        except QueryRefused:
            return
