"""The public attacks: keyword functions on any model with inputs in [0, 1] that returns logits.

All four are deterministic by ``seed`` and read no global random state. They leave the model as it was: its
modes, its parameters and their gradients; within, it is in eval mode. Each image draws its random numbers
by its position in ``x``.

>>> import torch
>>> from cartl_core.attacks import pgd
>>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
>>> with torch.no_grad():
...     _ = model[1].weight.copy_(torch.tensor([[1.0] * 4, [-1.0] * 4]))
...     _ = model[1].bias.copy_(torch.tensor([-2.0, 2.0]))
>>> x = torch.tensor([0.1, 0.45, 0.55, 0.9]).view(4, 1, 1, 1).expand(4, 1, 2, 2)
>>> outcome = pgd(model, x, torch.tensor([1, 1, 0, 0]), eps=0.1)
>>> outcome.broken.tolist()
[False, True, True, False]
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

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
from cartl_core.attacks.attack_state import AttackOutcome
from cartl_core.attacks.run_attack import run_attack
from cartl_core.errors import ArgumentInvalid
from cartl_core.spec.faults import faults_of
from cartl_core.spec.measures.attack import LEAST_CLASSES, AttackLoss, AttackName, AttackSpec, Norm
from cartl_core.spec.measures.diagnostics import PACE

SMALLEST_STEP = 1e-12
"""Where the radius is 0: a step must have a size, and goes nowhere."""


def pgd(
    model: Classifier,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: Norm = "linf",
    steps: int = 20,
    step: float | None = None,
    restarts: int = 1,
    seed: int = 0,
    loss: AttackLoss = "ce",
    random_start: bool = True,
    samples: int = 1,
) -> AttackOutcome:
    """Projected gradient descent; every iterate of every restart counts (Madry et al., arXiv 1706.06083).

    Args:
        model: maps (N, C, H, W) in [0, 1] to logits (N, K).
        x: (N, C, H, W), float32 or float64 in [0, 1].
        y: (N,) int64, the true classes, 0 to K - 1.
        eps: radius in ``norm``, in units of pixels in [0, 1], e.g. 8/255; at most 1 in linf.
        norm: "linf", "l2" or "l1".
        steps: 1 to 10,000 for each restart.
        step: size of a step, in ``norm``; None takes 2.5 eps / steps.
        restarts: 1 to 100.
        seed: of the random starts.
        loss: what is climbed: "ce", "margin" or "dlr" (three classes or more).
        random_start: begin at a random point of the ball, else at the image.
        samples: 1 to 100 passes of each iterate, whose mean gradient and mean logits count: more than 1 for a
            model that answers at random.

    Raises:
        ArgumentInvalid: an argument is out of range; it is a ``SpecError`` and a ``ValueError``.
    """
    eps = check_radius(eps, norm)
    usual = max(PACE * eps / max(steps, 1), SMALLEST_STEP) if isinstance(steps, int) else SMALLEST_STEP
    sized = {"step": usual if step is None else step, "random_start": random_start, "samples": samples}
    return _attack("pgd", model, x, y, seed, _settings(eps, norm, steps, restarts, loss) | sized)


def apgd(
    model: Classifier,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: Norm = "linf",
    steps: int = 100,
    restarts: int = 1,
    seed: int = 0,
    loss: AttackLoss = "ce",
    samples: int = 1,
) -> AttackOutcome:
    """Auto-PGD, which sizes its own steps (Croce and Hein 2020, arXiv 2003.01690; in l1: arXiv 2103.01208).

    Args:
        model: maps (N, C, H, W) in [0, 1] to logits (N, K).
        x: (N, C, H, W), float32 or float64 in [0, 1].
        y: (N,) int64, the true classes, 0 to K - 1.
        eps: radius in ``norm``, in units of pixels in [0, 1], e.g. 8/255; at most 1 in linf.
        norm: "linf", "l2" or "l1".
        steps: 1 to 10,000 for each restart, with ``targeted_dlr`` for each target.
        restarts: 1 to 100, each from a random point of the ball.
        seed: of the random starts.
        loss: what is climbed: "ce", "dlr" (three classes or more) or "targeted_dlr" (four or more), which
            aims at the nine likeliest other classes one after the other.
        samples: 1 to 100 passes of each iterate, as of ``pgd``.

    Raises:
        ArgumentInvalid: an argument is out of range; it is a ``SpecError`` and a ``ValueError``.
    """
    settings = _settings(eps, norm, steps, restarts, loss) | {"samples": samples}
    return _attack("apgd", model, x, y, seed, settings)


def fab(
    model: Classifier,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: Norm = "linf",
    steps: int = 100,
    restarts: int = 1,
    seed: int = 0,
    random_start: bool = False,
) -> AttackOutcome:
    """Targeted fast adaptive boundary: the nearest image across each boundary (arXiv 1907.02044).

    Args:
        model: maps (N, C, H, W) in [0, 1] to logits (N, K).
        x: (N, C, H, W), float32 or float64 in [0, 1].
        y: (N,) int64, the true classes, 0 to K - 1.
        eps: radius in ``norm``, in units of pixels in [0, 1], e.g. 8/255; at most 1 in linf.
        norm: "linf", "l2" or "l1".
        steps: 1 to 10,000 for each target, which are the nine likeliest other classes.
        restarts: 1 to 100; more than one needs ``random_start``.
        seed: of the random starts.
        random_start: begin at a random point, else, as AutoAttack does, at the image.

    Raises:
        ArgumentInvalid: an argument is out of range; it is a ``SpecError`` and a ``ValueError``.
    """
    settings = _settings(eps, norm, steps, restarts, "targeted_margin") | {"random_start": random_start}
    return _attack("fab", model, x, y, seed, settings)


def square(
    model: Classifier,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: Norm = "linf",
    steps: int = 5_000,
    restarts: int = 1,
    seed: int = 0,
) -> AttackOutcome:
    """Random search by squares, which asks for no gradient (Andriushchenko et al. 2020, arXiv 1912.00049).

    Args:
        model: maps (N, C, H, W) in [0, 1] to logits (N, K); nothing of it needs to be differentiable.
        x: (N, C, H, W), float32 or float64 in [0, 1].
        y: (N,) int64, the true classes, 0 to K - 1.
        eps: radius in ``norm``, in units of pixels in [0, 1], e.g. 8/255; at most 1 in linf.
        norm: "linf", "l2" or "l1".
        steps: queries, 1 to 10,000 for each restart.
        restarts: 1 to 100.
        seed: of the random search.

    Raises:
        ArgumentInvalid: an argument is out of range; it is a ``SpecError`` and a ``ValueError``.
    """
    return _attack("square", model, x, y, seed, _settings(eps, norm, steps, restarts, "margin"))


def _settings(eps: float, norm: Norm, steps: int, restarts: int, loss: AttackLoss) -> dict[str, Any]:
    """Fields of an ``AttackSpec`` that every attack has."""
    return {
        "eps": check_radius(eps, norm),
        "norm": norm,
        "steps": steps,
        "restarts": restarts,
        "loss": loss,
    }


def _attack(
    name: AttackName, model: Classifier, x: Tensor, y: Tensor, seed: int, settings: dict[str, Any]
) -> AttackOutcome:
    """Check every argument and run the attack."""
    attack = _spec(name, settings)
    check_seed(seed)
    check_images(x)
    check_room(attack.eps, attack.norm, x)
    module = as_module(model)
    classes = number_of_classes(module, x)
    check_labels(y, len(x), classes)
    needed = LEAST_CLASSES.get(attack.loss, 2)
    if classes < needed:
        raise ArgumentInvalid(
            "loss", f"{attack.loss} needs {needed} classes, not {classes}", allowed="another loss"
        )
    return run_attack(
        module,
        x.detach(),
        y.to(x.device),
        attack,
        seed=seed,
        label=attack.label,
        indices=torch.arange(len(x)),
    )


def _spec(name: AttackName, settings: dict[str, Any]) -> AttackSpec:
    written = {"label": name, "name": name, **settings}
    try:
        attack = AttackSpec.model_validate(written)
    except ValidationError as error:
        fault = faults_of(AttackSpec, error, written)[0]
        raise ArgumentInvalid(fault.field, fault.message, allowed=fault.allowed) from error
    if attack.restarts > 1 and not attack.random_start:
        raise ArgumentInvalid(
            "restarts",
            f"{attack.restarts} restarts from the image itself would all be the same",
            allowed="1, or random_start=True",
        )
    return attack
