"""Every fenced block of README and docs is run, checked, or listed here with the reason why it is not.

``sh`` and ``python`` blocks of a page run one after the other in one folder, against one real service.
``json`` blocks are requests and must be valid. ``diff`` blocks and those with ``file=`` are followed by
``test_extending.py``.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest

from cartl.client import Client
from cartl.serving.up import Service, Settings, free_port
from cartl_core.planning.resolve import resolve
from cartl_core.spec import JobRequest
from cartl_core.spec.existing_network import request_class
from cartl_core.spec.sweep import SweepRequest
from tests.fixtures.documents import ROOT, Block, blocks_of, pages, run_alone

RUN = {"sh", "python"}
SHOWN = {"mermaid", "text", "markdown"}
"""Not code: pictures and output."""

SERVER = "it runs until somebody ends it; tests/end_to_end/test_up.py starts the same"
DOCKER = "needs a Docker engine; test_deploying.py asks Compose, `make test-compose` tries the stack"
CLUSTER = "needs a cluster; tests/deploy/test_chart.py renders the chart with the page's values"
INSTALL = "installs packages"
WALKED = "tests/api/test_backup.py takes a backup and restores it as the page says"
LONG = "minutes or hours, and downloads"
NOT_RUN: dict[tuple[str, str], str] = {
    (
        "README.md",
        "make demo   # starts the service, runs consistent tuning beside plain transfer and CARTL, "
        "prints the report, stops",
    ): "minutes; tests/end_to_end/test_demo.py runs it on a small pair",
    ("README.md", "pip install '.'          # the command and the Python client: no torch"): INSTALL,
    ("README.md", "make serve"): SERVER,
    ("README.md", "docker compose up --build -d        # published on 127.0.0.1 only"): DOCKER,
    ("docs/tutorials/first-job.md", "make serve"): SERVER,
    ("docs/tutorials/library.md", "pip install '.[core]'"): INSTALL,
    (
        "docs/how-to/run-the-authors-pairs.md",
        ".venv/bin/python -m cartl_core fetch cifar100 --data-root .cartl/data   # and cifar10",
    ): LONG,
    (
        "docs/how-to/run-the-authors-pairs.md",
        ".venv/bin/cartl submit recipes/cifar100-to-cifar10.json --watch         # --freeze-depth 9: k = 8 "
        "instead of 6",
    ): "hours on a GPU",
    (
        "docs/how-to/run-with-compose.md",
        "docker compose up --build -d        # API, worker, PostgreSQL, Redis; CPU",
    ): DOCKER,
    (
        "docs/how-to/run-with-compose.md",
        'curl -s http://127.0.0.1:8000/jobs -H "Authorization: Bearer $KEY" '
        "-H 'Content-Type: application/json' \\",
    ): DOCKER,
    (
        "docs/how-to/run-with-compose.md",
        'curl -s http://127.0.0.1:8000/datasets -H "Authorization: Bearer $KEY" '
        "-H 'Content-Type: application/json' \\",
    ): DOCKER,
    (
        "docs/how-to/run-with-compose.md",
        "docker compose --profile gpu up -d  # `down` needs the profile too",
    ): DOCKER,
    ("docs/how-to/run-with-compose.md", "docker compose up --scale worker=3 -d"): DOCKER,
    (
        "docs/how-to/run-with-compose.md",
        "export CARTL_DATABASE_URL='postgresql+psycopg://cartl:PASSWORD@db.example.org:5432/cartl?"
        "sslmode=verify-full'",
    ): DOCKER,
    (
        "docs/how-to/run-with-compose.md",
        "docker compose exec -T api python -m jobs keys create --owner prometheus "
        "--role viewer > metrics.key",
    ): DOCKER,
    (
        "docs/how-to/run-with-compose.md",
        f"export CARTL_PYTHON_IMAGE=python@sha256:{'0' * 64}",
    ): DOCKER,
    (
        "docs/how-to/run-with-compose.md",
        "docker compose run --rm --no-deps api cat /opt/cartl/sbom.cdx.json > api.cdx.json",
    ): DOCKER,
    ("docs/how-to/run-on-kubernetes.md", "kubectl create namespace robust"): CLUSTER,
    (
        "docs/how-to/run-on-kubernetes.md",
        "helm install cartl charts/cartl --namespace robust --values values.yaml",
    ): CLUSTER,
    (
        "docs/how-to/run-on-kubernetes.md",
        "helm upgrade cartl charts/cartl --namespace robust --values values.yaml",
    ): CLUSTER,
    (
        "docs/how-to/move-to-another-host.md",
        ".venv/bin/python -m jobs adopt",
    ): "needs a database that was restored; tests/jobs/files/test_directory_id.py adopts its directories",
    ("docs/how-to/operate.md", "cp -a .cartl/artifacts backup-artifacts"): WALKED,
    ("docs/how-to/operate.md", "rm -rf .cartl/cartl.sqlite3* .cartl/artifacts .cartl/stages"): WALKED,
    (
        "docs/how-to/keep-files-in-a-bucket.md",
        "export CARTL_STORE=s3://cartl/production   # the bucket, and a prefix that may be empty",
    ): "needs a bucket; tests/api/test_object_store.py and tests/long/test_two_hosts.py set these variables",
    ("docs/how-to/operate.md", "python -m jobs downgrade 0009"): "takes back what later pages need; "
    "tests/deploy/test_upgrade.py runs it",
    (
        "docs/how-to/operate.md",
        "docker compose exec -T postgres pg_dump --username cartl --format custom cartl > cartl.dump",
    ): DOCKER,
    ("docs/how-to/operate.md", "docker compose stop api worker"): DOCKER,
    (
        "docs/how-to/move-to-another-host.md",
        "rsync -a .cartl/ other-host:/srv/cartl/",
    ): "needs a second host; test_deploying.py has a stand-in for it",
    ("docs/how-to/move-to-another-host.md", "docker compose stop"): DOCKER,
    (
        "docs/how-to/track-jobs.md",
        "curl -s http://127.0.0.1:8000/webhooks -H 'Content-Type: application/json' \\",
    ): "needs a service that allows webhooks; tests/api/test_webhooks.py registers the same",
    (
        "docs/how-to/track-jobs.md",
        ".venv/bin/cartl webhooks add https://example.com/cartl --event job.succeeded --event job.failed   "
        "# prints the secret",
    ): "needs a service that allows webhooks; tests/cartl/test_webhooks.py types the same",
    ("docs/how-to/move-to-another-host.md", "docker compose up --build --no-start"): DOCKER,
    (
        "docs/explanation/benchmarks.md",
        "make bench                                                  # all rows: half an hour",
    ): LONG,
    (
        "docs/explanation/benchmarks.md",
        ".venv/bin/python -m benchmarks.gpu --data-root .cartl/data --dataset cifar10 --out gpu   "
        "# eight minutes, no network",
    ): "needs a GPU; tests/test_gpu_benchmark.py rehearses it",
    (
        "docs/explanation/benchmarks.md",
        ".venv/bin/python -m benchmarks.startup",
    ): "starts the service twice; tests/end_to_end/test_up.py starts the same",
    (
        "docs/explanation/benchmarks.md",
        "make bench-attacks                                              # all cells, 256 images, "
        "three rounds: an hour",
    ): LONG,
    (
        "docs/explanation/time.md",
        "make time-left                       # twenty jobs of different kinds as runs of the library",
    ): LONG,
    (
        "docs/study/choice.md",
        ".venv/bin/python -m study.choice            # all figures anew into choice.json: minutes",
    ): LONG,
    ("docs/study/data.md", "make study         # one pair, one seed, anew: minutes"): LONG,
}

JOB = {
    "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
    "freeze_depth": 2,
    "preset": "smoke",
    "exports": ["onnx"],
    "baselines": [],
    "evaluate": {"preset": "quick"},
}
ABOUT_A_JOB = {
    "docs/how-to/evaluate-a-network.md",
    "docs/how-to/take-your-model-home.md",
    "docs/how-to/use-the-command.md",
}
"""Pages for whom `ID` is a job that has succeeded."""


def followed(block: Block) -> bool:
    """Whether ``test_extending.py`` follows the page of this block, so that it runs there."""
    return Path(block.page).name.startswith("add-")


ALL = [block for page in pages() for block in blocks_of(page)]
TO_RUN = [
    block
    for block in ALL
    if block.language in RUN and not followed(block) and (block.page, block.first) not in NOT_RUN
]
BY_PAGE = [(page, list(found)) for page, found in groupby(TO_RUN, key=lambda block: block.page)]


@dataclass
class Running:
    """A service, and a job of it that has succeeded."""

    url: str
    job: str
    data_dir: Path


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CARTL_")}
    data_dir = tmp_path_factory.mktemp("service") / "data"
    return Settings(data_dir, port=free_port(), inherited={**inherited, "CARTL_THREADS": "1"})


@pytest.fixture(scope="module")
def service(settings: Settings) -> Iterator[Running]:
    with Service(settings), Client(settings.url) as client:
        job = client.submit(JOB)["id"]
        assert client.wait(job, timeout=240, every=0.2)["state"] == "succeeded"
        yield Running(settings.url, job, settings.data_dir)


def without_exports(text: str) -> str:
    """Its jobs of the smallest preset export nothing: exports are what takes longest of such a job."""
    if '"exports"' in text or '"kind"' in text or '"freeze_depth"' not in text:
        return text
    return text.replace('"preset": "smoke"', '"preset": "smoke", "exports": []')


def newest(client: Client) -> str:
    """What ``ID`` stands for: the job that the reader posted last."""
    return str(next(iter(client.jobs()))["id"])


def environment(folder: Path, url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CARTL_")}
    # curl would print an error of the service and say that all is well.
    (folder / ".curlrc").write_text("fail-with-body\n")
    return {**kept, "CARTL_URL": url, "CURL_HOME": str(folder), "COLUMNS": "100"}


def run_block(block: Block, folder: Path, service: Running) -> None:
    text = without_exports(block.text.replace("http://127.0.0.1:8000", service.url))
    with Client(service.url) as client:
        if block.page in ABOUT_A_JOB:
            text = re.sub(r"\bID\b", service.job, text)
        elif re.search(r"\bID\b", text):
            text = re.sub(r"\bID\b", newest(client), text)
    done = run_alone(block, text, folder, environment(folder, service.url))
    assert done.returncode == 0, f"{block}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    assert "Traceback" not in done.stderr, f"{block}\n{done.stderr[-3000:]}"


@pytest.mark.parametrize(("page", "blocks"), BY_PAGE, ids=[page for page, _ in BY_PAGE])
def test_the_blocks_of_a_page_run_in_order(
    page: str, blocks: list[Block], service: Running, tmp_path: Path
) -> None:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    for block in blocks:
        run_block(block, tmp_path, service)
    with Client(service.url) as client:
        found = list(client.jobs())
        assert {job["state"] for job in found} <= {"queued", "running", "succeeded", "cancelled"}
        # No page waits for the jobs of another one.
        for job in found:
            if job["state"] in ("queued", "running"):
                client.cancel(job["id"])


def test_every_block_names_a_language_that_is_run_checked_or_shown() -> None:
    for block in ALL:
        assert block.language in RUN | SHOWN | {"json", "diff"}, f"{block}: {block.language!r}"
        if block.language == "diff" or block.file:
            assert followed(block) and block.file, f"{block} is followed by no test"


def test_what_is_not_run_is_there() -> None:
    written = {(block.page, block.first) for block in ALL if block.language in RUN}
    assert NOT_RUN.keys() - written == set()


def test_something_of_every_kind_is_run() -> None:
    assert {block.language for block in TO_RUN} == RUN
    assert {page for page, _ in BY_PAGE} >= {
        "README.md",
        "docs/tutorials/first-job.md",
        "docs/tutorials/library.md",
    }


@pytest.mark.parametrize("block", [block for block in ALL if block.language == "json"], ids=str)
def test_a_request_in_json_is_valid(block: Block) -> None:
    written = json.loads(block.text)
    if "grid" in written:
        SweepRequest.model_validate_json(block.text)
        return
    request = request_class(written).model_validate_json(block.text)
    if isinstance(request, JobRequest):
        resolve(request)
