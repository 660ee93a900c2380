"""How numbers are written: percentages, intervals, radii, durations."""

from __future__ import annotations

from collections.abc import Sequence

from cartl_core.report import Interval


def percent(value: float) -> str:
    """``0.6667`` -> ``66.7 %``."""
    return f"{100 * value:.1f} %"


def interval(figure: Interval) -> str:
    """``66.7 % (63.7 to 69.5)``: the value and its interval, in percent."""
    if figure.n == 0:
        return "not measured"
    return f"{percent(figure.value)} ({100 * figure.low:.1f} to {100 * figure.high:.1f})"


def points(difference: float) -> str:
    """A difference of fractions in percentage points, with its sign."""
    return f"{100 * difference:+.1f}"


def radius(eps: float) -> str:
    """A radius or a step in pixel units; as n/255 where it is one."""
    levels = eps * 255
    if 1 <= levels <= 255 and abs(levels - round(levels)) < 1e-6:
        return f"{round(levels)}/255"
    return f"{eps:.4g}"


def duration(seconds: float) -> str:
    """``75`` -> ``1 min 15 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def count(number: int) -> str:
    """Thousands set apart: ``10,000``."""
    return f"{number:,}"


def listed(items: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def capital(text: str) -> str:
    """With a capital first letter."""
    return text[:1].upper() + text[1:]


def number(value: float | int | str | None) -> str:
    """A plain number in three significant digits; counts, and what is in the thousands, as whole numbers."""
    if value is None:
        return "\u2013"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"
    return count(value) if isinstance(value, int) else value


def spaced(name: str) -> str:
    """``lowest_pixel`` -> ``lowest pixel``."""
    return name.replace("_", " ")


def threads(each: int, at_once: int) -> str:
    """What a run computes with: ``2 threads``, or ``2 stages at a time, threads of each: 1``."""
    return f"{each} threads" if at_once == 1 else f"{at_once} stages at a time, threads of each: {each}"
