"""Which settings each method uses, and what must not be written beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from cartl_core.catalog import METHODS, MethodFacts
from cartl_core.errors import SpecError
from cartl_core.spec import (
    BaselineRequest,
    JobRequest,
)
from cartl_core.spec.faults import NOTHING
from cartl_core.spec.terms import TERMS, Term
from cartl_core.spec.training import STILL


def _body_on_clean_images(facts: MethodFacts) -> bool:
    return not (facts.adversarial or facts.head_only)


def _tail_on_clean_images(facts: MethodFacts) -> bool:
    return not (facts.adversarial or facts.distilled)


def _trunk_on_altered_images(facts: MethodFacts) -> bool:
    return not (facts.adversarial or facts.distilled or facts.displaced)


@dataclass(frozen=True)
class _Setting:
    """A setting that only some methods have: where it is written, who uses it, how "off" is written."""

    part: str
    field: str
    used: Callable[[MethodFacts], bool]
    off: object = None
    needed: Callable[[MethodFacts], bool] | None = None
    """Who cannot do without it; None: whoever uses it."""
    only: object = None
    """The one value that makes the method what it is; None: any."""

    def needs(self, facts: MethodFacts) -> bool:
        return (self.needed or self.used)(facts)


def _weight(term: Term) -> _Setting:
    return _Setting("transfer", term.field, term.used_by, needed=lambda facts: term.field in facts.terms)


_SETTINGS_OF_METHODS = (
    _Setting("pretrain", "fdm_weight", lambda facts: facts.objective == "fdm"),
    _Setting("pretrain", "fdm_distance", lambda facts: facts.objective == "fdm", "absolute"),
    _Setting("pretrain", "fdm_layers", lambda facts: facts.objective == "fdm", "trunk"),
    _Setting("transfer", "beta", lambda facts: facts.nonexpansive),
    _Setting("transfer", "norm", lambda facts: facts.nonexpansive, "reshaped"),
    *map(_weight, TERMS.values()),
    _Setting("transfer", "lwf_head_epochs", _body_on_clean_images, 0),
    _Setting("transfer", "attack", lambda facts: facts.adversarial),
    _Setting("transfer", "displacement", _tail_on_clean_images, needed=lambda facts: facts.displaced),
    _Setting("transfer", "cached_views", _trunk_on_altered_images, needed=lambda facts: False),
    _Setting("transfer", "schedule", lambda facts: facts.adversarial, "constant"),
    _Setting("transfer", "tail_weights", lambda facts: facts.frozen_weights, "tuned", only="frozen"),
    _Setting("transfer", "tail_affine", lambda facts: not (facts.frozen_weights or facts.head_only), "tuned"),
)


def unused_by(method: str) -> frozenset[tuple[str, ...]]:
    """Settings, as (part, field), that a method does not use; where one is written for it, it is refused."""
    facts = METHODS[method]
    return frozenset((row.part, row.field) for row in _SETTINGS_OF_METHODS if not row.used(facts))


def refuse_misplaced(written: JobRequest | BaselineRequest, facts: MethodFacts, where: str) -> None:
    """A setting that the method does not use, or cannot do without, is refused, not ignored."""
    for setting in _SETTINGS_OF_METHODS:
        overrides = getattr(written, setting.part)
        if overrides is None or setting.field not in overrides.model_fields_set:
            continue
        value, path = getattr(overrides, setting.field), f"{where}{setting.part}.{setting.field}"
        if setting.needs(facts) and value is None:
            raise SpecError(path, f"method {facts.name} needs it", allowed="a value, or leave it out")
        if setting.used(facts) and setting.only is not None and value != setting.only:
            raise SpecError(path, f"it makes method {facts.name}", allowed=f"{setting.only}, or leave it out")
        if not setting.used(facts) and value is not None and value != setting.off:
            users = ", ".join(name for name, other in METHODS.items() if setting.used(other))
            raise SpecError(path, f"not used by method {facts.name}", allowed=f"methods {users}")
    objective = getattr(written.pretrain, "objective", None)
    if objective is not None and objective != facts.objective:
        raise SpecError(
            f"{where}pretrain.objective",
            f"method {facts.name} has a teacher of its own",
            allowed=facts.objective,
        )


def refuse_settings_of_methods(request: JobRequest) -> None:
    """Where methods are tried one beside the other, what makes one of them is said of that one alone."""
    for name, own in (("pretrain", OWN_FIELDS - SHARED_IN_PRETRAIN), ("transfer", OWN_FIELDS)):
        part = getattr(request, name)
        for field in sorted(part.model_fields_set & own if part else ()):
            if getattr(part, field) is not None:
                raise SpecError(
                    f"{name}.{field}",
                    "it belongs to a method, and the method is auto",
                    allowed="in the candidates that it is meant for, `auto.candidates`",
                )


# Fields that a baseline does not take over from the job: they make the job's method what it is.
OWN_FIELDS = frozenset(
    {
        "objective",
        "fdm_weight",
        "fdm_distance",
        "fdm_layers",
        "beta",
        "norm",
        *TERMS,
        "lwf_head_epochs",
        "attack",
        "schedule",
        "tail_weights",
        "tail_affine",
        "displacement",
    }
)


SHARED_IN_PRETRAIN = frozenset({"attack"})
"""Of those, the inner attack of pretraining is shared: teachers are compared at one radius."""


@dataclass(frozen=True)
class Layer:
    """Settings of one origin: what they leave open the layers below decide.

    Attributes:
        pretrain: fields of the ``PretrainSpec``.
        transfer: fields of the ``TransferSpec``.
        where: path of what a person wrote them in, with a dot at its end; None where nobody wrote them.
    """

    pretrain: dict[str, Any]
    transfer: dict[str, Any]
    where: str | None = None


def origin(layers: Sequence[Layer], *path: str) -> str | None:
    """The field in which the person wrote the setting at ``path``; None where nobody wrote it."""
    for layer in reversed(layers):
        value: Any = {"pretrain": layer.pretrain, "transfer": layer.transfer}
        for step in path:
            value = value.get(step, NOTHING) if isinstance(value, dict) else NOTHING
        if layer.where is not None and value is not NOTHING:
            return layer.where + ".".join(path)
    return None


def merge(layers: Iterable[Layer]) -> Layer:
    """All settings, the last layer that has one wins; settings of settings are merged likewise."""
    merged = Layer({}, {})
    for layer in layers:
        for part, settings in ((merged.pretrain, layer.pretrain), (merged.transfer, layer.transfer)):
            for name, value in settings.items():
                part[name] = {**(part.get(name) or {}), **value} if isinstance(value, dict) else value
    return merged


def written_layer(written: JobRequest | BaselineRequest, where: str = "") -> Layer:
    """What a person wrote at ``where``, and nothing else."""
    return Layer(_fields_set(written.pretrain), _fields_set(written.transfer), where)


def shared_layer(request: JobRequest, facts: MethodFacts) -> Layer:
    """What an arm of another method takes over from the job: all that does not make the job's method."""
    written = written_layer(request)
    # Views are of altered images, so they go where the augmentation goes.
    views = frozenset({"cached_views"})
    still = frozenset(STILL) | views if facts.fixed_features else frozenset()
    unused = views if ("transfer", "cached_views") in unused_by(facts.name) else frozenset()
    return Layer(
        _without(written.pretrain, OWN_FIELDS - SHARED_IN_PRETRAIN),
        _without(written.transfer, OWN_FIELDS | still | unused),
        "",
    )


def _fields_set(part: BaseModel | None) -> dict[str, Any]:
    return part.model_dump(exclude_unset=True) if part is not None else {}


def _without(settings: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in names}
