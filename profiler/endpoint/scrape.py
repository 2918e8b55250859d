"""Reads a server's metrics: before, while and after a load runs."""

from __future__ import annotations

import asyncio

from profiler.endpoint.client import Client, needed_aiohttp
from profiler.endpoint.metrics import Engine, Gauges, engine_of, parsed, served

_PERIOD_S = 0.5
# Engines add a request to their histograms a moment after its last token has left.
_SETTLE_S, _SETTLE_STEP_S = 3.0, 0.1


class Scraper:
    """The metrics of one server. `engine` is None where it has none that are known."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.engine: Engine | None = None

    async def snapshot(self, timeout_s: float | None = None) -> dict[str, float] | None:
        """All metrics now; None where they cannot be had, or not within `timeout_s`."""
        aiohttp = needed_aiohttp()
        try:
            status, text, _ = await self._client.text("/metrics", timeout_s=timeout_s)
        except (OSError, TimeoutError, aiohttp.ClientError):
            return None
        if status != 200:
            return None
        found = parsed(text)
        self.engine = self.engine or engine_of(found)
        return found if self.engine is not None else None

    async def sample(self, gauges: Gauges) -> None:
        """Sample the gauges until cancelled."""
        while self.engine is not None:
            found = await self.snapshot()
            if found is not None:
                gauges.add(self.engine, found)
            await asyncio.sleep(_PERIOD_S)

    async def settled(self, before: dict[str, float], requests: int) -> dict[str, float] | None:
        """The metrics once so many more requests are counted, or after a while without that."""
        for _ in range(round(_SETTLE_S / _SETTLE_STEP_S)):
            found = await self.snapshot()
            if found is None or self.engine is None or served(before, found, self.engine) >= requests:
                return found
            await asyncio.sleep(_SETTLE_STEP_S)
        return found
