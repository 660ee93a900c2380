"""The pages that say how to add something are followed word by word in a copy of the tree."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.fixtures.documents import DOCS, ROOT, Block, blocks_of, run_alone, with_short_jobs

PAGES = sorted((DOCS / "how-to").glob("add-*.md"))
COPIED = ("cartl_core", "jobs")
TOUCHED = {
    "add-a-data-set": (0, 1),
    "add-a-method": (1, 1),
    "add-an-architecture": (1, 0),
    "add-an-attack": (1, 1),
}
"""Modules of the project that a page writes, and those that it changes."""


def copy(tree: Path) -> None:
    """With what is compiled of it: what a page changes is compiled anew, by the times of the sources."""
    for name in COPIED:
        shutil.copytree(ROOT / name, tree / name)


def follow(block: Block, tree: Path) -> None:
    """Write the block's file, or change it: the lines that stay or go must be there once."""
    assert block.file is not None
    target = tree / block.file
    if block.language == "python":
        assert not target.exists(), f"{block}: {block.file} is there already"
        target.write_text(block.text)
        return
    lines = block.text.splitlines()
    assert all(line[:1] in ("+", "-", " ", "") for line in lines), f"{block} is no diff"
    before = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
    after = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
    text = target.read_text()
    assert text.count(before) == 1, (
        f"{block}: {block.file} has these lines {text.count(before)} times:\n{before}"
    )
    target.write_text(text.replace(before, after))


def run(block: Block, tree: Path, folder: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CARTL_")}
    env = {
        **kept,
        "PYTHONPATH": str(tree),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
    }
    # That an architecture can be exported is for its page to show.
    text = block.text if "architecture" in block.page else with_short_jobs(block.text)
    done = run_alone(block, text, folder, env)
    assert done.returncode == 0, f"{block}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_can_be_followed_word_by_word(page: Path, tmp_path: Path) -> None:
    tree, folder = tmp_path / "tree", tmp_path / "folder"
    copy(tree)
    folder.mkdir()
    blocks = blocks_of(page)
    new = {block.file for block in blocks if block.file and block.language == "python"}
    changed = {block.file for block in blocks if block.language == "diff"}
    assert (len(new), len(changed)) == TOUCHED[page.stem], "modules that are written, and changed"
    for block in blocks:
        if block.file:
            follow(block, tree)
        else:
            run(block, tree, folder)
    assert (folder / "result" / "report.md").is_file()


def test_the_copy_is_what_is_run(tmp_path: Path) -> None:
    """Else a page could pass by the tree as it is."""
    tree = tmp_path / "tree"
    copy(tree)
    source = "import cartl_core, jobs; print(cartl_core.__file__, jobs.__file__)"
    env = {**os.environ, "PYTHONPATH": str(tree)}
    done = run_alone(Block("", 1, "python", None, ""), source, tmp_path, env)
    assert [str(Path(path).parents[1]) for path in done.stdout.split()] == [str(tree)] * 2


def test_a_change_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("a = 1\na = 1\n")
    for text in ("-a = 1\n+a = 2\n", "-b = 1\n+b = 2\n"):
        block = Block("page.md", 1, "diff", "module.py", text)
        with pytest.raises(AssertionError, match="times"):
            follow(block, tmp_path)
