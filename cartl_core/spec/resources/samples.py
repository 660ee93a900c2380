"""The sheet of samples of a data set: a PNG with a row of small images for each class."""

from __future__ import annotations

SAMPLES = "samples.png"
"""Its name in the pack."""
SAMPLES_A_CLASS = 8
SAMPLE_PIXELS = 64
"""Height and width of each."""
MOST_ROWS = 100


def rows_of_samples(classes: int) -> int:
    """How many classes have samples: the first ones of very many."""
    return min(classes, MOST_ROWS)
