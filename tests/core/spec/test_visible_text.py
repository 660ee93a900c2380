from __future__ import annotations

import sys
import unicodedata
from typing import Any

import pytest
from jinja2 import DictLoader
from pydantic import ValidationError

from cartl_core.render.templating import environment
from cartl_core.spec import JobRequest, JobSpec
from cartl_core.spec.existing_network import EvaluateJobRequest
from cartl_core.spec.sweep import SweepRequest
from cartl_core.spec.visible_text import first_hidden, visible
from tests.fixtures.requests import resolved

HIDDEN = {
    "\u202e": "\\u202e",
    "\u2066": "\\u2066",
    "\u200b": "\\u200b",
    "\u200f": "\\u200f",
    "\u061c": "\\u061c",
    "\ufeff": "\\ufeff",
    "\u00ad": "\\u00ad",
    "\u2028": "\\u2028",
    "\u3164": "\\u3164",
    "\U000e0041": "\\U000e0041",
}
"""Characters, and how pages show them."""
SHOWN = (
    "a",
    "name, k = 6",
    "\u00e9",
    "\u05d0\u05d1",
    "\u4e2d\u6587",
    "\U0001f600",
    "\u2764\ufe0f",
    "\u00a0b",
)
JOB: dict[str, Any] = {"dataset": "digits", "freeze_depth": 2}
REQUESTS: list[tuple[Any, dict[str, Any]]] = [
    (JobRequest, JOB),
    (EvaluateJobRequest, {"kind": "evaluate", "dataset": "digits", "network": {"upload": "0"}}),
    (SweepRequest, {"base": JOB, "grid": {"freeze_depth": [1, 2]}}),
]


@pytest.mark.parametrize(("model", "body"), REQUESTS, ids=lambda one: getattr(one, "__name__", ""))
def test_names_of_requests_show_all_that_they_hold(model: Any, body: dict[str, Any]) -> None:
    for text in SHOWN:
        assert model.model_validate(body | {"name": text}).name == text
    for text in HIDDEN:
        with pytest.raises(ValidationError) as refused:
            model.model_validate(body | {"name": f"a{text}b"})
        (fault,) = refused.value.errors()
        assert fault["loc"][-1] == "name" and f"U+{ord(text):04X}" in fault["msg"]


def test_a_stored_name_of_an_earlier_version_is_read() -> None:
    stored = resolved(dataset="digits", freeze_depth=2).model_dump(mode="json") | {"name": "a\u202eb"}
    assert JobSpec.model_validate(stored).name == "a\u202eb"


@pytest.mark.parametrize("text", HIDDEN, ids=ascii)
def test_pages_show_hidden_characters_as_escapes(text: str) -> None:
    page = environment("cartl_core.render.html")
    macro = "{% macro bold(said) %}<b>{{ said }}</b>{% endmacro %}"
    page.loader = DictLoader({"page": macro + "{{ name }} {{ bold(name) }}"})
    shown = page.get_template("page").render(name=f"<{text}>")
    escaped = f"&lt;{HIDDEN[text]}&gt;"
    assert shown == f"{escaped} <b>{escaped}</b>"


def test_no_control_or_format_character_is_forgotten() -> None:
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp", "Cs"}:
            assert first_hidden(character) is not None
            assert character in "\n\r\t" or visible(character).startswith("\\")
