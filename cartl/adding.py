"""Sending content and waiting for its check, with a line that tells how far it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from cartl.content import Content
from cartl.folder_archive import FolderArchive, Tell
from cartl.http.answers import Answer
from cartl.http.patience import Patience
from cartl.http.problems import ClientError, ServiceError, ServiceUnreachable
from cartl.resources import Resources
from cartl.words import percent

POLL_SECONDS = 1.0
TRIES = 3
"""Of sending; what broke off is sent again from its first byte."""
PAUSE_SECONDS = 2.0
CONFLICT = 409


def send(resources: Resources, ref: str, content: Content, console: Console) -> Answer:
    """Send the content, with a progress bar on a terminal.

    Raises:
        ClientError: the service refused it, or could not be reached ``TRIES`` times in a row.
    """
    for again in range(TRIES, 0, -1):
        try:
            with _bar(content.size, console) as tell:
                return resources.send_content(ref, content.chunks(tell), content.size)
        except ServiceError as error:
            if error.status != CONFLICT or again == TRIES:
                raise
            return resources.one(ref)  # the answer to an earlier try was lost
        except ServiceUnreachable:
            if again == 1:
                raise
            time.sleep(PAUSE_SECONDS)
    raise AssertionError("the last try returns or raises")


def tell_skipped(content: Content, console: Console) -> None:
    """Say how many files of a folder are not sent, and why."""
    if isinstance(content, FolderArchive):
        for reason, files in content.skipped_by_reason.items():
            counted = f"{files} file{'' if files == 1 else 's'}"
            console.print(f"not sent, {reason}: {counted}", markup=False, soft_wrap=True)


@contextmanager
def _bar(size: int, console: Console) -> Iterator[Tell]:
    """A bar that is told how many bytes were sent; nothing where there is no terminal."""
    if not console.is_terminal:
        yield lambda given, size: None
        return
    columns = (TextColumn("sending"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("sending", total=size)
        yield lambda given, size: bar.update(task, completed=given)


def wait_for_check(resources: Resources, ref: str, console: Console) -> Answer:
    """The data set or teacher once it was checked, with a live line on a terminal.

    Raises:
        ClientError: the service was never reached, refused, or was away for longer than
            ``patience.AWAY_SECONDS``.
    """
    patience, began, said = Patience(), time.monotonic(), "checking"
    with console.status("checking") as line:
        while True:
            pause = POLL_SECONDS
            try:
                found = resources.one(ref)
                patience.reached()
            except ClientError as error:
                pause = patience.pause(error)
            else:
                if found["state"] != "checking":
                    return found
                done = found.get("fraction")
                said = f"checking, {percent(done)} done" if done else "checking"
            line.update(f"{said}, {time.monotonic() - began:.0f} s")
            time.sleep(pause)
