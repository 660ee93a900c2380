"""Attacks: pure functions on a model with inputs in [0, 1] that returns logits."""

from cartl_core.attacks.apgd import apgd
from cartl_core.attacks.fab import fab
from cartl_core.attacks.fused import confirmed, fused
from cartl_core.attacks.ladder import break_radii
from cartl_core.attacks.launch import launch
from cartl_core.attacks.pgd import perturb, pgd
from cartl_core.attacks.pursuit import AttackOutcome, misclassified
from cartl_core.attacks.square import square
from cartl_core.attacks.starts import random_numbers, random_starts
from cartl_core.attacks.untouched import untouched

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
    "untouched",
]
