"""Parts of one measurement that other processes compute: ranges of images, whole batches each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from cartl_core.errors import SpecError

MOST_SHARDS = 1024


@dataclass(frozen=True)
class Shard:
    """The images from ``first`` to before ``last`` of the stage ``digest``."""

    digest: str
    first: int
    last: int


@dataclass(frozen=True)
class FanOut:
    """How a run shares its measurements.

    Attributes:
        shards: that an attack on a set of images is cut into, at most; 1 cuts nothing.
        only: the one part that this process computes, of a run that another one has begun.
    """

    shards: int = 1
    only: Shard | None = None


WHOLE = FanOut()


def edges(count: int, batch_size: int, shards: int) -> tuple[tuple[int, int], ...]:
    """At most ``shards`` ranges that cover ``count`` images in order; each but the last is whole batches.

    They differ by one batch at most. None where there is nothing to share: one shard, or one batch.
    """
    batches = -(-count // batch_size)
    parts = min(shards, batches)
    if parts < 2:
        return ()
    cuts = [round(batches * number / parts) * batch_size for number in range(parts)] + [count]
    return tuple(pairwise(cuts))


def read_shard(text: str) -> Shard:
    """``DIGEST:FIRST:LAST`` as a worker writes it.

    Raises:
        SpecError: it is none.
    """
    digest, _, rows = text.partition(":")
    first, _, last = rows.partition(":")
    if not (digest and all(part.isascii() and part.isdigit() and len(part) < 10 for part in (first, last))):
        raise SpecError("shard", f"{text[:100]!r} is no part", allowed="DIGEST:FIRST:LAST")
    if int(first) >= int(last):
        raise SpecError("shard", "it holds no image", allowed="FIRST below LAST")
    return Shard(digest, int(first), int(last))
