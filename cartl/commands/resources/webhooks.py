"""The commands `cartl webhooks ...`: who is called when a job starts or ends."""

from __future__ import annotations

from typing import Annotated

import typer

from cartl.client import DEFAULT_URL, Client
from cartl.commands.agreement import ask
from cartl.commands.options import AsJson, Key, Quiet, Url, Yes
from cartl.commands.resources.named import given
from cartl.terminal.output import Output
from cartl.terminal.webhook_tables import show_webhook, show_webhooks

app = typer.Typer(
    help="Addresses that are called when a job of yours starts or ends: add, list, show and delete them.",
    no_args_is_help=True,
)

WebhookId = Annotated[str, typer.Argument(help="One of `cartl webhooks list`.", metavar="ID")]
MOST_SHOWN = 200
"""Messages of a webhook: a page that every service gives."""


@app.command()
def add(
    address: Annotated[str, typer.Argument(help="What is called; begins with https://.", metavar="ADDRESS")],
    event: Annotated[
        list[str] | None,
        typer.Option(
            help="job.started, job.succeeded, job.failed or job.cancelled; repeatable; left out: all four."
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Register an address and print the secret that signs its messages: the only time that it is shown."""
    output = Output(as_json, quiet)
    with Client(url, key) as client:
        made = client.webhooks.add(given(url=address, events=event))
    secret = str(made["secret"])
    output.line(made, secret, secret)
    if not as_json:
        output.say(f"webhook {made['id']}; the secret is not shown again, receivers check signatures with it")


@app.command("list")
def list_all(as_json: AsJson = False, quiet: Quiet = False, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List your webhooks, without their secrets."""
    with Client(url, key) as client:
        found = client.webhooks.all()
    ids = (str(one["id"]) for one in found)
    Output(as_json, quiet).answer(found, lambda console: show_webhooks(found, console), ids)


@app.command("show")
def show_one(
    webhook: WebhookId,
    last: Annotated[
        int, typer.Option(min=1, max=MOST_SHOWN, help="So many of the newest messages.", metavar="NUMBER")
    ] = 20,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show a webhook, and its newest messages: which job each tells of, and what came of it."""
    with Client(url, key) as client:
        found = client.webhooks.one(webhook)
        sent = client.webhooks.deliveries(webhook, most=last)
    output = Output(as_json, quiet)
    states = (f"{one['id']} {one['state']}" for one in sent)
    output.answer({**found, "deliveries": sent}, lambda console: show_webhook(found, sent, console), states)


@app.command()
def delete(
    webhook: WebhookId,
    yes: Yes = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Delete a webhook, with the log of its messages; asks first. What it is still owed is not sent."""
    output = Output(as_json, quiet)
    with Client(url, key) as client:
        ask("Delete this webhook for good?", "nothing was deleted", output, yes=yes)
        client.webhooks.delete(webhook)
    output.line({"deleted": webhook}, f"deleted {webhook}")
