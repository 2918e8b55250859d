"""A model of the user's own: `package.module:factory`.

The factory takes no arguments and returns any object, usually a `torch.nn.Module`, with

- `prefill()`, which runs the prefill once, and `decode()`, which runs one decode step; neither takes arguments. They
  may return what the host read back, as a number or a list of them; after anything else the device is synchronised.
- optional `reset()`: goes back to before the prefill. Called untimed, before each prefill and before each run of
  `--new-tokens` decode steps. Without it, decode steps go on for ever after one prefill.
- optional `prompt_tokens` and `batch_size`, whole numbers: they give rates their tokens.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from profiler.device.base import Device
from profiler.errors import BottleneckError, FailedError, UnknownModelError, UsageError
from profiler.workload.phase import NO_RESET, PhaseShape


def make(name: str) -> Any:
    """Import and call a factory. The current folder can be imported from, as with `python -m`.

    Raises `UnknownModelError` if there is no such module or attribute, `FailedError` naming the exception if the
    user's code raises one, `UsageError` if what it returns has no `prefill` and `decode`.
    """
    module_name, _, path = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise UnknownModelError(
                f"there is no module {error.name} to import for {name}", "run from the folder it is in, or install it"
            ) from error
        raise _failed(f"import {module_name}", error) from error
    except Exception as error:
        raise _failed(f"import {module_name}", error) from error
    for part in path.split("."):
        if not hasattr(found, part):
            raise UnknownModelError(f"{module_name} has no {path}", "MODEL is package.module:factory")
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"{name} is a {type(found).__name__}, not a factory", "name a function that makes the model")
    made = _run(name, found)
    for method in ("prefill", "decode"):
        if not callable(getattr(made, method, None)):
            raise UsageError(
                f"what {name}() returned ({type(made).__name__}) has no {method}()",
                "return an object with prefill() and decode()",
            )
    return made


class FactoryPhase:
    """`prefill` or `decode` of an object that a factory made."""

    def __init__(self, made: Any, name: str, new_tokens: int, device: Device) -> None:
        self._made = made
        self._name = name
        self._new_tokens = new_tokens
        self._device = device
        self._call: Callable[[], Any] = getattr(made, name)

    @property
    def name(self) -> str:
        """`prefill` or `decode`."""
        return self._name

    @property
    def shape(self) -> PhaseShape | None:
        """From the object's `batch_size` and `prompt_tokens`, None if it has not both."""
        batch, prompt = getattr(self._made, "batch_size", None), getattr(self._made, "prompt_tokens", None)
        if not isinstance(batch, int) or not isinstance(prompt, int):
            return None
        if self._name == "prefill":
            return PhaseShape(batch, query_tokens=prompt, context_tokens=0, cache_tokens=0, tokens_out=batch)
        context = prompt + (self._new_tokens - 2) // 2
        return PhaseShape(batch, query_tokens=1, context_tokens=context, cache_tokens=context, tokens_out=batch)

    @property
    def iterations_per_reset(self) -> int:
        """How many iterations may follow one reset."""
        if not hasattr(self._made, "reset"):
            return NO_RESET
        return 1 if self._name == "prefill" else self._new_tokens - 1

    def reset(self) -> None:
        """Back to before the prefill, and through it if this is the decode."""
        if hasattr(self._made, "reset"):
            _run("reset", self._made.reset)
        if self._name == "decode":
            _run("prefill", self._made.prefill)

    def iterate(self) -> None:
        """Call it once, and wait for the device unless it returned what the host has read."""
        result = _run(self._name, self._call)
        if not isinstance(result, (int, float, list, tuple)):
            self._device.synchronize()

    @property
    def launch(self) -> None:
        """None: nobody knows where it waits."""
        return

    @property
    def body(self) -> None:
        """None: nobody knows whether it replays a graph."""
        return


def _run(what: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except (BottleneckError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise _failed(f"{what}()", error) from error


def _failed(what: str, error: Exception) -> FailedError:
    reason = str(error).strip().partition("\n")[0]
    return FailedError(f"{what} raised {type(error).__name__}: {reason}", "--debug shows the traceback")
