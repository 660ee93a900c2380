from __future__ import annotations

from pathlib import Path

import pytest

from cartl_core.spec.resources.dataset import DatasetLimits
from jobs.errors import SettingsInvalid
from jobs.settings import Settings


def test_everything_lies_in_the_data_directory(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert settings.database_url == f"sqlite:///{tmp_path}/cartl.sqlite3"
    assert settings.broker_url == "filesystem://"
    assert (settings.data_root, settings.artifacts_dir, settings.stages_dir, settings.broker_dir) == (
        tmp_path / "data",
        tmp_path / "artifacts",
        tmp_path / "stages",
        tmp_path / "broker",
    )
    settings.make_directories()
    assert settings.stages_dir.is_dir() and settings.data_root.is_dir()


def test_the_environment_is_read_with_its_prefix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "CARTL_DATA_DIR": "here",
        "CARTL_STAGES_DIR": "elsewhere",
        "CARTL_DATABASE_URL": "postgresql://u:secret@h/d",
        "CARTL_THREADS": "",
        "CARTL_SLOTS": "2",
        "CARTL_DEFAULT_PRESET": "paper",
        "SLOTS": "9",
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings.from_env()
    assert settings.data_dir == tmp_path / "here"
    assert settings.stages_dir == tmp_path / "elsewhere"
    assert settings.artifacts_dir == tmp_path / "here" / "artifacts"
    assert (settings.threads, settings.slots, settings.default_preset) == (None, 2, "paper")
    assert settings.database_url == "postgresql://u:secret@h/d"
    assert "secret" not in repr(settings)


def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("CARTL_SLOTS", "0"),
        ("CARTL_DEFAULT_PRESET", "huge"),
        ("CARTL_LEASE_SECONDS", "-1"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            with pytest.raises(SettingsInvalid, match=name):
                Settings.from_env()


def test_every_variable_refuses_nonsense_in_words_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields:
        for value in ("nan", "1e999", "-1", "s3cret://x:yz", "~nobody-s3cret/x", "9" * 30):
            with monkeypatch.context() as patch:
                patch.setenv(f"CARTL_{field.upper()}", value)
                try:
                    Settings.from_env()
                except SettingsInvalid as error:
                    assert "CARTL_" in str(error) and "s3cret" not in str(error)


@pytest.mark.parametrize("roots", ["images", "/", "/srv:images", "/srv/..", "~/images"])
def test_roots_of_data_sets_are_absolute_folders(monkeypatch: pytest.MonkeyPatch, roots: str) -> None:
    monkeypatch.setenv("CARTL_DATA_ROOTS", roots)
    with pytest.raises(SettingsInvalid, match="CARTL_DATA_ROOTS: absolute folders"):
        Settings.from_env()


def test_roots_of_data_sets_are_read_with_their_links_resolved(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("CARTL_DATA_ROOTS", f"{tmp_path}/link: /srv/images :")
    assert Settings.from_env().root_folders == (tmp_path / "real", Path("/srv/images"))
    assert Settings().model_copy(update={"data_roots": ""}).root_folders == ()


def test_limits_of_data_sets_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().dataset_limits == DatasetLimits()
    for name, value in (("BYTES", "4096"), ("ENTRIES", "7"), ("CLASSES", "5"), ("DEPTH", "3")):
        monkeypatch.setenv(f"CARTL_MAX_DATASET_{name}", value)
    limits = Settings.from_env().dataset_limits
    assert (limits.archive_bytes, limits.entries, limits.classes, limits.depth) == (4096, 7, 5, 3)
    for name, value in (("ENTRIES", "0"), ("CLASSES", "1"), ("DEPTH", "1000")):
        with monkeypatch.context() as patch:
            patch.setenv(f"CARTL_MAX_DATASET_{name}", value)
            with pytest.raises(SettingsInvalid, match=f"CARTL_MAX_DATASET_{name}"):
                Settings.from_env()


def test_trackers_and_webhooks_are_off_unless_they_are_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.from_env().trackers == () and not Settings.from_env().webhooks
    monkeypatch.setenv("CARTL_TENSORBOARD_DIR", "events")
    monkeypatch.setenv("CARTL_MLFLOW_URI", "https://me:secret@host")
    found = Settings.from_env()
    assert found.trackers == ("mlflow", "tensorboard") and found.tensorboard_dir == tmp_path / "events"
    assert "secret" not in repr(found)
    for name, value in (("MLFLOW_URI", "sqlite:///x"), ("WEBHOOK_HOSTS", "a b"), ("WANDB_MODE", "on")):
        with monkeypatch.context() as patch:
            patch.setenv(f"CARTL_{name}", value)
            with pytest.raises(SettingsInvalid, match=f"CARTL_{name}"):
                Settings.from_env()
