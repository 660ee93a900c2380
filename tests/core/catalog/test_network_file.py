"""What a network's file says of itself is believed only as far as it was checked, and read without torch."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartl_core.catalog.network_file import HEADER_KEY, inspect
from cartl_core.errors import SpecError
from cartl_core.nn.build import build_network
from cartl_core.nn.files import save_network
from cartl_core.nn.network import Network
from cartl_core.nn.rng import generator
from cartl_core.spec import ModelSpec
from cartl_core.spec.architecture import Architecture

ARCHITECTURE = Architecture(
    model=ModelSpec(name="tiny", image_size=8, channels=1), classes=3, mean=(0.5,), std=(0.2,)
)


def fresh() -> Network:
    told = ARCHITECTURE
    return build_network(told.model, told.classes, told.mean, told.std, generator(1, "test"))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "network.safetensors"
    save_network(path, fresh())
    return path


def split(path: Path) -> tuple[dict[str, Any], bytes]:
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header: object, numbers: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


def test_a_file_of_ours_is_described(good: Path) -> None:
    found = inspect(good)
    assert found.architecture == ARCHITECTURE
    assert (found.size, found.sha256) == (
        good.stat().st_size,
        hashlib.sha256(good.read_bytes()).hexdigest(),
    )
    network = fresh()
    assert found.parameters == sum(
        tensor.numel() for tensor in network.state_dict().values() if tensor.is_floating_point()
    )


def first_of(header: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = next(value for name, value in header.items() if name != "__metadata__")
    return told


def spoil(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], bytes]:
    def spoilt(path: Path) -> bytes:
        header, numbers = split(path)
        change(header)
        return joined(header, numbers)

    return spoilt


def retell(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], bytes]:
    def of_header(header: dict[str, Any]) -> None:
        told = json.loads(header["__metadata__"][HEADER_KEY])
        change(told)
        header["__metadata__"][HEADER_KEY] = json.dumps(told)

    return spoil(of_header)


def renamed(change: Callable[[str], str]) -> Callable[[Path], bytes]:
    """With other names of tensors; the bytes stay where they are."""

    def spoilt(path: Path) -> bytes:
        header, numbers = split(path)
        names = {name: name if name == "__metadata__" else change(name) for name in header}
        return joined({names[name]: told for name, told in header.items()}, numbers)

    return spoilt


SPOILT: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "empty": (lambda path: b"", "length of its header"),
    "a pickle": (lambda path: b"\x80\x04\x95" + bytes(64), "length of its header"),
    "cut short": (lambda path: path.read_bytes()[:-1], "bytes of numbers"),
    "too long": (lambda path: path.read_bytes() + b"\0", "bytes of numbers"),
    "no JSON": (lambda path: (4).to_bytes(8, "little") + b"{{{{", "no JSON"),
    "deep": (lambda path: (9000).to_bytes(8, "little") + b"[" * 9000, "no JSON"),
    "a list": (lambda path: joined([], b""), "no JSON object"),
    "no metadata": (spoil(lambda header: header.pop("__metadata__")), HEADER_KEY),
    "no tensors": (lambda path: joined({"__metadata__": split(path)[0]["__metadata__"]}, b""), "no tensors"),
    "half precision": (spoil(lambda header: first_of(header).update(dtype="F16")), "not described"),
    "negative shape": (spoil(lambda header: first_of(header).update(shape=[-1, -4])), "not described"),
    "true as a size": (spoil(lambda header: first_of(header).update(shape=[True])), "not described"),
    "endless shape": (spoil(lambda header: first_of(header).update(shape=[2**62, 4])), "not described"),
    "no offsets": (spoil(lambda header: first_of(header).pop("data_offsets")), "not described"),
    "an overlap": (
        spoil(lambda header: header.update(again=dict(first_of(header)))),
        "overlap others or leave a gap",
    ),
    "unknown network": (retell(lambda told: told["model"].update(name="vgg")), "unknown network"),
    "a huge network": (retell(lambda told: told["model"].update(name="wrn-9999-99")), "unknown network"),
    "no classes": (retell(lambda told: told.update(classes=0)), "classes"),
    "std of zero": (retell(lambda told: told.update(std=[0.0])), "not positive"),
    "three means": (retell(lambda told: told.update(mean=[0.1, 0.2, 0.3])), "channels"),
    "behind a wrapper": (
        renamed(lambda name: f"module.{name}"),
        "lacks tensor 'normalize.mean'; tensor 'module.",
    ),
    "compiled": (
        renamed(lambda name: f"_orig_mod.{name}"),
        "lacks tensor 'normalize.mean'; tensor '_orig_mod.",
    ),
    "one name wrong": (
        renamed(lambda name: name.replace("blocks.4.bias", "blocks.4.b\u202eias")),
        r"lacks tensor 'blocks.4.bias'; tensor 'blocks.4.b\u202eias' is unknown",
    ),
    "a longer name": (
        renamed(lambda name: name.replace("blocks.4.bias", "b" * 5000)),
        f"lacks tensor 'blocks.4.bias'; tensor '{'b' * 100}' is unknown",
    ),
    "another shape": (
        spoil(lambda header: header["blocks.4.weight"].update(shape=[32, 3])),
        "tensor 'blocks.4.weight' is F32 [32, 3], expected F32 [3, 32]",
    ),
    "another type": (
        spoil(lambda header: header["blocks.4.weight"].update(dtype="I64", shape=[3, 16])),
        "is I64 [3, 16], expected F32 [3, 32]",
    ),
    "another network": (
        retell(lambda told: told["model"].update(name="wrn-10-1")),
        "tensor 'stem.weight' is F32 [8, 1, 3, 3], expected F32 [16, 1, 3, 3]",
    ),
    "a deeper network": (
        retell(lambda told: told["model"].update(name="resnet18")),
        "lacks tensor 'stem.conv.weight'",
    ),
    "more classes": (retell(lambda told: told.update(classes=4)), "expected F32 [4, 32]"),
    "more fields": (retell(lambda told: told.update(code="import os")), "code"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_what_is_no_network_of_ours_is_refused_in_words(good: Path, tmp_path: Path, case: str) -> None:
    make, words = SPOILT[case]
    path = tmp_path / "spoilt.safetensors"
    path.write_bytes(make(good))
    with pytest.raises(SpecError) as refused:
        inspect(path, field="body")
    assert words in str(refused.value) and refused.value.field.startswith("body")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.integers(0, 2**64 - 1), st.booleans())
def test_any_bytes_are_described_or_refused(
    tmp_path: Path, content: bytes, length: int, framed: bool
) -> None:
    path = tmp_path / "any"
    path.write_bytes((len(content) if framed else length).to_bytes(8, "little") + content)
    with pytest.raises(SpecError):
        inspect(path)


def test_it_needs_no_torch(good: Path) -> None:
    program = (
        "import sys; sys.modules['torch'] = sys.modules['safetensors'] = None\n"
        "from pathlib import Path; from cartl_core.catalog.network_file import inspect\n"
        "print(inspect(Path(sys.argv[1])).architecture.classes)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(good)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "3"


BIG = "9" * 4000
ENDLESS: dict[str, Callable[[dict[str, Any]], str]] = {
    "400 sizes of 4,000 digits": lambda header: json.dumps(header).replace(
        '"shape": [', '"shape": [' + f"{BIG}, " * 400, 1
    ),
    "400 sizes of 40 digits": lambda header: json.dumps(header).replace(
        '"shape": [', '"shape": [' + f"{BIG[:40]}, " * 400, 1
    ),
    "a million sizes": lambda header: json.dumps(header).replace(
        '"shape": [', '"shape": [' + "1," * 400_000, 1
    ),
    "an offset of 300,000 digits": lambda header: json.dumps(header).replace(
        "[0, ", f"[{'9' * 300_000}, ", 1
    ),
    "classes of 4,299 digits": lambda header: json.dumps(header).replace(
        '\\"classes\\":3', f'\\"classes\\":{"9" * 4299}'
    ),
    "classes of 39 digits": lambda header: json.dumps(header).replace(
        '\\"classes\\":3', f'\\"classes\\":{"9" * 39}'
    ),
    "a key twice": lambda header: json.dumps(header)[:-1] + ', "__metadata__": {}}',
    "a tensor twice": lambda header: (
        json.dumps(header)[:-1]
        + f", {json.dumps(next(iter(header)))}: {json.dumps(header['__metadata__'])}}}"
    ),
    "-0": lambda header: json.dumps(header).replace("[0, ", "[-0, ", 1),
}


@pytest.mark.parametrize("case", ENDLESS)
def test_a_header_costs_no_more_than_its_length(good: Path, tmp_path: Path, case: str) -> None:
    """Processor time, with a generous bound: a shape of 400 sizes once took seven seconds."""
    header, numbers = split(good)
    text = ENDLESS[case](header).encode()
    assert text != json.dumps(header).encode()
    path = tmp_path / "endless.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + numbers)
    began = time.process_time()
    with pytest.raises(SpecError):
        inspect(path)
    assert time.process_time() - began < 0.5
