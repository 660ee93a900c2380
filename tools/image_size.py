"""``make image-size``: what we add to the base of the API's image, installed into a folder and counted.

The same lists and steps as in ``docker/Dockerfile``, without Docker. Exit status 1 when it is too much.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MIB = 1024**2
LIMIT_BYTES = 150 * 1000**2
"""150 MB, all layers that we add to the API's image."""
SHOWN = 12


def size_of(folder: Path) -> Counter[str]:
    """Bytes of all files below, by the first name of their path."""
    sizes: Counter[str] = Counter()
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            sizes[path.relative_to(folder).parts[0]] += path.stat().st_size
    return sizes


def install(folder: Path) -> None:
    """Everything that the API's image gets, compiled as there."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    listed = ["--require-hashes", "--requirement", "docker/requirements/api.txt"]
    subprocess.run([*pip, *listed], cwd=ROOT, check=True)
    subprocess.run([*pip, "--no-build-isolation", "."], cwd=ROOT, check=True)


def main() -> int:
    """Print the table; 0 when it is within the limit."""
    with tempfile.TemporaryDirectory(prefix="cartl-image-") as name:
        install(Path(name))
        sizes = size_of(Path(name))
    for part, size in sizes.most_common(SHOWN):
        sys.stdout.write(f"{size / MIB:8.1f} MiB  {part}\n")
    total = sizes.total()
    sys.stdout.write(f"{total / 1e6:8.1f} MB   in all; at most {LIMIT_BYTES / 1e6:.0f}\n")
    return 0 if total <= LIMIT_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
