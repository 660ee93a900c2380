"""What the demo chooses, for every way in which fetching can end. No network is used."""

from __future__ import annotations

import gzip
import hashlib
import sys
import time
from pathlib import Path

import pytest

from cartl.demo import fashion, pairs
from cartl_core.planning.resolve import resolve
from cartl_core.spec import JobRequest
from tests.fixtures.requests import source_of

CONTENT = {name: f"content of {name}".encode() for name in fashion.DIGESTS}


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins for the published files, a few bytes each."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    monkeypatch.setattr(fashion, "DIGESTS", digests)


@pytest.fixture(autouse=True)
def system_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's data sets, also for the process that fetches: none, unless a test puts some there."""
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path / "system" / "usr" / "share"))


@pytest.fixture
def bin_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH: whatever is not put there does not exist."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port: nothing is downloaded
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return folder


def write_files(folder: Path, *, compressed: bool = True, damaged: str = "") -> None:
    folder.mkdir(parents=True)
    for name, content in CONTENT.items():
        data = content + b"!" if name == damaged else content
        if compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(data))
        else:
            (folder / name).write_bytes(data)


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return path


def fetching(tmp_path: Path, text: str) -> tuple[str, ...]:
    """A command that does ``text`` with the folder to fill as ``sys.argv[1]``."""
    return (str(script(tmp_path / "fetch", f"import sys, time, pathlib\n{text}")),)


def choose(
    tmp_path: Path, command: tuple[str, ...], seconds: float = 120.0
) -> tuple[pairs.ChosenPair, list[str]]:
    said: list[str] = []
    choice = pairs.choose(tmp_path / "data", said.append, seconds=seconds, command=command)
    return choice, said


def left_behind(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "data").iterdir())


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(
    "place", [*(f"data/{place}" for place in fashion.PLACES), f"system/{fashion.PLACES[-1]}"]
)
def test_files_that_are_there_are_taken_where_they_are(tmp_path: Path, place: str, compressed: bool) -> None:
    write_files(tmp_path / place, compressed=compressed)
    choice, said = choose(tmp_path, (str(tmp_path / "must not be started"),))
    assert choice.pair is pairs.FASHION
    assert str(tmp_path / place) in choice.why
    assert said == []


def test_files_that_arrive_are_verified_and_put_in_place(tmp_path: Path) -> None:
    write_files(tmp_path / "archive")
    command = fetching(
        tmp_path,
        f"import shutil; shutil.copytree({str(tmp_path / 'archive')!r}, sys.argv[1] + '/FashionMNIST/raw')",
    )
    choice, said = choose(tmp_path, command)
    assert choice.pair is pairs.FASHION
    assert left_behind(tmp_path) == [fashion.FOLDER]
    assert fashion.verified(tmp_path / "data" / fashion.FOLDER)
    assert len(said) == 1
    again, said = choose(tmp_path, (str(tmp_path / "must not be started"),))
    assert again.pair is pairs.FASHION and said == []


def test_files_of_another_content_are_refused(tmp_path: Path) -> None:
    write_files(tmp_path / "archive", damaged="t10k-labels-idx1-ubyte")
    command = fetching(
        tmp_path,
        f"import shutil; shutil.copytree({str(tmp_path / 'archive')!r}, sys.argv[1] + '/fashion-mnist')",
    )
    choice, _ = choose(tmp_path, command)
    assert choice.pair is pairs.DIGITS
    assert "not the published data set" in choice.why
    assert left_behind(tmp_path) == []


def test_a_fetch_that_fails_says_why(tmp_path: Path) -> None:
    choice, _ = choose(tmp_path, fetching(tmp_path, "sys.exit('the archive is closed')"))
    assert choice.pair is pairs.DIGITS
    assert "the archive is closed" in choice.why
    assert left_behind(tmp_path) == []


def test_a_fetch_that_hangs_is_ended_in_time(tmp_path: Path) -> None:
    began = time.monotonic()
    choice, _ = choose(tmp_path, fetching(tmp_path, "time.sleep(600)"), seconds=0.5)
    assert time.monotonic() - began < 60
    assert choice.pair is pairs.DIGITS
    assert left_behind(tmp_path) == []


def test_what_a_person_put_there_is_left_as_it_is(tmp_path: Path) -> None:
    mine = tmp_path / "data" / fashion.FOLDER / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("kept")
    choice, _ = choose(tmp_path, (str(tmp_path / "must not be started"),))
    assert choice.pair is pairs.DIGITS
    assert mine.read_text() == "kept"


def test_a_folder_that_cannot_be_written_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    choice, _ = choose(tmp_path, (str(tmp_path / "must not be started"),))
    assert choice.pair is pairs.DIGITS
    assert "cannot be written" in choice.why


APT = """
import pathlib, sys
assert "download" in sys.argv and sys.argv[-1] == "dataset-fashion-mnist"
pathlib.Path("dataset-fashion-mnist_1_all.deb").write_text("a package")
"""
DPKG = """
import pathlib, shutil, sys
assert sys.argv[1] == "-x" and pathlib.Path(sys.argv[2]).read_text() == "a package"
shutil.copytree({archive!r}, sys.argv[3] + "/usr/share/datasets/fashion-mnist", dirs_exist_ok=True)
"""


def test_debians_package_is_unpacked_without_root_by_the_library(tmp_path: Path, bin_dir: Path) -> None:
    write_files(tmp_path / "archive")
    script(bin_dir / "apt-get", APT)
    script(bin_dir / "dpkg-deb", DPKG.format(archive=str(tmp_path / "archive")))
    choice, _ = choose(tmp_path, fashion.FETCH)
    assert choice.pair is pairs.FASHION, choice.why
    assert left_behind(tmp_path) == [fashion.FOLDER]


def test_the_fetch_of_the_demo_is_the_librarys_own_command() -> None:
    assert fashion.FETCH[1:] == ("-m", "cartl_core", "fetch", "fashion_mnist", "--data-root")


def test_without_network_and_debian_the_demo_takes_digits(tmp_path: Path, bin_dir: Path) -> None:
    assert list(bin_dir.iterdir()) == []
    choice, _ = choose(tmp_path, fashion.FETCH)
    assert choice.pair is pairs.DIGITS
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("pair", [pairs.FASHION, pairs.DIGITS])
def test_every_pair_is_a_valid_request_with_the_plain_baseline(pair: pairs.Pair) -> None:
    spec = resolve(JobRequest.model_validate(pair.request))
    assert spec.method == "consistent"
    assert [arm.method for arm in spec.baselines] == ["vanilla", "cartl"]
    assert spec.freeze_depth == 2
    assert set(source_of(spec).classes or ()).isdisjoint(spec.dataset.classes or ())
    assert "demo" in spec.tags


def test_the_demo_measures_all_that_its_preset_does() -> None:
    """It is shorter by epochs, by images of the curve and by queries, never by a measurement."""
    whole = {name: pairs.FASHION.request[name] for name in ("dataset", "source", "method", "freeze_depth")}
    preset = resolve(JobRequest.model_validate({**whole, "preset": "quick"})).evaluate
    demo = resolve(JobRequest.model_validate(pairs.FASHION.request)).evaluate
    assert (demo.attacks, demo.source_attacks) == (preset.attacks, preset.source_attacks)
    assert demo.test_limit == preset.test_limit == 1000
    assert demo.diagnostics.keys() == preset.diagnostics.keys()
