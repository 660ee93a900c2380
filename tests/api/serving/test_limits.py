"""Limits on connections: in all, by address, by descriptors."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from api.http.problems import Problem
from api.serving.connections import ConnectionLimits, ConnectionTable
from api.serving.descriptors import room_for
from jobs.networks import parse_networks
from jobs.settings import Settings
from tests.api.serving.conftest import (
    eventually,
    problem_of,
    request,
    serving,
    status_of,
)
from tests.api.serving.test_connections import BODY, NewKey, answers


def test_silent_connections_of_one_address_keep_nobody_out(settings: Settings) -> None:
    with serving(settings.model_copy(update={"max_connections_per_address": 3})) as served:
        held = [served.connect() for _ in range(12)]
        assert [served.get("/healthz") for _ in range(5)] == [200] * 5
        assert served.connections <= 3
        for made in held:
            made.close()


def test_connections_at_work_are_not_ended_for_others(settings: Settings) -> None:
    with serving(settings.model_copy(update={"max_connections_per_address": 2})) as served:
        at_work = [served.connect(BODY) for _ in range(2)]
        eventually(lambda: served.connections == 2)
        eventually(lambda: problem_of(served.ask(b""))["type"] == "/problems/too-many-connections")
        assert served.get("/healthz", source="127.0.0.2") == 200
        for made in at_work:
            made.sendall(b" " * 99)
            assert status_of(made.recv(65536)) == 400
            made.close()
        eventually(lambda: served.connections == 0)
        assert served.get("/healthz") == 200


def test_behind_a_trusted_proxy_the_forwarded_address_counts(settings: Settings, new_key: NewKey) -> None:
    key = f"Authorization: {new_key('ada')['Authorization']}"
    chosen = settings.model_copy(
        update={"max_connections_per_address": 2, "trusted_proxies": "127.0.0.9, 10.0.0.0/8"}
    )
    proxy = "127.0.0.9"
    upload = request("POST", "/uploads", key, "X-Forwarded-For: 192.0.2.1", "Content-Length: 100")
    with serving(chosen) as served:
        at_work = [served.connect(upload, proxy) for _ in range(2)]
        eventually(lambda: served.get("/models", key, "X-Forwarded-For: 192.0.2.1", source=proxy) == 429)
        assert served.get("/models", key, "X-Forwarded-For: 192.0.2.2", source=proxy) == 200
        # The nearest address that is no proxy is the client's; what stands before it is its own word.
        asked = ("/models", key, "X-Forwarded-For: 192.0.2.9, 192.0.2.1, 10.1.1.1")
        assert served.get(*asked, source=proxy) == 429
        # From anybody else the header means nothing.
        assert served.get("/models", key, "X-Forwarded-For: 192.0.2.1") == 200
        for made in at_work:
            made.close()


class Idle:
    """A connection that has waited since ``since``; at work where that is None."""

    def __init__(self, since: float | None) -> None:
        self.since = since
        self.dropped = False

    def waiting_since(self) -> float | None:
        return self.since

    def check(self, now: float) -> None:
        pass

    def drop(self) -> None:
        self.dropped = True


def limits(total: int, by_address: int) -> ConnectionLimits:
    return ConnectionLimits(total, by_address, head_seconds=1, body_seconds=1)


def test_the_one_that_waited_longest_makes_room() -> None:
    table = ConnectionTable(limits(3, 3))
    held = [Idle(2.0), Idle(1.0), Idle(None)]
    for number, one in enumerate(held):
        assert table.add(one, f"192.0.2.{number}") is None
    assert table.add(Idle(None), "192.0.2.9") is None
    assert [one.dropped for one in held] == [False, True, False] and len(table) == 3
    assert table.add(Idle(None), "192.0.2.9") is None
    refused = table.add(Idle(None), "192.0.2.9")
    assert isinstance(refused, Problem) and refused.kind.name == "overloaded"


def test_one_customer_of_ipv6_is_one_address() -> None:
    table = ConnectionTable(limits(9, 1), parse_networks("2001:db8:1::/48"))
    assert table.add(Idle(None), "2001:db8::1") is None
    refused = table.add(Idle(None), "2001:db8::ffff:1")
    assert refused is not None and refused.kind.name == "too-many-connections"
    assert table.add(Idle(None), "2001:db8:0:1::1") is None
    assert [table.add(Idle(None), "2001:db8:1::1") for _ in range(3)] == [None] * 3
    assert table.add(Idle(None), "::ffff:192.0.2.1") is None
    assert table.add(Idle(None), "192.0.2.1") is not None


@pytest.mark.parametrize(
    ("wanted", "descriptors", "room"),
    [(1000, 1_000_000, 1000), (1000, 1024, 960), (1000, 64, 16), (10, 64, 10)],
)
def test_connections_leave_descriptors_for_the_rest(wanted: int, descriptors: int, room: int) -> None:
    assert room_for(wanted, descriptors) == room


def test_few_descriptors_and_many_sockets_do_not_stop_the_service(settings: Settings) -> None:
    """The whole process with 64 descriptors, beside 60 silent sockets."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = (
        "import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (48, 64))\n"
        "from api.__main__ import main; sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={"CARTL_DATA_DIR": str(settings.data_dir), "CARTL_PORT": str(port), "PATH": "/usr/bin:/bin"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(lambda: answers(port))
        held = [socket.create_connection(("127.0.0.1", port), 60) for _ in range(60)]
        for _ in range(20):
            eventually(lambda: answers(port))
        for made in held:
            made.close()
    finally:
        process.terminate()
        _, told = process.communicate(timeout=60)
    assert len(told) < 20_000
