"""Fetching: from a server, from a package, from nowhere; never a half-written data set."""

from __future__ import annotations

import functools
import hashlib
import http.server
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cartl_core.compat import debian
from cartl_core.compat.torchvision_import import import_torchvision
from cartl_core.data import download as fetch
from cartl_core.data import fetch_dataset, load
from cartl_core.errors import DatasetMissing
from cartl_core.spec import DataSpec, ModelSpec

WriteIdx = Callable[..., None]
MODEL = ModelSpec(name="tiny", image_size=28, channels=1)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def publisher(tmp_path: Path, write_idx: WriteIdx, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server on loopback that publishes a small MNIST; the folder that it serves."""
    folder = tmp_path / "published"
    write_idx(folder)
    handler = functools.partial(Quiet, directory=str(folder))
    mnist = import_torchvision().datasets.MNIST
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        sums = [(path.name, hashlib.md5(path.read_bytes()).hexdigest()) for path in sorted(folder.iterdir())]
        monkeypatch.setattr(mnist, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        monkeypatch.setattr(mnist, "resources", sums)
        yield folder
        server.shutdown()
        thread.join()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "root"


def remains(root: Path) -> list[str]:
    return [path.name for path in root.iterdir()] if root.exists() else []


def test_a_missing_data_set_is_fetched_when_it_is_loaded(publisher: Path, root: Path) -> None:
    loaded = load(DataSpec(name="mnist"), MODEL, data_root=root, seed=0)
    assert (len(loaded.train), len(loaded.validation), len(loaded.test)) == (54, 6, 20)
    assert remains(root) == ["MNIST"]
    assert fetch_dataset("mnist", root) == "mnist is already there"


def test_without_leave_nothing_is_fetched(publisher: Path, root: Path) -> None:
    with pytest.raises(DatasetMissing, match="downloading is switched off"):
        load(DataSpec(name="mnist"), MODEL, data_root=root, seed=0, download=False)
    assert not root.exists()


def test_files_with_wrong_checksums_do_not_arrive(publisher: Path, root: Path) -> None:
    (publisher / "train-labels-idx1-ubyte.gz").write_bytes(b"<html>log in first</html>")
    with pytest.raises(DatasetMissing) as caught:
        load(DataSpec(name="mnist"), MODEL, data_root=root, seed=0)
    assert remains(root) == []
    message = str(caught.value)
    assert "MNIST/raw/{train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz]" in message
    assert "python -m cartl_core fetch mnist --data-root DIR" in message
    assert str(root) not in message
    assert caught.value.reason == "dataset_missing"
    assert caught.value.values["command"] == "python -m cartl_core fetch mnist --data-root DIR"


def test_a_server_that_says_nothing_is_given_up(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fetch.PATIENCE_SECONDS + debian.APT_SECONDS <= 30
    monkeypatch.setattr(fetch, "PATIENCE_SECONDS", 0.6)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mnist = import_torchvision().datasets.MNIST
        monkeypatch.setattr(mnist, "mirrors", [f"http://127.0.0.1:{silent.getsockname()[1]}/"])
        start = time.monotonic()
        with pytest.raises(DatasetMissing, match="nothing arrived"):
            load(DataSpec(name="mnist"), MODEL, data_root=root, seed=0)
        assert time.monotonic() - start < 60
    assert remains(root) == []


def test_a_slow_server_is_waited_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PATIENCE_SECONDS", 3.0)

    def trickle(datasets: object, folder: Path) -> None:
        for part in range(8):
            (folder / f"part{part}").write_text("x")
            time.sleep(0.5)

    monkeypatch.setitem(fetch.DOWNLOADS, "mnist", trickle)
    assert fetch.download("mnist", root) is None
    assert len(remains(root)) == 8


def test_fetched_folders_join_those_that_are_there(publisher: Path, root: Path) -> None:
    (root / "MNIST").mkdir(parents=True)
    (root / "MNIST" / "notes.txt").write_text("mine")
    assert fetch_dataset("mnist", root) == "mnist was fetched from its publishers"
    assert sorted(path.name for path in (root / "MNIST").iterdir()) == ["notes.txt", "raw"]


def test_a_data_root_that_is_a_file_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("")
    with pytest.raises(DatasetMissing, match="cannot be written"):
        fetch_dataset("mnist", tmp_path / "root")


class Recorder:
    """Stands for ``torchvision.datasets``: what is constructed, with which arguments."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Path, dict[str, object]]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda folder, **arguments: self.made.append((name, folder, arguments))


def test_each_data_set_is_fetched_by_its_class_of_torchvision(tmp_path: Path) -> None:
    found = {}
    for name, download in fetch.DOWNLOADS.items():
        recorder = Recorder()
        download(recorder, tmp_path)
        found[name] = recorder.made
        assert all(hasattr(import_torchvision().datasets, kind) for kind, *_ in recorder.made)
    whole = {"download": True}
    halves = [{"split": split, "download": True} for split in ("train", "test")]
    assert found == {
        "mnist": [("MNIST", tmp_path, whole)],
        "fashion_mnist": [("FashionMNIST", tmp_path, whole)],
        "cifar10": [("CIFAR10", tmp_path, whole)],
        "cifar100": [("CIFAR100", tmp_path, whole)],
        "svhn": [("SVHN", tmp_path / "svhn", half) for half in halves],
        "gtsrb": [("GTSRB", tmp_path, half) for half in halves],
    }


def test_digits_are_always_there(root: Path) -> None:
    assert fetch_dataset("digits", root) == "digits is already there"


def tool(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!{sys.executable}\nimport pathlib, sys\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(datasets: object, folder: Path) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setitem(fetch.DOWNLOADS, "fashion_mnist", unreachable)


@pytest.mark.usefixtures("offline")
def test_debians_package_is_unpacked_into_the_data_root(
    tmp_path: Path, root: Path, write_idx: WriteIdx, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(tmp_path / "package" / "usr/share/datasets/fashion-mnist")
    tools = tmp_path / "bin"
    tool(
        tools,
        "apt-get",
        "assert sys.argv[-2:] == ['download', 'dataset-fashion-mnist']\n"
        "pathlib.Path('dataset-fashion-mnist_0_all.deb').write_text('')",
    )
    tool(
        tools,
        "dpkg-deb",
        "import shutil\nassert sys.argv[1:] == ['-x', 'dataset-fashion-mnist_0_all.deb', '.']\n"
        f"shutil.copytree({str(tmp_path / 'package')!r}, '.', dirs_exist_ok=True)",
    )
    monkeypatch.setenv("PATH", str(tools))
    assert fetch_dataset("fashion_mnist", root) == "fashion_mnist was fetched from Debian's archive"
    assert remains(root) == ["usr"]
    loaded = load(DataSpec(name="fashion_mnist"), MODEL, data_root=root, seed=0, download=False)
    assert len(loaded.test) == 20


@pytest.mark.usefixtures("offline")
def test_every_way_that_failed_is_told(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(DatasetMissing, match=r"publishers: Name or service not known; .*not a Debian system"):
        fetch_dataset("fashion_mnist", root)
    tool(tools, "apt-get", "sys.exit('E: Unable to locate package dataset-fashion-mnist')")
    tool(tools, "dpkg-deb", "")
    with pytest.raises(DatasetMissing, match="E: Unable to locate package"):
        fetch_dataset("fashion_mnist", root)
    assert remains(root) == []
