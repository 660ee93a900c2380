"""The Helm chart, rendered by Helm itself and held against the schemas of two versions of Kubernetes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import helm_python as helm
import pytest
import yaml
from jsonschema_rs import Draft202012Validator

from cartl_core import __version__
from jobs.settings import Settings
from tests.deploy.chart_values import DIGEST, REFUSED, SECRETS, VALUES
from tests.fixtures.administrator import refuse_unknown
from tests.fixtures.documents import ROOT, blocks_of

CHART = ROOT / "charts/cartl"
PAGE = ROOT / "docs/how-to/run-on-kubernetes.md"
SCHEMAS = Path(__file__).parent / "kubernetes"
VERSIONS = ("1.29", "1.37")
Manifest = dict[str, Any]
# What the client of an object store reads beside the settings of the service.
BUCKET = {
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
}


@pytest.fixture(scope="module")
def chart() -> Iterator[helm.Chart]:
    with helm.Chart.load(str(CHART)) as loaded:
        yield loaded


def rendered(chart: helm.Chart, values: dict[str, Any]) -> list[Manifest]:
    files = chart.render(SECRETS | values, name="demo", namespace="robust")
    return [
        manifest
        for name, text in files.items()
        if name.endswith(".yaml")
        for manifest in yaml.safe_load_all(text)
        if manifest
    ]


@pytest.fixture(scope="module", params=VALUES)
def manifests(chart: helm.Chart, request: pytest.FixtureRequest) -> list[Manifest]:
    return rendered(chart, VALUES[request.param])


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def pods(manifests: list[Manifest]) -> list[Manifest]:
    return [m["spec"]["template"] for m in manifests if m["kind"] in ("Deployment", "Job")]


def environment(pod: Manifest) -> dict[str, Any]:
    (container,) = pod["spec"]["containers"]
    names = [entry["name"] for entry in container["env"]]
    assert len(names) == len(set(names)), "a name that is set twice"
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


@cache
def validator(version: str, kind: str, api: str) -> Draft202012Validator:
    definitions = json.loads((SCHEMAS / f"v{version}.json").read_text())["$defs"]
    name = f"{kind}.{api}".replace("/", "~")
    return Draft202012Validator({**definitions[name], "$defs": definitions})


def faults(version: str, manifest: Manifest) -> list[str]:
    found = validator(version, manifest["kind"], manifest["apiVersion"]).iter_errors(manifest)
    return [f"{manifest['kind']}: {error.message} at {list(error.instance_path)}" for error in found]


@pytest.mark.parametrize("version", VERSIONS)
def test_each_object_is_one_of_kubernetes(manifests: list[Manifest], version: str) -> None:
    assert manifests
    assert [fault for manifest in manifests for fault in faults(version, manifest)] == []


def test_what_kubernetes_does_not_know_is_seen(chart: helm.Chart) -> None:
    (deployment, *_) = of_kind(rendered(chart, {}), "Deployment")
    for change in ({"replicaz": 1}, {"replicas": "two"}):
        wrong = {**deployment, "spec": {**deployment["spec"], **change}}
        assert all(faults(version, wrong) for version in VERSIONS)


@pytest.mark.parametrize("why", REFUSED)
def test_values_that_cannot_be_meant_are_refused_by_name(chart: helm.Chart, why: str) -> None:
    values, told = REFUSED[why]
    with pytest.raises(helm.HelmError, match=re.escape(told)):
        rendered(chart, values)


def test_nobody_is_root_holds_a_token_or_writes_outside_its_volumes(manifests: list[Manifest]) -> None:
    for pod in pods(manifests):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in spec["volumes"]} == {"data", "tmp"}
        assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["memory"]


def test_every_process_has_database_and_broker_from_secrets(manifests: list[Manifest]) -> None:
    """So no pod falls back to SQLite in a folder of its own, and no manifest holds a password."""
    for pod in pods(manifests):
        told = environment(pod)
        for name, key in (("CARTL_DATABASE_URL", "database-url"), ("CARTL_BROKER_URL", "broker-url")):
            assert told[name] == {"secretKeyRef": {"name": "cartl", "key": key}}
    assert of_kind(manifests, "Secret") == []


def test_what_pods_are_told_are_settings_of_the_service(manifests: list[Manifest]) -> None:
    known = {f"CARTL_{name.upper()}" for name in Settings.model_fields}
    for pod in pods(manifests):
        told = environment(pod)
        assert told.keys() <= known | BUCKET
        plain = {name: value for name, value in told.items() if isinstance(value, str)}
        plain = {name: value for name, value in plain.items() if name not in BUCKET | {"CARTL_STORE"}}
        Settings.model_validate({name.removeprefix("CARTL_").lower(): value for name, value in plain.items()})


def test_a_large_number_is_no_power_of_ten(chart: helm.Chart) -> None:
    """Helm reads numbers as floating point, and 68719476736 would become 6.8719476736e+10."""
    told = environment(pods(rendered(chart, VALUES["everything set"]))[0])
    assert told["CARTL_MEMORY_BYTES"] == "68719476736"
    assert told["CARTL_MAX_JOB_EXAFLOP"] == "0.5"
    assert told["CARTL_DOWNLOAD"] == "false"


def test_a_deployment_has_its_budget_its_probes_and_its_own_pods(manifests: list[Manifest]) -> None:
    budgets = [budget["spec"]["selector"] for budget in of_kind(manifests, "PodDisruptionBudget")]
    deployments = of_kind(manifests, "Deployment")
    selectors = [deployment["spec"]["selector"] for deployment in deployments]
    assert budgets == selectors
    assert len({json.dumps(selector, sort_keys=True) for selector in selectors}) == len(selectors)
    for deployment in deployments:
        template = deployment["spec"]["template"]
        labels = deployment["spec"]["selector"]["matchLabels"]
        assert labels.items() <= template["metadata"]["labels"].items()
        (container,) = template["spec"]["containers"]
        assert {"startupProbe", "livenessProbe"} <= container.keys()


def test_a_worker_gets_the_time_that_its_run_is_promised(chart: helm.Chart) -> None:
    workers = [
        m
        for m in of_kind(rendered(chart, VALUES["everything set"]), "Deployment")
        if "worker" in m["metadata"]["name"]
    ]
    for worker in workers:
        pod = worker["spec"]["template"]
        promised = int(environment(pod)["CARTL_STOP_GRACE_SECONDS"])
        assert pod["spec"]["terminationGracePeriodSeconds"] >= promised + 10
    assert len(workers) == 1


def test_a_class_of_devices_has_a_deployment_of_its_own(chart: helm.Chart) -> None:
    manifests = rendered(chart, VALUES["GPUs alone, two kinds"])
    classes = {m["metadata"]["name"]: m["spec"] for m in of_kind(manifests, "Deployment")}
    assert classes.keys() == {"demo-cartl-api", "demo-cartl-worker-gpu", "demo-cartl-worker-small"}
    for name, gpus in (("gpu", 4), ("small", 1)):
        spec = classes[f"demo-cartl-worker-{name}"]
        pod = spec["template"]["spec"]
        assert pod["containers"][0]["image"] == f"registry.example/cartl-worker-gpu@{DIGEST}"
        assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == gpus
        assert (pod["nodeSelector"], pod["runtimeClassName"]) == ({"gpu": "h200"}, "nvidia")
        assert spec["strategy"]["rollingUpdate"]["maxSurge"] == 0
        told = environment(spec["template"])
        assert (told["CARTL_DEVICE"], told["CARTL_DEVICES"]) == ("cuda", "auto")
        assert told["CARTL_DEFAULT_PRESET"] == "paper"
        assert told["CARTL_IMAGE_DIGEST"] == DIGEST
    assert classes["demo-cartl-worker-small"]["replicas"] == 3


def test_the_database_is_migrated_before_anything_else(manifests: list[Manifest]) -> None:
    (job,) = of_kind(manifests, "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["template"]["spec"]["containers"][0]["command"][:4] == [
        "python",
        "-m",
        "jobs",
        "migrate",
    ]
    # At the first install nothing else of the release is there yet.
    spec = job["spec"]["template"]["spec"]
    assert "serviceAccountName" not in spec
    assert all("emptyDir" in volume for volume in spec["volumes"])


def test_pods_are_reached_and_reach_out_where_a_policy_says_so(chart: helm.Chart) -> None:
    for values, more in ((VALUES["everything set"], 1), ({}, 0)):
        manifests = rendered(chart, values)
        every, api, *workers = of_kind(manifests, "NetworkPolicy")
        assert len(workers) == more
        assert "ingress" not in every["spec"] and every["spec"]["policyTypes"] == ["Ingress", "Egress"]
        for pod in pods(manifests):
            assert every["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        (rule,) = api["spec"]["ingress"]
        assert rule["from"] and [port["port"] for port in rule["ports"]] == ["http"]
        ports = [port["port"] for rule in every["spec"]["egress"] for port in rule["ports"]]
        database = values.get("networkPolicy", {}).get("database", {}).get("port", 5432)
        assert ports == [53, 53, database, 6379]
    assert of_kind(rendered(chart, VALUES["no network policies"]), "NetworkPolicy") == []


def test_with_a_bucket_pods_share_no_volume(chart: helm.Chart) -> None:
    manifests = rendered(chart, VALUES["files in a bucket"])
    assert of_kind(manifests, "PersistentVolumeClaim") == []
    for pod in pods(manifests):
        told = environment(pod)
        assert told["CARTL_STORE"] == "s3://cartl/production"
        assert told["AWS_SECRET_ACCESS_KEY"] == {
            "secretKeyRef": {"name": "bucket", "key": "secret-access-key"}
        }
        assert all("emptyDir" in volume for volume in pod["spec"]["volumes"])
    (every, *_) = of_kind(manifests, "NetworkPolicy")
    assert [port["port"] for rule in every["spec"]["egress"] for port in rule["ports"]][-1] == 443
    for pod in pods(rendered(chart, {})):
        assert "CARTL_IMAGE_DIGEST" not in environment(pod), "nobody there knows it"
        assert not environment(pod).keys() & (BUCKET | {"CARTL_STORE"})


def test_what_people_made_outlives_the_release(chart: helm.Chart) -> None:
    (claim,) = of_kind(rendered(chart, {}), "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert of_kind(rendered(chart, VALUES["everything set"]), "PersistentVolumeClaim") == []


def test_the_notes_say_how_to_make_the_first_key(chart: helm.Chart) -> None:
    notes = chart.render(SECRETS, name="demo", namespace="robust")["cartl/templates/NOTES.txt"]
    (pod, command) = re.findall(r"exec (\S+) -- \\\n\s+python -m jobs (.*)", notes)[0]
    assert pod == "deploy/demo-cartl-worker-cpu"
    assert f"python -m jobs {command}\n" in PAGE.read_text()
    refuse_unknown(command.split())


def test_the_chart_is_of_this_version_and_helm_finds_no_fault() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert about["appVersion"] == __version__
    assert about["kubeVersion"] == f">={VERSIONS[0]}.0-0"
    assert helm.lint(str(CHART), SECRETS)["errors"] == []


def test_the_values_of_the_page_render(chart: helm.Chart) -> None:
    shown = [block.text for block in blocks_of(PAGE) if block.language == "text"]
    assert len(shown) == 2
    for text in shown:
        manifests = rendered(chart, yaml.safe_load(text))
        assert [fault for manifest in manifests for fault in faults(VERSIONS[-1], manifest)] == []
    assert of_kind(rendered(chart, yaml.safe_load("\n".join(shown))), "Ingress")
