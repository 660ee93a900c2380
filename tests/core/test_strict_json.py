"""The one reader of JSON: what it gives is what Python's parser gives, and all else is refused in words."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartl_core.strict_json import REQUEST, JsonRefused, Limits, loads, read_file

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**39), 10**39)
    | st.floats(allow_nan=False, allow_infinity=False)
    # Hypothesis gives no lone surrogates here.
    | st.text(max_size=8, alphabet=st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('ab,[]{}"\\', max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)

REFUSED: dict[str, tuple[bytes, str, str]] = {
    "NaN": (b'{"a": [0, NaN]}', "number-out-of-range", "a.1"),
    "infinity": (b"-Infinity", "number-out-of-range", ""),
    "beyond a double": (b'{"a": {"b": 1e999}}', "number-out-of-range", "a.b"),
    "digits": (b'{"a": ' + b"9" * 41 + b"}", "number-out-of-range", "a"),
    "digits of a fraction": (b'{"a": 0.' + b"9" * 500 + b"}", "number-out-of-range", "a"),
    "half a pair": (b'{"a": ["x", "\\ud800"]}', "invalid-text", "a.1"),
    "half a pair as a key": (b'{"a": {"\\udc00": 1}}', "invalid-text", "a"),
    "a key twice": (b'{"a": [{"b": 1, "b": 2}]}', "duplicate-key", "a.0"),
    "deep": (b"[" * 33 + b"]" * 33, "too-deep", ""),
    "an abyss": (b"[" * 10**6, "too-deep", ""),
    "many": (b"[" + b"{}," * 10**5 + b"0]", "too-many-values", ""),
    "a long list": (b'{"a": [' + b"0," * 1000 + b"0]}", "too-many-values", "a"),
    "large": (b'"' + b"x" * REQUEST.size + b'"', "body-too-large", ""),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "invalid-text", ""),
    "nothing": (b" ", "malformed-json", ""),
    "half": (b'{"a": ', "malformed-json", ""),
    "a mark": (b"\xef\xbb\xbf{}", "malformed-json", ""),
    "escapes without end": (b'"' + b'\\"' * 10**5 + b"," * 10**5 + b"\\", "malformed-json", ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_told_by_kind_and_place_in_little_time(case: str) -> None:
    text, kind, where = REFUSED[case]
    began = time.process_time()
    with pytest.raises(JsonRefused) as refused:
        loads(text)
    assert time.process_time() - began < 0.5
    assert (refused.value.kind, refused.value.where) == (kind, where)
    assert len(str(refused.value)) < 300


@settings(max_examples=300, deadline=None)
@given(VALUES, st.booleans())
def test_what_python_writes_is_read_back(value: Any, ascii_only: bool) -> None:
    assert loads(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.text('[]{}",:0e+-.\\u', max_size=40).map(str.encode))
def test_any_bytes_are_a_value_or_refused(text: bytes) -> None:
    try:
        value = loads(text)
    except JsonRefused:
        return
    assert json.loads(text) == value


def test_a_file_may_begin_with_a_mark_and_is_read_no_further_than_allowed(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_file(path) == {"a": 1}
    with pytest.raises(JsonRefused, match="more than 10 bytes"):
        read_file(Path("/dev/zero"), Limits(size=10, values=10, items=10))
