"""What the readers of the several formats share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cartl_core.data.splits import Archive
from cartl_core.errors import DatasetInvalid

Reader = Callable[[], Archive]


def check_labels(labels: NDArray[np.int64], classes: int, what: str) -> None:
    """Raise ``DatasetInvalid`` unless all labels are from 0 to ``classes`` - 1."""
    if len(labels) == 0:
        raise DatasetInvalid(f"{what} holds no images")
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= classes:
        raise DatasetInvalid(f"{what} holds labels from {lowest} to {highest}, but 0 to {classes - 1} exist")
