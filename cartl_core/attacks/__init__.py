"""Attacks on a model with inputs in [0, 1] that returns logits.

``pgd``, ``apgd``, ``fab`` and ``square`` are the public functions: keyword arguments, checked, for any model.
A job runs its attacks by their specs: ``run_attack``.
"""

from cartl_core.attacks.attack_state import AttackOutcome, misclassified, not_finite
from cartl_core.attacks.fold_batch_norm import attack_with_surrogate, fold_batch_norm
from cartl_core.attacks.functions import apgd, fab, pgd, square
from cartl_core.attacks.low_precision import LowPrecision, attack_begun_low
from cartl_core.attacks.minimal_radius import minimal_radii
from cartl_core.attacks.pgd import perturb
from cartl_core.attacks.random_starts import random_numbers, random_starts
from cartl_core.attacks.run_attack import run_attack

__all__ = [
    "AttackOutcome",
    "LowPrecision",
    "apgd",
    "attack_begun_low",
    "attack_with_surrogate",
    "fab",
    "fold_batch_norm",
    "minimal_radii",
    "misclassified",
    "not_finite",
    "perturb",
    "pgd",
    "random_numbers",
    "random_starts",
    "run_attack",
    "square",
]
