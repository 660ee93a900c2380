"""HTML by construction: what is not made here is text, and text is escaped.

Names, classes and warnings in a report come from people, so nothing is ever pasted into markup: ``tag``
escapes every child and every attribute that is not ``Html`` already.
"""

from __future__ import annotations

import html
from collections.abc import Iterable


class Html(str):
    """Markup that ``tag`` or ``text`` made. Joining it with other text gives plain text again."""

    __slots__ = ()


Child = Html | str | int | None
Attribute = str | int | float | bool | None

VOID = frozenset({"img", "meta", "br", "col", "hr"})


def text(value: str | int) -> Html:
    """``value`` as text: nothing in it is markup."""
    if isinstance(value, Html):
        return value
    return Html(html.escape(str(value), quote=True))


def tag(name: str, *children: Child, **attributes: Attribute) -> Html:
    """An element.

    Args:
        name: e.g. ``p``; a constant of this program, never somebody's text.
        children: text is escaped, elements stay, None is left out.
        attributes: ``class_`` for class, ``aria_label`` for aria-label; True writes the name alone, None
            and False leave it out.
    """
    opened = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    if name in VOID:
        return Html(opened)
    return Html(f"{opened}{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Html:
    """Elements and text one after the other."""
    return Html("".join(text(child) for child in children if child is not None))


def table(
    head: tuple[Child, ...],
    rows: Iterable[tuple[Child, ...]],
    *,
    caption: str | None = None,
    numbers: tuple[int, ...] = (),
    class_: str | None = None,
) -> Html:
    """A table with headers for columns and rows; ``numbers`` are the columns that are set to the right."""

    def kind(column: int) -> str | None:
        return "number" if column in numbers else None

    headers = [tag("th", title, scope="col", class_=kind(column)) for column, title in enumerate(head)]
    lines = [
        tag(
            "tr",
            tag("th", row[0], scope="row"),
            *(tag("td", cell, class_=kind(column)) for column, cell in enumerate(row[1:], start=1)),
        )
        for row in rows
    ]
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption) if caption else None,
            tag("thead", tag("tr", *headers)),
            tag("tbody", *lines),
            class_=class_,
        ),
        class_="scroll",
    )


def section(anchor: str, title: str, *children: Child) -> Html | None:
    """A part of the report with its heading; None where it has no content."""
    if all(child is None for child in children):
        return None
    return tag(
        "section",
        tag("h2", title, id=f"{anchor}-title"),
        *children,
        id=anchor,
        aria_labelledby=f"{anchor}-title",
    )


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    named = name.rstrip("_").replace("_", "-")
    return f" {named}" if value is True else f' {named}="{text(str(value))}"'
