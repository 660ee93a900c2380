"""Anything that may be typed behind `cartl`."""

from __future__ import annotations

from hypothesis import strategies as st

SECRET = "s3cret"
FILES = [
    *("binary", "empty", "deep", "nan", "twice", "half", "huge", "list", "mark", "good", "folder", "circle"),
    *("missing", "folder/missing", "binary/inside", "x" * 300, "a\x00b", "\udcff", "../..", ".", ""),
]
TEXTS = ["ada", "", "\udcff", "a\nb", "\x1b[2J", "[/b]", "x" * 300]
RESOURCE_COMMANDS = ("add", "list", "show", "delete", "share")
OPTIONS: dict[str, list[str]] = {
    "--dataset": ["digits", "digits:0,1", "digits:" + "9" * 5000, ":", "\udcff", "x:1,,2"],
    "--freeze-depth": ["1", "auto", "9" * 5000, "-1", "\udcff", "1e9"],
    "--seed": ["0", "9" * 5000, "x"],
    "--teacher": ["robust", "\udcff", ""],
    "--name": ["[/b]", "\udcff", "a\nb", "\x1b[2J"],
    "--tag": ["a", "\udcff"],
}
OF_RESOURCES: dict[str, list[str]] = {
    "--mean": ["0.5", "0.5 0.5 0.5", "1e999", "nan", "\udcff", "0.5,x", "9" * 5000, "-0.5 1"],
    "--std": ["0.5", "0", "1,1,1,1", ""],
    "--normalisation": ["none", "\udcff", "{}"],
    "--layout": ["auto", "\udcff", "[/b]"],
    "--eps": ["0.1", "inf", "nan", "1e999", "x"],
    "--clean": ["0.5", "nan"],
    "--images": ["9" * 5000, "-1"],
    "--name": ["a", "\udcff", "A B", ""],
    "--licence": ["MIT", "\udcff", "\x1b[2J"],
    "--test-fraction": ["0.5", "nan", "x"],
    "--split-seed": ["9" * 5000],
    "--root": ["/srv", "\udcff", ""],
}
ABOUT_A_JOB = (
    "watch",
    "report",
    "show",
    "cancel",
    "retry",
    "open",
    "logs",
    "logs -f",
    "download",
    "remeasure",
    "priority",
    "delete",
)
WITHOUT_ARGUMENTS = ("jobs", "models", "methods", "workers", "keys list", "webhooks list", "audit")
COMMANDS = st.sampled_from(
    [
        *("submit", "evaluate", "sweep", "compare", "keys create --over-http", "keys revoke", "keys rotate"),
        *("webhooks add", "webhooks show", "webhooks delete"),
        *(*ABOUT_A_JOB, *WITHOUT_ARGUMENTS),
        *(f"{group} {verb}" for group in ("datasets", "teachers") for verb in RESOURCE_COMMANDS),
    ]
)
ADDRESSES = st.sampled_from(
    [
        *(
            "",
            "http://",
            "http://[::1",
            "ftp://127.0.0.1",
            "127.0.0.1:80",
            "http://127.0.0.1:99999",
            "é",
            "//x",
        ),
        *(
            "http://127.0.0.1:1",
            f"http://me:{SECRET}@127.0.0.1:1",
            f"http://me:{SECRET}@127.0.0.1:x",
            "\udcff",
        ),
        *("http://127.0.0.1:1/\x00", "http://127.0.0.1:1/a b", "http:127.0.0.1", "http://[fe80::1%25x]:1"),
    ]
)
KEYS = st.sampled_from(
    ["k", f"{SECRET}\n", f"\r\n{SECRET}", f"{SECRET}é", f"{SECRET} x", f"{SECRET}\x00", f"{SECRET}\udcff"]
)
