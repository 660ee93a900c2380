"""The form has an input for whatever a request may say, and shows what it says."""

from __future__ import annotations

from api.web.form_fields import fields_of, value_at
from cartl_core.spec.request import EvaluateOverrides, PretrainOverrides, TransferOverrides

WRITTEN = {
    "transfer": {"lr": 0.5, "attack": {"eps": 0.1}, "norm": "operator"},
    "tags": ["a", "b"],
    "on": True,
}


def test_values_are_found_by_their_path() -> None:
    found = {
        path: value_at(WRITTEN, path)
        for path in ("transfer.lr", "transfer.attack.eps", "tags", "on", "no", "transfer", "transfer.lr.x")
    }
    radii = {"eps": 8 / 255, "step": 0.0314, "lr": 0.2}
    assert [value_at(radii, name) for name in radii] == ["8/255", "0.0314", "0.2"]
    assert found == {
        "transfer.lr": "0.5",
        "transfer.attack.eps": "0.1",
        "tags": "a, b",
        "on": "true",
        "no": "",
        "transfer": "",
        "transfer.lr.x": "",
    }


def test_every_number_choice_and_switch_of_a_part_has_its_input() -> None:
    found = {field.path: field for field in fields_of(TransferOverrides, "transfer", WRITTEN)}
    assert (found["transfer.lr"].kind, found["transfer.lr"].value) == ("number", "0.5")
    assert found["transfer.attack.eps"].value == "0.1"
    assert found["transfer.displacement.eps"].kind == "number"
    assert {"operator", "reshaped"} <= set(found["transfer.norm"].choices)
    assert found["transfer.norm"].value == "operator"
    for model, path in ((PretrainOverrides, "pretrain"), (EvaluateOverrides, "evaluate")):
        shown = {field.path.split(".")[1] for field in fields_of(model, path, {})}
        assert shown <= set(model.model_fields)
        assert len(shown) >= len(model.model_fields) / 2


def test_help_is_short() -> None:
    assert all(len(field.help) <= 160 for field in fields_of(TransferOverrides, "transfer", {}))
