"""Which images of loaded data a run measures on, and what plan and report need to know of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from cartl_core.analysis.metrics import TestSet
from cartl_core.data import Loaded, Split
from cartl_core.data.stratified import stratified
from cartl_core.nn.rng import generator
from cartl_core.planning.plan import DataCounts
from cartl_core.render import phrases
from cartl_core.spec import DataSpec, EvaluateSpec, JobSpec


@dataclass(frozen=True)
class Sample:
    """What is measured on of one data set.

    Attributes:
        test: images that networks are attacked on.
        asked: what the specification says of it.
        compared: images that candidates are compared on; none where there is nothing to choose.
    """

    data: Loaded
    asked: DataSpec
    test: Split
    compared: Split

    def for_plan(self) -> DataCounts:
        """How many images there are of what kind."""
        data = self.data
        return DataCounts(
            data.fingerprint,
            len(data.train.labels),
            len(self.test),
            len(self.compared),
            held_out_images=len(data.validation.labels),
        )

    def for_report(self) -> TestSet:
        """The test images, for people."""
        labels = tuple(self.test.labels.tolist())
        data = self.data
        return TestSet(phrases.data(self.asked), data.fingerprint, labels, data.class_names, data.available)


class Loader(Protocol):
    """Gives the data that a part of a specification asks for."""

    def __call__(self, data: DataSpec, *, field: str = "dataset") -> Loaded:
        """The data; ``field`` is the part's name in the specification, for errors."""


def of_target(spec: JobSpec, data: Loaded) -> Sample:
    """The target's test images, and its validation images where a candidate is to be chosen."""
    test = some_of(data.test, spec.evaluate.test_limit, spec.seed, "target test")
    if spec.auto is None:
        return Sample(data, spec.dataset, test, none_of(data.validation))
    limit = spec.auto.validation_images
    return Sample(data, spec.dataset, test, some_of(data.validation, limit, spec.seed, "target validation"))


def of_evaluation(asked: DataSpec, evaluate: EvaluateSpec, seed: int, data: Loaded) -> Sample:
    """The test images of an evaluation on one data set."""
    test = some_of(data.test, evaluate.test_limit, seed, "target test")
    return Sample(data, asked, test, none_of(data.validation))


def of_source(asked: DataSpec, spec: JobSpec, data: Loaded) -> Sample:
    """The source's test images."""
    test = some_of(data.test, spec.evaluate.source_test_limit, spec.seed, "source test")
    return Sample(data, asked, test, none_of(data.validation))


def some_of(images: Split, limit: int | None, seed: int, purpose: str) -> Split:
    """The images that every network is measured on: all, or a stratified draw."""
    return images.at(stratified(images.labels, limit, generator(seed, purpose)))


def none_of(images: Split) -> Split:
    """An empty split of the same shape."""
    return images.at(torch.empty(0, dtype=torch.long))
