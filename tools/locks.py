"""``make locks``: the lists that images are installed from, each package with the hashes of its files.

The versions are those of ``constraints.txt``: images hold what the tests ran with. ``uv`` asks the index
for the hashes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docker/requirements"
PYTHON = "3.11"
EXTRAS = ("api", "worker")
BUILD = "setuptools\ncyclonedx-bom\n"
"""What the images are built with: it is in none of them."""
CUDA = re.compile(r"(torch|torchvision|triton|nvidia-.*|cuda-.*)==")
"""What another index may have other builds of, and what only those of PyPI need."""
HEADER = "# Made by `make locks` from pyproject.toml and constraints.txt. Not to be edited.\n"


def compiled(source: str, *options: str, given: str = "") -> str:
    """The requirements of ``source`` with theirs, at the versions of ``constraints.txt``.

    Raises:
        CalledProcessError: they contradict one another, or the index cannot be reached.
    """
    command = [
        *(str(Path(sys.executable).with_name("uv")), "pip", "compile", source, *options),
        *("--universal", "--python-version", PYTHON, "--generate-hashes", "--constraint", "constraints.txt"),
        *("--no-header", "--no-annotate", "--quiet", "--no-config"),
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=_environment(), input=given, capture_output=True, text=True, check=True
    )
    return done.stdout


def blocks(compiled_text: str) -> list[str]:
    """One requirement each, with the lines of its hashes."""
    return [block for block in re.split(r"^(?=\S)", compiled_text, flags=re.MULTILINE) if block.strip()]


def lists() -> dict[str, str]:
    """The text of each file by its name."""
    made = {extra: blocks(compiled("pyproject.toml", "--extra", extra)) for extra in EXTRAS}
    made["torch"] = [block for block in made["worker"] if CUDA.match(block)]
    made["worker"] = [block for block in made["worker"] if not CUDA.match(block)]
    made["build"] = blocks(compiled("-", given=BUILD))
    return {f"{name}.txt": HEADER + "".join(found) for name, found in made.items()}


def _environment() -> dict[str, str]:
    """pip's index and certificates are uv's too."""
    given = {"UV_INDEX_URL": os.environ.get("PIP_INDEX_URL"), "SSL_CERT_FILE": os.environ.get("PIP_CERT")}
    return {**os.environ, **{name: value for name, value in given.items() if value}}


def main() -> int:
    """Write the lists."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in lists().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
