"""Templates and style sheet of the page: all is escaped and quoted, and text stands out."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from cartl_core.render.figure import COLOURS
from cartl_core.render.html.cell_labels import labelled
from cartl_core.render.html.environment import page_environment

STYLE = files("cartl_core.render.html").joinpath("style.css").read_text()
TEMPLATES = {
    file.name: file.read_text(encoding="utf-8")
    for file in files("cartl_core.render.html").joinpath("templates").iterdir()
}


def test_templates_escape_all_that_is_put_into_them() -> None:
    def made(source: str) -> str:
        return page_environment().from_string(source).render(name="<b>\"'&")

    assert made('<p class="{{ name }}">{{ name }}</p>') == (
        '<p class="&lt;b&gt;&#34;&#39;&amp;">&lt;b&gt;&#34;&#39;&amp;</p>'
    )
    assert made(
        "{% macro shout(said) %}<i>{{ said }}</i>{% endmacro %}{{ shout(name) }}{{ name ~ '!' }}"
    ) == ("<i>&lt;b&gt;&#34;&#39;&amp;</i>&lt;b&gt;&#34;&#39;&amp;!")
    with pytest.raises(UndefinedError, match="nome"):
        made("{{ nome }}")


def unquoted_values(template: str) -> list[str]:
    """Elements with a value among their attributes or in their name that no quotes hold."""
    markup = re.sub(r"\{%.*?%\}|\{#.*?#\}", "", template, flags=re.DOTALL)
    markup = re.sub(r"\{\{.*?\}\}", "VALUE", markup, flags=re.DOTALL)
    elements: list[str] = re.findall(r"</?(?:\w|VALUE)[^<>]*>", markup)
    return [element for element in elements if "VALUE" in re.sub(r'"[^"]*"', "", element)]


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_every_attribute_is_in_quotes_and_nothing_is_called_safe(name: str) -> None:
    """Escaping protects text, and attributes in quotes: it does not help where there are none."""
    assert unquoted_values(TEMPLATES[name]) == []
    assert not re.search(r"\|\s*safe\b|autoescape", TEMPLATES[name])


@pytest.mark.parametrize("fault", ["<p class={{ x }}>", "<p {{ x }}>", "<{{ x }}>", "<p\n  a='{{ x }}'>"])
def test_attributes_without_quotes_are_seen(fault: str) -> None:
    assert unquoted_values(f'<p class="{{{{ "a" }}}}">{fault}') != []
    assert unquoted_values('<p class="a {{ x["y"] }}"{% if a < b %} id="b"{% endif %}>{{ x }}</p>') == []


def test_only_the_style_sheet_and_rows_of_templates_are_taken_as_markup() -> None:
    package = files("cartl_core.render")
    sources = [*package.joinpath("html").iterdir(), package.joinpath("templating.py")]
    lines = [
        line.strip()
        for file in sources
        if file.name.endswith(".py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if "Markup(" in line
    ]
    (labels,) = (line for line in lines if '"style.css"' not in line)
    assert len(lines) == 2
    assert "_row(one, columns)" in labels


def test_cells_name_their_columns_whatever_those_are_called() -> None:
    rows = Markup('<tr><th scope="row">{}</th><td class="number">1</td><td colspan="2">x</td><td>2</td></tr>')
    found = labelled(rows.format("<td>"), ["method", 'a "b" <c>', "wide", "wider", "last"])
    assert found == (
        '<tr><th scope="row">&lt;td&gt;</th><td class="number" data-label="a &#34;b&#34; &lt;c&gt;">1</td>'
        '<td colspan="2" data-label="wide">x</td><td data-label="last">2</td></tr>'
    )


def contrast(one: str, other: str) -> float:
    """WCAG 2.2: relative luminances, lighter over darker."""

    def luminance(colour: str) -> float:
        channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ("ink", "paper"),
        ("quiet", "paper"),
        ("quiet", "wash"),
        ("ink", "care-wash"),
        ("ink", "bad-wash"),
        ("own", "paper"),
        ("good", "good-wash"),
        ("bad", "bad-wash"),
        ("care", "care-wash"),
        ("ink", "wash"),
    ],
)
def test_text_stands_out_from_its_ground(ink: str, ground: str) -> None:
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", STYLE))
    assert contrast(colours[ink], colours[ground]) >= 4.5


def test_the_methods_have_their_colours_of_the_figures() -> None:
    classes = dict(re.findall(r"\.(arm\d) \{ --tone: (#[0-9a-f]{6}); \}", STYLE))
    assert list(classes.values()) == list(COLOURS)
    assert all(contrast(colour, "#ffffff") >= 4.5 for colour in COLOURS)
