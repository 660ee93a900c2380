"""Stage digests: two stages with one digest have the same numbers, so one result serves both.

A digest covers all that determines a stage's numbers and nothing else: its part of the specification,
the fingerprint of its data, the digest of the stage that it stands on, the seed, the version of its recipe
and what of the machine changes numbers (``machine_of``). The words that people give (names, tags, the label
of a training attack) are left out, and so is every field of a specification that has its default: one that
is added later changes no digest until somebody sets it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cartl_core.events import StageKind
from cartl_core.spec import Runtime, digest, without_defaults
from cartl_core.spec.base import SpecModel
from cartl_core.spec.existing_network import AnySpec
from cartl_core.spec.job import AttackPrecision

# Raise a number when the code of that stage gives other numbers for the same specification. The
# golden losses of the first steps, and the list of what was recorded by which recipe, fail until it is done.
RECIPE_VERSION: dict[StageKind, int] = {"pretrain": 1, "transfer": 1, "evaluate": 3}


@dataclass(frozen=True)
class StageKey:
    """One stage of a run.

    Attributes:
        digest: of everything that determines its numbers, 64 hexadecimal digits.
        label: for people, e.g. ``teacher (fdm)``.
        shared: only one run at a time may compute it (teachers).
        identity: digest of the same but for recipes and machine: what was asked for. Empty where nobody asks.
        basis: those recipes and that machine, by name.
    """

    kind: StageKind
    label: str
    digest: str
    shared: bool = False
    identity: str = ""
    basis: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class RunSetting:
    """What all stages of a run share.

    Attributes:
        seed: of the job.
        runtime: the machine and the versions that compute.
        batch_size: images to a batch while networks are measured.
    """

    seed: int
    runtime: Runtime
    batch_size: int


def spec_digest(spec: AnySpec) -> str:
    """Digest of the whole resolved specification, as the report quotes it."""
    return digest(spec)


def stage_key(
    kind: StageKind,
    label: str,
    setting: RunSetting,
    *,
    shared: bool = False,
    recipe: int = 0,
    begun_in: AttackPrecision = "fp32",
    **parts: Any,
) -> StageKey:
    """The key of a stage: its digest is of its kind, its recipe, the run's setting and ``parts``.

    Args:
        recipe: of what the stage does, beside that of its kind.
        begun_in: the precision in which its attack begins; fp32, as of all other stages, is in no digest.
        parts: values as ``plain`` gives them, and the keys of the stages that this one stands on.
    """
    recipes = {"recipe": RECIPE_VERSION[kind]} | ({"probe_recipe": recipe} if recipe else {})
    begins = {} if begun_in == "fp32" else {"attack_precision": begun_in}
    machine = {**machine_of(setting.runtime), **begins}
    asked = {"kind": kind, "seed": setting.seed}
    whole = {**asked, **recipes, "runtime": machine, **_named(parts, "digest")}
    basis = tuple((name, str(value)) for name, value in {**recipes, **machine}.items())
    identity = digest({**asked, **_named(parts, "identity")})
    return StageKey(kind, label, digest(whole), shared, identity, basis)


def machine_of(runtime: Runtime) -> dict[str, Any]:
    """What of the machine changes numbers, as it stands in digests.

    Sums are taken in another order with another number of threads, on another processor or device, and in
    another precision. Kernels change between minor versions of torch, not in its patches. Neither Python nor
    torchvision computes anything: random numbers come from torch, images are known by their fingerprint. And
    what this library computes has its ``RECIPE_VERSION``.
    """
    return {
        "device": runtime.device,
        "device_name": runtime.device_name,
        "threads": runtime.threads,
        "precision": runtime.precision,
        "machine": runtime.machine,
        "torch": ".".join(runtime.torch.partition("+")[0].split(".")[:2]),
    }


def plain(value: SpecModel) -> dict[str, Any]:
    """A value as it goes into a digest: without the fields that have their defaults."""
    return without_defaults(value)


def _named(parts: Any, name: str) -> Any:
    """``parts`` with the attribute ``name`` in the place of each key."""
    if isinstance(parts, StageKey):
        return getattr(parts, name)
    if isinstance(parts, dict):
        return {key: _named(part, name) for key, part in parts.items()}
    return [_named(part, name) for part in parts] if isinstance(parts, list) else parts
