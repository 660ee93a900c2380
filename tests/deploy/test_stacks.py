"""What can be put around the stack of ``docker-compose.yml``: services of your own, figures, more workers."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.fixtures.documents import ROOT
from tests.test_compose import BIN, OURS, compose

EXTERNAL = ("-f", "docker-compose.yml", "-f", "docker-compose.external.yml")
ADDRESSES = {
    "CARTL_DATABASE_URL": "postgresql+psycopg://ann:a%40b@db.example:5432/robust?sslmode=verify-full",
    "CARTL_BROKER_URL": "rediss://:secret@redis.example:6379/0",
}
OBSERVED = ("--profile", "cpu", "--profile", "observability")
PROMETHEUS = ROOT / "docker/prometheus"
Service = dict[str, Any]


@pytest.fixture(scope="module")
def observed() -> dict[str, Service]:
    services: dict[str, Service] = compose(*OBSERVED)["services"]
    return services


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_services_of_your_own_take_the_place_of_the_stack_s(profile: str) -> None:
    resolved = compose(*EXTERNAL, "--profile", profile, **ADDRESSES)
    services, end = resolved["services"], "-gpu" if profile == "gpu" else ""
    assert services.keys() == {"migrate", f"api{end}", f"worker{end}"}
    assert "postgres" not in resolved["volumes"]
    for name, service in services.items():
        assert ADDRESSES.items() <= service["environment"].items()
        # `back` leads nowhere.
        assert "front" in service["networks"] or set(service["networks"]) == {"front"}
        awaited = {} if name == "migrate" else {"migrate"}
        assert set(service.get("depends_on") or {}) == set(awaited)
    # All else is as in the stack alone.
    alone = compose("--profile", profile)["services"]
    for name, service in services.items():
        for part in ("read_only", "user", "command", "volumes", "healthcheck", "restart", "cap_drop"):
            assert service.get(part) == alone[name].get(part), (name, part)
        own = {key: value for key, value in service["environment"].items() if key not in ADDRESSES}
        assert own == {key: v for key, v in alone[name]["environment"].items() if key not in ADDRESSES}


@pytest.mark.parametrize("missing", ADDRESSES)
def test_without_an_address_the_stack_says_which(missing: str) -> None:
    given = {name: value for name, value in ADDRESSES.items() if name != missing}
    with pytest.raises(AssertionError, match=f"required variable {missing} is missing a value"):
        compose(*EXTERNAL, **given)


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_a_worker_may_be_started_many_times(profile: str) -> None:
    """`--scale worker=3`: nothing of it is one of its kind on the host, and all share the files."""
    services = compose("--profile", profile)["services"]
    (worker,) = (service for name, service in services.items() if name.startswith("worker"))
    assert not worker.keys() & {"container_name", "hostname", "ports", "mac_address"}
    data = next(volume for volume in worker["volumes"] if volume["target"] == "/var/lib/cartl")
    assert (data["type"], data["source"]) == ("volume", "data")
    help_text = subprocess.run(
        [BIN / "docker-compose", "up", "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    assert "--scale" in help_text.stdout


def test_figures_are_shown_on_this_host_alone(observed: dict[str, Service]) -> None:
    assert observed.keys() - compose()["services"].keys() == {"prometheus", "grafana"}
    (port,) = observed["grafana"]["ports"]
    assert port["host_ip"] == "127.0.0.1"
    assert "ports" not in observed["prometheus"]
    told = observed["grafana"]["environment"]
    assert told["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    # There is no administrator, so nobody can sign in with a known password.
    assert told["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert (told["GF_AUTH_BASIC_ENABLED"], told["GF_AUTH_DISABLE_LOGIN_FORM"]) == ("false", "true")


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_what_shows_figures_is_as_confined_as_the_rest(observed: dict[str, Service], name: str) -> None:
    service = observed[name]
    user, group = service["user"].split(":")
    assert int(user) > 0 and int(group) > 0
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped" and "healthcheck" in service
    assert re.search(r":v?\d+\.\d+\.\d+$", service["image"])
    for volume in service["volumes"]:
        assert volume["type"] == "volume" or volume["read_only"] is True
        if volume["type"] == "bind":
            assert ROOT.joinpath(volume["source"]).is_file()


def test_prometheus_finds_the_api_of_either_profile_and_its_key(observed: dict[str, Service]) -> None:
    (scrape,) = yaml.safe_load((PROMETHEUS / "compose.yml").read_text())["scrape_configs"]
    (found,) = scrape["dns_sd_configs"]
    assert found["port"] == int(observed["api"]["environment"]["CARTL_PORT"])
    for profile, name in (("cpu", "api"), ("gpu", "api-gpu")):
        back = compose("--profile", profile)["services"][name]["networks"]["back"]
        assert back["aliases"] == found["names"]
    (secret,) = observed["prometheus"]["secrets"]
    assert scrape["authorization"]["credentials_file"] == f"/run/secrets/{secret['source']}"
    assert "back" in observed["prometheus"]["networks"]
    key = compose(*OBSERVED, CARTL_METRICS_KEY_FILE="/etc/cartl/key")["secrets"]["metrics_key"]
    assert key["file"] == "/etc/cartl/key"
    # The alarms name the scrape: `up{job="cartl"}`.
    assert scrape["job_name"] == "cartl"


def test_grafana_has_the_source_that_its_dashboard_asks(observed: dict[str, Service]) -> None:
    places = {volume["source"]: volume["target"] for volume in observed["grafana"]["volumes"]}
    mounted = {source.rpartition("docker/grafana/")[2]: target for source, target in places.items()}
    provider = yaml.safe_load((ROOT / "docker/grafana/provider.yml").read_text())["providers"][0]
    assert mounted["cartl.json"] == f"{provider['options']['path']}/cartl.json"
    assert (
        mounted["cartl.json"]
        == observed["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    )
    (source,) = yaml.safe_load((ROOT / "docker/grafana/datasource.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    asked = re.findall(r'"uid": "(cartl-[a-z]+)"', (ROOT / "docker/grafana/cartl.json").read_text())
    assert set(asked) == {source["uid"]}


def test_the_base_of_the_images_may_be_a_digest() -> None:
    digest = f"python@sha256:{'0' * 64}"
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    usual = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", dockerfile, re.MULTILINE)
    assert usual and re.findall(r"^FROM (\S+) AS base$", dockerfile, re.MULTILINE) == ["${PYTHON_IMAGE}"]
    for given, expected in (("", usual[1]), (digest, digest)):
        for profile in ("cpu", "gpu"):
            services = compose("--profile", profile, CARTL_PYTHON_IMAGE=given)["services"]
            built = {
                name: service["build"]["args"] for name, service in services.items() if "build" in service
            }
            assert built.keys() <= set(OURS) and len(built) == 3
            assert {arguments["PYTHON_IMAGE"] for arguments in built.values()} == {expected}
