"""From a data set's name to the images and labels of a run: ``load``.

Files in their own order -> the task's classes -> the limit on training images (stratified, drawn
with the seed) -> training and validation parts (stratified) -> the network's size and channels.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cartl_core.catalog import DatasetFacts, facts_of
from cartl_core.catalog.data_facts import draws_of
from cartl_core.data.download import download as download_files
from cartl_core.data.download import missing
from cartl_core.data.image_set import ImageSet
from cartl_core.data.network_input import NetworkInput
from cartl_core.data.sources import find
from cartl_core.data.splits import Archive, DataSource, Loaded, Sizing, Split, SplitSource
from cartl_core.data.stratified import stratified
from cartl_core.errors import DatasetInvalid, SpecError
from cartl_core.execution.scratch import Scratch
from cartl_core.nn.rng import generator
from cartl_core.spec import DataSpec, ModelSpec


def load(
    data: DataSpec,
    model: ModelSpec,
    *,
    data_root: Path,
    seed: int,
    download: bool = True,
    field: str = "dataset",
    own: Mapping[str, DataSource] | None = None,
    scratch: Scratch | None = None,
) -> Loaded:
    """The images that ``data`` names, split and shaped for ``model``.

    Args:
        data: which data set, which classes, how many training images.
        model: gives the size and the channels that the network sees.
        data_root: the folder that holds the data sets.
        seed: of the job; decides which images are kept and which validate.
        download: fetch missing files from their publishers.
        field: the field of the request that ``data`` came from, for errors.
        own: data sets that people brought, by fingerprint; images in memory by name.
        scratch: where resized images are kept; None is memory.

    Raises:
        DatasetMissing: the files are not there and could not be downloaded.
        DatasetInvalid: the files are damaged or not what they claim to be.
        SpecError: too few images for the split, or colour images for a network of one channel.
    """
    facts = facts_of(data)
    if facts.channels > model.channels:
        raise SpecError("model.channels", f"{data.name} has colour images", allowed=str(facts.channels))
    source = _source(data, data_root, download, own or {})
    classes = data.classes if data.classes is not None else tuple(range(len(facts.classes)))
    everything = _selected(source.train, classes)
    test = _selected(source.test, classes)
    _require_all_classes(test.labels, classes, facts, "test")
    limited = everything.keep(
        stratified(everything.labels, data.train_limit, generator(seed, "limit", draws_of(data)))
    )
    if source.validation is None:
        train, validation = _without_validation(limited, data, seed)
    else:
        train, validation = limited, _selected(source.validation, classes)
    _require_images(train, validation, everything, classes, facts, field)
    sizing = Sizing(model.image_size, data.resize, scratch or Scratch())
    shape = functools.partial(_shaped, highest=source.highest, model=model, sizing=sizing)
    return Loaded(
        name=data.name,
        train=shape(train),
        validation=shape(validation),
        test=shape(test),
        class_names=tuple(facts.classes[label] for label in classes),
        mean=_per_channel(facts.mean, model.channels),
        std=_per_channel(facts.std, model.channels),
        fingerprint=_fingerprint(data, model, facts, (train, validation, test)),
        available=len(everything.index) if len(source.train.labels) != facts.train_images else None,
        files=source.files,
    )


def _source(data: DataSpec, data_root: Path, download: bool, own: Mapping[str, DataSource]) -> DataSource:
    if data.facts is None:
        return read(data.name, data_root, download=download)
    found = own.get(data.fingerprint or data.name)
    if found is None:
        raise DatasetInvalid(f"the images of the data set {data.name} were not handed to this run")
    return found


def read(name: str, data_root: Path, *, download: bool = True) -> Archive:
    """All of a data set, as its files hold it. The last one read is kept in memory."""
    reader = find(name, data_root)
    if reader is None:
        why = download_files(name, data_root) if download else "downloading is switched off"
        if why is not None:
            raise missing(name, why)
    return _read(name, data_root.resolve())


# Two tasks on the classes of one data set are usual: its files are then decoded once.
@functools.lru_cache(maxsize=1)
def _read(name: str, data_root: Path) -> Archive:
    reader = find(name, data_root)
    if reader is None:
        raise missing(name, "the download left other files")
    return reader()


@dataclass(frozen=True, eq=False)
class _Selection:
    """Some images of one split, by position; their pixels stay where they are."""

    origin: SplitSource
    index: Tensor
    labels: Tensor

    def keep(self, positions: Tensor) -> _Selection:
        return _Selection(self.origin, self.index[positions], self.labels[positions])

    def drop(self, positions: Tensor) -> _Selection:
        kept = torch.ones(len(self.index), dtype=torch.bool)
        kept[positions] = False
        return self.keep(kept.nonzero().squeeze(1))

    @property
    def digests(self) -> tuple[bytes, ...]:
        return tuple(self.origin.digests[position] for position in self.index.tolist())


def _selected(split: SplitSource, classes: tuple[int, ...]) -> _Selection:
    """The images of ``classes``, in file order; label i stands for classes[i]."""
    task_label = torch.full((max(int(split.labels.max()), *classes) + 1,), -1)
    task_label[list(classes)] = torch.arange(len(classes))
    labels = task_label[torch.from_numpy(split.labels)]
    index = (labels >= 0).nonzero().squeeze(1)
    return _Selection(split, index, labels[index])


def _without_validation(limited: _Selection, data: DataSpec, seed: int) -> tuple[_Selection, _Selection]:
    count = round(len(limited.index) * data.validation_fraction)
    chosen = stratified(limited.labels, count, generator(seed, "validation", draws_of(data)))
    return limited.drop(chosen), limited.keep(chosen)


def _require_images(
    train: _Selection,
    validation: _Selection,
    everything: _Selection,
    classes: tuple[int, ...],
    facts: DatasetFacts,
    field: str,
) -> None:
    """Every class trains on an image, and there is something to validate on."""
    _require_all_classes(everything.labels, classes, facts, "training")
    counts = torch.bincount(train.labels, minlength=len(classes))
    if len(validation.index) and int(counts.min()):
        return
    if len(validation.index) == 0:
        raise SpecError(
            f"{field}.validation_fraction",
            f"leaves none of {len(train.index)} images for validation",
            allowed="a larger part, or more training images",
        )
    rarest = facts.classes[classes[int(counts.argmin())]]
    raise SpecError(
        f"{field}.train_limit",
        f"leaves no training image of class {rarest!r} beside validation",
        allowed=f"more images for {len(classes)} classes, or null for all {len(everything.index):,}",
    )


def _require_all_classes(labels: Tensor, classes: tuple[int, ...], facts: DatasetFacts, split: str) -> None:
    absent = torch.bincount(labels, minlength=len(classes)) == 0
    if absent.any():
        first = facts.classes[classes[int(absent.nonzero()[0])]]
        raise DatasetInvalid(f"the files of {facts.name} hold no {split} image of class {first!r}")


def _shaped(selection: _Selection, *, highest: int, model: ModelSpec, sizing: Sizing) -> Split:
    pixels, positions = selection.origin.pixels(selection.index.numpy(), sizing)
    return Split(
        images=ImageSet(NetworkInput(pixels, highest, model), torch.from_numpy(positions)),
        labels=selection.labels,
        index=selection.index,
        digests=selection.digests,
    )


def _per_channel(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return values * (channels // len(values))


def _described(data: DataSpec) -> dict[str, object]:
    """What is asked for of a data set; one that has a fingerprint is not known by its name."""
    asked = {"name", "classes", "train_limit", "validation_fraction"}
    if data.resize != "squash":
        # A field that was added: left out where it has the value that stands for what was done before.
        asked.add("resize")
    told: dict[str, object] = data.model_dump(mode="json", include=asked)
    if data.fingerprint is not None:
        told["name"] = data.fingerprint
    return told


def _fingerprint(
    data: DataSpec, model: ModelSpec, facts: DatasetFacts, splits: tuple[_Selection, ...]
) -> str:
    shape = {
        "data": _described(data),
        "image_size": model.image_size,
        "channels": model.channels,
        "mean": facts.mean,
        "std": facts.std,
        "counts": [len(split.index) for split in splits],
    }
    content = hashlib.sha256(json.dumps(shape, sort_keys=True).encode())
    for split in splits:
        content.update(split.index.numpy().astype("<i8").tobytes())
        content.update(split.labels.numpy().astype("<i8").tobytes())
        content.update(b"".join(split.digests))
    return content.hexdigest()
