"""Fashion-MNIST's four files: found, or fetched without asking and without root, and verified.

What arrives is compared with the SHA-256 of the *uncompressed* files (Xiao et al. 2017), so the
publisher's files and Debian's, which are compressed anew, are held to the same content.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cartl.processes import run_within

FILES = {
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
FOLDER = "fashion-mnist"
SYSTEM_FOLDER = Path("/usr/share/datasets") / FOLDER
DEBIAN_PACKAGE = "dataset-fashion-mnist"
PUBLISHERS = (
    "https://fashion-mnist.s3.eu-central-1.amazonaws.com",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
)
CHUNK_BYTES = 1 << 20

Say = Callable[[str], None]
Fetch = Callable[[Path, float], None]


class NotFetched(Exception):
    """This way did not lead to the files; the message says why."""


@dataclass(frozen=True)
class Way:
    """One way to the files: what it is called, and a function that writes them into a folder."""

    name: str
    fetch: Fetch


def find(data_root: Path, system_folder: Path = SYSTEM_FOLDER) -> Path | None:
    """The first folder that holds all four files with the right content."""
    candidates = (
        data_root / FOLDER,
        data_root / system_folder.relative_to("/"),
        system_folder,
    )
    return next((folder for folder in candidates if verified(folder)), None)


def verified(folder: Path) -> bool:
    """True when all four files are there and their content is what was published."""
    return all(_content_digest(folder / name) == digest for name, digest in FILES.items())


def fetch(data_root: Path, seconds: float, say: Say, ways: Sequence[Way] | None = None) -> Path | None:
    """Try each way until one gives verified files in ``data_root``; None when none does.

    All tries together end within ``seconds``. Files are unpacked beside their place and renamed
    into it, so a half-finished try leaves nothing behind.
    """
    deadline = time.monotonic() + seconds
    if (data_root / FOLDER).exists():
        say(f"{data_root / FOLDER} holds something else than the published files; it is left as it is")
        return None
    data_root.mkdir(parents=True, exist_ok=True)
    for way in WAYS if ways is None else ways:
        say(f"fetching Fashion-MNIST: {way.name}")
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=data_root) as temporary:
            try:
                way.fetch(Path(temporary), deadline)
                return _move_into_place(Path(temporary) / FOLDER, data_root / FOLDER)
            except (NotFetched, OSError) as error:
                say(f"  not this way: {error}")
    return None


def _move_into_place(arrived: Path, place: Path) -> Path:
    if not verified(arrived):
        raise NotFetched("what arrived is not the published data set")
    return arrived.rename(place)


def _content_digest(path: Path) -> str | None:
    """SHA-256 of the uncompressed file; None when it is missing or no gzip file."""
    digest = hashlib.sha256()
    try:
        with gzip.open(path) as content:
            while chunk := content.read(CHUNK_BYTES):
                digest.update(chunk)
    except (OSError, EOFError, zlib.error):
        return None
    return digest.hexdigest()


def _from_debian(folder: Path, deadline: float) -> None:
    """`apt-get download` checks the archive's signature; `dpkg-deb -x` only unpacks."""
    log = folder / "log"
    _run(["apt-get", "-q", "download", DEBIAN_PACKAGE], folder, deadline, log)
    package = next(folder.glob(f"{DEBIAN_PACKAGE}_*.deb"), None)
    if package is None:
        raise NotFetched("apt-get brought no package")
    _run(["dpkg-deb", "-x", package.name, "unpacked"], folder, deadline, log)
    unpacked = folder / "unpacked" / SYSTEM_FOLDER.relative_to("/")
    if not unpacked.is_dir():
        raise NotFetched("the package holds no data set where it should")
    unpacked.rename(folder / FOLDER)


def _run(command: Sequence[str], folder: Path, deadline: float, log: Path) -> None:
    if shutil.which(command[0]) is None:
        raise NotFetched(f"there is no {command[0]} here")
    code = run_within(command, deadline - time.monotonic(), log=log, cwd=folder)
    if code is None:
        raise NotFetched(f"{command[0]} did not end in time")
    if code != 0:
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise NotFetched(f"{command[0]} failed ({code}): {said[-1] if said else 'it said nothing'}")


def _from_publisher(base_url: str) -> Fetch:
    """The files one by one, in a process of their own: a name server that is silent holds nothing up."""

    def download(folder: Path, deadline: float) -> None:
        (folder / FOLDER).mkdir()
        command = [sys.executable, "-m", "cartl.download", base_url, str(folder / FOLDER), *FILES]
        _run(command, folder, deadline, folder / "log")

    return download


WAYS = (
    Way(f"Debian's package {DEBIAN_PACKAGE}, unpacked into the data directory", _from_debian),
    *(Way(base_url, _from_publisher(base_url)) for base_url in PUBLISHERS),
)
