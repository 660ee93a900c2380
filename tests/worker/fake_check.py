"""A check that looks at nothing: `fake_check.py NAME --order ORDER ... --out OUT`; its order says which."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

FOUND = {"state": "ready", "found": {"fingerprint": "f" * 64}}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    for name in ("--order", "--out", "--content", "--root", "--data-root", "--pack"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--no-download", action="store_true")
    return parser.parse_args()


ASKED = options()
OUT: Path = ASKED.out
ORDER: dict[str, str] = json.loads(ASKED.order.read_text())


def progress(fraction: float) -> None:
    told = {"type": "progress", "stage": "pretrain", "label": "check", "fraction": fraction}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def result(value: object) -> None:
    (OUT / "result.json").write_text(json.dumps(value))


def pack(content: bytes) -> None:
    (OUT / "pack").mkdir()
    (OUT / "pack/index.json").write_bytes(content)


def ready() -> None:
    """What it was given is what it keeps; the order may name another process's id file."""
    progress(0.5)
    content = ASKED.content.read_bytes() if ASKED.content else str(ASKED.root).encode()
    if ASKED.name == "verify-teacher":
        (OUT / "network.safetensors").write_bytes(content)
    else:
        pack(content)
    result(FOUND)


def rejected() -> None:
    result({"state": "rejected", "reason": "too_few_images", "message": "two images"})


def facts() -> None:
    """Say how it was started."""
    threads = {name: value for name, value in os.environ.items() if name.endswith("_NUM_THREADS")}
    told = {
        "arguments": sys.argv[1:],
        "threads": threads,
        "nice": os.nice(0),
        "settings": [name for name in os.environ if name.startswith(("AWS_", "CARTL_"))],
        "group": os.getpgid(0) == os.getpid(),
    }
    result({"state": "rejected", "message": json.dumps(told)})


def fails() -> None:
    result(FOUND)
    sys.stderr.write("the archive made me stumble\n")
    sys.exit(1)


def hangs() -> None:
    """Say that it runs, with a process of its own, and stay."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    progress(0.25)
    Path(ORDER["pids"]).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600)


def killed_twice() -> None:
    """Two attempts are killed, the third one succeeds."""
    if int(OUT.name) < 3:
        os.kill(os.getpid(), signal.SIGKILL)
    ready()


def chatters() -> None:
    for _ in range(100):
        sys.stdout.write("no event " * 5000 + "\n")
        sys.stderr.write("a word " * 5000 + "\n")
    rejected()


def swallows_memory() -> None:
    held = bytearray(400 * 1024**2)
    held[::4096] = b"x" * len(held[::4096])
    time.sleep(600)


def nothing() -> None:
    pass


def no_json() -> None:
    (OUT / "result.json").write_text('{"state": NaN}')


def endless() -> None:
    (OUT / "result.json").write_text("[" * 10_000_000)


def no_object() -> None:
    result([1])


def no_state() -> None:
    result({"found": None})


def no_pack() -> None:
    result(FOUND)


def linked() -> None:
    pack(b"1")
    (OUT / "pack/link").symlink_to("/etc/passwd")
    result(FOUND)


globals()[ORDER["play"]]()
