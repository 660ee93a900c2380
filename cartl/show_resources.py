"""Data sets and teachers on a terminal: lists, and what a check has found, as tables."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from cartl.http import answers
from cartl.http.answers import Answer
from cartl.terminal.tables import empty_table, safe, say
from cartl.words import printable
from cartl_core.spec.visible_text import visible

STYLES = {"ready": "green", "verified": "green", "unverified": "yellow", "rejected": "red", "changed": "red"}
SHOWN_CLASSES = 20
SHOWN_SKIPPED = 20


def show_list(rows: Iterable[Answer], console: Console) -> None:
    """A row each: id, name, state, where it comes from, and what it is."""
    shown = empty_table(console, "id", "name", "state", "origin", "what it is")
    for row in rows:
        state = str(row["state"])
        name = str(row.get("name") or row.get("label") or "")
        cells = (str(row.get("origin") or ""), _what(row))
        shown.add_row(
            safe(str(row["id"])),
            safe(name),
            Text(printable(state), STYLES.get(state, "")),
            *map(safe, cells),
        )
    console.print(shown)


def _what(row: Answer) -> str:
    if row.get("reason"):
        return str(row["reason"])
    classes = row.get("classes")
    if isinstance(classes, list):
        return f"{len(classes)} classes, {row.get('channels')} channels"
    return str(row.get("layout") or "")


def show_dataset(answer: Answer, console: Console) -> None:
    """Where it is, its classes and counts, what was skipped and why, warnings, defaults."""
    found = answers.Dataset.model_validate(answer)
    _head(found, console)
    if found.classes is not None and found.counts:
        _counts(found.classes, found.counts, console)
    if found.defaults:
        told = empty_table(console, "default", "value")
        for name, value in found.defaults.items():
            told.add_row(safe(name), safe(_number(value)))
        console.print(told)
    if found.report is not None:
        _report(found.report, console)


def _counts(classes: list[str], counts: dict[str, list[int]], console: Console) -> None:
    table = empty_table(console, "class", *counts)
    for number, name in enumerate(classes[:SHOWN_CLASSES]):
        cells = (str(split[number]) if number < len(split) else "" for split in counts.values())
        table.add_row(safe(name), *cells)
    if len(classes) > SHOWN_CLASSES:
        table.add_row(f"... {len(classes) - SHOWN_CLASSES} more")
    table.add_row("all", *(str(sum(split)) for split in counts.values()))
    console.print(table)


def _report(report: answers.Looked, console: Console) -> None:
    say(console, f"{report.files} files: {report.taken} images taken")
    if report.skipped_by_reason:
        table = empty_table(console, "skipped because", "files")
        for reason, files in report.skipped_by_reason.items():
            table.add_row(safe(reason), str(files))
        console.print(table)
    for skipped in report.skipped[:SHOWN_SKIPPED]:
        say(console, f"  skipped {skipped.path}: {skipped.reason}")
    if report.duplicates:
        say(console, f"{report.duplicates} images occur more than once")
    if report.shared_train_test:
        say(console, f"{report.shared_train_test} test images are training images, too")
    for warning in report.warnings:
        say(console, f"warning: {warning.message}")


def show_teacher(answer: Answer, console: Console) -> None:
    """Where it is, its blocks, methods and refusals, and what was measured."""
    found = answers.Teacher.model_validate(answer)
    _head(found, console)
    if found.layout:
        say(console, f"layout: {found.layout}")
    if found.blocks:
        table = empty_table(console, "block", "parameters", "multiply-adds")
        for block in found.blocks:
            table.add_row(safe(block.name), f"{block.parameters:,}", f"{block.macs:,}")
        console.print(table)
    if found.methods is not None:
        say(console, f"methods: {', '.join(found.methods) or 'none'}")
    for method, why in (found.refused or {}).items():
        say(console, f"not {method}: {why}")
    if found.verification is not None:
        _verification(found.verification, console)


def _verification(measured: answers.Verification, console: Console) -> None:
    say(console, f"measured on {measured.n} images of {measured.dataset}:")
    table = empty_table(console, "accuracy", "value", "95 % interval")
    for name, share in (("clean", measured.clean), (measured.attack, measured.robust)):
        table.add_row(safe(name), f"{share.value:.1%}", f"{share.low:.1%} to {share.high:.1%}")
    console.print(table)


def _head(found: answers.Resource, console: Console) -> None:
    line = f"{found.name or found.id} ({found.id}): {found.state}"
    why = " - ".join(part for part in (found.reason, found.message) if part)
    style = STYLES.get(found.state, "")
    console.print(Text(printable(visible(f"{line} - {why}" if why else line)), style), soft_wrap=True)
    if found.licence:
        say(console, f"licence: {found.licence}")


def _number(value: float | str | None) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
