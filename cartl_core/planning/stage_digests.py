"""Stage digests: two stages with one digest have the same numbers, so one result serves both.

A digest covers all that determines a stage's numbers and nothing else: its part of the specification,
the fingerprint of its data, the digest of the stage that it stands on, the seed, the machine
(``Runtime``) and the version of its recipe. The words that people give (names, tags, the label of a
training attack) are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cartl_core.events import StageKind
from cartl_core.spec import AttackSpec, ModelSpec, Runtime, digest
from cartl_core.spec.diagnostics import DiagnosticSpec
from cartl_core.spec.existing_network import AnySpec

# Raise a number when the code of that stage gives other numbers for the same specification. The
# golden digests and the golden losses of the first two steps fail until it is done.
RECIPE_VERSION: dict[StageKind, int] = {"pretrain": 1, "transfer": 1, "evaluate": 3}


@dataclass(frozen=True)
class StageKey:
    """One stage of a run.

    Attributes:
        digest: of everything that determines its numbers, 64 hexadecimal digits.
        label: for people, e.g. ``teacher (fdm)``.
        shared: only one run at a time may compute it (teachers).
    """

    kind: StageKind
    label: str
    digest: str
    shared: bool = False


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


def stage_digest(kind: StageKind, setting: RunSetting, **parts: Any) -> str:
    """Of all that determines a stage's numbers: its kind, its recipe, the run's setting and ``parts``."""
    return digest(
        {
            "kind": kind,
            "recipe": RECIPE_VERSION[kind],
            "seed": setting.seed,
            "runtime": plain(setting.runtime),
            **parts,
        }
    )


def plain(value: ModelSpec | AttackSpec | DiagnosticSpec | Runtime) -> dict[str, Any]:
    """A value as it goes into a digest."""
    return value.model_dump(mode="json")
