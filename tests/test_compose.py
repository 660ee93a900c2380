"""The compose file, as Compose itself resolves it, and the Dockerfile, as hadolint reads it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cartl_core.run.code_version import FILE, UNKNOWN, CodeVersion, version_of

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
PROFILES = {
    "default": ({"api", "worker", "migrate", "redis", "postgres"}, "quick"),
    "gpu": ({"api-gpu", "worker-gpu", "migrate", "redis", "postgres"}, "paper"),
}
OURS = ("api", "worker", "api-gpu", "worker-gpu", "migrate")
# Between the end of a run and the end of its worker: to write what happened, and to say goodbye.
MARGIN_SECONDS = 10
Config = dict[str, Any]


def compose(*arguments: str, **variables: str) -> Config:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COMPOSE_", "CARTL_", "PIP_"))
    }
    done = subprocess.run(
        [BIN / "docker-compose", *arguments, "config", "--format", "json"],
        cwd=ROOT,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    resolved: Config = json.loads(done.stdout)
    return resolved


@pytest.fixture(scope="module", params=PROFILES)
def profile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def config(profile: str) -> Config:
    return compose(*([] if profile == "default" else ["--profile", profile]))


def seconds(duration: str) -> float:
    parts = re.findall(r"([\d.]+)(m|s)", duration)
    return sum(float(number) * {"m": 60, "s": 1}[unit] for number, unit in parts)


def test_a_profile_starts_its_own_stack(config: Config, profile: str) -> None:
    services, preset = PROFILES[profile]
    assert set(config["services"]) == services
    (api,) = (service for name, service in config["services"].items() if name.startswith("api"))
    assert api["environment"]["CARTL_DEFAULT_PRESET"] == preset


def test_only_the_api_is_published_and_on_loopback_only(config: Config) -> None:
    published = {name: service["ports"] for name, service in config["services"].items() if "ports" in service}
    assert [name.removesuffix("-gpu") for name in published] == ["api"]
    for ports in published.values():
        assert [port["host_ip"] for port in ports] == ["127.0.0.1"]


def test_database_and_broker_have_no_way_in_or_out(config: Config) -> None:
    assert config["networks"]["back"]["internal"] is True
    for name in ("postgres", "redis", "migrate"):
        assert list(config["services"][name]["networks"]) == ["back"]


def test_every_image_has_a_version(config: Config) -> None:
    for service in config["services"].values():
        _, _, tag = service["image"].partition(":")
        assert re.match(r"\d", tag), service["image"]


def test_every_service_that_stays_tells_its_health(config: Config) -> None:
    for name, service in config["services"].items():
        assert ("healthcheck" in service) == (name != "migrate")


def test_a_worker_is_healthy_by_its_heartbeat(config: Config) -> None:
    (worker,) = (service for name, service in config["services"].items() if name.startswith("worker"))
    assert worker["healthcheck"]["test"] == ["CMD", "python", "-m", "jobs", "check", "--worker"]


def test_nobody_is_root_and_nothing_writes_outside_its_volumes(config: Config) -> None:
    for service in config["services"].values():
        user, group = service["user"].split(":")
        assert int(user) > 0 and int(group) > 0
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]


def test_services_come_back_and_the_migration_ends(config: Config) -> None:
    restarts = {name: service["restart"] for name, service in config["services"].items()}
    assert restarts.pop("migrate").startswith("on-failure")
    assert set(restarts.values()) == {"unless-stopped"}


def test_everybody_waits_for_the_migration_and_the_first_key(config: Config) -> None:
    assert config["services"]["migrate"]["command"] == ["python", "-m", "jobs", "migrate", "--first-key"]
    for name, service in config["services"].items():
        if name.startswith(("api", "worker")):
            assert service["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_a_worker_gets_the_time_that_its_run_is_promised(config: Config) -> None:
    (worker,) = (service for name, service in config["services"].items() if name.startswith("worker"))
    promised = float(worker["environment"]["CARTL_STOP_GRACE_SECONDS"])
    assert seconds(worker["stop_grace_period"]) >= promised + MARGIN_SECONDS


def test_gpus_are_reserved_in_their_profile_only(config: Config, profile: str) -> None:
    reserving = [name for name, service in config["services"].items() if "deploy" in service]
    assert reserving == ([] if profile == "default" else ["worker-gpu"])
    for name in reserving:
        (device,) = config["services"][name]["deploy"]["resources"]["reservations"]["devices"]
        assert device["capabilities"] == ["gpu"]


def test_the_password_reaches_database_and_clients_alike() -> None:
    services = compose(CARTL_POSTGRES_PASSWORD="s3cret")["services"]
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"] == "s3cret"
    for name in ("api", "worker", "migrate"):
        assert ":s3cret@postgres" in services[name]["environment"]["CARTL_DATABASE_URL"]


def test_images_of_the_host_are_read_where_the_stack_says_and_never_written() -> None:
    for given, kind in (("", "volume"), ("/srv/photographs", "bind")):
        services = compose(CARTL_IMAGES=given)["services"]
        for name in ("api", "worker"):
            (roots,) = (
                volume
                for volume in services[name]["volumes"]
                if volume["target"] == services[name]["environment"]["CARTL_DATA_ROOTS"]
            )
            assert (roots["type"], roots["read_only"]) == (kind, True)
            assert roots["source"] == (given or "images")


def test_the_settings_of_the_stack_are_settings_of_the_service(config: Config) -> None:
    """A misspelt variable would be ignored in silence."""
    from jobs.settings import Settings

    known = {f"CARTL_{name.upper()}" for name in Settings.model_fields}
    of_the_bucket = {"AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    for name, service in config["services"].items():
        if name in OURS:
            assert set(service["environment"]) <= known | of_the_bucket


def test_reports_may_name_the_commit_and_the_image() -> None:
    commit, digest = "a" * 40, f"sha256:{'b' * 64}"
    services = compose("--profile", "*", CARTL_COMMIT=commit, CARTL_IMAGE_DIGEST=digest)["services"]
    built = [service["build"]["args"] for service in services.values() if "build" in service]
    assert built and {arguments["CARTL_COMMIT"] for arguments in built} == {commit}
    told = {name for name in OURS if "CARTL_IMAGE_DIGEST" in services[name]["environment"]}
    assert told == {"worker", "worker-gpu"}


@pytest.mark.parametrize(
    ("commit", "code"), [("a" * 40, 0), (f"{'a' * 64}-changed", 0), ("", 0), ("main", 1), ("a" * 12, 1)]
)
def test_an_image_is_of_a_whole_commit_or_of_none(tmp_path: Path, commit: str, code: int) -> None:
    """The step of the Dockerfile that writes it, and the file that the package takes along."""
    (step,) = re.findall(r"^RUN (if \[ -n .*?fi) \\$", (ROOT / "docker/Dockerfile").read_text(), re.M | re.S)
    (tmp_path / "cartl_core").mkdir()
    shell = ["/bin/sh", "-c", step]
    done = subprocess.run(shell, cwd=tmp_path, env={"PATH": os.defpath, "CARTL_COMMIT": commit}, check=False)
    assert done.returncode == code
    if code == 0:
        known = CodeVersion(commit.partition("-")[0], "-changed" in commit) if commit else UNKNOWN
        assert version_of(tmp_path / "cartl_core") == known
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert FILE in project["tool"]["setuptools"]["package-data"]["*"]


def test_the_build_takes_only_what_is_installed() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    packages = {rule[1:].split("/")[0] for rule in rules if rule.endswith("/**") and rule.startswith("!")}
    assert packages == {"api", "cartl", "cartl_core", "jobs", "migrations", "worker"}


def test_the_api_image_is_installed_without_torch() -> None:
    """The extra that its list is made from, with all extras that this one stands on."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def requirements(extra: str) -> list[str]:
        found = []
        for requirement in project["optional-dependencies"][extra]:
            own = re.fullmatch(r"cartl\[(.*)\]", requirement)
            found += [r for part in own[1].split(",") for r in requirements(part)] if own else [requirement]
        return found

    def names(listed: list[str]) -> set[str]:
        return {re.split(r"[^a-z0-9-]", requirement, maxsplit=1)[0] for requirement in listed}

    assert "fastapi" in names(requirements("api"))
    assert names([*project["dependencies"], *requirements("api")]).isdisjoint({"torch", "torchvision"})
    assert "torch" in names(requirements("worker"))


def test_the_dockerfile_is_clean() -> None:
    done = subprocess.run(
        [BIN / "hadolint", "docker/Dockerfile"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout
