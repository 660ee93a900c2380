"""Small bars in the text: a proportion and its interval at a glance, beside the figures themselves."""

from __future__ import annotations

from cartl_core.render import numbers, phrases
from cartl_core.render.html.elements import Html, join, tag
from cartl_core.report import Interval
from cartl_core.report.curves import Mean

WIDTH, HEIGHT = 120, 12


def proportion(figure: Interval | Mean | None, tone: str) -> Html:
    """The value, its interval in figures, and both as a bar from 0 to 100 %."""
    if figure is None or figure.n == 0:
        return tag("span", phrases.UNKNOWN if figure is None else "not measured", class_="unknown")
    return join(
        (
            tag("span", numbers.percent(figure.value), class_="value"),
            " ",
            tag("span", f"{100 * figure.low:.1f} to {100 * figure.high:.1f}", class_="interval"),
            bar(figure.value, figure.low, figure.high, tone),
        )
    )


def bar(value: float, low: float, high: float, tone: str, *, most: float = 1.0) -> Html:
    """From 0 to ``most``; hidden from readers of the page aloud, as the figures stand beside it."""

    def at(share: float) -> float:
        return round(WIDTH * min(max(share / most, 0.0), 1.0), 1)

    return tag(
        "svg",
        tag("rect", x=0, y=4, width=WIDTH, height=4, rx=2, class_="track"),
        tag("rect", x=0, y=4, width=at(value), height=4, rx=2, class_="fill"),
        tag(
            "rect", x=at(low), y=1, width=max(round(at(high) - at(low), 1), 1), height=10, rx=2, class_="band"
        ),
        tag("rect", x=round(max(at(value) - 1, 0), 1), y=0, width=2, height=HEIGHT, class_="mark"),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        width=WIDTH,
        height=HEIGHT,
        class_=f"bar {tone}",
        preserveAspectRatio="xMinYMid",
        aria_hidden="true",
    )


def difference(value: float, low: float, high: float, *, most: float = 0.5) -> Html:
    """A paired difference around its zero line, from -``most`` to ``most``."""

    def at(share: float) -> float:
        return round(WIDTH / 2 * (1 + min(max(share / most, -1.0), 1.0)), 1)

    tone = "up" if low > 0 else "down" if high < 0 else "even"
    return tag(
        "svg",
        tag("rect", x=0, y=5, width=WIDTH, height=2, rx=1, class_="track"),
        tag(
            "rect", x=at(low), y=2, width=max(round(at(high) - at(low), 1), 1), height=8, rx=2, class_="band"
        ),
        tag("rect", x=WIDTH / 2 - 0.5, y=0, width=1, height=HEIGHT, class_="zero"),
        tag("rect", x=round(at(value) - 1, 1), y=0, width=2, height=HEIGHT, class_="mark"),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        width=WIDTH,
        height=HEIGHT,
        class_=f"bar {tone}",
        preserveAspectRatio="xMinYMid",
        aria_hidden="true",
    )
