"""A person's own data sets and networks, named in a request: checked, and put in the place of names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cartl_core.catalog import DATASETS, OwnDataSpec, model_facts
from cartl_core.data.own_dataset import CheckedDataset, Dataset, check_dataset
from cartl_core.errors import ArgumentInvalid, SpecError
from cartl_core.nn.files import save_network
from cartl_core.nn.network import Network

DATA_FIELDS = ("dataset", "source")
SEVERAL = "datasets"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def checked_datasets(given: Mapping[str, Dataset]) -> dict[str, CheckedDataset]:
    """The data sets by name.

    Raises:
        ArgumentInvalid: a name is not usable or the catalog's, or a data set is not valid.
    """
    for name in given:
        _check_name("datasets", name, taken=name in DATASETS)
    return {name: check_dataset(name, dataset) for name, dataset in given.items()}


def with_datasets(written: Mapping[str, Any], own: Mapping[str, CheckedDataset]) -> dict[str, Any]:
    """The request with values where ``dataset``, ``source`` or an item of ``datasets`` names one of ``own``.

    Raises:
        SpecError: a setting beside the name is not valid.
        ArgumentInvalid: one of ``own`` is named nowhere.
    """
    request, unused = dict(written), dict.fromkeys(own)
    for field in DATA_FIELDS:
        request |= {field: _with_own(request[field], own, field, unused)} if field in request else {}
    if isinstance(several := request.get(SEVERAL), list | tuple):
        request[SEVERAL] = [
            _with_own(asked, own, f"{SEVERAL}.{place}", unused) for place, asked in enumerate(several)
        ]
    if unused:
        raise ArgumentInvalid(
            f"datasets.{next(iter(unused))}",
            "the request names it nowhere",
            allowed="a name that stands in its dataset, datasets or source",
        )
    return request


def _with_own(
    asked: object, own: Mapping[str, CheckedDataset], field: str, unused: dict[str, None]
) -> object:
    """What was asked for, or its value where it names one of ``own``, which is then used."""
    settings = {"name": asked} if isinstance(asked, str) else asked
    name = settings.get("name") if isinstance(settings, Mapping) else None
    if not isinstance(settings, Mapping) or not isinstance(name, str) or name not in own:
        return asked
    unused.pop(name, None)
    return _data_spec(dict(settings), own[name], field)


def with_network(
    written: Mapping[str, Any], networks: Mapping[str, Network | str | Path], out: Path
) -> tuple[dict[str, Any], Path | None]:
    """The request with an empty ``network`` where it names one of ``networks``, and that one's file.

    Args:
        networks: each in memory, which is then written to a file below ``out``, or as a file.

    Raises:
        ArgumentInvalid: a name is not usable or the catalog's, is named nowhere, or is no network.
    """
    for name in networks:
        _check_name("networks", name, taken=_is_in_catalog(name))
    if not networks:
        return dict(written), None
    asked = written.get("network")
    if written.get("kind") != "evaluate" or not isinstance(asked, str) or asked not in networks:
        raise ArgumentInvalid(
            f"networks.{next(iter(networks))}",
            "the request names it nowhere",
            allowed="a name that stands as network of a request of kind evaluate; cartl_core.transfer tunes "
            "a network of your own",
        )
    return {**written, "network": {}}, _file(asked, networks[asked], out)


def _file(name: str, network: Network | str | Path, out: Path) -> Path:
    if isinstance(network, str | Path):
        return Path(network)
    if not isinstance(network, Network):
        raise ArgumentInvalid(
            f"networks.{name}",
            f"is a {type(network).__name__}",
            allowed="a network of load_network or transfer, or its file; evaluate_robustness measures any "
            "nn.Module",
        )
    path = out / "networks" / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        save_network(path, network)
    except ValueError as error:
        raise ArgumentInvalid(f"networks.{name}", str(error)) from error
    return path


def _data_spec(settings: dict[str, Any], own: CheckedDataset, field: str) -> OwnDataSpec:
    try:
        return OwnDataSpec.model_validate({**settings, "facts": own.facts, "like": own.like})
    except ValidationError as error:
        fault = error.errors()[0]
        raise SpecError(".".join([field, *map(str, fault["loc"])]), fault["msg"]) from error


def _check_name(argument: str, name: object, *, taken: bool) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ArgumentInvalid(
            argument, f"{name!r} is no name", allowed="1 to 64 letters, digits, dots, hyphens and underscores"
        )
    if taken:
        raise ArgumentInvalid(
            f"{argument}.{name}", "the catalog has one of this name", allowed="another name"
        )


def _is_in_catalog(name: object) -> bool:
    try:
        return bool(model_facts(name)) if isinstance(name, str) else False
    except SpecError:
        return False
