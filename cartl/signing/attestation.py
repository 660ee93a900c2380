"""A signed statement of a run's files and of what its criteria came to.

The statement is in-toto's (Statement v1 with the predicate test-result v0.1), its envelope is DSSE.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cartl.http.problems import NotUsable
from cartl.signing.envelope import (
    STATEMENT_TYPE,
    SignatureInvalid,
    enclosed,
    sha256_of,
    statement_in,
    written_at,
)
from cartl.signing.keys import private_key, public_key
from cartl_core.analysis.acceptance.verify import Verification
from cartl_core.report import Report
from cartl_core.spec import JobSpec
from cartl_core.storage.atomic_write import write_whole

FILE = "attestation.dsse.json"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
MOST_FILES = 1000
SHA256 = re.compile(r"[0-9a-f]{64}")
_RESULTS = {"passed": "PASSED", "undecided": "WARNED", "failed": "FAILED"}


@dataclass(frozen=True)
class Signed:
    """What was checked: files that are as they were signed, and names of those that are not here."""

    here: tuple[str, ...]
    absent: tuple[str, ...]


def statement(folder: Path, report: Report, found: Verification, image: str | None = None) -> dict[str, Any]:
    """The in-toto statement of a folder that a run, or a download, has filled.

    Args:
        image: SHA-256 of the container image that computed, where the report does not say it.

    Raises:
        NotUsable: the folder has too many files, the digest of the image is none, or the report has another.
    """
    if image is not None and not SHA256.fullmatch(image):
        raise NotUsable("the digest of the image must be 64 hexadecimal digits, without sha256: before them")
    known = report.runtime.image if report.runtime else None
    if image is not None and known not in (None, image):
        raise NotUsable(f"the report was computed by the image {known}; leave --image out")
    names = sorted(path.name for path in folder.iterdir() if _is_subject(path))
    if len(names) > MOST_FILES:
        raise NotUsable(f"{folder} has {len(names)} files; at most {MOST_FILES} are signed")
    told = {status: [one.criterion for one in found.verdicts if one.status == status] for status in _RESULTS}
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": sha256_of(folder / name)}} for name in names],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": _result(found),
            "configuration": _configuration(report, known or image),
            "passedTests": told["passed"],
            "warnedTests": told["undecided"],
            "failedTests": told["failed"],
        },
    }


def _result(found: Verification) -> str:
    if found.accepted:
        return "PASSED"
    return "FAILED" if any(one.status == "failed" for one in found.verdicts) else "WARNED"


def _configuration(report: Report, image: str | None) -> list[dict[str, Any]]:
    """What was asked for, of which images, by which code."""
    figures = report.student.figures if report.student else None
    source = report.teachers[0].figures if report.teachers and report.teachers[0].figures else None
    digests = {
        "specification": report.spec_digest,
        "images of the target": figures.data_fingerprint if figures else None,
        "images of the source": source.data_fingerprint if source else None,
        "network": None if isinstance(report.spec, JobSpec) else report.spec.network.sha256,
        "container image": image,
    }
    for other in (one.figures for one in report.further if one.figures):
        digests[f"images of {other.data}"] = other.data_fingerprint
    found: list[dict[str, Any]] = [
        {"name": name, "digest": {"sha256": digest}}
        for name, digest in digests.items()
        if digest and SHA256.fullmatch(digest)
    ]
    found += _code(report)
    return found


def _code(report: Report) -> Iterator[dict[str, Any]]:
    """The code that computed: of the run, and of what it took over from runs of other commits."""
    runtime = report.runtime
    if runtime is None:
        return
    own: dict[str, Any] = {"name": "cartl", "uri": f"pkg:pypi/cartl@{runtime.cartl}"}
    if runtime.commit is not None:
        tree = {None: "unknown", True: "changed", False: "unchanged"}[runtime.tree_changed]
        own |= {"digest": {"gitCommit": runtime.commit}, "annotations": {"tree": tree}}
    yield own
    arms = [arm for arm in (report.student, *report.baselines) if arm]
    origins = [arm.origin for arm in arms] + [teacher.origin for teacher in report.teachers]
    for commit in sorted({origin.commit or "" for origin in origins} - {"", runtime.commit}):
        yield {"name": "cartl, of networks that were made before", "digest": {"gitCommit": commit}}


def sign(folder: Path, stated: Mapping[str, Any], key: Path) -> Path:
    """Write the signed envelope into the folder.

    Raises:
        NotUsable: the key is none, or the packages are missing.
    """
    written = enclosed(stated, private_key(key))
    write_whole(folder / FILE, json.dumps(written, indent=1).encode())
    return folder / FILE


def check(folder: Path, key: Path, needed: tuple[str, ...], found: Verification) -> Signed:
    """Check the envelope in a folder.

    Args:
        key: the operator's public key in PEM.
        needed: names of files that must be there and signed.
        found: what came of computing the report again; the statement must say the same.

    Raises:
        SignatureInvalid: saying what is wrong.
        NotUsable: the envelope or the key cannot be read, or the packages are missing.
    """
    public = public_key(key)
    stated = statement_in(written_at(folder / FILE), public, folder / FILE)
    subjects = _subjects(stated)
    here = tuple(name for name in subjects if (folder / name).is_file())
    for name in needed:
        if name not in subjects:
            raise SignatureInvalid(f"{name} is not among the files that were signed")
    for name in here:
        if sha256_of(folder / name) != subjects[name]:
            raise SignatureInvalid(f"{name} is not the file that was signed")
    if stated["predicate"].get("result") != _result(found):
        raise SignatureInvalid("the statement has another result than the outcomes give")
    return Signed(here, tuple(name for name in subjects if name not in here))


def _subjects(stated: Any) -> dict[str, str]:
    """Signed files with their SHA-256; names lead to nowhere but the folder."""
    try:
        kinds = (stated["_type"], stated["predicateType"])
        found = {str(one["name"]): str(one["digest"]["sha256"]) for one in stated["subject"]}
        known = kinds == (STATEMENT_TYPE, PREDICATE_TYPE) and isinstance(stated["predicate"], dict)
    except (KeyError, TypeError) as error:
        raise SignatureInvalid("the statement is not one of test results") from error
    if not known or any(Path(name).name != name for name in found):
        raise SignatureInvalid("the statement is not one of test results of files in one folder")
    return found


def _is_subject(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.name != FILE and not path.name.startswith(".")
