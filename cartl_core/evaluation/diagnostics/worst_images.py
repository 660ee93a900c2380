"""The gallery of worst images as a diagnostic: the network's answers, before and under attack."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from cartl_core.attacks.attack_state import misclassified, not_finite
from cartl_core.attacks.losses import margin
from cartl_core.attacks.pgd import perturb
from cartl_core.attacks.random_starts import random_starts
from cartl_core.evaluation.diagnostics.base import Batch, Subject
from cartl_core.report.gallery import Gallery, WorstImage
from cartl_core.spec.measures.diagnostics import GallerySpec

LABEL = "gallery"
"""What its random starts are drawn for."""
LOSS = "margin"
HALF = 0.5
"""A perturbation is drawn around grey: magnified, its largest value may move a pixel this far."""


def batch(subject: Subject, asked: GallerySpec) -> Batch:
    """Each image, the attack's last image, and the network's confidence in every class for both."""

    def rows(images: Tensor, labels: Tensor, indices: Tensor) -> dict[str, Tensor]:
        start = random_starts(
            images.shape[1:],
            asked.eps,
            seed=subject.seed,
            label=LABEL,
            restart=0,
            indices=indices,
            norm=asked.norm,
        )
        adversarial = perturb(
            subject.network,
            images,
            labels,
            eps=asked.eps,
            step=asked.step,
            steps=asked.steps,
            start=start.to(images.device),
            norm=asked.norm,
            objective=margin,
        )
        with torch.no_grad():
            before, under = subject.network(images).softmax(1), subject.network(adversarial).softmax(1)
        return {
            "clean": images,
            "adversarial": adversarial,
            "before": before,
            "under": under,
            "index": indices,
        }

    return rows


def summarise(subject: Subject, asked: GallerySpec, rows: dict[str, Tensor]) -> Gallery:
    """The images to show, and how many there were to choose from."""
    labels, positions = subject.labels, torch.arange(len(subject.labels))
    true, wrong = labels.unsqueeze(1), rows["under"].argmax(1)
    right = ~misclassified(rows["before"], labels)
    # Where no confidence is finite there is none to show.
    fooled = right & (wrong != labels) & ~not_finite(rows["under"])
    surplus = rows["under"].amax(1) - rows["under"].gather(1, true).squeeze(1)
    chosen = list(_chosen(surplus, labels, positions[fooled], asked.shown))
    moved = (rows["adversarial"] - rows["clean"])[chosen]
    return Gallery(
        norm=asked.norm,
        loss=LOSS,
        eps=asked.eps,
        step=asked.step,
        steps=asked.steps,
        restarts=1,
        seed=subject.seed,
        n=len(labels),
        right=int(right.sum()),
        fooled=int(fooled.sum()),
        magnification=magnification(moved),
        images=tuple(
            WorstImage(
                index=int(rows["index"][row]),
                label=int(labels[row]),
                confidence=float(rows["before"][row, labels[row]]),
                wrong_label=int(wrong[row]),
                wrong_confidence=float(rows["under"][row, wrong[row]]),
                left_confidence=float(rows["under"][row, labels[row]]),
                distance=float(torch.linalg.vector_norm(change, ord=ORDERS[asked.norm])),
            )
            for row, change in zip(chosen, moved.double(), strict=True)
        ),
    )


ORDERS = {"linf": float("inf"), "l2": 2.0, "l1": 1.0}


def _chosen(surplus: Tensor, labels: Tensor, candidates: Tensor, shown: int) -> Iterator[int]:
    """The most wrong image of each class, most wrong first; then the next of each, until there are enough."""
    ranked = sorted(candidates.tolist(), key=lambda row: (-float(surplus[row]), row))
    place: dict[int, int] = {}
    turns = []
    for row in ranked:
        label = int(labels[row])
        place[label] = place.get(label, -1) + 1
        turns.append((place[label], row))
    # Stable: within a turn the order of ``ranked`` stays.
    yield from (row for _, row in sorted(turns, key=lambda turn: turn[0])[:shown])


def magnification(moved: Tensor) -> int:
    """By how much all perturbations (k, C, H, W) are multiplied in the picture, so that none is cut."""
    largest = float(moved.abs().max()) if moved.numel() else 0.0
    return max(1, int(HALF / largest + 1e-6)) if largest > 0 else 1


def shown(rows: dict[str, Tensor], gallery: Gallery) -> dict[str, Tensor]:
    """The images of a finished gallery: ``clean`` and ``adversarial`` (k, C, H, W), in its order."""
    place = {index: row for row, index in enumerate(rows["index"].tolist())}
    chosen = [place[image.index] for image in gallery.images]
    return {name: rows[name][chosen] for name in ("clean", "adversarial")}
