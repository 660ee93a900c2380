"""Commands about what may be asked for, and who does it: `models`, `methods` and `workers`."""

from __future__ import annotations

from cartl.client import DEFAULT_URL, Client
from cartl.commands.options import AsJson, Key, Quiet, Url
from cartl.http import catalog_answers
from cartl.terminal.catalog_tables import show_methods, show_models, show_workers
from cartl.terminal.output import Output


def models(as_json: AsJson = False, quiet: Quiet = False, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List networks, and the freeze depths that each allows."""
    with Client(url, key) as client:
        found = list(client.pages("/models", catalog_answers.Model))
    names = (str(row["name"]) for row in found)
    Output(as_json, quiet).answer(found, lambda console: show_models(found, console), names)


def methods(as_json: AsJson = False, quiet: Quiet = False, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List methods of transfer."""
    with Client(url, key) as client:
        found = client.methods()
    names = (str(row["name"]) for row in found)
    Output(as_json, quiet).answer(found, lambda console: show_methods(found, console), names)


def workers(as_json: AsJson = False, quiet: Quiet = False, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List workers that are heard of: the device of each slot, and what it does."""
    with Client(url, key) as client:
        found = list(client.pages("/workers", catalog_answers.Worker))
    ids = (str(row["id"]) for row in found)
    Output(as_json, quiet).answer(found, lambda console: show_workers(found, console), ids)
