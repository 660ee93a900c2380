"""What every attack and every diagnostic makes of each image, for one fixed network.

No image may stand on a knife's edge: at the recording all is computed again with copies of the network whose
weights are off by ``SHAKEN`` of their size, more than a hundred times what rounding does, and only images
that have the same answers in all of them are kept. Numbers are kept with the largest change that the
copies saw; a test allows ``ROOM`` times that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from cartl_core.attacks import attack_with_surrogate, fold_batch_norm
from cartl_core.catalog.ensembles import ENSEMBLES
from cartl_core.data import Split
from cartl_core.evaluation.diagnostics import DIAGNOSTICS, Subject
from cartl_core.nn.network import Network
from cartl_core.planning.stage_digests import RunSetting, StageKey
from cartl_core.planning.stages import DataRef, attacking, diagnosing
from cartl_core.spec import AttackSpec
from cartl_core.spec.measures.attack import ATTACKS, Norm
from cartl_core.spec.measures.certificates import AuditSpec, SmoothingSpec
from cartl_core.spec.measures.corruptions import CorruptionsSpec
from cartl_core.spec.measures.curve import CurveSpec
from cartl_core.spec.measures.diagnostics import ChecksSpec, DiagnosticSpec, GallerySpec
from tests.golden.fixed_network import CLASSES, other
from tests.golden.shaken_copies import WRONG, Rows, kept, some, steady
from tests.golden.tiny import RUNTIME

SHAKEN = 1e-5
COPIES = 3
RADII = {"linf": 0.2, "l2": 0.7, "l1": 1.8}
SEED = 3
DEPTH = 2
QUERIES = 100
"""Of Square in the ensembles, which ask for thousands."""
STEPS = 12
"""Of all other attacks; the ensembles ask for 100."""
CANDIDATES = 40
"""Images, of which the steady ones are kept, beside as many of those that are wrong anyway as ``WRONG``."""


LATER_NORMS = {("apgd", "l1"), ("square", "l1"), ("fab", "l1")}
"""Attacks that came later; ``tests.core.attacks`` has their oracles."""
FIRST_NORMS: tuple[Norm, ...] = ("linf", "l2")
"""Norms of ensembles; they know l1 since FAB does."""


def attacks() -> dict[str, AttackSpec]:
    """Every attack in every norm on every loss, with restarts and without a random start, by label."""
    found = []
    for facts in ATTACKS.values():
        for norm in facts.norms:
            if (facts.name, norm) in LATER_NORMS:
                continue
            for loss in facts.losses:
                eps = RADII[norm]
                found.append(
                    AttackSpec(
                        label=f"{facts.name}-{norm}-{loss.replace('_', '-')}",
                        name=facts.name,
                        norm=norm,
                        loss=loss,
                        eps=eps,
                        step=eps / 8 if facts.sized else None,
                        steps=QUERIES if facts.name == "square" else STEPS,
                    )
                )
    for spec in [found[0], *(one for one in found if one.loss in ("targeted_dlr", "targeted_margin"))]:
        found.append(spec.model_copy(update={"label": f"{spec.label}-again", "restarts": 2, "steps": 5}))
        found.append(spec.model_copy(update={"label": f"{spec.label}-from-the-image", "random_start": False}))
    for ensemble in ENSEMBLES.values():
        for norm in FIRST_NORMS:
            for one in ensemble.expand(norm, RADII[norm], CLASSES):
                steps = QUERIES if one.name == "square" else STEPS
                found.append(one.model_copy(update={"label": f"{one.label}-{norm}", "steps": steps}))
    return {spec.label: spec for spec in found}


def diagnostics() -> dict[str, tuple[str, DiagnosticSpec]]:
    """Every diagnostic, some with several settings: a name, and the diagnostic's with what it is asked."""
    attack = AttackSpec(label="pgd5", eps=RADII["linf"], step=0.03, steps=5)
    rising = {norm: tuple(eps * share for share in (0.25, 0.5, 1.0, 1.5, 2.0)) for norm, eps in RADII.items()}
    asked: dict[str, tuple[str, DiagnosticSpec]] = {
        f"curve-{norm}-{loss}": (
            "curve",
            CurveSpec.model_validate(
                {"norm": norm, "loss": loss, "eps": eps, "steps": 6, "expected_to": eps[-1]}
            ),
        )
        for norm, eps in rising.items()
        for loss in ATTACKS["pgd"].losses
    }
    asked["curve-refined"] = (
        "curve",
        CurveSpec(norm="l2", eps=rising["l2"], steps=6, refine=3, expected_to=rising["l2"][-1]),
    )
    return {
        **asked,
        "corruptions": ("corruptions", CorruptionsSpec()),
        "checks": ("checks", ChecksSpec(attack=attack, queries=40)),
        "checks-l2": (
            "checks",
            ChecksSpec(
                attack=AttackSpec(label="pgd5", norm="l2", eps=RADII["l2"], step=0.2, steps=5), queries=40
            ),
        ),
        "audit": ("audit", AuditSpec(eps=RADII["linf"], steps=5)),
        "smoothing": ("smoothing", SmoothingSpec(sigma=0.25, n0=20, n=100)),
        "gallery": ("gallery", GallerySpec(eps=RADII["linf"], steps=10)),
        "gallery-l2": ("gallery", GallerySpec(norm="l2", eps=RADII["l2"], steps=10, shown=4)),
    }


def margins(network: Network, images: Tensor, labels: Tensor) -> Tensor:
    """(N,): by how much the likeliest wrong class is above the right one."""
    with torch.no_grad():
        logits = network(images)
    right = logits.gather(1, labels.unsqueeze(1)).squeeze(1)
    result: Tensor = logits.scatter(1, labels.unsqueeze(1), -torch.inf).amax(1) - right
    return result


def attack_rows(network: Network, spec: AttackSpec, images: Split) -> Rows:
    """Of each image: did it hold, and the margin where the attack ended."""
    x, labels = images.images.tensor(), images.labels
    found = attack_with_surrogate(
        network, fold_batch_norm(network), x, labels, spec, seed=SEED, label=spec.label, indices=images.index
    )
    return {"held": ~found.broken, "margin": margins(network, found.adversarial, labels)}


def diagnostic_rows(network: Network, name: str, asked: DiagnosticSpec, images: Split) -> tuple[Rows, Any]:
    """Of each image what the diagnostic keeps, pictures as their distance from the image; and its value."""
    subject = Subject(
        network=network,
        freeze_depth=DEPTH,
        others={"vanilla": other()},
        seed=SEED,
        labels=images.labels,
        images=images.images,
    )
    probe = DIAGNOSTICS[name]
    rows = probe.batch(subject, asked)(images.images.tensor(), images.labels, images.index)
    value = probe.summarise(subject, asked, rows).model_dump(mode="json")
    plain = {
        row: (tensor - images.images.tensor()).flatten(1).norm(dim=1) if tensor.dim() == 4 else tensor
        for row, tensor in rows.items()
    }
    return plain, without_prose(value)


def without_prose(value: Any) -> Any:
    """A value less its sentences: they are the business of the golden reports."""
    if isinstance(value, dict):
        return {name: without_prose(part) for name, part in value.items() if name != "words"}
    return [without_prose(part) for part in value] if isinstance(value, list) else value


def everything(network: Network, images: Split) -> tuple[dict[str, Rows], dict[str, Any]]:
    """Rows of every attack and diagnostic, and the values of the diagnostics."""
    rows = {f"attack {label}": attack_rows(network, spec, images) for label, spec in attacks().items()}
    values = {}
    with torch.no_grad():
        logits = network(images.images.tensor())
    rows["no attack"] = {
        "right": logits.argmax(1) == images.labels,
        "margin": margins(network, images.images.tensor(), images.labels),
    }
    for label, (name, asked) in diagnostics().items():
        rows[f"probe {label}"], values[label] = diagnostic_rows(network, name, asked, images)
    return rows, values


def candidates(network: Network, images: Split) -> list[int]:
    """Places of the images that are tried: the first ones, and some that the network gets wrong."""
    wrong = margins(network, images.images.tensor(), images.labels) > 0
    return sorted({*range(CANDIDATES), *wrong.nonzero().squeeze(1)[:WRONG].tolist()})


def ensembles() -> dict[str, list[dict[str, Any]]]:
    """The attacks that each ensemble stands for, in each of its norms, for few and for many classes."""
    return {
        f"{name}, {norm}, {classes} classes": [
            # These came later, and are at their defaults here.
            one.model_dump(mode="json", exclude={"samples", "targets"})
            for one in facts.expand(norm, RADII[norm], classes)
        ]
        for name, facts in ENSEMBLES.items()
        for norm in FIRST_NORMS
        for classes in (2, 3, 10)
        if classes >= facts.least_classes
    }


def record(network: Network, copies: Iterable[Network], images: Split) -> dict[str, Any]:
    """What the golden file has: for ``tests.golden.record`` alone."""
    tried = some(images, candidates(network, images))
    shaken = list(copies)
    first, _ = everything(network, tried)
    again = [everything(copy, tried)[0] for copy in shaken]
    places = steady(first, again, len(tried.labels))
    chosen = some(tried, places)
    rows, values = everything(network, chosen)
    # Once more: a few numbers, such as the distance from the mean image, depend on which images there are.
    again = [everything(copy, chosen)[0] for copy in shaken]
    told = {label: kept(found, [copied[label] for copied in again]) for label, found in rows.items()}
    return {
        "images": chosen.index.tolist(),
        "test_images": len(images.labels),
        "digests": digests(),
        "ensembles": ensembles(),
        "rows": told,
        "values": values,
    }


def digests() -> dict[str, str]:
    """The digest of every attack and diagnostic as a stage of one network."""
    network = StageKey("transfer", "student (cartl)", "a" * 64)
    second = StageKey("transfer", "student (vanilla)", "b" * 64)
    setting = RunSetting(seed=0, runtime=RUNTIME, batch_size=256)
    test = DataRef("target", "test", "data", None, images=1)
    validation = replace(test, split="validation")
    found = {"no attack": attacking(None, "student", network, test, setting=setting).digest}
    found["no attack, validation"] = attacking(None, "student", network, validation, setting=setting).digest
    for label, spec in attacks().items():
        found[f"attack {label}"] = attacking(spec, "student", network, test, setting=setting).digest
    for label, (name, asked) in diagnostics().items():
        stage = diagnosing(
            name,
            asked,
            "student",
            network,
            test,
            freeze_depth=0,
            others=(("vanilla", second),),
            setting=setting,
        )
        found[f"probe {label}"] = stage.digest
    return found
