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
    scope: Annotated[
        list[str] | None, typer.Option(help="read, submit or admin; repeatable; left out: read and submit.")
    ] = None,
    name: Annotated[str, typer.Option(help="What it is for.")] = "made at the console",
    over_http: Annotated[
        bool, typer.Option("--over-http", help="By the service, with an admin key, instead of here.")
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
    output, scopes = Output(as_json, quiet), scope or ["read", "submit"]
    if over_http:
        with Client(url, key) as client:
            made = client.create_key({"owner": owner, "scopes": scopes, "name": name})
        output.line(made, str(made["secret"]), str(made["secret"]))
        return
    arguments = [
        "keys",
        "create",
        f"--owner={owner}",
        f"--name={name}",
        *(f"--scope={one}" for one in scopes),
    ]
    done = RECORD.run(arguments, settings={"CARTL_DATA_DIR": str(data_dir)}, shown=False)
    if done.code:
        raise typer.Exit(done.code)
    secret = done.lines[-1] if done.lines else ""
    output.line({"owner": owner, "scopes": scopes, "name": name, "secret": secret}, secret, secret)


@app.command("list")
def list_all(as_json: AsJson = False, quiet: Quiet = False, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List your keys that count, without their secrets; with an admin key those of all owners."""
    with Client(url, key) as client:
        found = list(client.pages("/keys", catalog_answers.Key))
    Output(as_json, quiet).answer(
        found, lambda console: show_keys(found, console), (str(one["id"]) for one in found)
    )


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
        client.revoke_key(key_id)
    Output(as_json, quiet).line({"revoked": key_id}, f"revoked {key_id}")
