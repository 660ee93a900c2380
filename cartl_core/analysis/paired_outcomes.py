"""Two networks image by image: what a run wrote of each, and the differences where the images are the same.

The files are safetensors (``cartl_core.run.publish.write_outcomes``), read without torch. Only what a
comparison needs is read: the positions of the images, and of each attack one byte an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from cartl_core.analysis.acceptance.outcomes_file import CLEAN, INDEX, ROBUST, TYPES, outcomes_name
from cartl_core.catalog.safetensors_header import HeaderInvalid, read_header
from cartl_core.statistics.proportions import mcnemar, paired_difference

STUDENT = outcomes_name("student")


@dataclass(frozen=True)
class Outcomes:
    """One network on its test images.

    Attributes:
        index: bytes of the images' positions, equal where the images are.
        right: by ``clean`` or an attack's label, a byte an image, 1 where it was right.
    """

    index: bytes
    right: dict[str, bytes]

    @property
    def attacks(self) -> frozenset[str]:
        """Labels of the attacks."""
        return frozenset(self.right) - {CLEAN}


@dataclass(frozen=True)
class Difference:
    """The first network minus the second on the same images; ``p_value`` of McNemar's exact test."""

    what: str
    n: int
    difference: float
    low: float
    high: float
    p_value: float


def parse_outcomes(content: bytes) -> Outcomes:
    """The outcomes in a file.

    Raises:
        ValueError: it is no such file.
    """
    try:
        header = read_header(BytesIO(content), len(content), TYPES)
    except HeaderInvalid as error:
        raise ValueError("it holds no outcomes of images") from error
    begins = len(content) - max((tensor.end for tensor in header.tensors), default=0)
    spans = {
        tensor.name: content[begins + tensor.start : begins + tensor.end]
        for tensor in header.tensors
        if _is_wanted(tensor.name)
    }
    if INDEX not in spans:
        raise ValueError("it holds no outcomes of images")
    right = {name.removeprefix(ROBUST): span for name, span in spans.items() if name != INDEX}
    if CLEAN not in right or len({len(span) for span in right.values()}) != 1:
        raise ValueError("its outcomes are not of the same images")
    return Outcomes(spans[INDEX], right)


def _is_wanted(name: str) -> bool:
    return name in (CLEAN, INDEX) or name.startswith(ROBUST)


def differences(first: Outcomes, second: Outcomes) -> tuple[Difference, ...]:
    """Without an attack, and under all attacks that both were measured with; none where images differ."""
    images = len(first.right[CLEAN])
    if first.index != second.index or images != len(second.right[CLEAN]) or not images:
        return ()
    shared = sorted(first.attacks & second.attacks)
    found = [_difference("clean", first.right[CLEAN], second.right[CLEAN])]
    if shared:
        what = f"robust against {', '.join(shared)}"
        found.append(_difference(what, *(_all_of(one, shared) for one in (first, second))))
    return tuple(found)


def _all_of(outcomes: Outcomes, attacks: list[str]) -> bytes:
    return bytes(map(min, zip(*(outcomes.right[label] for label in attacks), strict=True)))


def _difference(what: str, first: bytes, second: bytes) -> Difference:
    pairs = list(zip(first, second, strict=True))
    only_first, only_second = pairs.count((1, 0)), pairs.count((0, 1))
    value, low, high = paired_difference(only_first, only_second, len(pairs))
    return Difference(what, len(pairs), value, low, high, mcnemar(only_first, only_second))
