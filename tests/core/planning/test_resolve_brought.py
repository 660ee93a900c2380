"""Data sets and teachers that people brought, in planning: looked up, kept whole, resolved to themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartl_core.analysis.warnings import transfer_warnings
from cartl_core.catalog import METHODS, facts_of
from cartl_core.errors import SpecError
from cartl_core.planning.make_plan import plan_transfer
from cartl_core.planning.plan import DataCounts
from cartl_core.planning.resolve import resolve
from cartl_core.planning.stages import Continuing, Importing
from cartl_core.report.notices import DefaultRadius, SourceStandsIn, TeacherRadiusUnknown
from cartl_core.spec import JobRequest, JobSpec, ModelSpec
from cartl_core.spec.resources.teacher import TrainedAt
from jobs.admission.estimate import estimated
from tests.factories import make_runtime
from tests.fixtures.brought import found_dataset, known_dataset, known_teacher, lookup

BIRDS = known_dataset(found_dataset())
REQUEST: dict[str, Any] = {"dataset": "birds", "freeze_depth": 2, "preset": "smoke"}


def made(changes: dict[str, Any], *, dataset: Any = BIRDS, teacher: Any = None) -> JobSpec:
    request = JobRequest.model_validate({**REQUEST, **changes})
    return resolve(request, lookup=lookup(dataset, teacher))


def again(spec: JobSpec, *, dataset: Any = BIRDS, teacher: Any = None) -> JobSpec:
    """The specification as JSON, posted."""
    request = JobRequest.model_validate(json.loads(spec.model_dump_json()))
    return resolve(request, lookup=lookup(dataset, teacher))


@pytest.mark.parametrize(("channels", "source"), [(1, "fashion_mnist"), (3, "cifar100")])
def test_the_catalog_stands_in_for_a_source_and_that_is_said(channels: int, source: str) -> None:
    found = found_dataset(channels=channels, size=96, eps=0.03)
    spec = made({}, dataset=known_dataset(found))
    assert spec.source is not None
    assert (spec.source.name, spec.source.facts) == (source, None)
    assert (spec.model.image_size, spec.model.channels) == (96, channels)
    assert {attack.eps for attack in spec.evaluate.attacks} == {0.03}
    notices = transfer_warnings(spec, ())
    assert SourceStandsIn(source=source, target="birds") in notices
    assert DefaultRadius(target="birds", eps=0.03) in notices


def test_a_source_or_a_radius_of_ones_own_is_no_default() -> None:
    classes = {"dataset": {"name": "birds", "classes": [0]}, "source": "mnist"}
    with pytest.raises(ValueError, match="too_short"):
        made(classes)
    attack = {"label": "mine", "eps": 0.01, "step": 0.002, "steps": 5}
    spec = made({"source": "svhn", "evaluate": {"attacks": [attack]}})
    notices = transfer_warnings(spec, ())
    assert not any(isinstance(notice, SourceStandsIn | DefaultRadius) for notice in notices)


def test_other_classes_of_ones_own_data_are_the_source() -> None:
    birds = known_dataset(found_dataset(("a", "b", "c", "d")))
    spec = made({"dataset": {"name": "birds", "classes": [3, 1]}}, dataset=birds)
    assert spec.source is not None
    assert (spec.source.id, spec.source.classes) == ("d-1", (0, 2))
    assert again(spec, dataset=birds) == spec
    with pytest.raises(SpecError, match="share the classes"):
        made({"source": "birds"}, dataset=birds)


def test_a_stored_specification_has_all_facts() -> None:
    spec = made({"teacher": "robust"}, teacher=known_teacher())
    stored = JobSpec.model_validate(json.loads(spec.model_dump_json()))
    assert stored == spec
    facts = facts_of(stored.dataset)
    assert (facts.title, facts.classes, facts.train_images, facts.test_images) == (
        "birds",
        ("cat", "dog", "owl"),
        90,
        45,
    )
    assert estimated(stored).teachers == 0
    assert estimated(stored).forward_passes > 0


NAMES = st.sampled_from(["vanilla", "consistent", "cartl", "neft", "lwf", "adversarial", "auto"])


@given(
    method=NAMES,
    epochs=st.none() | st.integers(1, 4),
    baselines=st.lists(st.sampled_from(list(METHODS)), unique=True, max_size=3),
    limit=st.none() | st.integers(20, 80),
    classes=st.none() | st.permutations([0, 1, 2]).map(lambda order: order[:2]),
    trained_at=st.none()
    | st.builds(TrainedAt, norm=st.sampled_from(["linf", "l2"]), eps=st.floats(0.01, 0.5)),
)
def test_what_was_resolved_resolves_to_itself(
    method: str,
    epochs: int | None,
    baselines: list[str],
    limit: int | None,
    classes: list[int] | None,
    trained_at: TrainedAt | None,
) -> None:
    teacher = known_teacher(trained_at=trained_at)
    changes: dict[str, Any] = {
        "dataset": {"name": "birds", "train_limit": limit, "classes": classes},
        "teacher": {"id": "robust", "fdm_epochs": epochs},
        "method": method,
        "freeze_depth": 0 if method == "lwf" else 2,
        "baselines": [] if method == "auto" else baselines,
    }
    uses = [method, *baselines] if method != "auto" else []
    try:
        spec = made(changes, teacher=teacher)
    except SpecError as error:
        # An arm twice, LwF beside a depth, or epochs that no arm trains.
        assert error.field.startswith(("baselines", "teacher.fdm_epochs"))
        assert epochs is not None or error.field.startswith("baselines")
        return
    assert again(spec, teacher=teacher) == spec
    assert epochs is None or "cartl" in uses
    assert spec.teacher is not None
    linf = trained_at is not None and trained_at.norm == "linf"
    assert spec.teacher.eps == (trained_at.eps if linf and trained_at else 8 / 255)
    assert any(isinstance(notice, TeacherRadiusUnknown) for notice in transfer_warnings(spec, ())) != linf
    for arm in spec.arms:
        assert (arm.pretrain is None) == (epochs is None or METHODS[arm.method].objective == "at")
        assert arm.inner_eps == spec.teacher.eps
        if arm.transfer.displacement is not None:
            assert arm.transfer.displacement.eps == spec.teacher.eps


COUNTS = DataCounts("b" * 64, 80, 40)


@pytest.mark.parametrize("epochs", [None, 2])
def test_the_teacher_is_imported_once_for_all_arms(epochs: int | None) -> None:
    changes = {"teacher": {"id": "robust", "fdm_epochs": epochs}, "method": "cartl", "baselines": ["vanilla"]}
    spec = made(changes, teacher=known_teacher())
    source = None if epochs is None else DataCounts("c" * 64, 80, 40)
    plan = plan_transfer(spec, source=source, target=COUNTS, runtime=make_runtime())
    kinds = [type(teacher.stage.work) for teacher in plan.teachers]
    assert kinds == ([Importing] if epochs is None else [Continuing, Importing])
    imports = {stage.digest for teacher in plan.teachers for stage in teacher.stages[:1]}
    assert len(imports) == 1


def test_names_and_ids_stand_in_no_digest_of_a_stage() -> None:
    """Two who bring the same teacher, under other names, share what was computed from it."""
    teacher = known_teacher()
    one = made({"teacher": "robust"}, teacher=teacher)
    renamed = one.model_copy(
        update={"teacher": one.teacher and one.teacher.model_copy(update={"id": "t-2", "name": "other"})}
    )
    plans = [
        plan_transfer(spec, source=None, target=COUNTS, runtime=make_runtime()) for spec in (one, renamed)
    ]
    assert plans[0].costs == plans[1].costs


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"dataset": {"name": "digits", "fingerprint": "0" * 64}}, "dataset.name"),
        ({"dataset": {"id": "d-1", "name": "cats"}}, "dataset.name"),
        ({"dataset": {"name": "birds", "classes": [0, 3]}}, "dataset.classes"),
        ({"dataset": {"name": "birds", "fingerprint": "0" * 64}}, "dataset.fingerprint"),
        ({"source": "owls"}, "source.name"),
        ({"baselines": [{"method": "vanilla", "teacher_eps": 0.1}]}, "baselines.0.teacher_eps"),
        (
            {
                "method": "auto",
                "auto": {"left_out": [{"method": "vanilla", "why": "refused"}], "candidates": ["vanilla"]},
            },
            "auto.left_out",
        ),
    ],
)
def test_faults_name_their_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecError) as caught:
        made(changes)
    assert caught.value.field == field


def test_candidates_that_the_network_refuses_are_left_out() -> None:
    teacher = known_teacher(refused={"consistent": "it has no features to move"})
    spec = made({"method": "auto", "teacher": "robust"}, teacher=teacher)
    assert spec.auto is not None
    assert {arm.method for arm in spec.auto.candidates} == {"vanilla", "adversarial"}
    assert {row.why for row in spec.auto.left_out if row.method == "consistent"} == {"refused"}
    assert again(spec, teacher=teacher) == spec


def test_depths_go_by_the_blocks_of_the_teacher() -> None:
    model = ModelSpec(name="wrn-16-2", image_size=32, channels=3)
    with pytest.raises(SpecError, match="5 blocks"):
        made({"teacher": "robust", "method": "vanilla", "freeze_depth": 6}, teacher=known_teacher(model))
