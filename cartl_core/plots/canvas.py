"""What all figures share: a canvas, a style, and bytes that are the same whenever they are drawn.

Figures are made with matplotlib's objects, without its ``pyplot`` and so without a display or a window
registry. Glyphs become outlines, so a figure looks the same where its font is missing.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cartl_core.render.pictures import Picture

WIDTH = 7.2
"""Inches: the text width of an A4 page."""
PNG_DPI = 200
SVG, PNG = "image/svg+xml", "image/png"
INK = "#1b2430"
QUIET = "#5b6573"
RULE = "#d9dee5"
COLOURS = ("#0b5cad", "#c2510a", "#2c7a4b", "#8a3ffc", "#a3195b", "#6b5f00", "#3d6b7d", "#7a3b1e", "#444c56")
"""The job's own student first, then its baselines; each also has a marker of its own."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
FOOTNOTE_POINTS = 7.0
FOOTNOTE_WIDTH = 132
"""Characters of a footnote's line that fit ``WIDTH``."""

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


def files(stem: str, draw: Callable[[], Figure | None]) -> tuple[Picture, ...]:
    """``stem.svg`` and ``stem.png``, without dates: equal figures give equal bytes. Empty for no figure."""
    with matplotlib.rc_context(_STYLE):
        figure = draw()
        if figure is None:
            return ()
        return (
            Picture(
                f"{stem}.svg", SVG, _saved(figure, format="svg", metadata={"Date": None, "Creator": None})
            ),
            Picture(
                f"{stem}.png", PNG, _saved(figure, format="png", dpi=PNG_DPI, metadata={"Software": None})
            ),
        )


def _saved(figure: Figure, **how: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, **how)
    return buffer.getvalue()


def page(height: float) -> tuple[Figure, Axes]:
    """An empty figure of the page's width with one set of axes; ``height`` in inches."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def footnote(figure: Figure, text: str) -> None:
    """How the figure was measured, below it: a figure that is cut out keeps its evidence."""
    lines = textwrap.wrap(text, FOOTNOTE_WIDTH)
    figure.supxlabel("\n".join(lines), fontsize=FOOTNOTE_POINTS, color=QUIET, x=0.01, ha="left")
