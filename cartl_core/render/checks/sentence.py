"""What is said of an outcome."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sentence:
    """What is said of an outcome, as templates with places for the check's numbers.

    Attributes:
        words: what it means; of several, the first whose numbers are all there.
        advice: what to do.
    """

    words: tuple[str, ...]
    advice: str | None = None


NOT_ASKED = Sentence(("No checks of the network were asked for, or they are not finished.",))

NO_IMAGE = "No image is classified right, so there was "
