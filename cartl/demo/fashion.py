"""Fashion-MNIST's files: found, or fetched without asking and without root, and verified.

The library does the fetching, in a process of its own that can be ended in the middle of a name
lookup. What arrives is compared with the SHA-256 of the *uncompressed* files (Xiao et al. 2017),
so the publisher's files and Debian's, which are compressed anew, are held to the same content.
"""

from __future__ import annotations

import gzip
import hashlib
import sys
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from cartl.serving.processes import run_within
from cartl_core.compat import debian

DIGESTS = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
FOLDER = "fashion-mnist"
# Where the library looks below the data root, in its order.
PLACES = (FOLDER, "fashion_mnist", "FashionMNIST/raw", debian.FASHION_MNIST)
FETCH = (sys.executable, "-m", "cartl_core", "fetch", "fashion_mnist", "--data-root")
CHUNK_BYTES = 1 << 20


class NotFetched(Exception):
    """The files could not be had; the message says why."""


def find(data_root: Path) -> Path | None:
    """The first folder that holds all four files, plain or as .gz, with the published content."""
    candidates = (*(data_root / place for place in PLACES), *debian.installed("fashion-mnist"))
    return next((folder for folder in candidates if verified(folder)), None)


def verified(folder: Path) -> bool:
    """True when all four files are there and their content is what was published."""
    return all(
        digest in (_digest(folder / name), _digest(folder / f"{name}.gz")) for name, digest in DIGESTS.items()
    )


def fetch(data_root: Path, seconds: float, command: Sequence[str] = FETCH) -> Path:
    """Get the files into ``data_root`` within ``seconds``; returns their folder.

    They arrive in a temporary folder and are renamed into place once they are verified, so a try
    that fails or is cut off leaves nothing behind.

    Raises:
        NotFetched: they did not arrive, not in time, or are not the published ones.
    """
    place = data_root / FOLDER
    if place.exists():
        raise NotFetched(f"{place} holds something else, which is left as it is")
    try:
        data_root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=data_root) as temporary:
            root = Path(temporary)
            _run([*command, str(root)], seconds, root / "log")
            arrived = next((root / name for name in PLACES if verified(root / name)), None)
            if arrived is None:
                raise NotFetched("what arrived is not the published data set")
            return arrived.rename(place)
    except OSError as error:
        raise NotFetched(f"{data_root} cannot be written ({error.strerror})") from error


def _run(command: Sequence[str], seconds: float, log: Path) -> None:
    code = run_within(command, seconds, log=log)
    if code is None:
        raise NotFetched(f"nothing complete had arrived after {seconds:.0f} seconds")
    if code != 0:
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        # The first sentence says why; the rest tells a person what to do, and the demo goes on by itself.
        raise NotFetched(said[-1].partition(". ")[0] if said else f"exit code {code}")


def _digest(path: Path) -> str | None:
    """SHA-256 of a file's content, uncompressed when its name ends in .gz; None when it has none."""
    digest = hashlib.sha256()
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as content:
            while chunk := content.read(CHUNK_BYTES):
                digest.update(chunk)
    except (OSError, EOFError, zlib.error):
        return None
    return digest.hexdigest()
