"""Bytes changed at random: an image is decoded or unusable, a content ready or rejected, nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cartl_core.data.incoming import check_dataset
from cartl_core.data.incoming.decode import decode, decoding
from cartl_core.data.incoming.rejection import Unusable
from tests.core.data.incoming.contents import ORDER, arrays, encoded, pets, picture, tarred, zipped

COLOUR = Image.fromarray(picture(5, (24, 24)))
EXIF = Image.Exif()
EXIF[0x0112] = 6
FILES = {
    "png": encoded(COLOUR, "PNG", exif=EXIF),
    "palette": encoded(COLOUR.quantize(8), "PNG", transparency=1),
    "jpeg": encoded(COLOUR, "JPEG", exif=EXIF, progressive=True),
    "cmyk": encoded(COLOUR.convert("CMYK"), "JPEG"),
    "webp": encoded(COLOUR, "WEBP", exif=EXIF),
    "bmp": encoded(COLOUR, "BMP"),
    "tiff": encoded(COLOUR, "TIFF", compression="tiff_lzw", exif=EXIF),
}
CONTENTS = {
    "zip": zipped(pets()),
    "tar": tarred(pets()),
    "tar.gz": tarred(pets(), "w:gz"),
    "tar.bz2": tarred(pets(), "w:bz2"),
    "tar.xz": tarred(pets(), "w:xz"),
    "npz": arrays(),
}


def changed(content: bytes, seed: int) -> bytes:
    """A few bytes replaced, many of them near the ends; or bytes removed; or the end cut off."""
    draw = np.random.default_rng(seed)
    bytes_ = bytearray(content)
    for _ in range(draw.integers(1, 6)):
        near = min(len(bytes_), int(draw.choice([64, 512, len(bytes_)])))
        at = int(draw.integers(near)) if draw.random() < 0.6 else len(bytes_) - 1 - int(draw.integers(near))
        bytes_[at] = int(draw.choice([0, 1, 127, 128, 255, int(draw.integers(256))]))
    if draw.random() < 0.2:
        del bytes_[int(draw.integers(len(bytes_))) :]
    return bytes(bytes_)


@pytest.mark.parametrize("kind", FILES)
def test_an_image_is_decoded_or_unusable(kind: str) -> None:
    ends = {"decoded": 0, "unusable": 0}
    with decoding(250_000):
        for seed in range(400):
            try:
                assert decode(changed(FILES[kind], seed), 250_000).pixels.ndim == 3
                ends["decoded"] += 1
            except Unusable:
                ends["unusable"] += 1
    assert min(ends.values()) > 0


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_content_is_ready_or_rejected(tmp_path: Path, kind: str) -> None:
    states = set()
    for seed in range(60):
        (tmp_path / "content").write_bytes(changed(CONTENTS[kind], seed))
        result = check_dataset(ORDER, tmp_path / "content", tmp_path / "out")
        states.add(result.state)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["pack"] * (result.state == "ready")
    assert "rejected" in states
