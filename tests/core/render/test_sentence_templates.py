"""Templates of sentences: what is written is read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartl_core.render.sentence_templates import Number, extract, fill, names

TEMPLATE = "{who} breaks {more:points} points of {n:count} images at {eps:radius}, p {p:two} (a+b)."
KNOWN: dict[str, Number] = {"who": "pgd-1.v2", "more": 0.0451, "n": 12345, "eps": 8 / 255, "p": 0.00123}


def test_places_are_filled_by_their_formats() -> None:
    assert names(TEMPLATE) == set(KNOWN)
    assert fill(TEMPLATE, KNOWN) == "pgd-1.v2 breaks +4.5 points of 12,345 images at 8/255, p 0.0012 (a+b)."
    assert fill("{a.b-c:percent} {x:rest} {n:fourfold}", {"a.b-c": 0.5, "x": 0.25, "n": 500}) == (
        "50.0 % 75.0 % 2,000"
    )
    with pytest.raises(KeyError):
        fill("{missing}", KNOWN)


@given(
    who=st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,10}", fullmatch=True),
    more=st.integers(-1000, 1000).map(lambda tenths: tenths / 1000),
    n=st.integers(0, 10**7),
    eps=st.one_of(st.integers(1, 255).map(lambda levels: levels / 255), st.sampled_from((0.1, 1e-5, 2000.0))),
    known=st.sets(st.sampled_from(sorted(KNOWN))),
)
def test_what_is_missing_is_read_from_the_sentence(
    who: str, more: float, n: int, eps: float, known: set[str]
) -> None:
    values: dict[str, Number] = {"who": who, "more": more, "n": n, "eps": eps, "p": 0.0012}
    sentence = fill(TEMPLATE, values)
    read = extract(TEMPLATE, sentence, {name: values[name] for name in known})
    assert read is not None
    assert set(read) == set(values) - known
    assert fill(TEMPLATE, {**values, **read}) == sentence
    assert all(read[name] == pytest.approx(values[name]) for name in read if name != "who")


def test_another_sentence_or_other_values_are_no_match() -> None:
    sentence = fill(TEMPLATE, KNOWN)
    assert extract(TEMPLATE, sentence, KNOWN) == {}
    assert extract(TEMPLATE, sentence, {**KNOWN, "n": 12346}) is None
    assert extract(TEMPLATE, sentence.replace("(a+b)", "aab"), {}) is None
    assert extract(TEMPLATE, f"{sentence} ", {}) is None
