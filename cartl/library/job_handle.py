"""A job in one's hands: where it is, what it found. With and without ``await``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

from cartl.http.answers import Answer
from cartl.library import calls, flows
from cartl.library.bodies import NEWEST, remeasurement
from cartl.library.html import job_html
from cartl.library.incoming import ALL
from cartl.library.progress import progress as shown
from cartl.library.report import JobReport
from cartl.library.transports import AsyncTransport, Transport
from cartl.library.values import Estimate, Event, Job

EVERY_SECONDS = 1.0


class JobHandle:
    """A job of a ``Client``. A notebook shows its state, a bar and a link.

    >>> job = client.submit(dataset="digits", freeze_depth=3)            # doctest: +SKIP
    >>> job.wait().report().headline                                     # doctest: +SKIP

    Attributes:
        job: all that was known at the last look.
    """

    def __init__(self, transport: Transport, job: Job) -> None:
        self._transport = transport
        self.job = job

    @property
    def id(self) -> str:
        """By which the service knows it."""
        return self.job.id

    @property
    def state(self) -> str:
        """At the last look: `queued`, `running`, `succeeded`, `failed` or `cancelled`."""
        return self.job.state

    @property
    def estimate(self) -> Estimate | None:
        """What it was expected to cost when it was submitted."""
        return self.job.estimate

    def refresh(self) -> JobHandle:
        """Look again; returns the handle."""
        self.job = self._transport.ask(calls.job(self.id))
        return self

    def wait(
        self, *, timeout: float | None = None, progress: bool = True, every: float = EVERY_SECONDS
    ) -> JobHandle:
        """Wait for its end, whatever it is: look at ``state``. Returns the handle.

        Args:
            timeout: seconds; None waits as long as it takes.
            progress: show a bar, in a terminal or a notebook; nothing elsewhere.
            every: seconds between two looks.

        Raises:
            JobUnfinished: the time is over; the job goes on.
        """
        with shown(progress, self._transport.base_url) as show:
            self.job = self._transport.run(
                flows.waiting(self.id, timeout=timeout, every=every, clock=self._transport.clock, show=show)
            )
        return self

    def events(self, *, after: int = 0, follow: bool = True, every: float = EVERY_SECONDS) -> Iterator[Event]:
        """Its events in order, from number ``after`` + 1 on; with ``follow`` as they come, until its end."""
        while batch := self._transport.run(
            flows.next_events(self.id, after=after, follow=follow, every=every)
        ):
            after = batch[-1].number
            yield from batch

    def report(self) -> JobReport:
        """Its robustness report, as far as it is known: ``complete`` says whether all is."""
        return self._transport.ask(calls.report(self.id))

    def report_json(self) -> Answer:
        """The report as the service wrote it, with all that this version does not know."""
        return self._transport.ask(calls.report_json(self.id))

    def report_markdown(self) -> str:
        """The report as text."""
        return self._transport.ask(calls.report_markdown(self.id))

    def download(self, name: str = ALL, *, to: str | Path = ".") -> tuple[Path, ...]:
        """Write its file ``name``, or all of them, into the folder ``to``; returns where they are.

        Each is checked against the SHA-256 that the service names, and appears whole or not at all.

        Raises:
            FileDamaged: what came is not what the service keeps.
        """
        return self._transport.run(flows.downloading(self.id, name, Path(to)))

    def cancel(self) -> JobHandle:
        """Ask for its end; a running one ends soon after. Returns the handle."""
        self.job = self._transport.ask(calls.cancel(self.id))
        return self

    def retry(self) -> JobHandle:
        """Queue it again once it has failed or was cancelled; it goes on from its checkpoints."""
        self.job = self._transport.ask(calls.retry(self.id))
        return self

    def remeasure(self, evaluate: str | Mapping[str, Any] = NEWEST, **fields: Any) -> JobHandle:
        """Have its network attacked again with what is new: the new job, as ``Client.remeasure`` gives it."""
        call = calls.remeasure(self.id, remeasurement(evaluate, fields), calls.new_key())
        return JobHandle(self._transport, self._transport.ask(call))

    def set_priority(self, priority: int) -> JobHandle:
        """Let it go before your others (up to 10) or behind them (down to -10). Returns the handle."""
        self.job = self._transport.ask(calls.set_priority(self.id, priority))
        return self

    def delete(self) -> None:
        """Delete it, with its files, once it has ended."""
        self._transport.ask(calls.delete(self.id))

    def __repr__(self) -> str:
        return f"<JobHandle {self.id} {self.state}>"

    def _repr_html_(self) -> str:
        return job_html(self.job, self._transport.base_url)


class AsyncJobHandle:
    """A job of an ``AsyncClient``: as ``JobHandle``, with ``await``.

    >>> job = await client.submit(dataset="digits", freeze_depth=3)      # doctest: +SKIP
    >>> report = await (await job.wait()).report()                       # doctest: +SKIP

    Attributes:
        job: all that was known at the last look.
    """

    def __init__(self, transport: AsyncTransport, job: Job) -> None:
        self._transport = transport
        self.job = job

    @property
    def id(self) -> str:
        """By which the service knows it."""
        return self.job.id

    @property
    def state(self) -> str:
        """At the last look."""
        return self.job.state

    @property
    def estimate(self) -> Estimate | None:
        """What it was expected to cost when it was submitted."""
        return self.job.estimate

    async def refresh(self) -> AsyncJobHandle:
        """Look again; returns the handle."""
        self.job = await self._transport.ask(calls.job(self.id))
        return self

    async def wait(
        self, *, timeout: float | None = None, progress: bool = True, every: float = EVERY_SECONDS
    ) -> AsyncJobHandle:
        """Wait for its end, as ``JobHandle.wait`` does."""
        with shown(progress, self._transport.base_url) as show:
            self.job = await self._transport.run(
                flows.waiting(self.id, timeout=timeout, every=every, clock=self._transport.clock, show=show)
            )
        return self

    async def events(
        self, *, after: int = 0, follow: bool = True, every: float = EVERY_SECONDS
    ) -> AsyncIterator[Event]:
        """Its events in order, as ``JobHandle.events`` gives them."""
        while batch := await self._transport.run(
            flows.next_events(self.id, after=after, follow=follow, every=every)
        ):
            after = batch[-1].number
            for event in batch:
                yield event

    async def report(self) -> JobReport:
        """Its robustness report, as far as it is known."""
        return await self._transport.ask(calls.report(self.id))

    async def report_json(self) -> Answer:
        """The report as the service wrote it."""
        return await self._transport.ask(calls.report_json(self.id))

    async def report_markdown(self) -> str:
        """The report as text."""
        return await self._transport.ask(calls.report_markdown(self.id))

    async def download(self, name: str = ALL, *, to: str | Path = ".") -> tuple[Path, ...]:
        """Write its file ``name``, or all of them, into a folder, as ``JobHandle.download`` does."""
        return await self._transport.run(flows.downloading(self.id, name, Path(to)))

    async def cancel(self) -> AsyncJobHandle:
        """Ask for its end."""
        self.job = await self._transport.ask(calls.cancel(self.id))
        return self

    async def retry(self) -> AsyncJobHandle:
        """Queue it again once it has failed or was cancelled."""
        self.job = await self._transport.ask(calls.retry(self.id))
        return self

    async def remeasure(self, evaluate: str | Mapping[str, Any] = NEWEST, **fields: Any) -> AsyncJobHandle:
        """Have its network attacked again with what is new, as ``JobHandle.remeasure`` does."""
        call = calls.remeasure(self.id, remeasurement(evaluate, fields), calls.new_key())
        return AsyncJobHandle(self._transport, await self._transport.ask(call))

    async def set_priority(self, priority: int) -> AsyncJobHandle:
        """Let it go before your others or behind them. Returns the handle."""
        self.job = await self._transport.ask(calls.set_priority(self.id, priority))
        return self

    async def delete(self) -> None:
        """Delete it, with its files, once it has ended."""
        await self._transport.ask(calls.delete(self.id))

    def __repr__(self) -> str:
        return f"<AsyncJobHandle {self.id} {self.state}>"

    def _repr_html_(self) -> str:
        return job_html(self.job, self._transport.base_url)
