"""What follows from the rows of the data sets, ``cartl_core.spec.datasets``."""

from __future__ import annotations

from math import ceil

from cartl_core.spec.data_and_model import DataSpec
from cartl_core.spec.datasets import DATASETS


def share_of_classes(data: DataSpec, images: int) -> int:
    """Of all ``images`` of a data set, those of the chosen classes, as if classes were equally large."""
    classes = DATASETS[data.name].classes
    return ceil(images * len(data.classes or classes) / len(classes))
