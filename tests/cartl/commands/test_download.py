"""`cartl download` from a service of a few lines: what comes is proven, gone on with, never written over."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cartl.http.problems import NotUsable, ServiceError
from cartl.main import app

FILES = {
    "student.safetensors": b"weights" * 100,
    "student.onnx": b"graph" * 5000,
    "classes.json": b'["a"]',
    "student.cifar-resnet.safetensors": b"state dict",
    "student.pt2": b"program",
    "model-card.md": b"# card",
    "robustbench.json": b"{}",
    "report.json": b"{}",
}


@dataclass
class Store:
    url: str = ""
    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    served: dict[str, bytes] = field(default_factory=dict)
    """Instead of a file's own bytes."""
    cut_after: int | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range of each request."""
    state: str = "succeeded"


def _handler(store: Store) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            store.asked.append((self.path, self.headers.get("Range")))
            if self.path == "/jobs/j1":
                self._json({"id": "j1", "state": store.state})
            elif self.path == "/jobs/j1/artifacts":
                listed = [
                    {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                    for name, data in store.files.items()
                ]
                self._json({"data": listed})
            else:
                self._file(self.path.rpartition("/")[2])

        def _json(self, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _file(self, name: str) -> None:
            tag = f'"{hashlib.sha256(store.files[name]).hexdigest()}"'
            data, start = store.served.get(name, store.files[name]), 0
            if self.headers.get("Range") and self.headers.get("If-Range") == tag:
                start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if start else 200)
            self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            self.wfile.write(data[start : store.cut_after])
            self.close_connection = True

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made))
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


def download(store: Store, out: Path, *arguments: str) -> Any:
    command = ["download", "j1", "--out", str(out), "--url", store.url, *arguments]
    return CliRunner().invoke(app, command)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("onnx", {"student.onnx", "classes.json"}),
        ("pt2", {"student.pt2"}),
        ("safetensors", {"student.safetensors"}),
        ("layout", {"student.cifar-resnet.safetensors"}),
        ("card", {"model-card.md", "robustbench.json"}),
        ("all", set(FILES)),
    ],
)
def test_the_files_of_a_format(store: Store, tmp_path: Path, kind: str, names: set[str]) -> None:
    result = download(store, tmp_path / "new", "--format", kind)
    assert result.exit_code == 0, result.output
    assert {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()} == {
        name: FILES[name] for name in names
    }
    assert all(name in result.stdout for name in names)


def test_a_format_that_there_is_not(store: Store, tmp_path: Path) -> None:
    assert download(store, tmp_path, "--format", "gguf").exit_code == 2
    del store.files["student.pt2"]
    withheld = download(store, tmp_path, "--format", "pt2")
    assert isinstance(withheld.exception, NotUsable)
    assert "withheld" in str(withheld.exception)
    store.state = "running"
    assert "running" in str(download(store, tmp_path, "--format", "pt2").exception)


def test_a_download_that_broke_off_goes_on(store: Store, tmp_path: Path) -> None:
    store.cut_after = 9000
    broken = download(store, tmp_path, "--format", "onnx")
    assert broken.exit_code != 0
    assert not (tmp_path / "student.onnx").exists()
    assert 0 < (tmp_path / ".student.onnx.part").stat().st_size <= 9000
    got = (tmp_path / ".student.onnx.part").stat().st_size
    store.cut_after, store.asked = None, []
    assert download(store, tmp_path, "--format", "onnx").exit_code == 0
    assert (tmp_path / "student.onnx").read_bytes() == FILES["student.onnx"]
    assert ("/jobs/j1/artifacts/student.onnx", f"bytes={got}-") in store.asked
    assert not (tmp_path / ".student.onnx.part").exists()


def test_the_rest_of_another_file_is_not_joined_to_it(store: Store, tmp_path: Path) -> None:
    """A retry of the job may have written another network meanwhile."""
    (tmp_path / ".student.pt2.part").write_bytes(b"xyz")
    store.files["student.pt2"] = b"another program"
    assert isinstance(download(store, tmp_path, "--format", "pt2").exception, NotUsable)
    assert download(store, tmp_path, "--format", "pt2").exit_code == 0
    assert (tmp_path / "student.pt2").read_bytes() == b"another program"


def test_a_file_that_is_there(store: Store, tmp_path: Path) -> None:
    assert download(store, tmp_path, "--format", "pt2").exit_code == 0
    store.asked = []
    again = download(store, tmp_path, "--format", "pt2")
    assert (again.exit_code, "was there" in again.stdout) == (0, True)
    assert not [path for path, _ in store.asked if path.endswith("student.pt2")]
    (tmp_path / "student.pt2").write_bytes(b"mine")
    refused = download(store, tmp_path, "--format", "pt2")
    assert isinstance(refused.exception, NotUsable)
    assert (tmp_path / "student.pt2").read_bytes() == b"mine"


def test_what_is_damaged_on_the_way_is_not_kept(store: Store, tmp_path: Path) -> None:
    store.served["student.pt2"] = b"progrom"
    assert isinstance(download(store, tmp_path, "--format", "pt2").exception, NotUsable)
    assert list(tmp_path.iterdir()) == []
    store.served["student.pt2"] = b"program and more"
    assert isinstance(download(store, tmp_path, "--format", "pt2").exception, ServiceError)


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", "", "a\nb"])
def test_a_name_that_is_no_file_s_is_refused(store: Store, tmp_path: Path, name: str) -> None:
    store.files = {name: b"x"}
    assert isinstance(download(store, tmp_path).exception, ServiceError)
    assert list(tmp_path.iterdir()) == []
