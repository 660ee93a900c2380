"""What all figures share: a canvas, a style, and bytes that are the same whenever they are drawn.

Figures are made with matplotlib's objects, without its ``pyplot`` and so without a display or a window
registry. Glyphs become outlines, so a figure looks the same where its font is missing.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, Literal

import matplotlib
from matplotlib.figure import Figure

from cartl_core.render.figure import Picture

WIDTH = 7.2
"""Inches: the text width of an A4 page."""
PNG_DPI = 200
SVG, PNG = "image/svg+xml", "image/png"
INK = "#1b2430"
QUIET = "#5b6573"
WRONG = "#a31621"
RULE = "#d9dee5"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
"""Of the methods, in the order of ``palette.COLOURS``."""
FOOTNOTE_POINTS = 7.0
FOOTNOTE_WIDTH = 132
"""Characters of a footnote's line that fit ``WIDTH``."""
INCHES_A_LINE = 0.125
LEGEND_POINTS = 8.0
LEGEND_WIDTH, LEGEND_MARK = 118, 8
"""Characters of a legend's line that fit ``WIDTH``, and how many a mark and its gap take."""

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    # Ids in an SVG are hashes: salted by chance unless told otherwise.
    "svg.hashsalt": "cartl",
    "svg.fonttype": "path",
}


def files(stem: str, draw: Callable[[], Figure | None], *, vector: bool = True) -> tuple[Picture, ...]:
    """``stem.svg`` and ``stem.png``, without dates: equal figures give equal bytes. Empty for no figure.

    Args:
        vector: False for a figure of photographs, which has no use for SVG.
    """
    with matplotlib.rc_context(_STYLE):
        figure = draw()
        if figure is None:
            return ()
        bitmap = _saved(figure, format="png", dpi=PNG_DPI, metadata={"Software": None})
        pictures = (Picture(f"{stem}.png", PNG, bitmap),)
        if not vector:
            return pictures
        vectors = _saved(figure, format="svg", metadata={"Date": None, "Creator": None})
        return (Picture(f"{stem}.svg", SVG, vectors), *pictures)


def _saved(figure: Figure, **how: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, **how)
    return buffer.getvalue()


def sheet(height: float, evidence: str, *, layout: Literal["constrained"] | None = "constrained") -> Figure:
    """An empty figure of the page's width with a footnote: how it was measured.

    A figure that is cut out of its report keeps its evidence.

    Args:
        height: in inches, without the footnote.
        layout: None for a figure that places its axes itself, above ``footnote_height``.
    """
    lines = textwrap.wrap(evidence, FOOTNOTE_WIDTH)
    figure = Figure(figsize=(WIDTH, height + footnote_height(evidence)), layout=layout)
    note = "\n".join(lines)
    figure.supxlabel(note, fontsize=FOOTNOTE_POINTS, color=QUIET, x=0.01, ha="left", parse_math=False)
    return figure


def legend_columns(names: Sequence[str], most: int) -> int:
    """How many columns of a legend fit the sheet's width, at ``LEGEND_POINTS``."""
    longest = max(map(len, names), default=0)
    return max(1, min(most, LEGEND_WIDTH // (longest + LEGEND_MARK)))


def footnote_height(evidence: str) -> float:
    """Inches that a footnote takes, with the space above it."""
    return INCHES_A_LINE * (len(textwrap.wrap(evidence, FOOTNOTE_WIDTH)) + 1)
