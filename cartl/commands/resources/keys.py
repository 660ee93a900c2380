"""The commands `cartl keys ...`: who may ask the service."""

from __future__ import annotations

from typing import Annotated

import typer

from cartl.client import DEFAULT_URL, Client
from cartl.commands.options import DATA_DIR, AsJson, DataDir, Key, Quiet, Url
from cartl.http import catalog_answers
from cartl.serving.programs import RECORD
from cartl.terminal.catalog_tables import show_keys
from cartl.terminal.output import Output

app = typer.Typer(help="API keys: make, list and revoke them.", no_args_is_help=True)


@app.command()
def create(
    owner: Annotated[str, typer.Option(help="Whose jobs the key sees.")] = "local",
    role: Annotated[
        str, typer.Option(help="viewer, submitter or operator; each includes those before it.")
    ] = "submitter",
    name: Annotated[str, typer.Option(help="What it is for.")] = "made at the console",
    expires_days: Annotated[
        float | None, typer.Option(min=0.001, max=3650, metavar="DAYS", help="After which it counts no more.")
    ] = None,
    over_http: Annotated[
        bool, typer.Option("--over-http", help="By the service, with an operator's key, instead of here.")
    ] = False,
    data_dir: DataDir = DATA_DIR,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Make a key and print it: the only time that it is shown.

    It is made in the database of this machine's service, as the first key has to be.
    """
    output = Output(as_json, quiet)
    if over_http:
        with Client(url, key) as client:
            body = {"owner": owner, "role": role, "name": name}
            expiry = {} if expires_days is None else {"expires_in_days": expires_days}
            made = client.keys.create(body | expiry)
        output.line(made, str(made["secret"]), str(made["secret"]))
        return
    arguments = [
        "keys",
        "create",
        f"--owner={owner}",
        f"--name={name}",
        f"--role={role}",
        *([] if expires_days is None else [f"--expires-days={expires_days}"]),
    ]
    done = RECORD.run(arguments, settings={"CARTL_DATA_DIR": str(data_dir)}, shown=False)
    if done.code:
        raise typer.Exit(done.code)
    secret = done.lines[-1] if done.lines else ""
    output.line({"owner": owner, "role": role, "name": name, "secret": secret}, secret, secret)


@app.command("list")
def list_all(as_json: AsJson = False, quiet: Quiet = False, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List your keys that count, without their secrets; with an operator's key those of all owners."""
    with Client(url, key) as client:
        found = list(client.pages("/keys", catalog_answers.Key))
    Output(as_json, quiet).answer(
        found, lambda console: show_keys(found, console), (str(one["id"]) for one in found)
    )


@app.command()
def rotate(
    key_id: Annotated[str, typer.Argument(help="One of `cartl keys list`.", metavar="ID")],
    grace_hours: Annotated[
        float, typer.Option(min=0, max=720, help="How long the secret until now counts beside the new one.")
    ] = 24,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Give a key a new secret and print it: your own, or with an operator's key any."""
    with Client(url, key) as client:
        made = client.keys.rotate(key_id, round(grace_hours * 3600))
    output, secret = Output(as_json, quiet), str(made.get("secret") or "")
    output.line(made, secret, secret)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="One of `cartl keys list`.", metavar="ID")],
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Revoke a key of yours: it is refused from now on."""
    with Client(url, key) as client:
        client.keys.revoke(key_id)
    Output(as_json, quiet).line({"revoked": key_id}, f"revoked {key_id}")
