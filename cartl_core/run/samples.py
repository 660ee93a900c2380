"""Which images of loaded data a run measures on, and what plan and report need to know of them."""

from __future__ import annotations

from dataclasses import dataclass

from cartl_core.analysis.metrics import TestSet
from cartl_core.data import Loaded, Split
from cartl_core.data.stratified import stratified
from cartl_core.nn.rng import generator
from cartl_core.planning.stages import TestData
from cartl_core.render import phrases
from cartl_core.spec import DataSpec, JobSpec
from cartl_core.spec.existing_network import EvaluateJobSpec


@dataclass(frozen=True)
class Sample:
    """What is measured on of one data set.

    Attributes:
        test: images that networks are attacked on.
        validation: images that candidates are compared on; None where there is nothing to choose.
    """

    data: Loaded
    test: Split
    validation: Split | None = None

    def for_plan(self) -> TestData:
        """How many images there are of what kind."""
        compared = len(self.validation) if self.validation else 0
        return TestData(self.data.fingerprint, len(self.data.train.labels), len(self.test.labels), compared)

    def for_report(self, asked: DataSpec) -> TestSet:
        """The test images, for people."""
        labels = tuple(self.test.labels.tolist())
        return TestSet(phrases.data(asked), self.data.fingerprint, labels, self.data.class_names)


def of_target(spec: JobSpec | EvaluateJobSpec, data: Loaded) -> Sample:
    """The target's test images, and its validation images where a candidate is to be chosen."""
    test = some_of(data.test, spec.evaluate.test_limit, spec.seed, "target test")
    if not isinstance(spec, JobSpec) or spec.auto is None:
        return Sample(data, test)
    limit = spec.auto.validation_images
    return Sample(data, test, some_of(data.validation, limit, spec.seed, "target validation"))


def of_source(spec: JobSpec, data: Loaded) -> Sample:
    """The source's test images."""
    return Sample(data, some_of(data.test, spec.evaluate.source_test_limit, spec.seed, "source test"))


def some_of(images: Split, limit: int | None, seed: int, purpose: str) -> Split:
    """The images that every network is measured on: all, or a stratified draw."""
    chosen = stratified(images.labels, limit, generator(seed, purpose))
    return Split(
        images=images.images[chosen],
        labels=images.labels[chosen],
        index=images.index[chosen],
        digests=tuple(images.digests[position] for position in chosen.tolist()),
    )
