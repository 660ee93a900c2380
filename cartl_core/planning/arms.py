"""One arm from layers of settings; and that of a transfer whose network a person has already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import ValidationError

from cartl_core.catalog import METHODS, PRESETS, DatasetFacts, MethodFacts, PresetFacts
from cartl_core.errors import ArgumentInvalid, SpecError
from cartl_core.planning.defaults import (
    beta_of,
    check_depth,
    fdm_weight_of,
    fit_displacement,
    fit_head_epochs,
    pretrain_defaults,
    transfer_defaults,
)
from cartl_core.planning.method_settings import Layer, merge, origin, refuse_misplaced, written_layer
from cartl_core.spec import Arm, BaselineRequest, PretrainSpec, TransferSpec
from cartl_core.spec.faults import build, first_fault


def build_arm(
    facts: MethodFacts,
    freeze_depth: int,
    defaults: Layer,
    written: Sequence[Layer],
    preset: PresetFacts,
    where: str,
    *,
    given_within: float | None = None,
) -> Arm:
    """An arm with nothing left open.

    Args:
        written: over the defaults, the last one wins.
        where: path of the arm's settings, for errors.
        given_within: its teacher is given as it is, and holds within this radius; None: it is trained.

    Raises:
        SpecError: a value is out of range or does not fit the others.
    """
    merged = merge([defaults, *written])
    pretrain, transfer = merged.pretrain, merged.transfer
    pretrain.setdefault("fdm_weight", fdm_weight_of(facts, pretrain.get("fdm_distance"), preset))
    teacher = build(PretrainSpec, pretrain, f"{where}pretrain")
    fit_displacement(transfer, teacher.attack.eps, freeze_depth, where, partial(origin, written))
    transfer.setdefault("beta", beta_of(facts, transfer.get("norm"), preset))
    return Arm(
        method=facts.name,
        freeze_depth=freeze_depth,
        pretrain=teacher if given_within is None else None,
        transfer=fit_head_epochs(
            build(TransferSpec, transfer, f"{where}transfer"),
            chosen=bool(written) and "lwf_head_epochs" in written[-1].transfer,
            where=where,
        ),
        teacher_eps=given_within,
    )


def resolve_transfer(
    method: str,
    freeze_depth: int,
    *,
    blocks: int,
    data: DatasetFacts,
    preset: str,
    named: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Arm:
    """The arm of ``cartl_core.transfer``, whose teacher is there already.

    Args:
        blocks: of the network, the head included.
        data: gives radii and the weight of `consistent`.
        named: settings that are arguments of their own, as they were given; None leaves one open.
        settings: others, fields of ``TransferSpec``.

    Raises:
        ArgumentInvalid: names the argument and what is allowed.
    """
    if not isinstance(method, str) or method not in METHODS:
        raise ArgumentInvalid("method", f"{method!r} is no known method", allowed=", ".join(METHODS))
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ArgumentInvalid("preset", f"{preset!r} is no known preset", allowed=", ".join(PRESETS))
    facts, chosen = METHODS[method], PRESETS[preset]
    own = {name: value for name, value in named.items() if value is not None}
    _check_names(settings, own)
    request = {"method": method, "freeze_depth": freeze_depth, "transfer": {**settings, **own}}
    try:
        written = BaselineRequest.model_validate(request)
        check_depth(freeze_depth, facts, "the network", blocks, "freeze_depth")
        refuse_misplaced(written, facts, "")
        pretrain = pretrain_defaults(facts, data, chosen)
        transfer = transfer_defaults(facts, data, pretrain["attack"], chosen)
        defaults = Layer(pretrain, transfer)
        return build_arm(facts, freeze_depth, defaults, [written_layer(written, "")], chosen, "")
    except ValidationError as error:
        fault = first_fault(BaselineRequest, error, request)
        raise ArgumentInvalid(_argument(fault.field, own), fault.message, allowed=fault.allowed) from error
    except SpecError as error:
        raise ArgumentInvalid(_argument(error.field, own), error.message, allowed=error.allowed) from error


def _check_names(settings: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    if not isinstance(settings, Mapping):
        raise ArgumentInvalid(
            "settings", f"is a {type(settings).__name__}", allowed="a mapping of names to values"
        )
    for name in settings:
        if name in own:
            raise ArgumentInvalid(f"settings.{name}", "it is given as an argument, too", allowed="once")
        if name in TransferSpec.model_fields:
            continue
        if name in PretrainSpec.model_fields:
            raise ArgumentInvalid(
                f"settings.{name}",
                "it is of the training of the network, which is given here as it is",
                allowed="a field of TransferSpec; cartl_core.run trains a teacher, too",
            )
        raise ArgumentInvalid(
            f"settings.{name}", "there is no such setting", allowed=", ".join(TransferSpec.model_fields)
        )


def _argument(field: str, own: Mapping[str, Any]) -> str:
    """The argument that a field of the arm came from."""
    part, _, name = field.partition(".")
    if part != "transfer" or not name:
        return "eps" if part == "pretrain" else field
    return name if name in own else f"settings.{name}"
