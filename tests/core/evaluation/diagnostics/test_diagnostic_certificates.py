"""The audit and smoothing as diagnostics: what they find of a stored network, resumed and batched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from cartl_core.errors import Interrupted, SpecError
from cartl_core.evaluation.diagnostic_stage import read_rows, read_value, run_diagnostic
from cartl_core.evaluation.feature_displacement import certified_distance
from cartl_core.evaluation.randomized_smoothing import certify
from cartl_core.nn.build import build_network
from cartl_core.nn.files import load_network, save_network
from cartl_core.nn.lipschitz import audit_tail
from cartl_core.nn.rng import generator
from cartl_core.render.certificate_sentences import audit, network_certificate, smoothing_result
from cartl_core.report.certificates import Audit, SmoothingResult
from cartl_core.report.values import Value
from cartl_core.spec.measures.certificates import AuditSpec, SmoothingSpec
from cartl_core.spec.measures.diagnostics import DiagnosticSpec
from cartl_core.storage.stage_result import NETWORK, RESULT

AUDIT = AuditSpec(eps=0.1, steps=3)
SMOOTHING = SmoothingSpec(sigma=0.25, n0=20, n=60, alpha=0.05)
DEPTH = 2


@pytest.fixture
def stored(tiny: Any, tmp_path: Path) -> Path:
    save_network(tmp_path / "own" / NETWORK, build_network(tiny, 4, (0.3,), (0.4,), generator(0, "network")))
    return tmp_path / "own"


def run(
    name: str,
    asked: DiagnosticSpec,
    stored: Path,
    images: Any,
    workspace: Any,
    size: int = 8,
    depth: int = DEPTH,
    **how: Any,
) -> Value:
    run_diagnostic(
        name,
        asked,
        stored,
        images,
        freeze_depth=depth,
        others={},
        seed=3,
        batch_size=size,
        ctx=workspace.context(**how),
    )
    return read_value(name, workspace.directory)


@pytest.mark.parametrize("depth", [0, DEPTH, 4])
def test_the_audit_is_of_the_tail_and_of_the_whole(
    stored: Path, task: Any, workspace: Any, depth: int
) -> None:
    images, here = task().test, workspace("audit")
    found = run("audit", AUDIT, stored, images, here, depth=depth)
    assert isinstance(found, Audit)
    network = load_network(stored / NETWORK)
    lower, upper = network.requires_grad_(False).split(depth)
    features = lower(images.images.tensor())
    alone = audit_tail(upper, tuple(features.shape[1:]), generator(0))
    _, from_pixels = network.split(0)
    whole = audit_tail(from_pixels, tuple(images.images.shape[1:]), generator(0))
    assert found.tail.tail_constant == pytest.approx(alone.tail_constant, rel=1e-9)
    assert [row.name for row in found.tail.layers] == [row.name for row in alone.layers]
    assert found.network.constant == pytest.approx(whole.tail_constant, rel=1e-9)
    assert found.network.constant >= found.network.body_constant * alone.layers[-1].upper_bound * (1 - 1e-9)
    rows = read_rows(here.directory)
    radius = (
        certified_distance(
            network.double()(images.images.tensor().double()), images.labels, network.head.weight
        )
        / found.network.body_constant
    )
    for point in found.network.curve:
        assert point.certified.successes == int((radius >= point.radius).sum())
    assert found.network.vacuous == (found.network.curve[0].certified.successes == 0)
    assert network_certificate(found.network).startswith("Vacuous") == found.network.vacuous
    assert rows["moved"].shape == (20,)
    assert found.displacement is not None
    assert found.displacement.distance.max == pytest.approx(float(rows["moved"].max()))
    flat = features.flatten(1).double()
    assert found.displacement.spread == pytest.approx(
        float((flat - flat.mean(0)).norm(dim=1).mean()), rel=1e-5
    )
    assert found.displacement.basis == "empirical"
    if depth == 0:
        assert found.displacement.distance.max <= 0.1 * 8 * (1 + 1e-6), (
            "images themselves: at most eps * sqrt(64)"
        )
    assert 0 < found.displacement.distance.median <= found.displacement.distance.p95


def test_smoothing_counts_what_certify_finds(stored: Path, task: Any, workspace: Any) -> None:
    images = task().test
    found = run("smoothing", SMOOTHING, stored, images, workspace("smoothing"))
    assert isinstance(found, SmoothingResult)
    single = certify(
        load_network(stored / NETWORK),
        images.images.tensor(),
        sigma=0.25,
        n0=20,
        n=60,
        alpha=0.05,
        seed=3,
        indices=images.index,
    )
    right = (single.predicted == images.labels) & ~single.abstained
    assert found.abstained.successes == int(single.abstained.sum())
    assert found.curve[0].radius == 0
    for point in found.curve:
        assert point.certified.successes == int((right & (single.radius >= point.radius)).sum())
        assert point.certified.n == 20
    assert found.curve[-1].radius <= found.largest_radius < found.curve[-1].radius + 0.25 * 0.25
    assert "not of the exported network" in smoothing_result(found)


@pytest.mark.parametrize(("name", "asked"), [("audit", AUDIT), ("smoothing", SMOOTHING)])
def test_interrupted_diagnostics_go_on(
    name: str, asked: DiagnosticSpec, stored: Path, task: Any, workspace: Any
) -> None:
    whole, pieces = run(name, asked, stored, task().test, workspace("whole")), workspace("pieces")
    with pytest.raises(Interrupted):
        run(name, asked, stored, task().test, pieces, stop_after=2)
    assert run(name, asked, stored, task().test, pieces) == whole
    if name == "smoothing":
        assert run(name, asked, stored, task().test, workspace("small"), size=3) == whole


@pytest.mark.parametrize(("name", "asked"), [("audit", AUDIT), ("smoothing", SMOOTHING)])
def test_what_an_earlier_version_stored_with_its_sentences_is_read(
    name: str, asked: DiagnosticSpec, stored: Path, task: Any, workspace: Any
) -> None:
    here = workspace(name)
    found = run(name, asked, stored, task().test, here)
    result = here.directory / RESULT
    content = json.loads(result.read_bytes())
    del content["seal"]  # earlier versions wrote none
    value = content["facts"]["value"]
    if isinstance(found, Audit):
        value["words"], value["network"]["words"] = audit(found), network_certificate(found.network)
    else:
        assert isinstance(found, SmoothingResult)
        value["words"] = smoothing_result(found)
    result.write_text(json.dumps(content))
    assert read_value(name, here.directory) == found
    value["unknown"] = 1
    result.write_text(json.dumps(content))
    with pytest.raises(ValidationError, match="unknown"):
        read_value(name, here.directory)


def test_what_is_asked_for_is_filled_in(job: Any) -> None:
    asked = job(evaluate={"audit": {}, "smoothing": {"sigma": 0.5}}).evaluate
    assert asked.audit == AuditSpec(eps=0.15)
    assert asked.smoothing == SmoothingSpec(sigma=0.5)
    assert set(job(evaluate={"audit": {}}).evaluate.diagnostics) >= {"audit"}
    assert job(preset="quick").evaluate.audit is not None
    assert job(preset="quick").evaluate.smoothing is None
    for wrong, field in (
        ({"smoothing": {}}, "evaluate.smoothing.sigma"),
        ({"audit": {"radii": [0.5, 0.1]}}, "evaluate.audit.radii"),
    ):
        with pytest.raises(SpecError) as caught:
            job(evaluate=wrong)
        assert caught.value.field == field


def test_a_network_of_one_answer_still_has_an_audit(stored: Path, task: Any, workspace: Any) -> None:
    network = load_network(stored / NETWORK)
    with torch.no_grad():
        network.head.weight.zero_()
        network.get_parameter("stem.weight").zero_()
    save_network(stored / NETWORK, network)
    found = run("audit", AUDIT, stored, task().test, workspace("flat"))
    assert isinstance(found, Audit)
    assert found.displacement is not None and found.displacement.relative is None
    assert found.network.curve[0].certified.successes in (0, 5)
