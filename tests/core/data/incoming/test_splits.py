"""Which images are trained, validated and tested on: stratified, seeded, and none in two of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cartl_core.data.incoming import check_dataset
from cartl_core.data.incoming.collect import Place
from cartl_core.data.incoming.places import BESIDE_SPLITS, NO_CLASS, place
from cartl_core.data.incoming.splits import IN_TEST, IN_VALIDATION, assign, lacking
from cartl_core.data.packed import Pack
from cartl_core.spec.resources.dataset import SplitName
from tests.core.data.incoming.contents import ORDER, pets, png, zipped


def images(*classes: int, split: SplitName | None = None) -> list[Place]:
    return [Place(split, label, (n,)) for label, count in enumerate(classes) for n in range(count)]


def digests(count: int) -> list[bytes]:
    return [n.to_bytes(4, "big") for n in range(count)]


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("seed", [0, 7])
def test_a_drawn_split_is_stratified_and_depends_on_the_seed_alone(fraction: float, seed: int) -> None:
    places = images(100, 50, 20)
    once = assign(places, digests(170), fraction, seed)
    assert once.drawn
    assert once == assign(places, digests(170), fraction, seed)
    assert once != assign(places, digests(170), fraction, seed + 1)
    tested = Counter(place.label for place, split in zip(places, once.splits, strict=True) if split == "test")
    assert tested.total() == round(170 * fraction)
    for label, count in enumerate((100, 50, 20)):
        assert abs(tested[label] - count * fraction) <= 1


def test_a_rare_class_has_a_test_image_where_enough_are_left() -> None:
    for seed in range(20):
        places = images(300, 3)
        splits = assign(places, digests(303), 0.1, seed).splits
        assert "test" in splits[300:]
        assert lacking([split or "train" for split in splits], [p.label for p in places], ("a", "b")) is None


def test_equal_images_are_drawn_together() -> None:
    places, same = images(40, 40), digests(80)
    for position in range(0, 40, 2):
        same[position] = same[position + 1]
    for seed in range(5):
        assigned = assign(places, same, 0.3, seed)
        assert assigned.left_out == {}
        assert all(assigned.splits[n] == assigned.splits[n + 1] for n in range(0, 40, 2))


def test_what_is_shared_with_tests_or_validation_is_left_out_of_training() -> None:
    places = images(4, split="train") + images(3, split="val") + images(2, split="test")
    same = [b"a", b"b", b"c", b"d", b"b", b"e", b"f", b"a", b"e"]
    assigned = assign(places, same, 0.2, 0)
    assert not assigned.drawn
    assert assigned.splits == (None, None, "train", "train", "val", None, "val", "test", "test")
    assert assigned.left_out == {0: IN_TEST, 1: IN_VALIDATION, 5: IN_TEST}


def test_shared_images_are_counted_and_contradictions_are_said(tmp_path: Path) -> None:
    files = {f"train/{name}": content for name, content in pets(each=20).items()}
    files |= {
        f"test/{kind}/{n}.png": png(700 + 20 * k + n)
        for k, kind in enumerate(("cat", "dog"))
        for n in range(5)
    }
    files |= {"test/cat/leak.png": png(3), "train/dog/copy.png": png(101), "train/dog/cat.png": png(4)}
    (tmp_path / "content").write_bytes(zipped(files))
    found = check_dataset(ORDER, tmp_path / "content", tmp_path / "out").found
    assert found is not None
    assert (found.report.shared_train_test, found.report.duplicates) == (1, 2)
    assert [(file.path, file.reason) for file in found.report.skipped] == [("train/cat/03.png", IN_TEST)]
    assert found.counts == {"train": (19, 22), "test": (6, 5)}
    said = {one.code: one.message for one in found.report.warnings}
    assert {"shared_train_test", "duplicates", "contradicting_labels"} <= said.keys()
    assert said["contradicting_labels"].startswith("1 image lie")
    pack = Pack.open(tmp_path / "out" / "pack")
    assert len({bytes(digest) for digest in pack.index.digest[pack.index.split == 2]}) == 11


@pytest.mark.parametrize(
    ("paths", "classes", "found"),
    [
        ("a/x b/x", "a b", "0 1"),
        ("a/x b/x x", "a b", f"0 1 {NO_CLASS}"),
        ("top/a/x top/b/x", "a b", "0 1"),
        ("top/in/a/x top/in/b/x", "a b", "0 1"),
        ("top/train/a/x top/test/a/x", "a", "train0 test0"),
        ("top/a/x top/b/x top/x", "top", "0 0 0"),
        ("train/a/x train/b/deep/x", "a b", "train0 train1"),
        ("TRAIN/a/x Validation/a/x Test/b/x", "a b", "train0 val0 test1"),
        ("train/a/x valid/a/x", "a", "train0 val0"),
        (
            "train/a/x test/a/x docs/x docs/a/x x",
            "a",
            f"train0 test0 {BESIDE_SPLITS} {BESIDE_SPLITS} {BESIDE_SPLITS}",
        ),
        ("train/a/x test/a/x train/x", "a", f"train0 test0 {NO_CLASS}"),
        ("train/x car/x plane/x", "car plane train", "2 0 1"),
        ("10/x 9/x B/x a/x", "10 9 B a", "0 1 2 3"),
        ("x y", "", f"{NO_CLASS} {NO_CLASS}"),
    ],
)
def test_folders_are_classes_as_torchvision_reads_them(paths: str, classes: str, found: str) -> None:
    placed = place([tuple(path.split("/")) for path in paths.split()])
    assert list(placed.classes) == classes.split()
    said = [one if isinstance(one, str) else f"{one.split or ''}{one.label}" for one in placed.places]
    assert said == found.split()


@pytest.mark.parametrize(
    ("splits", "labels", "says"),
    [
        ("train " * 10 + "test test", [0, 1] * 6, None),
        ("train " * 9 + "test test", [0, 1] * 4 + [0, 0, 1], "there are 9 training images"),
        ("train " * 10 + "test test", [0, 1] * 5 + [0, 0], "class 'b' has no test image"),
        ("train " * 10 + "test test", [0] * 9 + [1, 0, 1], "class 'b' has 1 training and 1 test images"),
    ],
)
def test_what_a_job_needs_must_be_there(splits: str, labels: list[int], says: str | None) -> None:
    missing = lacking(splits.split(), labels, ("a", "b"))  # type: ignore[arg-type]
    assert missing is None if says is None else says in (missing or "")
