"""Packs: what is written is read again, image by image, whatever the sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cartl_core.data.packed import FOUND, SPLITS, Pack, PackWriter, fingerprint_of
from cartl_core.errors import DatasetInvalid
from cartl_core.spec.resources.dataset import DatasetDefaults, DatasetReport, FoundDataset, Sizes

CLASSES = ("cat", "dog")


def found(fingerprint: str, channels: int) -> FoundDataset:
    return FoundDataset(
        fingerprint=fingerprint,
        channels=1 if channels == 1 else 3,
        classes=CLASSES,
        counts={"train": (1, 1), "test": (1, 0)},
        sizes=Sizes(min=(2, 3), median=(4, 4), max=(9, 5)),
        mean=(0.5,) * channels,
        std=(0.2,) * channels,
        defaults=DatasetDefaults(
            image_size=8, train_eps=0.1, eval_eps=0.1, eval_step=0.01, augmentation="none"
        ),
        report=DatasetReport(files=3, taken=3),
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_uneven_sizes_come_back(tmp_path: Path, channels: int) -> None:
    draw = np.random.default_rng(0)
    images = [
        draw.integers(0, 256, (height, width, channels), dtype=np.uint8)
        for height, width in ((2, 3), (4, 4), (9, 5))
    ]
    with PackWriter(tmp_path / "pack", channels) as writer:
        digests = [writer.add(image) for image in images]
        index = writer.finish([0, 1, 0], ["train", "train", "test"])
    kept = found(fingerprint_of(CLASSES, index), channels)
    (tmp_path / "pack" / FOUND).write_text(kept.model_dump_json())
    pack = Pack.open(tmp_path / "pack")
    assert pack.found == kept
    assert [pack.image(position).tolist() for position in range(3)] == [image.tolist() for image in images]
    assert [SPLITS[split] for split in pack.index.split] == ["train", "train", "test"]
    assert [bytes(digest) for digest in pack.index.digest] == digests


def test_a_fingerprint_tells_pixels_labels_splits_and_names_apart(tmp_path: Path) -> None:
    def of(name: str, pixel: int, label: int, split: str, classes: tuple[str, ...] = CLASSES) -> str:
        with PackWriter(tmp_path / name, 1) as writer:
            writer.add(np.full((2, 2, 1), pixel, dtype=np.uint8))
            return fingerprint_of(classes, writer.finish([label], ["train" if split == "train" else "test"]))

    same, again = of("a", 1, 0, "train"), of("b", 1, 0, "train")
    others = [of("c", 2, 0, "train"), of("d", 1, 1, "train"), of("e", 1, 0, "test")]
    assert same == again
    assert len({same, *others, of("f", 1, 0, "train", ("cat", "cow"))}) == 5


def test_an_image_of_other_channels_is_refused(tmp_path: Path) -> None:
    with PackWriter(tmp_path / "pack", 3) as writer, pytest.raises(ValueError, match="3 channels"):
        writer.add(np.zeros((2, 2, 1), dtype=np.uint8))


def test_a_damaged_pack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetInvalid):
        Pack.open(tmp_path)
