"""Processes that cannot use what they were given end in a line that says so, not in a trace."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import api.__main__
import jobs.__main__
import worker.__main__
from jobs.entry import ending_in_words

MAINS: dict[str, tuple[Callable[[], int], list[str]]] = {
    "api": (api.__main__.main, []),
    "worker": (worker.__main__.main, []),
    "jobs check": (jobs.__main__.main, ["check"]),
    "jobs migrate": (jobs.__main__.main, ["migrate"]),
    "jobs keys create": (jobs.__main__.main, ["keys", "create"]),
    "jobs prune": (jobs.__main__.main, ["prune"]),
}
SETTINGS = {
    "no number": ({"CARTL_SLOTS": "s3cret"}, "CARTL_SLOTS"),
    "not finite": ({"CARTL_LEASE_SECONDS": "inf"}, "CARTL_LEASE_SECONDS"),
    "no choice": ({"CARTL_LOG_FORMAT": "s3cret"}, "CARTL_LOG_FORMAT"),
    "no database": ({"CARTL_DATABASE_URL": "mysql://u:s3cret@h/d"}, "CARTL_DATABASE_URL"),
    "no URL": ({"CARTL_DATABASE_URL": "s3cret"}, "CARTL_DATABASE_URL"),
    "no port": ({"CARTL_BROKER_URL": "redis://:s3cret@h:x"}, "CARTL_BROKER_URL"),
    "no folder": ({"CARTL_DATA_DIR": "FILE"}, "FILE"),
    "no folder either": ({"CARTL_DATA_DIR": "FILE/inside"}, "FILE"),
    "nobody's home": ({"CARTL_STAGES_DIR": "~no-such-user/x"}, "CARTL_*_DIR"),
}


@pytest.mark.parametrize("case", SETTINGS)
@pytest.mark.parametrize("name", MAINS)
def test_what_cannot_be_used_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, case: str
) -> None:
    file = tmp_path / "FILE"
    file.write_text("")
    main, arguments = MAINS[name]
    given, said = SETTINGS[case]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    for variable, value in given.items():
        monkeypatch.setenv(variable, value.replace("FILE", str(file)))
    assert ending_in_words(main) == 1
    told = capsys.readouterr().err
    assert said in told and "s3cret" not in told and "Traceback" not in told
    assert len(told.splitlines()) == 1
