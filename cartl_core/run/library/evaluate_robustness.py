"""Robust accuracy of any network on a person's own images, with intervals and the checks of a job.

>>> import torch
>>> from cartl_core import evaluate_robustness
>>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
>>> with torch.no_grad():
...     _ = model[1].weight.copy_(torch.tensor([[1.0] * 4, [-1.0] * 4]))
...     _ = model[1].bias.copy_(torch.tensor([-2.0, 2.0]))
>>> x = torch.tensor([0.1, 0.45, 0.55, 0.9]).view(4, 1, 1, 1).expand(4, 1, 2, 2)
>>> found = evaluate_robustness(
...     model, x, torch.tensor([1, 1, 0, 0]), eps=0.1, attack="pgd20", checks=False
... )
>>> found.clean.value, found.robust.value
(1.0, 0.5)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from cartl_core.analysis.metrics import (
    Outputs,
    TestSet,
    attack_result,
    not_finite,
    worst_case,
)
from cartl_core.analysis.outputs import EXISTING, network_notices
from cartl_core.attacks.arguments import (
    Classifier,
    as_module,
    check_images,
    check_labels,
    check_radius,
    check_room,
    check_seed,
    number_of_classes,
)
from cartl_core.catalog.ensembles import ENSEMBLES
from cartl_core.catalog.evaluations import EVALUATIONS
from cartl_core.data import ImageSet
from cartl_core.errors import ArgumentInvalid
from cartl_core.nn.module_state import preserve_model_state
from cartl_core.render import numbers
from cartl_core.render.checks.sentences import check_title, check_words
from cartl_core.render.sentences import notice
from cartl_core.report import AttackResult, Interval
from cartl_core.report.checks import Check
from cartl_core.run.check_network import check_network
from cartl_core.run.library.measure_network import attacked, outputs_of
from cartl_core.spec.datasets import COLOUR_EPS, COLOUR_STEP
from cartl_core.spec.measures.attack import AttackSpec, Norm
from cartl_core.statistics.proportions import wilson

FEW_IMAGES = 200
"""With fewer the 95 % interval is wider than 10 points at an accuracy of one half."""


@dataclass(frozen=True)
class RobustnessResult:
    """Accuracy of a network on N images, with and without attacks.

    Attributes:
        clean: share of images classified correctly without an attack.
        robust: share that stays correct under every attack, the worst case image by image.
        eps, norm, attack, seed: as asked for.
        attacks: each attack on its own, on all images.
        checks: the checks against self-deception; empty where they were not asked for.
        not_finite: images with a logit that is infinite or not a number, without an attack or under one; they
            count as misclassified, and no figure is a measurement then.
        warnings: what to read before the figures.
    """

    clean: Interval
    robust: Interval
    eps: float
    norm: Norm
    attack: str
    seed: int
    attacks: tuple[AttackResult, ...]
    checks: tuple[Check, ...]
    not_finite: int
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        """A few lines: the warnings, both accuracies, each attack, how the checks went."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield from (f"warning: {warning}" for warning in self.warnings)
        yield f"clean accuracy {numbers.interval(self.clean)} on {numbers.count(self.clean.n)} images"
        ball = f"{self.norm}, eps {numbers.radius(self.eps)}"
        yield f"robust accuracy {numbers.interval(self.robust)} under {self.attack} ({ball})"
        for result in self.attacks:
            yield f"  {result.label}: {numbers.interval(result.robust)}"
        if self.checks:
            statuses = [check.status for check in self.checks]
            yield (
                f"checks: {statuses.count('passed')} passed, {statuses.count('failed')} failed, "
                f"{statuses.count('not_run')} not run"
            )


def evaluate_robustness(
    model: Classifier,
    x: Tensor | ImageSet,
    y: Tensor,
    *,
    eps: float = 8 / 255,
    norm: Norm = "linf",
    attack: str = "autoattack",
    seed: int = 0,
    batch_size: int = 256,
    checks: bool = True,
) -> RobustnessResult:
    """Attack ``model`` on N images; the result is the same whatever the batch size, up to rounding.

    Deterministic by ``seed``; the global random state, the model's modes and its gradients stay as they were.
    Intervals are Wilson's, at 95 %.

    Args:
        model: maps (N, C, H, W) in [0, 1] to logits (N, K): any ``nn.Module``, on any device, or a function.
        x: (N, C, H, W), float32 or float64 in [0, 1], or the images of a loaded split.
        y: (N,) int64, the true classes, 0 to K - 1.
        eps: radius in ``norm``, in units of pixels in [0, 1], above 0; at most 1 in linf.
        norm: "linf", "l2" or "l1".
        attack: "autoattack" (four classes or more), "ensemble", "pgd100", "pgd20" or "quick" (10 steps).
        seed: of all random numbers.
        batch_size: images at a time, at least 1.
        checks: also look, on up to 200 of the images, for signs that the figures deceive. That of the input's
            range is not run where the model does not compute in double precision on double inputs.

    Raises:
        ArgumentInvalid: an argument is not valid; it is a ``SpecError`` and a ``ValueError``.
    """
    eps = check_radius(eps, norm)
    if eps == 0:
        raise ArgumentInvalid("eps", "with radius 0 there is nothing to attack", allowed="above 0")
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ArgumentInvalid("batch_size", f"{batch_size!r}", allowed="a whole number from 1")
    check_seed(seed)
    x = x.tensor() if isinstance(x, ImageSet) else x
    check_images(x)
    check_room(eps, norm, x)
    module = as_module(model)
    device = next((parameter.device for parameter in module.parameters()), x.device)
    classes = number_of_classes(module, x[:1].to(device))
    check_labels(y, len(x), classes)
    specs = _attacks(attack, norm, eps, classes)
    x = x.detach()
    with preserve_model_state(module):
        outputs = outputs_of(module, x, y, batch_size, device)
        records = [attacked(module, x, y, spec, seed, batch_size, device) for spec in specs]
        judged = (
            check_network(
                module,
                x,
                y,
                _check_attack(norm, eps),
                records,
                outputs,
                classes=classes,
                seed=seed,
                batch_size=batch_size,
                device=device,
            )
            if checks
            else ()
        )
    robust = worst_case(outputs.right, records)
    infinite = len(not_finite(outputs, records))
    return RobustnessResult(
        clean=wilson(sum(outputs.right), len(x)),
        robust=wilson(sum(robust), len(robust)),
        eps=eps,
        norm=norm,
        attack=attack,
        seed=seed,
        attacks=tuple(attack_result(record, seed) for record in records),
        checks=judged,
        not_finite=infinite,
        warnings=(*_about_network(outputs, infinite, y, classes), *_warnings(judged, len(x), specs)),
    )


def _attacks(name: str, norm: Norm, eps: float, classes: int) -> tuple[AttackSpec, ...]:
    """The attacks of an evaluation preset in this ball."""
    if name not in EVALUATIONS:
        raise ArgumentInvalid("attack", f"{name!r} is no known attack", allowed=", ".join(EVALUATIONS))
    facts = EVALUATIONS[name]
    alone = tuple(
        AttackSpec.model_validate({**row, "norm": norm, "eps": eps, "step": _step(eps)})
        for row in facts.attacks
    )
    if facts.ensemble is None:
        return alone
    ensemble = ENSEMBLES[facts.ensemble]
    if norm not in ensemble.norms:
        raise ArgumentInvalid("norm", f"{name} knows no {norm}", allowed=", ".join(ensemble.norms))
    if classes < ensemble.least_classes:
        raise ArgumentInvalid(
            "attack",
            f"{name} needs {ensemble.least_classes} classes, not {classes}",
            allowed="ensemble, which takes what fits, or pgd100",
        )
    return (*alone, *ensemble.expand(norm, eps, classes))


def _step(eps: float) -> float:
    """As in jobs on colour images: 2/255 for a radius of 8/255."""
    return eps * (COLOUR_STEP / COLOUR_EPS)


def _check_attack(norm: Norm, eps: float) -> AttackSpec:
    return AttackSpec(label="checks", norm=norm, eps=eps, step=_step(eps), steps=20)


def _about_network(outputs: Outputs, infinite: int, y: Tensor, classes: int) -> Iterator[str]:
    """Outputs that are not finite, or nearly always the same class."""
    names = tuple(f"class {label}" for label in range(classes))
    test = TestSet("the images", "", tuple(y.tolist()), names)
    yield from (notice(found) for found in network_notices(EXISTING, outputs, infinite, test))


def _warnings(checks: tuple[Check, ...], images: int, attacks: tuple[AttackSpec, ...]) -> Iterator[str]:
    if images < FEW_IMAGES:
        yield f"only {images} images: see how wide the intervals are"
    if all(attack.name == "pgd" for attack in attacks):
        yield "PGD alone overestimates robust accuracy where gradients mislead it; autoattack is stronger"
    for check in checks:
        if check.status == "failed":
            yield f"check failed: {check_title(check)}: {check_words(check)}"
