"""The worst images: as they are, under attack, and what was added, magnified."""

from __future__ import annotations

from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cartl_core.render import captions, numbers
from cartl_core.render.figure import Pixels
from cartl_core.render.plots.canvas import INK, QUIET, WIDTH, WRONG, sheet
from cartl_core.report import Report
from cartl_core.report.gallery import Gallery, WorstImage

COLUMNS = 2
PICTURES = 3
"""Of each image: as it is, under attack, what was added."""
INNER = 0.06
"""Between two pictures, in widths of a picture."""
GAP = 0.3
"""Between two images, in widths of a picture."""
MARGIN = 0.05
"""Inches left and right."""
TITLE = 0.36
"""Inches above each picture."""
SIDE = (WIDTH - 2 * MARGIN) / (COLUMNS * PICTURES + GAP + INNER * (COLUMNS * PICTURES + 1))
"""Inches of a picture's side."""
GREY = 0.5
SHORT = 14
"""Characters of a class name that fit above a picture."""


def worst_images(report: Report, pixels: Pixels) -> Figure | None:
    """Three pictures an image, with what the network says and how sure it is."""
    figures, caption = report.student.figures if report.student else None, captions.worst_images(report)
    gallery = figures.gallery if figures else None
    if gallery is None or caption is None or not gallery.images:
        return None
    names = captions.class_names(report)
    rows = ceil(len(gallery.images) / COLUMNS)
    figure = sheet((SIDE + TITLE) * rows, caption.evidence, layout=None)
    for number, image in enumerate(gallery.images):
        axes = [_place(figure, *divmod(number, COLUMNS), picture) for picture in range(PICTURES)]
        _image(axes, image, gallery, names, pixels.clean[number], pixels.adversarial[number])
    return figure


def _place(figure: Figure, row: int, column: int, picture: int) -> Axes:
    """Square axes for one picture of the image at ``row`` and ``column``."""
    width, height = figure.get_size_inches()
    left = MARGIN + SIDE * (column * (PICTURES * (1 + INNER) + GAP) + picture * (1 + INNER))
    below_top = (SIDE + TITLE) * (row + 1)
    return figure.add_axes((left / width, 1 - below_top / height, SIDE / width, SIDE / height))


def _image(
    axes: list[Axes],
    image: WorstImage,
    gallery: Gallery,
    names: dict[int, str],
    clean: NDArray[np.float32],
    adversarial: NDArray[np.float32],
) -> None:
    true, wrong = _short(names.get(image.label)), _short(names.get(image.wrong_label))
    added = GREY + gallery.magnification * (adversarial - clean)
    shown = (
        (clean, f"{true}\n{numbers.percent(image.confidence)} sure", INK),
        (adversarial, f"taken for {wrong}\n{numbers.percent(image.wrong_confidence)} sure", WRONG),
        (added, f"what was added\n\u00d7 {gallery.magnification}, around grey", QUIET),
    )
    for place, (picture, title, colour) in zip(axes, shown, strict=True):
        _show(place, picture)
        place.set_title(title, fontsize=7, color=colour, fontweight="normal", loc="center", parse_math=False)


def _short(name: str | None) -> str:
    named = name or "?"
    return named if len(named) <= SHORT else f"{named[: SHORT - 1]}\u2026"


def _show(axes: Axes, picture: NDArray[np.float32]) -> None:
    """(C, H, W), grey or colour, each pixel a square."""
    shown = np.clip(picture.transpose(1, 2, 0), 0.0, 1.0)
    if shown.shape[2] == 1:
        axes.imshow(shown[:, :, 0], cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
    else:
        axes.imshow(shown, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
