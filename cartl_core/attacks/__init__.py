"""Attacks: pure functions on a model with inputs in [0, 1] that returns logits."""

from cartl_core.attacks.apgd import apgd
from cartl_core.attacks.attack_state import AttackOutcome, misclassified
from cartl_core.attacks.fab import fab
from cartl_core.attacks.fold_batch_norm import confirmed, fused
from cartl_core.attacks.minimal_radius import break_radii
from cartl_core.attacks.pgd import perturb, pgd
from cartl_core.attacks.random_starts import random_numbers, random_starts
from cartl_core.attacks.run_attack import launch
from cartl_core.attacks.square import square

__all__ = [
    "AttackOutcome",
    "apgd",
    "break_radii",
    "confirmed",
    "fab",
    "fused",
    "launch",
    "misclassified",
    "perturb",
    "pgd",
    "random_numbers",
    "random_starts",
    "square",
]
