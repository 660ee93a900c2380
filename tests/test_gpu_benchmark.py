"""The benchmark of a GPU, rehearsed on a processor: every row is there, and a teacher in pieces."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.gpu.__main__ import main
from benchmarks.gpu.capture import WAYS
from benchmarks.gpu.rows import ROWS
from benchmarks.gpu.teacher import MANIFEST, PIECE_BYTES, join, split
from cartl_core.nn.files import load_network
from cartl_core.storage.stage_result import NETWORK


def test_the_rehearsal_makes_every_row_and_a_teacher(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--tiny", "--minutes", "1000", "--dataset", "digits", "--data-root", str(tmp_path)]
    assert main([*given, "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "gpu.json").read_text())
    assert found["rehearsal"] is True
    told = capsys.readouterr().out
    assert all(f"{name}: " in told for name in (*ROWS, "teacher"))
    assert set(found["fdm_step"]["bf16"]["times"]) == {"plain", "plain, channels_last"}
    assert set(found["pgd_100"]["times"]) == {"plain, fp32", "plain, bf16"}
    assert found["matrix_share"]["share"] > 0
    ways = found["ways_of_a_pass"]
    assert ways["won"] in ways["seconds"] and ways["cannot"]["CUDA graph"] == "CUDA graphs need a GPU"
    assert ways["seconds"].keys() | ways["cannot"].keys() == WAYS.keys()
    assert found["teacher"]["epochs"] == 1
    teacher = tmp_path / "out" / "teacher"
    assert not (teacher / NETWORK).exists()
    assert main(["--join", str(teacher)]) == 0
    assert load_network(teacher / NETWORK).head.out_features == 10


def test_a_file_is_cut_and_put_together_and_a_damaged_piece_is_refused(tmp_path: Path) -> None:
    assert PIECE_BYTES < 16_000_000
    file, content = tmp_path / "file", bytes(range(256)) * 10
    file.write_bytes(content)
    names = split(file, tmp_path, most=1000)
    assert [len((tmp_path / name).read_bytes()) for name in names] == [1000, 1000, 560]
    assert sorted(path.name for path in tmp_path.iterdir()) == [*names, MANIFEST]
    assert join(tmp_path).read_bytes() == content
    (tmp_path / names[1]).write_bytes(bytes(1000))
    with pytest.raises(ValueError, match="not those that were written"):
        join(tmp_path)


def test_without_a_gpu_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["--out", str(tmp_path)]) == 1
    assert "no usable GPU" in capsys.readouterr().out
