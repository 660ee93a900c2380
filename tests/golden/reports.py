"""Three small complete reports: of a transfer, of a run that chooses its method, of an evaluation.

Times are taken out of them (all are 1 second), and no machine is in them: runs are given a runtime of tests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cartl_core.catalog.network_file import inspect
from cartl_core.nn.files import save_network
from cartl_core.planning.networks.existing_network import resolve_existing_network
from cartl_core.planning.resolve import resolve
from cartl_core.render import html, markdown
from cartl_core.render.figure import Picture
from cartl_core.render.schema_1 import read_report
from cartl_core.run.pipeline import run
from cartl_core.spec import JobRequest, JobSpec
from cartl_core.spec.existing_network import EvaluateJobRequest, EvaluateJobSpec
from cartl_core.storage.stage_cache import LocalStageCache
from cartl_core.storage.stop_flag import StopFlag
from tests.golden.fixed_network import fixed
from tests.golden.tiny import RUNTIME

FIVE: dict[str, Any] = {"name": "digits", "classes": [5, 6, 7, 8, 9]}
TRANSFER: dict[str, Any] = {"dataset": FIVE, "freeze_depth": 2, "preset": "smoke", "model": "tiny"}
AUTO: dict[str, Any] = {
    **TRANSFER,
    "method": "auto",
    "freeze_depth": "auto",
    # Long enough, and candidates far enough apart, that no two images decide which one is chosen.
    "pretrain": {"epochs": 12},
    "transfer": {"epochs": 6},
    "auto": {
        "margin": 1.0,
        "lead": 0.0,
        "validation_images": 70,
        "attack": {"steps": 3},
        "candidates": [
            {"method": "consistent", "freeze_depth": 1, "transfer": {"displacement": {"weight": 30.0}}},
            {"method": "cartl", "freeze_depth": 1},
        ],
    },
    "baselines": [],
    "evaluate": {"test_limit": 40, "source_attacks": [], "curve": None, "corruptions": None, "checks": None},
}
EVALUATION: dict[str, Any] = {
    "kind": "evaluate",
    "dataset": FIVE,
    "network": {},
    "preset": "smoke",
    # More attacks than one and what is made on request only, so that every part of a report is shown.
    "evaluate": {
        "test_limit": 60,
        "attacks": [
            {"label": "pgd10", "eps": 0.15, "step": 0.03, "steps": 10},
            {"label": "apgd-t", "name": "apgd", "loss": "targeted_dlr", "eps": 0.15, "steps": 5},
            {"label": "square", "name": "square", "loss": "margin", "eps": 0.15, "steps": 50},
            {"label": "l2", "norm": "l2", "eps": 0.8, "step": 0.2, "steps": 10},
        ],
        "audit": {"images": 40},
        "smoothing": {"sigma": 0.25, "n0": 20, "n": 100, "images": 20},
    },
}
NAMES = ("transfer", "auto", "evaluation")
PICTURES = ("curve.svg", "history.svg", "per-class.svg", "selection.svg", "worst-images.png")
"""Figures that a page can have; here made of a few bytes, for matplotlib's own change with its versions."""

MOST_IMAGES = 2
"""By which a count of a trained network may differ between processors."""
LOOSE = 0.1
"""Of the size of another number that hangs on such a count, or this much."""
CLOSE = 1e-3
TIMES = ("seconds", "images_per_second")
JUDGED = frozenset({"warnings", "status", "finding", "evidence"})
"""Fields that judge figures: compared where all counts are the same."""
AS_WRITTEN = frozenset({"details", "at"})
"""Numbers that schema 1 had in sentences alone, rounded as they were written there: never compared."""
LISTED = frozenset({"images", "missed", "points", "curve"})
"""Lists that are as long as figures have them."""


def spec_of(name: str, network: Path) -> JobSpec | EvaluateJobSpec:
    """The resolved specification of a golden report; an evaluation is one of ``network``."""
    if name == "evaluation":
        return resolve_existing_network(EvaluateJobRequest.model_validate(EVALUATION), inspect(network))
    return resolve(JobRequest.model_validate({"transfer": TRANSFER, "auto": AUTO}[name]))


def make(folder: Path) -> dict[str, tuple[Any, list[str]]]:
    """Every report as JSON without times, beside the names of the files for the person."""
    found = {}
    network = folder / "network.safetensors"
    save_network(network, fixed())
    for name in NAMES:
        report = run(
            spec_of(name, network),
            cache=LocalStageCache(folder / "stages", lambda event: None, StopFlag()),
            data_root=folder / "data",
            out=folder / name,
            runtime=RUNTIME,
            download=False,
            network=network if name == "evaluation" else None,
            exporter=None,
        )
        written = sorted(path.name for path in (folder / name).iterdir())
        found[name] = without_times(json.loads(report.model_dump_json())), written
    return found


def without_times(value: Any, name: str = "") -> Any:
    """The same JSON with every time 1 second."""
    if isinstance(value, dict):
        if name == "seconds":
            return dict.fromkeys(value, 1.0)
        return {key: without_times(part, key) for key, part in value.items()}
    if isinstance(value, list):
        return [without_times(part) for part in value]
    return 1.0 if name in TIMES and value is not None else value


def as_markdown(stored: Any) -> str:
    """The Markdown of a stored report."""
    return markdown.render(read_report(stored))


def as_html(stored: Any) -> str:
    """The page of a stored report, with pictures that are none."""
    pictures = {}
    for name in PICTURES:
        kind = "image/svg+xml" if name.endswith(".svg") else "image/png"
        pictures[name] = Picture(name=name, media_type=kind, content=name.encode())
    return html.render(read_report(stored), pictures)


def squeezed(page: str) -> str:
    """HTML up to whitespace: one blank for any run of it, none between tags; style sheets likewise."""
    return re.sub(r"\s*([{};])\s*", r"\1", re.sub(r">\s+<", "><", re.sub(r"\s+", " ", page))).strip()


def one_tag_a_line(page: str) -> str:
    """A page as it is kept: the same up to whitespace, and a difference is seen in its own line."""
    return squeezed(page).replace("><", ">\n<") + "\n"


def differences(stored: Any, fresh: Any) -> list[str]:
    """What differs beyond the last bits, in words.

    Structure, settings, names, sizes of samples, digests: exactly. Numbers to ``CLOSE``; where a count of
    images differs, by at most ``MOST_IMAGES``, others to ``LOOSE`` and judgements not at all.
    """
    strict = list(_compare(stored, fresh, "", loose=False))
    if not strict:
        return []
    return list(_compare(stored, fresh, "", loose=True)) if _counted(stored) != _counted(fresh) else strict


def _counted(value: Any) -> list[int]:
    """Every ``successes`` in order."""
    if isinstance(value, dict):
        own = [value["successes"]] if "successes" in value else []
        return own + [count for part in value.values() for count in _counted(part)]
    return [count for part in value for count in _counted(part)] if isinstance(value, list) else []


EXACT = frozenset({"spec", "runtime", "schema_version", "complete", "n", "seed", "eps", "label", "name"})
"""Fields that stay exact however counts differ."""


def _compare(one: Any, two: Any, path: str, *, loose: bool) -> Iterator[str]:
    name = path.rpartition(".")[2].partition("[")[0]
    if name in AS_WRITTEN or (loose and name in JUDGED):
        return
    if name in EXACT:
        loose = False
    if isinstance(one, dict) and isinstance(two, dict):
        if one.keys() != two.keys():
            yield f"{path}: fields {sorted(one.keys() ^ two.keys())} are in one of them alone"
            return
        for key in one:
            yield from _compare(one[key], two[key], f"{path}.{key}", loose=loose)
    elif isinstance(one, list) and isinstance(two, list):
        if loose and name in LISTED:
            return
        if len(one) != len(two):
            yield f"{path}: {len(two)} items, not {len(one)}"
            return
        for at, (first, second) in enumerate(zip(one, two, strict=True)):
            yield from _compare(first, second, f"{path}[{at}]", loose=loose)
    elif type(one) is not type(two):
        if not (loose and None in (one, two)):
            yield f"{path}: {two!r}, not {one!r}"
    elif isinstance(one, float):
        room = LOOSE if loose else CLOSE
        if abs(one - two) > room * max(1.0 if loose else 1e-3, abs(one)):
            yield f"{path}: {two!r}, not {one!r}"
    elif isinstance(one, int) and not isinstance(one, bool) and loose:
        if abs(one - two) > MOST_IMAGES:
            yield f"{path}: {two!r}, not {one!r}"
    elif one != two and not (loose and isinstance(one, bool)):
        yield f"{path}: {two!r}, not {one!r}"
