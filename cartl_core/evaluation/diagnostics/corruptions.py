"""Accuracy under common corruptions as a diagnostic: a yes or no for every image, corruption and severity."""

from __future__ import annotations

import torch
from torch import Tensor

from cartl_core.attacks import misclassified
from cartl_core.evaluation.corruptions import corrupt
from cartl_core.evaluation.diagnostics.base import Batch, Subject
from cartl_core.report.curves import CorruptionResult, CorruptionResults, Mean
from cartl_core.spec.measures.corruptions import SOURCE, CorruptionsSpec
from cartl_core.statistics.intervals import mean_of
from cartl_core.statistics.proportions import wilson


def batch(subject: Subject, asked: CorruptionsSpec) -> Batch:
    """Which images of a batch are still right: (n,) bool in the row ``NAME.SEVERITY``."""

    def rows(images: Tensor, labels: Tensor, indices: Tensor) -> dict[str, Tensor]:
        here = images.cpu().contiguous()
        right = {}
        for name, severity in asked.columns:
            corrupted = corrupt(here, name, severity, seed=subject.seed, indices=indices)
            with torch.no_grad():
                logits = subject.network(torch.empty_like(images).copy_(corrupted))
            right[f"{name}.{severity}"] = ~misclassified(logits, labels)
        return right

    return rows


def summarise(subject: Subject, asked: CorruptionsSpec, rows: dict[str, Tensor]) -> CorruptionResults:
    """Accuracy of each column, and the mean over all of them."""
    columns = [rows[f"{name}.{severity}"] for name, severity in asked.columns]
    n = len(subject.labels)
    value, low, high = mean_of(torch.stack(columns).double().mean(0).tolist())
    return CorruptionResults(
        seed=subject.seed,
        n=n,
        source=SOURCE,
        results=tuple(
            CorruptionResult(name=name, severity=severity, accuracy=wilson(int(right.sum()), n))
            for (name, severity), right in zip(asked.columns, columns, strict=True)
        ),
        mean=Mean(value=value, low=low, high=high, n=n),
    )
