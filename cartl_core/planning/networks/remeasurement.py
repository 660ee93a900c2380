"""A network that was measured is measured again, with what is new: a request made of an earlier one.

The images, their number and the seed are those of the earlier measurement, so that its figures and the new
ones are of the same images. Attacks that were made already are left out: nobody pays for them twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cartl_core.errors import SpecError
from cartl_core.planning.diagnostic_table import DIAGNOSTIC_FACTS
from cartl_core.spec import AttackSpec, JobSpec
from cartl_core.spec.existing_network import EvaluateJobSpec, NetworkRef

Measured = JobSpec | EvaluateJobSpec


def same_network(spec: Measured, job_id: str) -> NetworkRef:
    """Where the network of a job is found: its own student, or the network that it measured."""
    if isinstance(spec, JobSpec):
        return NetworkRef(job=job_id)
    return spec.network.model_copy(update={"facts": None})


def request_again(
    spec: Measured, job_id: str, evaluate: dict[str, Any], others: dict[str, Any]
) -> dict[str, Any]:
    """A request of kind evaluate, on the images of ``spec``; diagnostics are made where they are asked for.

    Args:
        evaluate: what is to be measured, as a person wrote it.
        others: name, tags and the like, as a person wrote them.
    """
    asked = {**dict.fromkeys(DIAGNOSTIC_FACTS), "test_limit": spec.evaluate.test_limit, **evaluate}
    dataset = spec.dataset.model_dump(mode="json", exclude_defaults=True, exclude={"facts"})
    network = same_network(spec, job_id).model_dump(mode="json", exclude_none=True, exclude={"arm"})
    return {
        "kind": "evaluate",
        "network": network,
        "dataset": dataset,
        "seed": spec.seed,
        "preset": spec.preset,
        "evaluate": asked,
        **others,
    }


def new_attacks(spec: EvaluateJobSpec, earlier: Iterable[Measured]) -> tuple[AttackSpec, ...]:
    """The attacks of ``spec`` that none of the ``earlier`` measurements made on the same images.

    Raises:
        SpecError: there is none, and no diagnostic either.
    """
    made = [
        _nameless(attack)
        for before in earlier
        if _images(before) == _images(spec)
        for attack in before.evaluate.attacks
    ]
    left = tuple(attack for attack in spec.evaluate.attacks if _nameless(attack) not in made)
    if not left and all(getattr(spec.evaluate, name) is None for name in DIAGNOSTIC_FACTS):
        told = ", ".join(attack.label for attack in spec.evaluate.attacks) or "no attack"
        raise SpecError(
            "evaluate.attacks",
            f"nothing is new: the network was measured with {told}",
            allowed="an attack with other settings, or a diagnostic",
        )
    return left


def _images(spec: Measured) -> tuple[object, ...]:
    """What decides which images an attack is made on, and how its random numbers are drawn."""
    return (spec.dataset, spec.evaluate.test_limit, spec.seed)


def _nameless(attack: AttackSpec) -> AttackSpec:
    return attack.model_copy(update={"label": "any"})
