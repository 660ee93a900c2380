"""No argument, file, variable or answer of a server ends the command in a trace, and none shows a key."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cartl.adding
import cartl.client
import cartl.http.patience
import cartl.main
import cartl.run_log
import cartl.show
import cartl.sweep
from cartl.exit_codes import MEANINGS
from cartl.main import app, main
from tests.cartl.arguments import (
    ADDRESSES,
    COMMANDS,
    FILES,
    KEYS,
    OF_RESOURCES,
    OPTIONS,
    SECRET,
    TEXTS,
    WITHOUT_ARGUMENTS,
)
from tests.cartl.raw_server import RawServer
from tests.cartl.server_answers import ANSWERS

COMMAND = typer.main.get_command(app)
"""Made once: that takes longer than most of what follows."""


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    server = RawServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name, content in {
        "binary": bytes(range(256)),
        "empty": b"",
        "deep": b"[" * 200_000,
        "nan": b'{"dataset": "digits", "freeze_depth": NaN}',
        "twice": b'{"dataset": "digits", "dataset": "mnist"}',
        "half": b'{"name": "\\ud800", "dataset": "digits", "freeze_depth": 1}',
        "huge": b'{"seed": 1e999}',
        "list": b"[]",
        "mark": b'\xef\xbb\xbf{"dataset": "digits", "freeze_depth": 1}',
        "good": b'{"dataset": "digits", "freeze_depth": 1, "grid": {}}',
    }.items():
        (folder / name).write_bytes(content)
    (folder / "folder").mkdir()
    (folder / "circle").symlink_to(folder / "circle")
    return folder


@pytest.fixture(autouse=True, scope="module")
def impatient() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cartl.adding, "PAUSE_SECONDS", 0.0)
        patch.setattr("webbrowser.open", lambda page: False)
        for module in (cartl.show, cartl.sweep, cartl.adding, cartl.run_log):
            patch.setattr(module, "POLL_SECONDS", 0.0)
        patch.setattr(cartl.http.patience, "AWAY_SECONDS", 0.0)
        patch.setattr(cartl.http.patience, "PAUSES", (0.0,))
        patch.setattr(cartl.client, "RECONNECT_SECONDS", 0.0)
        yield


def run(arguments: list[str], capsys: Any, **environment: str) -> tuple[int, str]:
    """Exit code and all that was said; any exception but the end of the program comes out of here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["cartl", *arguments])
        patch.setattr(cartl.main, "app", COMMAND)
        for name in [name for name in os.environ if name.startswith("CARTL_")]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr("signal.signal", lambda number, handler: None)
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    said = capsys.readouterr()
    text = said.out + said.err
    assert "Traceback" not in text
    assert SECRET not in text
    assert code in MEANINGS
    assert code == 0 or text.strip()
    return code, text


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_argument(files: Path, capsys: Any, data: st.DataObject) -> None:
    command = data.draw(COMMANDS)
    arguments = command.split()
    if command not in WITHOUT_ARGUMENTS and "list" not in arguments and "--over-http" not in arguments:
        for _ in range(1 + (command == "compare")):
            name = data.draw(st.sampled_from(FILES))
            arguments.append(data.draw(st.sampled_from([str(files / name), name])))
    if command == "priority":
        arguments.append(data.draw(st.sampled_from(["-3", "11", "9" * 5000, "x", "\udcff", "--"])))
    if "--over-http" in arguments:
        arguments += [
            "--owner",
            data.draw(st.sampled_from(TEXTS)),
            "--scope",
            data.draw(st.sampled_from(TEXTS)),
        ]
    arguments += data.draw(st.sampled_from([[], ["--json"], ["--quiet"]]))
    if command.startswith("logs") and "--quiet" in arguments:
        arguments.remove("--quiet")
    if command in ("submit", "evaluate"):
        for option in data.draw(st.sets(st.sampled_from(list(OPTIONS)), max_size=3)):
            arguments += [option, data.draw(st.sampled_from(OPTIONS[option]))]
    if "share" in arguments:
        arguments.append(data.draw(st.sampled_from(["bob", "", "\udcff", "../x", "a" * 300])))
    if "add" in arguments:
        for option in data.draw(st.sets(st.sampled_from(list(OF_RESOURCES)), max_size=3)):
            arguments += [option, *data.draw(st.sampled_from(OF_RESOURCES[option])).split(" ")]
    environment = {}
    address, key = data.draw(ADDRESSES), data.draw(KEYS)
    if data.draw(st.booleans()) or "\x00" in address + key:
        arguments += ["--url", address, "--key", key]
    else:
        environment = {"CARTL_URL": address, "CARTL_KEY": key}
    run(arguments, capsys, **environment)


ASKING: list[list[str]] = [
    *(
        ["jobs"],
        ["watch", "j1"],
        ["watch", "j1", "--json"],
        ["cancel", "j1"],
        ["retry", "j1"],
        ["report", "j1"],
    ),
    *([name] for name in ("models", "methods", "workers", "open")),
    *(["priority", "j1", "-2"], ["delete", "j1", "--yes"], ["delete", "j1", "j2", "--json", "--yes"]),
    *(["keys", "list"], ["keys", "create", "--over-http"], ["keys", "revoke", "k1"]),
    *(["keys", "rotate", "k1"], ["audit"], ["audit", "--json"]),
    *(["show", "j1"], ["open", "j1"], ["logs", "j1"], ["logs", "j1", "-f"], ["logs", "j1", "--json"]),
    *(["compare", "j1", "j2"], ["compare", "j1", "j2", "--csv"], ["report", "j1", "--quiet"]),
    *(["submit", "good", "--yes", "--watch", "--quiet"], ["submit", "good", "--json"]),
    *(
        ["report", "j1", "--format", "json"],
        ["sweep", "s1"],
        ["submit", "good"],
        ["submit", "good", "--watch"],
    ),
    *(["submit", "good", "--dry-run"], ["sweep", "good"], ["sweep", "good", "--dry-run"]),
    *([group, "list"] for group in ("datasets", "teachers")),
    *([group, "list", "--json", "--shared"] for group in ("datasets", "teachers")),
    *([group, "show", "x"] for group in ("datasets", "teachers")),
    *([group, "delete", "x"] for group in ("datasets", "teachers")),
    *([group, "share", "x", "bob"] for group in ("datasets", "teachers")),
    *([group, "add", "binary"] for group in ("datasets", "teachers")),
    *([group, "add", "binary", "--no-wait", "--json"] for group in ("datasets", "teachers")),
    *(["datasets", "add", "--root", "/srv/a"], ["datasets", "add", "folder"]),
    *(["evaluate", "binary", "--dataset", "digits"], ["evaluate", "j1", "--dataset", "digits", "--watch"]),
]


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(arguments=st.sampled_from(ASKING), answer=ANSWERS)
def test_any_answer(server: RawServer, files: Path, capsys: Any, arguments: list[str], answer: bytes) -> None:
    server.answer, server.asked = answer, 0
    named = [str(files / part) if (files / part).exists() else part for part in arguments]
    run([*named, "--url", server.url, "--key", SECRET], capsys)


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["up", "--data-dir", "binary"], {}, "binary"),
        (["up", "--data-dir", "binary/inside"], {}, "Not a directory"),
        (["up", "--data-dir", "circle"], {}, "circle"),
        (["demo", "--data-dir", "binary"], {}, "binary"),
        (["up"], {"CARTL_DATA_DIR": "binary"}, "binary"),
        (["up", "--data-dir", "fresh"], {"CARTL_STOP_GRACE_SECONDS": "soon"}, "CARTL_STOP_GRACE_SECONDS"),
        (["up", "--data-dir", "fresh"], {"CARTL_STOP_GRACE_SECONDS": "nan"}, "CARTL_STOP_GRACE_SECONDS"),
        (["up", "--data-dir", "fresh", "--host", "a" * 70], {}, "--host"),
        (["up", "--data-dir", "fresh", "--host", "1.2.3.4.5"], {}, "cannot listen"),
        (["up", "--data-dir", "fresh", "--port", "0"], {"CARTL_SLOTS": "many"}, "CARTL_SLOTS"),
        (["up", "--data-dir", "fresh", "--port", "x"], {}, "--port"),
    ],
)
def test_up_says_what_it_cannot_use(
    files: Path, capsys: Any, arguments: list[str], environment: dict[str, str], said: str
) -> None:
    paths = {"binary", "binary/inside", "circle", "fresh"}
    named = [str(files / part) if part in paths else part for part in arguments]
    given = {name: str(files / value) if value in paths else value for name, value in environment.items()}
    code, text = run(named, capsys, **given)
    assert code != 0 and said in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["evaluate", "/missing.safetensors", "--dataset", "digits"],
            "there is no file /missing.safetensors",
        ),
        (["sweep", "missing.json"], "there is no file missing.json"),
        (["submit", "/missing.json"], "/missing.json cannot be read: No such file or directory"),
        (["jobs", "--key", f"{SECRET}\n"], "a blank or a line break"),
        (["jobs", "--url", "127.0.0.1:8000"], "http://HOST:PORT"),
        (["cancel", "../keys"], "is no id"),
    ],
)
def test_what_was_given_wrongly_is_said_in_its_own_words(
    capsys: Any, arguments: list[str], said: str
) -> None:
    code, text = run(arguments, capsys)
    assert code != 0 and said in text
