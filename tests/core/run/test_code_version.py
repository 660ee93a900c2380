"""Which commit computes: by the file of an image, by git in a checkout, and of nobody else's repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cartl_core.run import runtime as machine
from cartl_core.run.code_version import FILE, UNKNOWN, CodeVersion, code_version, version_of
from cartl_core.storage.stage_origin import ORIGIN, read_origin, write_origin
from tests.factories import make_runtime, make_spec

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git(folder: Path, *arguments: str) -> str:
    names = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
    environment = {**os.environ, **dict.fromkeys(names, "ann@example.org"), "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(
        ["git", "-C", folder, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package in a checkout of one commit."""
    made = tmp_path / "checkout" / "package"
    made.mkdir(parents=True)
    (made / "__init__.py").write_text("")
    git(made.parent, "init", "--quiet")
    git(made.parent, "add", "package")
    git(made.parent, "commit", "--quiet", "--message", "first")
    return made


def test_a_checkout_is_of_its_commit_and_may_have_changed(package: Path) -> None:
    commit = git(package, "rev-parse", "HEAD")
    assert version_of(package) == CodeVersion(commit, changed=False)
    (package / "notes.txt").write_text("untracked")
    assert version_of(package) == CodeVersion(commit, changed=False)
    (package / "__init__.py").write_text("changed = True\n")
    assert version_of(package) == CodeVersion(commit, changed=True)


def test_a_package_in_a_repository_of_something_else_is_not_of_its_commit(package: Path) -> None:
    installed = package.parent / "environment" / "cartl_core"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    assert version_of(installed) == UNKNOWN


def test_variables_of_git_do_not_lead_elsewhere(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = version_of(package)
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert version_of(package) == known


def test_without_git_or_with_one_that_does_not_answer_nothing_is_known(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    assert version_of(package) == UNKNOWN
    hung = programs / "git"
    hung.write_text("#!/bin/sh\nexec /bin/sleep 600\n")
    hung.chmod(0o755)
    assert version_of(package, seconds=0.1) == UNKNOWN


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (COMMIT, CodeVersion(COMMIT, changed=False)),
        (f"{COMMIT}-changed\n", CodeVersion(COMMIT, changed=True)),
        ("a" * 64, CodeVersion("a" * 64, changed=False)),
        ("", UNKNOWN),
        ("main", UNKNOWN),
        (COMMIT[:12], UNKNOWN),
        (f"{COMMIT}\n{COMMIT}", UNKNOWN),
        ("a" * 100_000, UNKNOWN),
    ],
)
def test_the_file_of_an_image_comes_first(package: Path, written: str, expected: CodeVersion) -> None:
    (package / FILE).write_text(written)
    assert version_of(package) == expected


def test_a_runtime_says_it_and_no_stage_is_computed_anew_for_it() -> None:
    here = machine.resolve(make_spec(), threads=1, image="e" * 64)
    assert (here.commit, here.tree_changed) == (code_version().commit, code_version().changed)
    assert here.image == "e" * 64
    recorded = here.model_copy(update={"commit": COMMIT, "tree_changed": None, "image": None})
    assert machine.settle(recorded, here) == (here, ())
    told = make_runtime(commit=COMMIT, tree_changed=True).code, make_runtime(commit=COMMIT).code
    assert (*told, make_runtime().code) == (f"{COMMIT}-changed", COMMIT, None)


def test_a_stage_says_which_commit_finished_it(tmp_path: Path) -> None:
    write_origin(tmp_path, "a run", 2.0, COMMIT)
    origin = read_origin(tmp_path, "another run")
    assert (origin.made_by, origin.commit) == ("another_job", COMMIT)
    written = (tmp_path / ORIGIN).read_text()
    (tmp_path / ORIGIN).write_text(written.replace(COMMIT, "forged"))
    assert read_origin(tmp_path, "a run").made_by == "unknown"
    (tmp_path / ORIGIN).write_text(written.replace(f'"{COMMIT}"', "null"))
    assert read_origin(tmp_path, "a run").commit is None
