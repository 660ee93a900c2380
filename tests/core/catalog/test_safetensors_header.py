"""Headers of safetensors files: what is read here is what the library reads, within our bounds."""

from __future__ import annotations

import io
import json
import math
from collections import Counter
from typing import Any

import safetensors
from hypothesis import given, settings
from hypothesis import strategies as st

from cartl_core.catalog.safetensors_header import Header, HeaderInvalid, read_header

SIZES = st.integers(-1, 4) | st.sampled_from([2**31, 2**63, 2**64, 10**39])
INFOS = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F32", "I64", "F16", "F33", "BF16"]),
        "shape": st.lists(SIZES, max_size=3),
        "data_offsets": st.lists(st.sampled_from([0, 4, 8, 12, 16, 24, 32]), min_size=1, max_size=3),
    }
)


@st.composite
def safetensors_bytes(draw: st.DrawFn) -> bytes:
    """A file that is right, and then perhaps a little wrong."""
    tensors: dict[str, Any] = {}
    reached = 0
    for name in draw(st.lists(st.sampled_from("abcd"), unique=True, max_size=4)):
        dtype, shape = draw(st.sampled_from(["F32", "I64"])), draw(st.lists(st.integers(0, 3), max_size=3))
        end = reached + math.prod(shape) * {"F32": 4, "I64": 8}[dtype]
        tensors[name] = {"dtype": dtype, "shape": shape, "data_offsets": [reached, end]}
        reached = end
    spoilt = draw(st.dictionaries(st.sampled_from("abcd"), INFOS, max_size=1))
    metadata = draw(st.sampled_from([None, {"k": "v"}, {"k": 1}]))
    text = json.dumps(({"__metadata__": metadata} if metadata else {}) | tensors | spoilt)
    again = draw(st.sampled_from(["", '"__metadata__": {}', '"a": {}', '"b": null']))
    if again:
        text = text[:-1] + (", " if len(text) > 2 else "") + again + "}"
    text += " " * draw(st.integers(0, 2))
    content = text.encode()
    room = max(0, reached + draw(st.sampled_from([0, 0, 0, 0, -1, 1, 4])))
    length = len(content) + draw(st.sampled_from([0, 0, 0, 0, 0, 1, -1, 100]))
    return length.to_bytes(8, "little") + content + bytes(room)


@settings(max_examples=600, deadline=None)
@given(safetensors_bytes())
def test_a_header_that_is_read_here_is_read_by_the_library_and_likewise(content: bytes) -> None:
    try:
        ours: Header | None = read_header(io.BytesIO(content), len(content))
    except HeaderInvalid:
        ours = None
    try:
        theirs = {name: (told["dtype"], told["shape"]) for name, told in safetensors.deserialize(content)}  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError:
        theirs = None
    if ours is not None:
        assert theirs == {tensor.name: (tensor.dtype, list(tensor.shape)) for tensor in ours.tensors}
    elif theirs is not None:
        assert outside_our_bounds(content)


def outside_our_bounds(content: bytes) -> bool:
    """Repeated keys and types of no network of ours: no more is refused than by the library."""
    length = int.from_bytes(content[:8], "little")
    names: list[str] = []

    def remember(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names.extend(name for name, _ in pairs)
        return dict(pairs)

    header = json.loads(content[8 : 8 + length], object_pairs_hook=remember)
    counted = Counter(name for name in names if name in {*"abcd", "__metadata__"})
    other = any(
        told["dtype"] not in {"F32", "I64"} for name, told in header.items() if name != "__metadata__"
    )
    return other or any(count > 1 for count in counted.values())
