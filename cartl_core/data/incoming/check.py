"""The check of a data set: content in, a pack and what was found out."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cartl_core.data.incoming.collect import Collected, Collection, Place
from cartl_core.data.incoming.decode import decoding
from cartl_core.data.incoming.defaults import defaults_of
from cartl_core.data.incoming.gather import Gathered, Report, gather_arrays, gather_files
from cartl_core.data.incoming.measure import (
    contradicting,
    counts_of,
    duplicates_in,
    mean_and_std,
    sizes_of,
)
from cartl_core.data.incoming.reading.archive_format import ALLOWED, archive_members, is_zip
from cartl_core.data.incoming.reading.folder_members import folder_members
from cartl_core.data.incoming.reading.members import Meter
from cartl_core.data.incoming.reading.npz_arrays import is_npz
from cartl_core.data.incoming.registered import keep_paths, open_pack
from cartl_core.data.incoming.rejection import Rejected
from cartl_core.data.incoming.remarks import Known, warnings_of
from cartl_core.data.incoming.samples import write_samples
from cartl_core.data.incoming.splits import IN_TEST, assign, lacking
from cartl_core.data.packed import FOUND, IMAGES, SPLITS, PackIndex, fingerprint_of
from cartl_core.spec.resources.dataset import (
    DatasetCheckOrder,
    DatasetCheckResult,
    DatasetReport,
    FoundDataset,
    SplitName,
)
from cartl_core.storage.disk_errors import disk_faults

PACK = "pack"
LEAST_CLASSES = 2
REPORT_SECONDS = 0.5


def check_dataset(
    order: DatasetCheckOrder, content: Path, out: Path, report: Report = lambda fraction: None
) -> DatasetCheckResult:
    """Look at every file of ``content``, and keep its images in ``out/pack`` if they are a data set.

    Args:
        order: what is allowed, and how test images are drawn where the content has none.
        content: an archive or an .npz file, whose pixels are kept; or a folder, of which only paths are kept.
        out: a directory, made if needed. Nothing is written elsewhere, nothing stays after a rejection,
            and what an earlier check left is removed.
        report: told at most twice a second which part has been looked at, 0 to 1.

    Raises:
        DiskFull: no space is left.
        OSError: the content cannot be read or ``out`` not written.
    """
    out.mkdir(parents=True, exist_ok=True)
    for earlier in (out / PACK, *out.glob(f".{PACK}-*")):
        shutil.rmtree(earlier, ignore_errors=True)
    try:
        with (
            disk_faults("the images of a data set"),
            tempfile.TemporaryDirectory(dir=out, prefix=f".{PACK}-") as temporary,
            decoding(order.limits.image_pixels),
        ):
            directory = Path(temporary) / PACK
            directory.mkdir()
            found = _look(order, content, directory, _Seldom(report))
            (directory / FOUND).write_text(found.model_dump_json(), encoding="utf-8")
            write_samples(directory, open_pack(directory))
            directory.rename(out / PACK)
    except Rejected as rejected:
        return DatasetCheckResult(state="rejected", reason=rejected.reason, message=rejected.message)
    report(1.0)
    return DatasetCheckResult(state="ready", found=found)


class _Seldom:
    """Passes progress on, but not for each of many files."""

    def __init__(self, report: Report) -> None:
        self._report, self._last = report, float("-inf")

    def __call__(self, fraction: float) -> None:
        now = time.monotonic()
        if now - self._last >= REPORT_SECONDS:
            self._last = now
            self._report(fraction)


def _look(order: DatasetCheckOrder, content: Path, directory: Path, report: Report) -> FoundDataset:
    meter = Meter(order.limits)
    registered = content.is_dir()
    pixels = None if registered else directory / IMAGES
    with Collection(pixels, order.limits.expanded_bytes) as collection:
        gathered = _gather(order, content, collection, meter, report)
    kept = _keep(order, gathered)
    index = _index(gathered, kept)
    index.write(directory)
    if registered:
        keep_paths(directory, content, kept.images)
    return _found(gathered, kept, index)


def _gather(
    order: DatasetCheckOrder, content: Path, collection: Collection, meter: Meter, report: Report
) -> Gathered:
    if content.is_dir():
        if order.format == "npz":
            raise Rejected("unreadable", "the content is a folder, not an .npz file")
        return gather_files(folder_members(content, meter), collection, meter, report)
    size = content.stat().st_size
    if size > order.limits.archive_bytes:
        raise Rejected("archive_too_large", f"it has {size:,} bytes; allowed: {order.limits.archive_bytes:,}")
    arrays = is_zip(content) and is_npz(content, Meter(order.limits))
    if order.format != "auto" and (order.format == "npz") != arrays:
        found = "arrays" if arrays else "no .npz file"
        raise Rejected("unreadable", f"the content is {found}, announced was {order.format}; {ALLOWED}")
    if arrays:
        return gather_arrays(content, collection, meter, report)
    return gather_files(archive_members(content, meter), collection, meter, report)


@dataclass(frozen=True)
class _Kept:
    """The images that are the data set, in its order."""

    positions: tuple[int, ...]
    """Of each in the collection."""
    images: tuple[Collected, ...]
    labels: tuple[int, ...]
    splits: tuple[SplitName, ...]
    drawn: bool


def _keep(order: DatasetCheckOrder, gathered: Gathered) -> _Kept:
    """Which images stay; the others are added to those that were skipped.

    Raises:
        Rejected: too few or too many classes, or too few images of one.
    """
    _check_classes(gathered, order.limits.classes)
    images = gathered.collection.images
    placed: list[tuple[int, Place]] = []
    for position, place in enumerate(gathered.places):
        if isinstance(place, str):
            gathered.skipped.add("/".join(images[position].parts), place)
        else:
            placed.append((position, place))
    placed.sort(key=lambda one: (SPLITS.index(one[1].split or "train"), one[1].label, one[1].order))
    digests = [gathered.collection.digest(images[position]) for position, _ in placed]
    assigned = assign([place for _, place in placed], digests, order.test_fraction, order.split_seed)
    for number, reason in assigned.left_out.items():
        gathered.skipped.add("/".join(images[placed[number][0]].parts), reason)
    staying = [
        (split, place.label, position)
        for (position, place), split in zip(placed, assigned.splits, strict=True)
        if split is not None
    ]
    staying.sort(key=lambda one: SPLITS.index(one[0]))
    kept = _Kept(
        positions=tuple(position for _, _, position in staying),
        images=tuple(images[position] for _, _, position in staying),
        labels=tuple(label for _, label, _ in staying),
        splits=tuple(split for split, _, _ in staying),
        drawn=assigned.drawn,
    )
    if (missing := lacking(kept.splits, kept.labels, gathered.classes)) is not None:
        raise Rejected("too_few_images", missing)
    return kept


def _check_classes(gathered: Gathered, most: int) -> None:
    count = len(gathered.classes)
    if count > most:
        raise Rejected("archive_too_large", f"it has {count:,} classes; allowed: {most:,}")
    if count < LEAST_CLASSES:
        raise Rejected(
            "too_few_classes",
            f"{len(gathered.places):,} images were found in {count} class folders; "
            f"allowed: a folder of images for each of {LEAST_CLASSES} classes or more",
        )


def _index(gathered: Gathered, kept: _Kept) -> PackIndex:
    collection = gathered.collection
    digests = b"".join(collection.digest(image) for image in kept.images)
    return PackIndex(
        offset=np.array([collection.offset(image) for image in kept.images], dtype=np.int64),
        height=np.array([image.height for image in kept.images], dtype=np.int32),
        width=np.array([image.width for image in kept.images], dtype=np.int32),
        label=np.array(kept.labels, dtype=np.int32),
        split=np.array([SPLITS.index(split) for split in kept.splits], dtype=np.uint8),
        digest=np.frombuffer(digests, dtype=np.uint8).reshape(len(kept.images), -1),
    )


def _found(gathered: Gathered, kept: _Kept, index: PackIndex) -> FoundDataset:
    channels = gathered.collection.channels
    counts = counts_of(kept.splits, kept.labels, len(gathered.classes))
    training = (image for image, split in zip(kept.images, kept.splits, strict=True) if split == "train")
    mean, std = mean_and_std(training, channels)
    sizes = sizes_of(kept.images)
    return FoundDataset(
        fingerprint=fingerprint_of(gathered.classes, index),
        channels=channels,
        classes=gathered.classes,
        counts=counts,
        sizes=sizes,
        mean=mean,
        std=std,
        defaults=defaults_of(channels, min(sizes.median)),
        report=_report(gathered, kept, counts),
    )


def _report(gathered: Gathered, kept: _Kept, counts: dict[SplitName, tuple[int, ...]]) -> DatasetReport:
    skipped = gathered.skipped
    digests = [gathered.collection.digest(image) for image in kept.images]
    report = DatasetReport(
        files=len(kept.images) + skipped.by_reason.total(),
        taken=len(kept.images),
        skipped=skipped.named,
        skipped_by_reason=dict(sorted(skipped.by_reason.items())),
        duplicates=duplicates_in(kept.splits, digests),
        shared_train_test=skipped.by_reason[IN_TEST],
    )
    known = Known(
        classes=gathered.classes,
        counts=counts,
        changes=gathered.changes_of(kept.positions),
        mixed=sum(image.grey for image in kept.images) if gathered.collection.channels > 1 else 0,
        contradicting=contradicting(kept.labels, digests),
        without_images=gathered.without_images,
        drawn=kept.drawn,
    )
    return report.model_copy(update={"warnings": warnings_of(known, report)})
