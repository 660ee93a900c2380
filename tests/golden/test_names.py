"""Names that never change: every text that seeds a generator or stands in a digest.

Another text gives other random numbers, or finds no stage that an earlier version left. They are gathered
from the sources, wherever a module lies, and compared with the list here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from cartl_core.catalog.check_attacks import EPS_ONE, RADIUS, RESCALED, TRANSFER, own_attacks
from cartl_core.catalog.ensembles import ENSEMBLES
from cartl_core.events import StageKind
from cartl_core.planning.diagnostic_table import DIAGNOSTIC_FACTS
from cartl_core.planning.stage_digests import RECIPE_VERSION
from cartl_core.spec import AttackSpec
from cartl_core.spec.measures.diagnostics import ChecksSpec
from tests.golden.files import read
from tests.golden.stored import MODELS, fields

ROOT = Path(__file__).resolve().parents[2] / "cartl_core"

PURPOSES = {
    # The first text beside the seed of ``generator(seed, ...)``.
    "attack precision",
    "audit",
    "checks images",
    "checks noise",
    "corruption",
    "digits",
    "head",
    "limit",
    "network",
    "order",
    "power iteration",
    "recalibrate",
    "search",
    "smoothing",
    "start",
    "test split",
    "validated",
    "validation",
    "views",
}
LATER_PURPOSES = {"test"}
"""Texts that come after the first."""
GIVEN_PURPOSES = {"attack", "augmentation", "noise", "probe images", "view"}
"""Purposes that are handed to something that makes the generator: a step, a sample."""
START_LABELS = {"audit", "displacement", "curve", "gallery"}
"""Labels of attacks that are not those of an ``AttackSpec``; ``start`` is drawn for them."""
CHECK_STARTS = {"gradients", "jumps", "transfer"}
DIGEST_KEYS = {
    "kind",
    "recipe",
    "seed",
    "runtime",
    "pretrain",
    "model",
    "source",
    "transfer",
    "freeze_depth",
    "teacher",
    "start",
    "target",
    "given",
    "network",
    "attack",
    "data",
    "test_limit",
    "batch_size",
    "split",
    "probe",
    "name",
    "others",
    "probe_recipe",
    "device",
    "device_name",
    "threads",
    "precision",
    "attack_precision",
    "machine",
    "torch",
}
NOT_HASHED = ("shared", "begun_in")
"""Arguments of ``stage_key`` that go into no digest under their own names."""
MAKERS = ("stage_key", "machine_of", "diagnosing", "attacking")
"""Fields of what a stage's digest is made of, beside those of the specification's own parts."""


def trees() -> Iterator[ast.AST]:
    for path in sorted(ROOT.rglob("*.py")):
        yield ast.parse(path.read_text(encoding="utf-8"))


def calls(name: str) -> Iterator[ast.Call]:
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _called(node.func) == name:
                yield node


def _called(function: ast.expr) -> str | None:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def texts(nodes: list[ast.expr]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def constants() -> dict[str, str]:
    """Texts that have a name at the top of a module."""
    return {
        target.id: node.value.value
        for tree in trees()
        if isinstance(tree, ast.Module)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value.value, str)
    }


def test_purposes_of_generators() -> None:
    first, later = set(), set()
    for call in calls("generator"):
        if own := texts(call.args[1:2]):
            first.update(own)
        later.update(texts(call.args[2:]))
    assert first == PURPOSES
    assert later == LATER_PURPOSES


def test_purposes_that_are_handed_on() -> None:
    found = {text for name in ("uniform", "normal") for call in calls(name) for text in texts(call.args[:1])}
    found |= {text for call in calls("Noise") for text in texts(call.args[1:2])}
    found |= {text for call in calls("draw") for text in texts(call.args[:1])}
    found |= {text for call in calls("some_of") for text in texts(call.args[3:4])}
    assert found >= GIVEN_PURPOSES


def test_labels_of_starts() -> None:
    known, found = constants(), set()
    for call in calls("random_starts"):
        for word in call.keywords:
            if word.arg == "label":
                found.update(texts([word.value]))
                if isinstance(word.value, ast.Name) and word.value.id.isupper():
                    found.add(known[word.value.id])
    assert found | {"curve"} == START_LABELS
    starts = {text for name in ("starts", "points") for call in calls(name) for text in texts(call.args)}
    assert starts == CHECK_STARTS


def test_labels_of_the_checks_attacks() -> None:
    asked = ChecksSpec(attack=AttackSpec(label="pgd5", eps=0.1, step=0.03, steps=5))
    labels = [attack.label for attack in own_attacks(asked, 5, "vanilla")]
    radii = ("0.025", "0.05", "0.1", "0.2", "0.4")
    last = ("eps-one", "square", "dlr", "rescaled", "transfer-from-vanilla")
    assert labels == [*(f"radius-{radius}" for radius in radii), *last]
    assert own_attacks(asked, 2, None)[-2].label == "margin"
    assert own_attacks(asked, 5, None, straight=True)[-1].label == "straight-through"
    assert (RADIUS, RESCALED, TRANSFER, EPS_ONE.label) == ("radius-", "rescaled", "transfer-from-", "eps-one")


def test_labels_of_the_ensembles() -> None:
    assert {name: [one.label for one in facts.members] for name, facts in ENSEMBLES.items()} == {
        "autoattack": ["aa-apgd-ce", "aa-apgd-t", "aa-fab-t", "aa-square"],
        "ensemble": ["en-apgd-ce", "en-apgd-dlr", "en-apgd-t", "en-fab-t", "en-square"],
    }


def test_stage_kinds_and_recipes() -> None:
    assert get_args(StageKind) == ("pretrain", "transfer", "evaluate")
    assert RECIPE_VERSION == {"pretrain": 1, "transfer": 1, "evaluate": 3}
    assert {name: facts.recipe for name, facts in DIAGNOSTIC_FACTS.items()} == dict.fromkeys(
        ("curve", "corruptions", "audit", "smoothing", "gallery"), 1
    ) | {"checks": 2}


def test_fields_of_digests() -> None:
    """What is hashed, taken down where it is turned into text."""
    assert digest_keys() == DIGEST_KEYS


def digest_keys() -> set[str]:
    found: set[str] = set()
    for call in calls("stage_key"):
        found.update(word.arg for word in call.keywords if word.arg and word.arg not in NOT_HASHED)
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name in MAKERS:
                for part in ast.walk(node):
                    if isinstance(part, ast.Dict):
                        found.update(texts([key for key in part.keys if key is not None]))
    return found


def test_fields_of_stored_specifications() -> None:
    found = {model.__name__: fields(model) for model in MODELS}
    assert found == read("fields")
