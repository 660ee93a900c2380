"""Stage digests: two stages with one digest have the same numbers, so one result serves both.

A digest covers all that determines a stage's numbers and nothing else: its part of the specification,
the fingerprint of its data, the digest of the stage that it stands on, the seed, the machine
(``Runtime``) and the version of its recipe. The words that people give (names, tags, the label of a
training attack) are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from cartl_core.events import StageKind
from cartl_core.planning.probe_table import PROBE_FACTS
from cartl_core.spec import (
    Arm,
    AttackSpec,
    ModelSpec,
    PretrainSpec,
    Runtime,
    digest,
)
from cartl_core.spec.existing_network import AnySpec
from cartl_core.spec.probe import ProbeSpec

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


def teacher_key(
    pretrain: PretrainSpec,
    freeze_depth: int,
    *,
    model: ModelSpec,
    source_fingerprint: str,
    seed: int,
    runtime: Runtime,
) -> StageKey:
    """A teacher; one that ``serves_every_depth`` has one digest for all."""
    settings = pretrain.model_dump(mode="json")
    del settings["attack"]["label"]
    if not pretrain.serves_every_depth:
        settings["freeze_depth"] = freeze_depth
    label = f"teacher ({pretrain.objective})"
    return StageKey(
        "pretrain",
        label,
        _digest("pretrain", seed, runtime, pretrain=settings, model=_plain(model), source=source_fingerprint),
        shared=True,
    )


def student_key(
    arm: Arm,
    teacher: StageKey,
    *,
    target_fingerprint: str,
    seed: int,
    runtime: Runtime,
    label: str | None = None,
) -> StageKey:
    """A student: its teacher's own settings are in its teacher's digest."""
    settings = arm.transfer.model_dump(mode="json")
    if settings["attack"] is not None:
        del settings["attack"]["label"]
    return StageKey(
        "transfer",
        label or f"student ({arm.method})",
        _digest(
            "transfer",
            seed,
            runtime,
            transfer=settings,
            freeze_depth=arm.freeze_depth,
            teacher=teacher.digest,
            target=target_fingerprint,
        ),
    )


def given_key(sha256: str, *, seed: int, runtime: Runtime) -> StageKey:
    """A network that was made elsewhere: its file taken in as it is."""
    return StageKey("evaluate", "the given network", _digest("evaluate", seed, runtime, given=sha256))


def measurement_key(
    subject: str,
    network: StageKey,
    attack: AttackSpec | None,
    *,
    data_fingerprint: str,
    test_limit: int | None,
    batch_size: int,
    seed: int,
    runtime: Runtime,
    split: Literal["test", "validation"] = "test",
) -> StageKey:
    """One attack (None: no attack) on one network; here the attack's label does set the random starts."""
    images = {} if split == "test" else {"split": split}
    return StageKey(
        "evaluate",
        f"attack {attack.label} on {subject}" if attack else f"clean accuracy of {subject}",
        _digest(
            "evaluate",
            seed,
            runtime,
            network=network.digest,
            attack=_plain(attack) if attack else None,
            data=data_fingerprint,
            test_limit=test_limit,
            batch_size=batch_size,
            **images,
        ),
    )


def probe_key(
    subject: str,
    network: StageKey,
    name: str,
    asked: ProbeSpec,
    *,
    others: tuple[StageKey, ...],
    data_fingerprint: str,
    test_limit: int | None,
    batch_size: int,
    seed: int,
    runtime: Runtime,
) -> StageKey:
    """One probe on one network; ``others`` are the networks that it uses besides."""
    return StageKey(
        "evaluate",
        f"{PROBE_FACTS[name].title} of {subject}",
        _digest(
            "evaluate",
            seed,
            runtime,
            network=network.digest,
            probe={"name": name, "recipe": PROBE_FACTS[name].recipe, **_plain(asked)},
            others=[other.digest for other in others],
            data=data_fingerprint,
            test_limit=test_limit,
            batch_size=batch_size,
        ),
    )


def spec_digest(spec: AnySpec) -> str:
    """Digest of the whole resolved specification, as the report quotes it."""
    return digest(spec)


def _digest(kind: StageKind, seed: int, runtime: Runtime, **parts: Any) -> str:
    return digest(
        {"kind": kind, "recipe": RECIPE_VERSION[kind], "seed": seed, "runtime": _plain(runtime), **parts}
    )


def _plain(value: ModelSpec | AttackSpec | ProbeSpec | Runtime) -> dict[str, Any]:
    return value.model_dump(mode="json")
