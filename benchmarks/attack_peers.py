"""Other libraries' attacks behind one signature: images in, adversarial images out; each as its docs show it.

A peer is imported when it is used. Their versions are pinned in ``peers.txt``.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cartl_core.compat.torchvision_import import import_torchvision

Attack = Callable[[nn.Module, Tensor, Tensor, str, float, float, int], Tensor]
"""Of model, images, labels, norm, eps, step, steps: what each image became."""


AutoAttack = Callable[[nn.Module, Tensor, Tensor, str, float], Tensor]
"""Of model, images, labels, norm, eps: what each image became."""


def foolbox(model: nn.Module, x: Tensor, y: Tensor, norm: str, eps: float, step: float, steps: int) -> Tensor:
    """foolbox's LinfPGD or L2PGD."""
    import foolbox as fb

    kind = {"linf": fb.attacks.LinfPGD, "l2": fb.attacks.L2PGD}[norm]
    attack = kind(abs_stepsize=step, steps=steps, random_start=True)
    _, clipped, _ = attack(fb.PyTorchModel(model, bounds=(0, 1)), x, y, epsilons=eps)
    result: Tensor = clipped
    return result


def torchattacks(
    model: nn.Module, x: Tensor, y: Tensor, norm: str, eps: float, step: float, steps: int
) -> Tensor:
    """torchattacks' PGD or PGDL2."""
    import torchattacks as ta

    kind = {"linf": ta.PGD, "l2": ta.PGDL2}[norm]
    result: Tensor = kind(model, eps=eps, alpha=step, steps=steps, random_start=True)(x, y)
    return result


def art(model: nn.Module, x: Tensor, y: Tensor, norm: str, eps: float, step: float, steps: int) -> Tensor:
    """The PGD of ART, the Adversarial Robustness Toolbox."""
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    classes = int(model(x[:1]).shape[1])
    classifier = PyTorchClassifier(
        model, nn.CrossEntropyLoss(), tuple(x.shape[1:]), classes, clip_values=(0.0, 1.0), device_type="cpu"
    )
    attack = ProjectedGradientDescentPyTorch(
        classifier,
        norm={"linf": np.inf, "l2": 2}[norm],
        eps=eps,
        eps_step=step,
        max_iter=steps,
        num_random_init=1,
        batch_size=len(x),
        verbose=False,
    )
    return torch.from_numpy(attack.generate(x.numpy(), y=np.eye(classes)[y.numpy()])).to(x)


def adv_lib(model: nn.Module, x: Tensor, y: Tensor, norm: str, eps: float, step: float, steps: int) -> Tensor:
    """adv-lib's pgd_linf."""
    # It imports a plotting client that its attacks do not use, and whose package cannot be built today.
    sys.modules.setdefault("visdom", types.ModuleType("visdom"))
    import_torchvision()
    from adv_lib.attacks import pgd_linf

    result: Tensor = pgd_linf(model, x, y, eps, steps=steps, absolute_step_size=step)
    return result


def torchattacks_autoattack(steps: int | None) -> AutoAttack:
    """Its AutoAttack: as it comes (its own default is 10 steps), or its four attacks with ``steps``."""

    def attack(model: nn.Module, x: Tensor, y: Tensor, norm: str, eps: float) -> Tensor:
        import torchattacks as ta

        classes = int(model(x[:1]).shape[1])
        ball: dict[str, Any] = {"eps": eps, "norm": {"linf": "Linf", "l2": "L2"}[norm]}
        if steps is None:
            standard: Tensor = ta.AutoAttack(model, version="standard", n_classes=classes, seed=0, **ball)(
                x, y
            )
            return standard
        four = [
            ta.APGD(model, steps=steps, loss="ce", **ball),
            ta.APGDT(model, steps=steps, n_classes=classes, **ball),
            ta.FAB(model, steps=steps, multi_targeted=True, n_classes=classes, **ball),
            ta.Square(model, n_queries=5000, **ball),
        ]
        result: Tensor = ta.MultiAttack(four)(x, y)
        return result

    return attack


def authors_autoattack(model: nn.Module, x: Tensor, y: Tensor, norm: str, eps: float) -> Tensor:
    """The standard AutoAttack of its authors (Croce and Hein, 2020), packed as pyautoattack.

    Against fewer than ten classes its targeted attacks take all others in the place of nine: they would look
    for classes that are not there.
    """
    from pyautoattack import AutoAttack as Standard

    attack = Standard(model, norm={"linf": "Linf", "l2": "L2"}[norm], eps=eps, version="standard", seed=0)
    others = int(model(x[:1]).shape[1]) - 1
    for targeted in (attack.apgd_targeted, attack.fab):
        targeted.n_target_classes = min(targeted.n_target_classes, others)
    moved, _ = attack.run_standard_evaluation(x, y)
    result: Tensor = moved
    return result


AUTOATTACKS: dict[str, tuple[str, AutoAttack]] = {
    "torchattacks, as it comes": ("torchattacks", torchattacks_autoattack(None)),
    "torchattacks, 100 steps": ("torchattacks", torchattacks_autoattack(100)),
    "pyautoattack": ("pyautoattack", authors_autoattack),
}
"""Name: its package, its standard AutoAttack."""

PEERS: dict[str, tuple[str, Attack, tuple[str, ...]]] = {
    "foolbox": ("foolbox", foolbox, ("linf", "l2")),
    "torchattacks": ("torchattacks", torchattacks, ("linf", "l2")),
    "ART": ("adversarial-robustness-toolbox", art, ("linf", "l2")),
    "adv-lib": ("adv-lib", adv_lib, ("linf",)),
}
"""Name: its package, its PGD, the norms that it knows."""


def versions() -> dict[str, str]:
    """Of the peers and what they stand on."""
    packages = [package for package, _, _ in PEERS.values()]
    packages += [package for package, _ in AUTOATTACKS.values()]
    return {name: version(name) for name in (*packages, "torch", "numpy")}
