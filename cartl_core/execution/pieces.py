"""A batch that goes through a fixed function in pieces: the same numbers, in less memory.

The activations of a pass take memory by the image, and on a CPU a pass of many images at once is no faster.
"""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor

PIECE = {"cpu": 32}
"""Images of a pass at most. A GPU wants many at once, so there a batch is one piece.

Where a convolution sees one image alone it may round in another way. So pieces are as equal as can be: a
batch of more than 32 images has none of less than 16.
"""


def pieces(rows: Tensor, device: torch.device) -> tuple[Tensor, ...]:
    """``rows`` (N, ...), one an image, cut for passes on ``device``; views of them, in order."""
    most = PIECE.get(device.type)
    return (rows,) if most is None else rows.tensor_split(max(1, ceil(len(rows) / most)))
