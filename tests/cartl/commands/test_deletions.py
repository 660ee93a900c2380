"""What is deleted for good is asked about first: data sets, teachers and webhooks, as jobs are."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from cartl.http.problems import NotUsable
from cartl.main import app

ID = "0199f3a2c5d07c3e8a51b6f4e2d90c77"


@pytest.mark.parametrize(
    ("group", "noun"), [("datasets", "data set"), ("teachers", "teacher"), ("webhooks", "webhook")]
)
def test_it_asks_before_it_deletes(
    service: Any, answer: Any, monkeypatch: pytest.MonkeyPatch, group: str, noun: str
) -> None:
    service.reply = lambda asked: answer(204, "")
    command = [group, "delete", ID, "--url", service.url]
    with pytest.raises(NotUsable, match="nothing was deleted; with --yes"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    monkeypatch.setattr("cartl.commands.agreement.can_ask", lambda: True)
    refused = CliRunner().invoke(app, command, input="n\n")
    assert (refused.exit_code, service.asked) == (1, []) and f"Delete this {noun} for good?" in refused.stderr
    assert CliRunner().invoke(app, command, input="y\n").stdout.endswith(f"deleted {ID}\n")
    assert CliRunner().invoke(app, [*command, "--yes"]).stdout == f"deleted {ID}\n"
    assert [(asked.method, asked.path) for asked in service.asked] == [("DELETE", f"/{group}/{ID}")] * 2
