"""The lists that images are installed from: hashed, of the versions that the tests ran with, and complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.fixtures.documents import ROOT
from tools.image_size import LIMIT_BYTES, size_of
from tools.locks import CUDA, FOLDER, blocks

FILES = ("api.txt", "worker.txt", "torch.txt", "build.txt")
PYTHON_311 = {"python_version": "3.11", "python_full_version": "3.11.13", "sys_platform": "linux"}
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def listed(*names: str) -> dict[str, Requirement]:
    """What the lists hold, by canonical name."""
    found: dict[str, Requirement] = {}
    for name in names:
        for block in blocks((FOLDER / name).read_text()):
            if not block.startswith("#"):
                requirement = Requirement(block.partition(" \\")[0])
                found[canonicalize_name(requirement.name)] = requirement
    return found


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = (line.partition("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, _, version in pinned}


def version_of(requirement: Requirement) -> str:
    (pin,) = requirement.specifier
    assert pin.operator == "=="
    return pin.version


def required(extra: str) -> dict[str, Distribution]:
    """All that the installed package needs for an extra, here, as the packages themselves say."""
    found: dict[str, Distribution] = {}
    waiting = [("cartl", {extra})]
    while waiting:
        name, extras = waiting.pop()
        about = distribution(name)
        for text in about.requires or ():
            need = Requirement(text)
            wanted = any(
                need.marker is None or need.marker.evaluate({**PYTHON_311, "extra": extra})
                for extra in extras | {""}
            )
            key = canonicalize_name(need.name)
            if wanted and (key not in found or need.extras):
                if key != "cartl":
                    found[key] = distribution(need.name)
                waiting.append((need.name, set(need.extras)))
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_line_is_a_version_with_the_hashes_of_its_files(name: str) -> None:
    made = [block for block in blocks((FOLDER / name).read_text()) if not block.startswith("#")]
    assert made
    for block in made:
        version_of(Requirement(block.partition(" \\")[0]))
        _, *hashes = (line.strip().removesuffix(" \\") for line in block.splitlines())
        assert hashes and all(HASH.fullmatch(line) for line in hashes), block


@pytest.mark.parametrize("name", FILES)
def test_the_versions_are_those_that_the_tests_ran_with(name: str) -> None:
    pinned = constraints()
    found = listed(name)
    differing = {
        package: (version_of(requirement), pinned[package])
        for package, requirement in found.items()
        if package in pinned and version_of(requirement) != pinned[package]
    }
    assert differing == {}, "run: make locks"
    # What no test installs is there for other systems, for CUDA, or for the build alone.
    free = {package for package in found if package not in pinned}
    if name == "build.txt":
        assert "cyclonedx-bom" not in free and "setuptools" not in free
    else:
        assert all(found[package].marker or CUDA.match(f"{package}==") for package in free), free


@pytest.mark.parametrize(("extra", "names"), [("api", ["api.txt"]), ("worker", ["worker.txt", "torch.txt"])])
def test_a_list_holds_all_that_its_image_needs_and_no_more(extra: str, names: list[str]) -> None:
    there = {
        name
        for name, requirement in listed(*names).items()
        if requirement.marker is None
        or requirement.marker.evaluate({**PYTHON_311, "platform_machine": "x86_64"})
    }
    needed = set(required(extra))
    assert needed - there == set(), "run: make locks"
    # The torch of a machine without GPUs needs none of CUDA.
    assert {name for name in there - needed if not CUDA.match(f"{name}==")} == set(), "run: make locks"


def test_the_api_has_no_torch_and_stays_small() -> None:
    needed = required("api")
    assert not [name for name in {*needed, *listed("api.txt")} if CUDA.match(f"{name}==")]
    files = [Path(str(file.locate())) for found in needed.values() for file in found.files or ()]
    packages = sum(path.stat().st_size for path in files if path.is_file())
    ours = sum(
        size_of(ROOT / package).total() for package in ("api", "cartl", "cartl_core", "jobs", "worker")
    )
    # Twice our own: the wheel lies in the image beside what it was installed as.
    assert 50e6 < packages + 2 * ours < LIMIT_BYTES


def instructions(dockerfile: str) -> Iterator[str]:
    """One a line; comments left out."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", dockerfile, flags=re.MULTILINE))
    yield from (line for line in joined.splitlines() if line.strip())


def test_images_install_what_has_a_known_hash() -> None:
    installs = [
        command.strip()
        for line in instructions((ROOT / "docker/Dockerfile").read_text())
        for command in re.split(r"&&|;|\bRUN\b", line)
        if "pip install" in command
    ]
    hashed = [command for command in installs if "--require-hashes" in command]
    assert {re.findall(r"--requirement (\S+)", command)[0] for command in hashed} == set(FILES)
    # Our own wheel, made in the same build, and builds of torch from an index that somebody names.
    assert [command for command in installs if command not in hashed] == [
        "pip install --no-deps --no-index /opt/wheels/*.whl",
        "then pip install --constraint constraints.txt torch torchvision",
        "pip install --no-deps --no-index /opt/wheels/*.whl",
    ]


def test_each_image_says_what_it_holds() -> None:
    lines = list(instructions((ROOT / "docker/Dockerfile").read_text()))
    for image in ("api", "worker"):
        stage = lines.index(f"FROM {image}-installed AS {image}-sbom")
        assert "cyclonedx-py environment" in lines[stage + 2]
        last = lines.index(f"FROM {image}-installed AS {image}")
        assert lines[last + 1] == f"COPY --from={image}-sbom /opt/sbom.cdx.json ./"
    # Not every builder skips stages above the target that it does not need.
    assert lines.index("FROM api-installed AS api") < lines.index("FROM base AS worker-installed")
