"""What a job measures: presets of evaluation, curves and corruptions, and errors that name the field."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from cartl_core.catalog import DATASETS, EVALUATIONS, PRESETS
from cartl_core.catalog.ensembles import autoattack_among
from cartl_core.errors import SpecError
from cartl_core.planning.diagnostic_table import DIAGNOSTIC_FACTS
from cartl_core.planning.resolve import resolve
from cartl_core.spec import EvaluateSpec, EvaluationPreset, JobRequest, JobSpec
from cartl_core.spec.measures.attack import Norm
from cartl_core.spec.measures.corruptions import CORRUPTION_FACTS


def job(evaluate: dict[str, Any] | None = None, **changes: Any) -> JobSpec:
    body = {"dataset": "cifar10", "freeze_depth": 1, "preset": "quick", **changes}
    if evaluate is not None:
        body["evaluate"] = evaluate
    return resolve(JobRequest.model_validate(body))


def evaluation(evaluate: dict[str, Any] | None = None, **changes: Any) -> EvaluateSpec:
    return job(evaluate, **changes).evaluate


def labels(evaluate: EvaluateSpec) -> list[str]:
    return [attack.label for attack in evaluate.attacks]


def test_the_default_is_pgd20_pgd100_a_curve_and_corruptions() -> None:
    for preset in ("quick", "paper"):
        found = evaluation(preset=preset)
        assert [(attack.label, attack.steps) for attack in found.attacks] == [("pgd20", 20), ("pgd100", 100)]
        assert found.curve is not None
        assert found.corruptions is not None


def test_every_preset_has_its_row() -> None:
    assert set(EVALUATIONS) == set(get_args(EvaluationPreset))
    assert all(name in DIAGNOSTIC_FACTS for facts in EVALUATIONS.values() for name in facts.diagnostics)
    assert all(name in DIAGNOSTIC_FACTS for facts in PRESETS.values() for name in facts.diagnostics)
    assert set(DIAGNOSTIC_FACTS) <= set(EvaluateSpec.model_fields)


@pytest.mark.parametrize(
    ("preset", "expected", "diagnostics"),
    [
        ("quick", ["pgd10"], False),
        ("pgd20", ["pgd20"], True),
        ("pgd100", ["pgd20", "pgd100"], True),
        ("autoattack", ["aa-apgd-ce", "aa-apgd-t", "aa-fab-t", "aa-square"], True),
        ("ensemble", ["en-apgd-ce", "en-apgd-dlr", "en-apgd-t", "en-fab-t", "en-square"], True),
    ],
)
def test_a_preset_names_its_attacks_and_diagnostics(
    preset: str, expected: list[str], diagnostics: bool
) -> None:
    found = evaluation({"preset": preset})
    assert labels(found) == expected
    assert ((found.curve is not None), (found.corruptions is not None)) == (diagnostics, diagnostics)
    facts = DATASETS["cifar10"]
    assert {(attack.norm, attack.eps) for attack in found.attacks} == {("linf", facts.eval_eps)}
    assert {attack.step for attack in found.attacks if attack.name == "pgd"} <= {facts.eval_step}


@pytest.mark.parametrize(("norm", "eps", "end"), [("l2", 0.5, 3072**0.5), ("l1", 12.0, 3072.0)])
@pytest.mark.parametrize("preset", get_args(EvaluationPreset))
def test_a_preset_in_another_norm_is_at_its_usual_radius(
    preset: str, norm: Norm, eps: float, end: float
) -> None:
    spec = job({"preset": preset, "norm": norm})
    found, same = spec.evaluate, evaluation({"preset": preset})
    assert labels(found) == labels(same)
    for attack in (*found.attacks, *found.source_attacks):
        assert (attack.norm, attack.eps) == (norm, eps)
        assert attack.step == (eps / 4 if attack.name == "pgd" else None)
    assert bool(autoattack_among(found.attacks)) == (preset in ("autoattack", "ensemble"))
    assert [(model.norm, model.radii) for model in found.threat_models] == [(norm, (eps,))]
    if same.curve is not None:
        assert found.curve is not None and found.checks is not None and found.gallery is not None
        assert (found.curve.norm, found.curve.eps[3], found.curve.eps[-1]) == (norm, eps, end)
        assert found.curve.expected_to == 2 * eps
        assert (found.checks.attack.norm, found.checks.attack.eps) == (norm, eps)
        assert (found.gallery.norm, found.gallery.eps) == (norm, eps)
    assert resolve(JobRequest.model_validate(spec.model_dump(mode="json"))) == spec


def test_a_norm_is_of_what_comes_from_a_preset() -> None:
    attack = {"label": "own", "eps": 0.1, "step": 0.02, "steps": 3}
    found = evaluation({"norm": "l2", "attacks": [attack], "curve": {"norm": "linf"}})
    assert [(one.norm, one.eps) for one in found.attacks] == [("linf", 0.1)]
    assert found.curve == evaluation().curve
    assert {one.norm for one in found.source_attacks} == {"l2"}
    with pytest.raises(SpecError) as refused:
        evaluation({"norm": "l2", "curve": {"norm": "l1"}})
    assert refused.value.field == "evaluate.curve.eps"
    with pytest.raises(SpecError, match="is l2, in which cifar10 has no usual radius"):
        evaluation({"curve": {"norm": "l2"}})


def test_networks_of_another_size_have_no_usual_radius() -> None:
    """A radius in l2 or l1 hangs on how many numbers an image has; one in linf does not."""
    with pytest.raises(SpecError, match="takes 1 x 8 x 8 has no usual radius in l2") as refused:
        evaluation({"norm": "l2"}, dataset={"name": "digits", "classes": [5, 6, 7, 8, 9]}, preset="smoke")
    assert refused.value.field == "evaluate.norm"
    assert "3 x 32 x 32" in str(refused.value.allowed)


def test_what_goes_by_the_name_of_autoattack_is_it() -> None:
    attacks = evaluation({"preset": "autoattack"}).attacks
    assert autoattack_among(attacks) == attacks
    ensemble = evaluation({"preset": "ensemble"}).attacks
    assert len(autoattack_among(ensemble)) < len(ensemble)


def test_what_is_written_replaces_its_part_of_a_preset() -> None:
    attack = {"label": "own", "eps": 0.1, "step": 0.02, "steps": 3}
    found = evaluation({"preset": "autoattack", "attacks": [attack], "curve": None, "test_limit": 50})
    assert labels(found) == ["own"]
    assert found.curve is None
    assert found.corruptions is not None
    assert found.test_limit == 50


def test_a_preset_without_diagnostics_gives_them_when_asked() -> None:
    found = evaluation({"preset": "quick", "curve": {}, "corruptions": {"severities": [5]}})
    assert found.curve == evaluation().curve
    assert found.corruptions is not None
    assert (found.corruptions.names, found.corruptions.severities) == (tuple(CORRUPTION_FACTS), (5,))


def test_autoattack_is_refused_where_it_would_not_be_autoattack() -> None:
    with pytest.raises(SpecError) as caught:
        evaluation({"preset": "autoattack"}, dataset={"name": "cifar10", "classes": [0, 1, 2]})
    assert caught.value.field == "evaluate.preset"
    assert caught.value.allowed == "quick, pgd20, pgd100, ensemble"
    three = evaluation({"preset": "ensemble"}, dataset={"name": "cifar10", "classes": [0, 1, 2]})
    assert labels(three) == ["en-apgd-ce", "en-apgd-dlr", "en-fab-t", "en-square"]


@pytest.mark.parametrize("name", DATASETS)
def test_radii_of_a_curve_are_around_the_data_sets_own_and_go_to_the_end(name: str) -> None:
    curve = evaluation(dataset=name).curve
    assert curve is not None
    eps = DATASETS[name].eval_eps
    assert eps in curve.eps, "so that the curve and the attacks have a radius in common, to the last bit"
    assert curve.eps[0] == eps / 4
    assert curve.eps[-1] == 1.0
    assert curve.expected_to == 2 * eps
    assert curve.steps * curve.step_of_eps == pytest.approx(2.5)
    assert (curve.images, curve.refine) == (500, 2)


def test_the_pace_of_a_curve_follows_its_steps() -> None:
    curve = evaluation({"curve": {"steps": 50}}).curve
    assert curve is not None
    assert curve.step_of_eps == 0.05
    curve = evaluation({"curve": {"steps": 50, "step_of_eps": 0.3}}).curve
    assert curve is not None
    assert curve.step_of_eps == 0.3


def test_own_radii_keep_the_range_within_them() -> None:
    curve = evaluation({"curve": {"eps": [0.01, 0.02]}}).curve
    assert curve is not None
    assert (curve.eps, curve.expected_to) == ((0.01, 0.02), 0.02)


def test_other_norms_need_radii_of_their_own() -> None:
    for asked, field in (({"norm": "l2"}, "eps"), ({"norm": "l1", "eps": [1.0, 2.0]}, "expected_to")):
        with pytest.raises(SpecError) as caught:
            evaluation({"curve": asked})
        assert caught.value.field == f"evaluate.curve.{field}"
        assert caught.value.allowed
    curve = evaluation({"curve": {"norm": "l2", "eps": [0.5, 1.0, 55.4], "expected_to": 1.0}}).curve
    assert curve is not None
    assert (curve.norm, curve.steps) == ("l2", 20)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"curve": {"eps": [0.2, 0.1]}}, "evaluate.curve.eps"),
        ({"curve": {"eps": []}}, "evaluate.curve.eps"),
        ({"curve": {"eps": [0.5, 2.0]}}, "evaluate.curve.eps"),
        ({"curve": {"eps": [0.1], "expected_to": 0.5}}, "evaluate.curve.expected_to"),
        ({"curve": {"loss": "targeted_dlr"}}, "evaluate.curve.loss"),
        ({"curve": {"norm": "l7"}}, "evaluate.curve.norm"),
        ({"curve": {"steps": 0}}, "evaluate.curve.steps"),
        ({"curve": {"images": 0}}, "evaluate.curve.images"),
        ({"curve": {"multiples": [1.0]}}, "evaluate.curve.multiples"),
        ({"corruptions": {"names": ["rain"]}}, "evaluate.corruptions.names.0"),
        ({"corruptions": {"severities": [9]}}, "evaluate.corruptions.severities.0"),
        ({"preset": "autoattak"}, "evaluate.preset"),
    ],
)
def test_errors_name_the_field(asked: dict[str, Any], field: str) -> None:
    with pytest.raises((SpecError, ValueError)) as caught:
        evaluation(asked)
    error = caught.value
    found = (
        error.field
        if isinstance(error, SpecError)
        else ".".join(str(step) for step in error.errors()[0]["loc"])  # type: ignore[attr-defined]
    )
    assert found == field


def test_a_curve_climbs_only_what_the_classes_allow() -> None:
    two = {"name": "cifar10", "classes": [0, 1]}
    with pytest.raises(SpecError) as caught:
        evaluation({"curve": {"loss": "dlr"}}, dataset=two)
    assert caught.value.field == "evaluate.curve.loss"
    assert caught.value.allowed == "ce, margin"


@pytest.mark.parametrize("preset", ["smoke", "quick", "paper"])
@pytest.mark.parametrize("named", [None, *EVALUATIONS])
def test_what_is_resolved_resolves_to_itself(preset: str, named: str | None) -> None:
    whole = job({"preset": named} if named else None, preset=preset)
    assert resolve(JobRequest.model_validate_json(whole.model_dump_json()), "smoke") == whole


def test_smoke_looks_at_few_images() -> None:
    found = evaluation(preset="smoke")
    assert found.curve is not None
    assert found.corruptions is not None
    assert (found.curve.images, found.curve.steps, found.corruptions.images) == (20, 2, 20)
    assert len(found.curve.eps) == 4
