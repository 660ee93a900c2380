"""A sweep in one's hands: how many of its jobs are where, and its table. With and without ``await``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cartl.library import calls, flows
from cartl.library.frames import frame
from cartl.library.html import sweep_html
from cartl.library.transports import AsyncTransport, Transport
from cartl.library.values import Sweep
from cartl_core.statistics.sweep_summary import SweepTable

EVERY_SECONDS = 2.0


def _no_show(sweep: Sweep) -> None:
    """Show nothing."""


class SweepHandle:
    """A sweep of a ``Client``. A notebook shows its table.

    >>> sweep = client.sweep({"dataset": "digits", "freeze_depth": 2},
    ...                      {"method": ["vanilla", "cartl"]})           # doctest: +SKIP
    >>> sweep.wait().table().rows[0].best                                # doctest: +SKIP

    Attributes:
        sweep: all that was known at the last look.
    """

    def __init__(self, transport: Transport, sweep: Sweep) -> None:
        self._transport = transport
        self.sweep = sweep

    @property
    def id(self) -> str:
        """By which the service knows it."""
        return self.sweep.id

    @property
    def states(self) -> dict[str, int]:
        """How many of its jobs are in each state, at the last look."""
        return self.sweep.states

    def refresh(self) -> SweepHandle:
        """Look again; returns the handle."""
        self.sweep = self._transport.ask(calls.sweep(self.id))
        return self

    def wait(
        self,
        *,
        timeout: float | None = None,
        every: float = EVERY_SECONDS,
        show: Callable[[Sweep], None] = _no_show,
    ) -> SweepHandle:
        """Wait until all its jobs have ended; ``show`` is given the sweep at every look.

        Raises:
            JobUnfinished: after ``timeout`` seconds; the jobs go on.
        """
        self.sweep = self._transport.run(
            flows.waiting_for_sweep(
                self.id, timeout=timeout, every=every, clock=self._transport.clock, show=show
            )
        )
        return self

    def table(self) -> SweepTable:
        """A row for each setting, as far as it is known now."""
        return self.refresh().sweep.table

    def to_pandas(self) -> Any:
        """The table as a ``pandas.DataFrame``.

        Raises:
            NotInstalled: pandas is missing.
        """
        return frame(records(self.table()))

    def cancel(self) -> SweepHandle:
        """Ask for the end of all its jobs."""
        self.sweep = self._transport.ask(calls.cancel_sweep(self.id))
        return self

    def __repr__(self) -> str:
        return f"<SweepHandle {self.id} {self.states}>"

    def _repr_html_(self) -> str:
        return sweep_html(self.sweep)


class AsyncSweepHandle:
    """A sweep of an ``AsyncClient``: as ``SweepHandle``, with ``await``.

    Attributes:
        sweep: all that was known at the last look.
    """

    def __init__(self, transport: AsyncTransport, sweep: Sweep) -> None:
        self._transport = transport
        self.sweep = sweep

    @property
    def id(self) -> str:
        """By which the service knows it."""
        return self.sweep.id

    @property
    def states(self) -> dict[str, int]:
        """How many of its jobs are in each state, at the last look."""
        return self.sweep.states

    async def refresh(self) -> AsyncSweepHandle:
        """Look again; returns the handle."""
        self.sweep = await self._transport.ask(calls.sweep(self.id))
        return self

    async def wait(
        self,
        *,
        timeout: float | None = None,
        every: float = EVERY_SECONDS,
        show: Callable[[Sweep], None] = _no_show,
    ) -> AsyncSweepHandle:
        """Wait until all its jobs have ended, as ``SweepHandle.wait`` does."""
        self.sweep = await self._transport.run(
            flows.waiting_for_sweep(
                self.id, timeout=timeout, every=every, clock=self._transport.clock, show=show
            )
        )
        return self

    async def table(self) -> SweepTable:
        """A row for each setting, as far as it is known now."""
        return (await self.refresh()).sweep.table

    async def to_pandas(self) -> Any:
        """The table as a ``pandas.DataFrame``."""
        return frame(records(await self.table()))

    async def cancel(self) -> AsyncSweepHandle:
        """Ask for the end of all its jobs."""
        self.sweep = await self._transport.ask(calls.cancel_sweep(self.id))
        return self

    def __repr__(self) -> str:
        return f"<AsyncSweepHandle {self.id} {self.states}>"

    def _repr_html_(self) -> str:
        return sweep_html(self.sweep)


def records(table: SweepTable) -> list[dict[str, Any]]:
    """Flat, for a data frame: fractions, and None where nothing was measured or shown."""
    return [
        {
            **row.setting.model_dump(),
            "seeds": len(row.seeds),
            "unfinished": row.unfinished,
            "failed": row.failed,
            "clean_validation": row.validation.clean.value if row.validation else None,
            "robust_validation": row.validation.robust.value if row.validation else None,
            "on_front": row.on_front,
            "best": row.best,
            "clean_test": row.test.clean.value if row.test else None,
            "robust_test": row.test.robust.value if row.test else None,
        }
        for row in table.rows
    ]
