"""The command: exit codes, events, orders, and a killed process that loses nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cartl_core.__main__ import main
from cartl_core.commands import run as run_command
from cartl_core.errors import ResumeMismatch
from cartl_core.storage.stage_result import read_result
from tests.core.run.conftest import REQUEST


def arguments(spec: Path, out: Path, *more: str) -> list[str]:
    return [
        "run",
        str(spec),
        "--out",
        str(out),
        "--data-root",
        str(out / "data"),
        "--progress",
        "jsonl",
        "--threads",
        "1",
        "--checkpoint-seconds",
        "0",
        *more,
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("no json", "spec"),
        ({"dataset": "digits"}, "freeze_depth"),
        (REQUEST | {"freeze_depth": 99}, "allowed: 1 to 4"),
        (REQUEST | {"device": "cuda"}, "device"),
    ],
)
def test_a_wrong_specification_is_exit_2(
    write: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: Any, said: str
) -> None:
    assert main(arguments(write(content), tmp_path / "out")) == 2
    printed = capsys.readouterr()
    last = json.loads(printed.out.splitlines()[-1])
    assert (last["type"], last["reason"]) == ("failed", "spec_invalid")
    assert said in last["message"]
    assert said in printed.err


UNUSABLE: dict[str, tuple[bytes | None, list[str], str]] = {
    "missing": (None, [], "cannot be read"),
    "binary": (bytes(range(256)), [], "UTF-8"),
    "deep": (b"[" * 100_000, [], "nested"),
    "not a number": (b'{"dataset": "digits", "freeze_depth": NaN}', [], "freeze_depth"),
    "a key twice": (b'{"dataset": "digits", "dataset": "mnist", "freeze_depth": 1}', [], "twice"),
    "a list": (b"[]", [], "spec: an object is expected"),
    "a kind of its own": (b'{"kind": [1]}', [], "kind"),
    "out is a file": (None, ["--out", "FILE"], "out"),
    "stages lie in a file": (None, ["--stages", "FILE/inside"], "stages"),
    "a network that is missing": (
        b'{"kind": "evaluate", "dataset": "digits", "network": {}}',
        ["--network", "missing.safetensors"],
        "missing.safetensors cannot be read",
    ),
    "a runtime of another kind": (None, ["--runtime", "FILE"], "runtime"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_cannot_be_read_or_written_is_exit_2_and_no_trace(
    write: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    content, more, said = UNUSABLE[case]
    spec = write() if more and content is None else tmp_path / "spec.json"
    if content is not None:
        spec.write_bytes(content)
    file = tmp_path / "FILE"
    file.write_bytes(b"{}")
    assert main(arguments(spec, tmp_path / "out", *(part.replace("FILE", str(file)) for part in more))) == 2
    printed = capsys.readouterr()
    assert said in printed.err and "Traceback" not in printed.err
    assert json.loads(printed.out.splitlines()[-1])["reason"] == "spec_invalid"


def test_a_specification_may_begin_with_a_byte_order_mark(
    write: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "spec.json"
    spec.write_bytes(b"\xef\xbb\xbf" + json.dumps(REQUEST | {"freeze_depth": 99}).encode())
    assert main(arguments(spec, tmp_path / "out")) == 2
    assert "freeze_depth" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    ["--threads", "--checkpoint-seconds", "--silence-limit", "--scratch-bytes", "--feature-cache-bytes"],
)
@pytest.mark.parametrize("value", ["-1", "nan", "x", "1e99", "9" * 5000])
def test_a_number_that_cannot_be_is_refused_by_its_option(
    write: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments(write(), tmp_path / "out"), f"{option}={value}"])
    assert ended.value.code == 2 and option in capsys.readouterr().err


def test_a_job_that_fails_is_exit_1(write: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = REQUEST | {"pretrain": {"lr": 10.0, "epochs": 30, "weight_decay": 1.0}}
    code = main(arguments(write(request), tmp_path / "out"))
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (code, last["type"]) == (1, "failed")
    assert last["reason"] == "loss_not_finite"


def test_a_resolved_specification_and_an_earlier_runtime_are_taken_as_they_are(
    write: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(write(), tmp_path / "one")) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[-1]["type"] == "finished"
    report = json.loads((tmp_path / "one" / "report.json").read_text())
    resolved = write(report["spec"], "resolved.json")
    recorded = write(events[0]["runtime"], "runtime.json")
    options = ("--stages", str(tmp_path / "one" / "stages"), "--runtime", str(recorded), "--threads", "2")
    assert main(arguments(resolved, tmp_path / "two", *options)) == 0
    again = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert again[0]["runtime"] == events[0]["runtime"] | {"stages_at_once": 2}, "threads of a stage stay"
    assert not [event for event in again if event["type"] == "stage_started"]
    report_again = json.loads((tmp_path / "two" / "report.json").read_text())
    assert report_again["spec_digest"] == report["spec_digest"]
    other = write(events[0]["runtime"] | {"torch": "0.1"}, "other.json")
    assert main(arguments(resolved, tmp_path / "three", "--runtime", str(other))) == 0
    warnings = [
        event["message"]
        for event in map(json.loads, capsys.readouterr().out.splitlines())
        if event["type"] == "warned"
    ]
    assert any("torch differ" in message for message in warnings)


def test_human_progress_goes_to_stderr_and_leaves_stdout_empty(
    write: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = arguments(write(), tmp_path / "out")
    command[command.index("jsonl")] = "human"
    assert main(command) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "teacher (fdm): epoch 3 of 3: loss " in printed.err
    assert "student under pgd5:" in printed.err
    assert "Finished in" in printed.err


def test_a_mistake_of_ours_is_told_without_its_words(
    write: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may name files of the machine; the log, which is for whoever runs it, has the trace."""
    hidden = str(tmp_path / "secret")

    def broken(*_: Any, **__: Any) -> None:
        raise KeyError(f"nothing lies at {hidden}")

    monkeypatch.setattr(run_command, "run", broken)
    assert main(arguments(write(), tmp_path / "out")) == 1
    said = capsys.readouterr()
    last = json.loads(said.out.splitlines()[-1])
    assert last == {
        "type": "failed",
        "reason": "internal_error",
        "message": "the program made a mistake; the log has the trace (KeyError)",
    }


def test_a_stage_that_cannot_be_read_is_told_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(ResumeMismatch) as raised:
        read_result(tmp_path / "gone")
    assert str(tmp_path) not in str(raised.value)
    assert "No such file" in str(raised.value)


def test_a_process_ends_at_once_with_its_code_and_all_that_was_said() -> None:
    said = """
import atexit, logging, sys
from cartl_core.compat.end_process import end_process
logging.basicConfig(stream=sys.stderr, format="%(message)s")
atexit.register(print, "taken apart")
sys.stdout.write("told")
logging.warning("logged")
end_process(3)
"""
    ended = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "told", "logged\n")
