from __future__ import annotations

import pytest

from cartl.sse import Message, messages


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id: 1\nevent: e\ndata: x\n\n", [Message("1", "e", "x")]),
        ("data: a\ndata: b\n\n", [Message("", "message", "a\nb")]),
        ("data:no blank\n\n", [Message("", "message", "no blank")]),
        ("data:  two blanks\n\n", [Message("", "message", " two blanks")]),
        (": a comment\n\nretry: 5\n\n", []),
        ("id: 7\n\ndata: x\n\n", [Message("7", "message", "x")]),
        ("id: 7\ndata: x\n\ndata: y\n\n", [Message("7", "message", "x"), Message("7", "message", "y")]),
        ("id: a\0b\ndata: x\n\n", [Message("", "message", "x")]),
        ("data\n\n", [Message("", "message", "")]),
        ("data: whole\n\ndata: broken off", [Message("", "message", "whole")]),
    ],
)
def test_the_standard_is_followed(text: str, expected: list[Message]) -> None:
    assert list(messages(text.split("\n"))) == expected
