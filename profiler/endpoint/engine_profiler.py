"""The profiler that an engine has itself, started and stopped over HTTP: vLLM and SGLang have the same two routes.

SGLang takes what to record and where to write it from the body. vLLM has the routes only where it was started with
--profiler-config, writes where that says, and reads no body. Both answer a stop when the trace is written.
"""

from __future__ import annotations

from pathlib import Path

from profiler.endpoint.client import Client, needed_aiohttp

_START, _STOP = "/start_profile", "/stop_profile"
_START_S, _STOP_S = 120.0, 600.0
_NO_ROUTE = (404, 405)
_MOST_TEXT = 200
NO_PROFILER = (
    "the server has no profiler to start (HTTP {status}): vLLM has one with --profiler-config "
    '\'{{"profiler": "torch", "torch_profiler_dir": "FOLDER", "torch_profiler_record_shapes": true}}\', SGLang always'
)


class EngineProfiler:
    """One server's profiler; `folder` is where it is to write, by the name that the server knows."""

    def __init__(self, client: Client, folder: Path) -> None:
        self._client, self._folder = client, folder
        self.may_run = False

    async def start(self) -> str | None:
        """Why it does not run; None where it does."""
        self.may_run = True
        wanted = {
            "output_dir": str(self._folder),
            "activities": ["CPU", "GPU"],
            "record_shapes": True,
            "with_stack": False,
        }
        status, why = await self._asked(_START, wanted, _START_S)
        if status is not None:  # it answered, and so it does not run
            self.may_run = why is None
        return NO_PROFILER.format(status=status) if status in _NO_ROUTE else why

    async def stop(self) -> str | None:
        """Why it was not stopped; None where it was, or where it never ran."""
        if not self.may_run:
            return None
        _, why = await self._asked(_STOP, {}, _STOP_S)
        self.may_run = why is not None
        return why

    async def _asked(self, route: str, body: dict[str, object], timeout_s: float) -> tuple[int | None, str | None]:
        """The status, and what went wrong."""
        aiohttp = needed_aiohttp()
        try:
            status, text, _ = await self._client.text(route, post=body, timeout_s=timeout_s)
        except TimeoutError:
            return None, f"the server did not answer {route} within {timeout_s:g} s"
        except (OSError, aiohttp.ClientError) as error:
            return None, f"the server did not answer {route}: {self._client.told(error)}"
        if status == 200:
            return status, None
        return status, f"the server refused {route} (HTTP {status}): {' '.join(text.split())[:_MOST_TEXT]}"
