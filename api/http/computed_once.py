"""A value that costs something, made at most once in a while for all who ask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from fastapi.concurrency import run_in_threadpool

T = TypeVar("T")


class ComputedOnce(Generic[T]):
    """What ``compute`` returned, for ``seconds``. One thread computes it for all; no error is kept."""

    def __init__(
        self, compute: Callable[[], T], seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._compute = compute
        self._seconds = seconds
        self._clock = clock
        self._made: asyncio.Task[tuple[T, float]] | None = None

    async def get(self) -> T:
        """The value. Whoever waits may go away; the others still get it."""
        if self._made is None or self._is_old(self._made):
            self._made = asyncio.create_task(self._make())
        value, _ = await asyncio.shield(self._made)
        return value

    async def _make(self) -> tuple[T, float]:
        value = await run_in_threadpool(self._compute)
        return value, self._clock()

    def _is_old(self, made: asyncio.Task[tuple[T, float]]) -> bool:
        if not made.done():
            return False
        failed = made.cancelled() or made.exception() is not None
        return failed or self._clock() - made.result()[1] >= self._seconds
