from __future__ import annotations

import json
from pathlib import Path

import pytest

from cartl_core.__main__ import main


def test_a_run_that_may_not_download_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"dataset": "mnist", "freeze_depth": 1, "preset": "smoke", "model": "tiny"}))
    options = ["--out", str(tmp_path / "out"), "--data-root", str(tmp_path / "none"), "--progress", "jsonl"]
    code = main(["run", str(spec), *options, "--threads", "1", "--no-download"])
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (code, last["type"], last["reason"]) == (1, "failed", "dataset_missing")
    assert "downloading is switched off" in last["message"]
