"""Attacks: pure functions on a model with inputs in [0, 1] that returns logits."""

from cartl_core.attacks.pgd import perturb, pgd
from cartl_core.attacks.pursuit import AttackOutcome, misclassified
from cartl_core.attacks.starts import random_starts
from cartl_core.attacks.untouched import untouched

__all__ = ["AttackOutcome", "misclassified", "perturb", "pgd", "random_starts", "untouched"]
