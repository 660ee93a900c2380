"""Anything that a server may answer."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from tests.cartl.raw_server import http

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats()
    | st.sampled_from(["running", "queued", "succeeded", "[/b]", "\x1b[2J", "x" * 300, "", 1e300, -1e300]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "state",
                    "data",
                    "number",
                    "next_cursor",
                    "states",
                    "jobs",
                    "fraction",
                    "seconds_left",
                    "spec",
                    "stage_label",
                    "queue_position",
                    "name",
                    "reason",
                    "errors",
                    "title",
                    "detail",
                    "body",
                    "type",
                    *("classes", "counts", "report", "defaults", "skipped", "warnings", "skipped_by_reason"),
                    *("blocks", "methods", "refused", "verification", "clean", "robust", "layout", "label"),
                    *("estimate", "seconds", "disk_bytes", "text", "headline", "waiting_for", "tags"),
                    *("slots", "running", "role", "secret", "family", "freeze_depth_max", "sha256", "size"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
JOB = st.fixed_dictionaries(
    {
        "id": st.just("j1"),
        "state": st.sampled_from(["running", "succeeded", "queued", "[/b]", "checking", "ready"]),
    },
    optional=dict.fromkeys(
        (
            *("data", "fraction", "spec", "name", "states", "jobs", "seconds_left"),
            *("classes", "counts", "report", "defaults", "blocks", "methods", "refused", "verification"),
            *("estimate", "text", "secret", "waiting_for", "tags", "priority", "attempts_used"),
        ),
        JSON,
    ),
)
BODIES = st.builds(
    lambda value, cut: json.dumps(value).encode()[: None if cut else -1], JSON | JOB, st.booleans()
) | st.sampled_from(
    [
        b"<html>",
        b"",
        b"\xff\xfe",
        b"[" * 100000,
        b'{"id": 1e999}',
        b'{"id": "j1", "state": "\\ud800"}',
        b"data: {\n\n",
        b'data: {"number": 1}\n\n',
        b"data: []\n\n",
        b'id: 1\ndata: {"number": "x"}\n\n',
    ]
)
ANSWERS = st.builds(
    http,
    BODIES,
    st.sampled_from([200, 200, 200, 201, 204, 301, 307, 404, 422, 500, 599]),
    st.sampled_from(["application/json", "text/html", "text/event-stream", "text/plain; charset=hex", ""]),
    st.sampled_from(["X: y", "Location: http://elsewhere/x", "Content-Encoding: gzip", "Location: \x00"]),
) | st.sampled_from(
    [
        b"",
        b"\x00" * 40,
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 999 \r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20000,
    ]
)
