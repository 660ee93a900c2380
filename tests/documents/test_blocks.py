"""Every fenced block of README and docs is run, checked, or listed in ``not_run.py`` with the reason.

``sh`` and ``python`` blocks of a page run one after the other in one folder, against one real service.
``json`` blocks are requests and must be valid. ``diff`` blocks and those with ``file=`` are followed by
``test_extending.py``.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

import pytest

from cartl.client import Client
from cartl.demo.demo import cancel_unless_over
from cartl.serving.up import Service, Settings, free_port
from cartl_core.planning.resolve import resolve
from cartl_core.spec import JobRequest
from cartl_core.spec.existing_network import request_class
from cartl_core.spec.sweep import SweepRequest
from tests.documents.not_run import NOT_RUN
from tests.fixtures.documents import ROOT, Block, blocks_of, pages, run_alone, with_short_jobs

RUN = {"sh", "python"}
SHOWN = {"mermaid", "text", "markdown"}
"""Not code: pictures and output."""

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
    "docs/how-to/use-from-python.md",
    "docs/how-to/use-the-command.md",
}
"""Pages that need a job that has succeeded; `ID` is such a one."""


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
    """A service, and what programs that need torch start faster with."""

    url: str
    faster: Mapping[str, str]

    @cached_property
    def job(self) -> str:
        """A job of it that has succeeded; made when it is first asked for."""
        with Client(self.url) as client:
            job: str = client.submit(JOB)["id"]
            assert client.wait(job, timeout=240, every=0.2)["state"] == "succeeded"
        return job


@pytest.fixture(scope="class")
def service(fork_server: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CARTL_")}
    settings = Settings(
        tmp_path_factory.mktemp("service") / "data",
        port=free_port(),
        inherited={**inherited, **fork_server, "CARTL_THREADS": "1"},
    )
    with Service(settings):
        yield Running(settings.url, fork_server)


def newest(client: Client) -> str:
    """What ``ID`` stands for: the job that the reader posted last."""
    return str(next(iter(client.jobs()))["id"])


def environment(folder: Path, service: Running) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CARTL_")}
    # curl would print an error of the service and say that all is well.
    (folder / ".curlrc").write_text("fail-with-body\n")
    return {**kept, **service.faster, "CARTL_URL": service.url, "CURL_HOME": str(folder), "COLUMNS": "100"}


def run_block(block: Block, folder: Path, service: Running) -> None:
    text = with_short_jobs(block.text.replace("http://127.0.0.1:8000", service.url))
    with Client(service.url) as client:
        if block.page in ABOUT_A_JOB:
            text = re.sub(r"\bID\b", service.job, text)
        elif re.search(r"\bID\b", text):
            text = re.sub(r"\bID\b", newest(client), text)
    done = run_alone(block, text, folder, environment(folder, service))
    assert done.returncode == 0, f"{block}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    assert "Traceback" not in done.stderr, f"{block}\n{done.stderr[-3000:]}"


def run_page(blocks: list[Block], folder: Path, service: Running) -> None:
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "recipes").symlink_to(ROOT / "recipes")
    for block in blocks:
        run_block(block, folder, service)
    with Client(service.url) as client:
        found = list(client.jobs())
        assert {job["state"] for job in found} <= {"queued", "running", "succeeded", "cancelled"}
        # No page waits for the jobs of another one.
        for job in found:
            if job["state"] in ("queued", "running"):
                cancel_unless_over(client, job["id"])


TUTORIALS = {
    page: blocks for page, blocks in BY_PAGE if page == "README.md" or page.startswith("docs/tutorials/")
}
OTHERS = {page: blocks for page, blocks in BY_PAGE if page not in TUTORIALS}
"""Two services, so that two processes of a test run can take them up side by side."""


class TestTutorials:
    @pytest.mark.parametrize("page", TUTORIALS)
    def test_the_blocks_of_a_page_run_in_order(self, page: str, service: Running, tmp_path: Path) -> None:
        run_page(TUTORIALS[page], tmp_path, service)


class TestOtherPages:
    @pytest.mark.parametrize("page", OTHERS)
    def test_the_blocks_of_a_page_run_in_order(self, page: str, service: Running, tmp_path: Path) -> None:
        run_page(OTHERS[page], tmp_path, service)


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
