"""The commands `verify` and `sign`: a report computed again from its outcomes, and its signature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from cartl.commands.options import AsJson, Quiet
from cartl.exit_codes import FAILED
from cartl.http.problems import NotUsable
from cartl.signing import attestation
from cartl.signing.envelope import SignatureInvalid
from cartl.signing.weights import check_weights, sign_weights
from cartl.terminal.output import Output
from cartl.words import printable
from cartl_core.analysis.acceptance.outcomes_file import (
    OutcomesInvalid,
    StoredOutcomes,
    outcomes_name,
    read_outcomes,
)
from cartl_core.analysis.acceptance.verify import NotVerifiable, Verification, subjects
from cartl_core.analysis.acceptance.verify import verify as compute_again
from cartl_core.render import sentences
from cartl_core.report import Report
from cartl_core.spec.faults import first_fault
from cartl_core.strict_json import ANSWER, read_file

REPORT = "report.json"
SHOWN = 20
"""Differences that are told; of more their number."""


def verify(
    report: Annotated[
        Path,
        typer.Argument(
            help="A report.json with the outcomes files of its run beside it, or the folder that has them.",
            metavar="REPORT",
        ),
    ],
    key: Annotated[
        Path | None,
        typer.Option(help="The operator's public key in PEM: the files must be as they were signed."),
    ] = None,
    weights: Annotated[
        bool, typer.Option("--weights", help="With --key: the weights' own signatures as well.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compute a report's figures and verdicts again from its stored outcomes.

    The exit code is 0 where all criteria pass; 1 means that a criterion failed or is undecided, that there is
    none, or that the report says something else than its outcomes; 2 that a file is missing or damaged.
    """
    if weights and key is None:
        raise typer.BadParameter("--weights needs --key")
    path = report / REPORT if report.is_dir() else report
    written = _read(path)
    found = _verified(written, path.parent)
    lines = _lines(found)
    told = {"accepted": found.accepted, "lines": lines}
    Output(as_json, quiet).answer(told, lambda console: typer.echo(printable("\n".join(lines))))
    beside = as_json or quiet
    signed = key is None or _is_signed(path, key, written, found, beside=beside)
    if weights and key is not None:
        signed = _has_signed_weights(path.parent, key, beside=beside) and signed
    if not found.accepted or not signed:
        raise typer.Exit(FAILED)


def sign(
    folder: Annotated[
        Path, typer.Argument(help="The folder of a run, or of what was downloaded of it.", metavar="FOLDER")
    ],
    key: Annotated[Path, typer.Option(help="The operator's private key in PEM, e.g. of Ed25519.")],
    image: Annotated[
        str | None,
        typer.Option(
            help="SHA-256 of the container image that computed, where the report does not say it.",
            metavar="DIGEST",
        ),
    ] = None,
    weights: Annotated[
        bool, typer.Option("--weights", help="Sign each file of weights by itself as well: NAME.sig.")
    ] = False,
) -> None:
    """Sign the files of a run whose report agrees with its outcomes: an in-toto statement in DSSE.

    With --weights each file of weights has a signature in the form of OpenSSF model-signing besides, which
    `model_signing verify key` reads.
    """
    report = _read(folder / REPORT)
    found = _verified(report, folder)
    if found.differences:
        for line in _lines(found):
            typer.echo(printable(line))
        raise typer.Exit(FAILED)
    for signature in sign_weights(folder, key) if weights else ():
        typer.echo(signature)
    typer.echo(attestation.sign(folder, attestation.statement(folder, report, found, image), key))


def _is_signed(path: Path, key: Path, report: Report, found: Verification, *, beside: bool) -> bool:
    needed = (path.name, *(outcomes_name(subject) for subject in subjects(report)))
    try:
        signed = attestation.check(path.parent, key, needed, found)
    except SignatureInvalid as error:
        typer.echo(printable(f"signature: {error}"), err=beside)
        return False
    absent = f"; not here: {', '.join(signed.absent)}" if signed.absent else ""
    typer.echo(printable(f"signature: {len(signed.here)} files are as they were signed{absent}"), err=beside)
    return True


def _has_signed_weights(folder: Path, key: Path, *, beside: bool) -> bool:
    try:
        names = check_weights(folder, key)
    except SignatureInvalid as error:
        typer.echo(printable(f"weights: {error}"), err=beside)
        return False
    typer.echo(printable(f"weights: as they were signed: {', '.join(names)}"), err=beside)
    return True


def _read(path: Path) -> Report:
    try:
        written = read_file(path, ANSWER)
    except ValueError as error:
        raise NotUsable(f"{path} cannot be read as JSON: {error}") from error
    try:
        return Report.model_validate(written)
    except ValidationError as error:
        first = first_fault(Report, error, written, whole="the file")
        raise NotUsable(f"{path} is no report of this version: {first}") from error


def _verified(report: Report, folder: Path) -> Verification:
    def stored(subject: str) -> StoredOutcomes:
        return read_outcomes(folder / outcomes_name(subject))

    try:
        return compute_again(report, stored)
    except FileNotFoundError as error:
        raise NotUsable(f"{error.filename} is missing: it belongs beside the report") from error
    except (OutcomesInvalid, NotVerifiable) as error:
        raise NotUsable(str(error)) from error


def _lines(found: Verification) -> list[str]:
    lines = [sentences.verdict(verdict) for verdict in found.verdicts]
    lines += [
        f"differs: {told.where} is {told.found!r} by the outcomes, {told.reported!r} in the report"
        for told in found.differences[:SHOWN]
    ]
    if len(found.differences) > SHOWN:
        lines.append(f"... and {len(found.differences) - SHOWN} further differences")
    if found.differences:
        return [*lines, "The report is not what its outcomes give."]
    if not found.verdicts:
        return [*lines, "The figures are what the outcomes give; the job had no acceptance criteria."]
    return [*lines, sentences.acceptance_outcome(found.verdicts)]
