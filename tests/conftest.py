"""Fixtures that several areas share live in tests/fixtures. What all tests stand on, and which
are slow, is said here."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.surroundings import Surroundings

# Before any other module of the tests is imported: what it reads then is the same on every machine too.
SURROUNDINGS = Surroundings()
# Some machines ask for no compiled files; then each process would compile all tests anew.
sys.dont_write_bytecode = False
# What is collected is kept, so that looking for garbage in it is in vain; see ``pytest_collection_finish``.
gc.disable()
# How long an example takes says how busy the machine is. Hypothesis has a profile of its own where CI is set.
settings.register_profile(
    "tests", settings.get_profile("default"), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")
pytest_plugins = [
    "tests.fixtures.databases",
    "tests.fixtures.fork_server",
    "tests.fixtures.object_store",
    "tests.fixtures.redis",
    "tests.fixtures.tasks",
    "tests.fixtures.workers",
]

HERE = Path(__file__).parent
# Folders and modules whose tests start processes or servers, or train and attack for seconds.
SLOW = tuple(
    HERE / place
    for place in (
        "api/uploads/test_upload_places.py",
        "api/operating/test_front_door.py",
        "api/uploads/test_resource_places.py",
        "core/catalog/test_network_file.py",
        "core/catalog/test_safetensors_header.py",
        "api/test_documents.py",
        "core/render/test_plots.py",
        "core/statistics/test_candidate_selection.py",
        "core/test_public.py",
        "api/http/test_any_body.py",
        "api/http/test_cost.py",
        "api/serving",
        "api/rights/test_ended_rights.py",
        "api/operating/test_failures.py",
        "api/test_fuzz.py",
        "api/operating/test_load.py",
        "api/test_watching.py",
        "cartl/test_any_input.py",
        "cartl/serving/test_demo.py",
        "cartl/serving/test_pairs.py",
        "cartl/serving/test_processes.py",
        "chaos",
        "core/analysis/test_curves.py",
        "core/attacks/test_attacks.py",
        "core/attacks/test_fab.py",
        "core/attacks/test_fold_batch_norm.py",
        "core/attacks/test_kinds.py",
        "core/attacks/test_minimal_radius.py",
        "core/attacks/test_norms.py",
        "core/attacks/test_oracle.py",
        "core/attacks/test_reference.py",
        "core/compat",
        "core/data/test_download.py",
        "core/evaluation",
        "core/nn/test_build.py",
        "core/nn/test_gram_iteration.py",
        "core/nn/test_lipschitz.py",
        "core/nn/test_neft.py",
        "core/nn/test_neft_operator.py",
        "core/nn/test_neft_training.py",
        "core/render/test_render_selection.py",
        "core/run/test_auto.py",
        "core/run/library/test_evaluate_robustness.py",
        "core/run/test_main.py",
        "core/run/test_main_supervised.py",
        "core/run/test_no_download.py",
        "core/run/library/test_own_objects.py",
        "core/run/test_pipeline.py",
        "core/run/test_pipeline_damage.py",
        "core/run/test_pipeline_stops.py",
        "core/run/test_supervised.py",
        "core/training",
        "deploy/test_beside.py",
        "deploy/test_drain.py",
        "deploy/test_upgrade.py",
        "documents/test_blocks.py",
        "documents/test_deploying.py",
        "documents/test_extending.py",
        "end_to_end",
        "golden",
        "jobs/database/test_migrations.py",
        "jobs/files/test_private.py",
        "jobs/store/test_any_story.py",
        "jobs/store/test_many_jobs.py",
        "jobs/test_queue.py",
        "long",
        "study",
        "test_compose.py",
        "test_surroundings.py",
        "test_worker_health.py",
        "worker/host",
        "worker/sinks",
        "worker/supervision",
        "worker/task_slot",
    )
)
# Fixtures that start a server. Tests of both databases are slow on PostgreSQL only.
SERVERS = {"postgres", "new_postgres_database", "migrated_postgres", "redis_server", "redis_url", "own_redis"}


@cache
def is_slow_module(path: Path) -> bool:
    return any(path.is_relative_to(place) for place in SLOW)


def is_slow(item: pytest.Item) -> bool:
    """Whether ``make test-fast`` leaves a test out."""
    if is_slow_module(item.path):
        return True
    if not isinstance(item, pytest.Function):
        return False
    backend = item.callspec.params.get("backend") if hasattr(item, "callspec") else None
    return backend == "postgresql" or not SERVERS.isdisjoint(item.fixturenames)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests, before ``-m`` chooses, and begin with them: processes side by side end together."""
    for item in items:
        if is_slow(item):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: let no garbage collection walk through it again."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    SURROUNDINGS.restore()


@pytest.fixture(autouse=True)
def same_umask() -> Iterator[None]:
    """Entry points change it, so that files are private; one that a test calls changes no other test."""
    mask = os.umask(0o022)
    os.umask(mask)
    yield
    os.umask(mask)


@pytest.fixture(autouse=True)
def same_log() -> Iterator[None]:
    """Entry points configure logging; a record of the next test must not go to a stream that is closed."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in [one for one in root.handlers if one not in handlers]:
        root.removeHandler(handler)
    root.setLevel(level)
