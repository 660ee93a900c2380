"""Terms of a student's loss: a module each, from which field, refusal, digest and report follow."""

from __future__ import annotations

import subprocess
import sys
from pkgutil import resolve_name
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from cartl_core.catalog import METHODS
from cartl_core.planning.method_settings import OWN_FIELDS, unused_by
from cartl_core.planning.resolve import resolve
from cartl_core.planning.stage_digests import RunSetting, StageKey
from cartl_core.planning.stages import transferring
from cartl_core.report.making import learned_from
from cartl_core.spec import Arm, JobRequest, JobSpec, TransferSpec, methods
from cartl_core.spec import terms as terms_module
from cartl_core.spec.terms import TERMS, Term, with_weights
from tests.golden.tiny import RUNTIME

SETTINGS: dict[str, Any] = {
    "epochs": 1,
    "batch_size": 8,
    "lr": 0.1,
    "lr_schedule": "constant",
    "select": "last",
}
INVENTED = Term(
    code="invented",
    field="invented_weight",
    default=0.5,
    largest=2.0,
    description="Lambda of nothing.",
    implementation="tests.core.spec.test_terms:none",
    metric="nothing",
    sentence="nothing, weight {weight:g}",
)


def test_the_terms_are_the_modules_of_the_folder_in_the_order_of_the_loss() -> None:
    assert list(TERMS) == ["lwf_weight", "anchor_weight"]
    assert len({term.code for term in TERMS.values()}) == len(TERMS)


@pytest.mark.parametrize("name", TERMS)
def test_a_term_has_a_field_of_its_range_that_is_null_by_default(name: str) -> None:
    term = TERMS[name]
    assert getattr(TransferSpec.model_validate(SETTINGS), name) is None
    for weight in (0.0, term.default, term.largest):
        assert getattr(TransferSpec.model_validate(SETTINGS | {name: weight}), name) == weight
    for weight in (-0.1, term.largest * 1.01):
        with pytest.raises(ValidationError, match=name):
            TransferSpec.model_validate(SETTINGS | {name: weight})


@pytest.mark.parametrize("name", TERMS)
def test_a_term_is_computed_and_said(name: str) -> None:
    term = TERMS[name]
    assert callable(resolve_name(term.implementation))
    assert "0.25" in term.sentence.format(weight=0.25)
    (told,) = learned_from(TransferSpec.model_validate(SETTINGS | {name: 0.25}))
    assert told.code == term.code and 0.25 in told.model_dump().values()


@pytest.mark.parametrize("method", METHODS)
def test_who_may_use_a_term_is_said_by_the_rows(method: str) -> None:
    unused = {field for part, field in unused_by(method) if part == "transfer"}
    assert unused & TERMS.keys() == {
        name for name, term in TERMS.items() if not term.used_by(METHODS[method])
    }
    assert set(METHODS[method].terms) <= TERMS.keys() - unused
    assert TERMS.keys() <= OWN_FIELDS


def test_the_names_of_a_request_are_the_rows() -> None:
    assert get_args(methods.Method) == tuple(METHODS)
    assert get_args(methods.MethodOrAuto) == (*METHODS, "auto")


def test_a_term_without_a_line_in_the_specification_gets_its_field(monkeypatch: pytest.MonkeyPatch) -> None:
    assert with_weights(TransferSpec) is TransferSpec, "every term that we have is declared"
    monkeypatch.setitem(terms_module.TERMS, INVENTED.field, INVENTED)
    wider = with_weights(TransferSpec)
    assert wider.model_validate(SETTINGS).model_dump() == {
        **TransferSpec.model_validate(SETTINGS).model_dump(),
        "invented_weight": None,
    }
    assert (wider.__name__, wider.__doc__) == (TransferSpec.__name__, TransferSpec.__doc__)
    assert wider.model_validate(SETTINGS | {"invented_weight": 2}).model_dump()["invented_weight"] == 2.0
    with pytest.raises(ValidationError, match="invented_weight"):
        wider.model_validate(SETTINGS | {"invented_weight": 2.5})
    with pytest.raises(ValidationError, match="norm"):
        wider.model_validate(SETTINGS | {"norm": "operator"})


def test_students_keep_their_digests_when_a_term_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"dataset": "digits", "freeze_depth": 2, "method": "vanilla", "preset": "smoke"}
    spec = resolve(JobRequest.model_validate(asked))
    (arm, *_) = spec.arms
    before = student_digest(arm, spec)
    monkeypatch.setitem(terms_module.TERMS, INVENTED.field, INVENTED)
    wider = with_weights(TransferSpec)

    def with_term(**more: float) -> Arm:
        written = wider.model_validate({**arm.transfer.model_dump(), **more})
        return arm.model_copy(update={"transfer": written})

    assert student_digest(with_term(), spec) == before
    assert student_digest(with_term(invented_weight=0.5), spec) != before


def student_digest(arm: Arm, spec: JobSpec) -> str:
    return transferring(
        arm,
        StageKey("pretrain", "teacher", "0" * 64),
        model=spec.model,
        fingerprint="f",
        images=10,
        setting=RunSetting(0, RUNTIME, 8),
    ).digest


def test_the_tables_need_no_torch() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from cartl_core.spec.terms import TERMS; from cartl_core.spec.methods import METHODS; print(*TERMS)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(TERMS)
