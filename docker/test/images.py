"""The base images, where no image registry is reached: Debian's packages under the same names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from commands import Failed, run, say
from engine import Engine, unmount_below

SUITE = "bookworm"  # its python3 is 3.11, as in the image that the Dockerfile names
PACKAGES = ("ca-certificates", "python3", "python3-pip", "python3-venv")
BASE = "base:local"
STAND_INS = Path(__file__).parent / "stand-ins"
CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")
FIRST_IMAGE = re.compile(r"^ARG PYTHON_IMAGE=(\S+)$", re.MULTILINE)


def named(services: dict[str, dict[str, object]], dockerfile: Path) -> list[str]:
    """The images that somebody else publishes: of services that are not built, and below the built ones."""
    published = {str(service["image"]) for service in services.values() if "build" not in service}
    return sorted(published | {base_image(dockerfile)})


def base_image(dockerfile: Path) -> str:
    """The image that ours are made from, unless somebody names another one."""
    (name,) = FIRST_IMAGE.findall(dockerfile.read_text())
    return str(name)


def make_stand_ins(engine: Engine, directory: Path, names: list[str], pip_settings: dict[str, str]) -> None:
    """Make a stand-in for each name on an engine that this test has made."""
    assert engine.made is not None
    say(f"Making a base image of Debian {SUITE} and, on it, {', '.join(names)}.")
    with _root(directory / "root") as root:
        _bootstrap(engine.made, root, engine.env)
        _settle(root, pip_settings)
        _import(engine, root)
    for name in names:
        target = name.partition(":")[0]
        engine.docker(
            *("build", "--network", "host", "--target", target, "--tag", name, STAND_INS), seconds=900
        )
    say("The base images are there.")


@contextmanager
def _root(root: Path) -> Iterator[Path]:
    """A folder in memory: dpkg waits for the disk after every file."""
    root.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "mode=0755,size=2g", "cartl-test", root], seconds=30)
    try:
        yield root
    finally:
        # With what debootstrap mounts in it, should it have been interrupted: /proc is not to be emptied.
        unmount_below(root)


def _bootstrap(tree: Path, root: Path, env: dict[str, str]) -> None:
    own = {"PATH": env["PATH"], "DEBOOTSTRAP_DIR": str(tree / "usr/share/debootstrap")}
    include = f"--include={','.join(PACKAGES)}"
    run(["debootstrap", "--variant=minbase", include, SUITE, root], env=own, seconds=1500)


def _settle(root: Path, pip_settings: dict[str, str]) -> None:
    """What belongs to this machine and to no shipped file: its certificate authorities, its packages."""
    own = os.environ.get("SSL_CERT_FILE")
    if own:
        shutil.copyfile(own, root / CERTIFICATES)
    lines = [f"{name} = {value}" for name, value in pip_settings.items()]
    (root / "etc/pip.conf").write_text("\n".join(["[global]", *lines, ""]))
    (root / "etc/dpkg/dpkg.cfg.d/fast").write_text("force-unsafe-io\n")
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)


def _import(engine: Engine, root: Path) -> None:
    pack = ["tar", "-C", str(root), "--exclude=./var/cache/apt/archives/*.deb", "-c", "."]
    with subprocess.Popen(pack, stdout=subprocess.PIPE) as tar:
        done = subprocess.run(
            ["docker", "import", "-", BASE],
            env={**os.environ, **engine.env},
            stdin=tar.stdout,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    if tar.returncode or done.returncode:
        raise Failed(f"docker import: {done.stderr}")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def wheels_served(directory: Path | None) -> Iterator[dict[str, str]]:
    """Serve a folder of wheels to the builds, on loopback; yields what pip must be told."""
    if directory is None:
        yield {}
        return
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(directory)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {"find-links": f"http://127.0.0.1:{server.server_address[1]}/"}
    finally:
        server.shutdown()
        server.server_close()
