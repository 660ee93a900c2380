"""Activations that overwrite what the norm before them returned: the same bits, a third less memory.

A way back through an activation needs the sign of what entered it, and what left it has the same sign. What a
norm returned is needed by nobody else.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

ACTIVATIONS = (nn.ReLU, nn.LeakyReLU)
"""Those that leave the sign as it is: the slope of a leaky one is above 0 in every family."""


def set_in_place(module: nn.Module, *, in_place: bool) -> None:
    """Of every activation that follows a batch norm in a sequence, in a network of this library.

    Modules of other people are not to be given: they may use what is overwritten in ways that are not seen.
    """
    for sequence in module.modules():
        if isinstance(sequence, nn.Sequential):
            for norm, activation in pairwise(sequence):
                if isinstance(norm, nn.BatchNorm2d) and isinstance(activation, ACTIVATIONS):
                    activation.inplace = in_place
