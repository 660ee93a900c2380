"""``python -m tests.hostile ARGUMENTS``: pytest on two machines that are set up as badly as can be.

No verdict may differ from that of a plain machine.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

CLOSED = "http://127.0.0.1:9"
"""The discard port, at which nobody listens."""


@dataclass(frozen=True)
class Machine:
    umask: int
    locale: str


MACHINES = {
    "closed": Machine(umask=0o077, locale="tr_TR.UTF-8"),
    "open": Machine(umask=0o000, locale="POSIX"),
}
NONSENSE = {
    "CARTL_DATA_DIR": "/nowhere",
    "CARTL_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing",
    "CARTL_BROKER_URL": "redis://127.0.0.1:9/0",
    "CARTL_PORT": "1",
    "CARTL_LEASE_SECONDS": "never",
    "CARTL_LOG_FORMAT": "nonsense",
    "CARTL_URL": CLOSED,
    "CARTL_UNKNOWN": "1",
    "PGHOST": "/nowhere",
    "PGUSER": "nobody",
    "MPLBACKEND": "nonsense",
    "FORWARDED_ALLOW_IPS": "*",
    "WEB_CONCURRENCY": "64",
    "COLUMNS": "7",
    "NO_COLOR": "1",
    "FORCE_COLOR": "1",
    "TZ": "Pacific/Chatham",
    **{f"{name}_proxy": CLOSED for name in ("http", "https", "all")},
    **{f"{name}_PROXY": CLOSED for name in ("HTTP", "HTTPS", "ALL")},
}


def environment(machine: Machine, folder: Path) -> dict[str, str]:
    """What the machine has set; its home, which is read-only, and its data sets are made in ``folder``."""
    home, share = folder / "home", folder / "share"
    home.mkdir(mode=0o500, parents=True)
    _install_fashion_mnist(share / "datasets" / "fashion-mnist")
    own = {"HOME": str(home), "XDG_DATA_DIRS": str(share), "XDG_CACHE_HOME": str(folder / "cache")}
    return os.environ | NONSENSE | own | {"LC_ALL": machine.locale, "LANG": machine.locale}


def _install_fashion_mnist(folder: Path) -> None:
    """Files as of Debian's package, readable and of another content: black images of class 0."""
    folder.mkdir(parents=True)
    for part, count in (("train", 60_000), ("t10k", 10_000)):
        for kind, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            sizes = b"".join(size.to_bytes(4, "big") for size in shape)
            values = bytes(count * (28 * 28 if len(shape) == 3 else 1))
            packed = gzip.compress(bytes((0, 0, 8, len(shape))) + sizes + values, 1)
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(packed)


def main(arguments: list[str]) -> int:
    """Both machines at once, each in one process; what they find is printed one after the other."""
    with ExitStack() as stack:
        started = []
        for name, machine in MACHINES.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cartl-hostile-")))
            output = stack.enter_context((folder / "output").open("w+b"))
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *arguments],
                env=environment(machine, folder),
                umask=machine.umask,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            started.append((name, process, output))
        worst = 0
        for name, process, output in started:
            code = process.wait()
            sys.stderr.write(f"machine {name!r}: {MACHINES[name]}\n")
            output.seek(0)
            sys.stderr.write(output.read().decode(errors="replace"))
            worst = max(worst, abs(code))
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
