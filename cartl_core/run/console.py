"""Progress for a person: a line for what is worth keeping and, at a terminal, a bar below them that moves."""

from __future__ import annotations

from rich.console import Console as Terminal
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from cartl_core.events import (
    AttackFinished,
    CandidateChosen,
    EpochFinished,
    Event,
    ExportWithheld,
    Failed,
    Finished,
    Progress,
    StageFinished,
    Stopped,
    Warned,
)
from cartl_core.render import numbers

SHOWN = ("loss", "clean_accuracy", "robust_accuracy")


class Console:
    """A reporter that writes to stderr, so that stdout stays free."""

    def __init__(self, terminal: Terminal | None = None) -> None:
        console = terminal or Terminal(stderr=True)
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:.0f} %"),
            TextColumn("{task.fields[left]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=1.0, left="")

    def __call__(self, event: Event) -> None:
        """Show ``event`` if it is for people."""
        match event:
            case Progress():
                left = "" if event.seconds_left is None else f"{numbers.duration(event.seconds_left)} left"
                self._bar.start()
                self._bar.update(
                    self._task, completed=event.fraction, description=event.label, left=left, refresh=True
                )
            case EpochFinished():
                shown = ", ".join(
                    f"{name} {event.metrics[name]:.3f}" for name in SHOWN if name in event.metrics
                )
                self._say(f"{event.label}: epoch {event.epoch} of {event.epochs}: {shown}")
            case StageFinished():
                how = "found" if event.reused else f"done in {numbers.duration(event.seconds)}"
                self._say(f"{event.label}: {how}")
            case AttackFinished():
                robust = numbers.interval(event.result.robust)
                self._say(f"{event.subject} under {event.result.label}: {robust} robust")
            case CandidateChosen():
                self._say(event.words)
            case ExportWithheld():
                self._say(f"{event.name} is withheld: {event.message}")
            case Warned():
                self._say(f"Warning: {event.message}")
            case Finished():
                self._end(f"Finished in {numbers.duration(event.seconds)}.")
            case Failed():
                self._end(f"Failed ({event.reason}): {event.message}")
            case Stopped():
                self._end(f"Stopped ({event.why}); run the same command again to go on.")

    def _say(self, line: str) -> None:
        self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _end(self, line: str) -> None:
        self._bar.stop()
        self._say(line)
