"""Every command of `cartl`, under its name, as one application."""

from __future__ import annotations

from collections.abc import Callable

import typer

from cartl.commands import (
    about,
    audit,
    doctor,
    download,
    jobs,
    local,
    remeasure,
    results,
    service,
    submit,
    verify,
    watch,
)
from cartl.commands.resources import catalog, datasets, keys, teachers, webhooks

app = typer.Typer(
    help="Move a robust network to new data without losing its robustness, and measure it honestly.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

COMMANDS: dict[str, Callable[..., None]] = {
    "up": service.up,
    "demo": service.demo,
    "submit": submit.submit,
    "evaluate": submit.evaluate,
    "remeasure": remeasure.remeasure,
    "sweep": submit.sweep,
    "watch": watch.watch,
    "jobs": jobs.jobs,
    "show": jobs.show,
    "report": results.report,
    "compare": results.compare,
    "logs": watch.logs,
    "download": download.download,
    "open": about.open_page,
    "cancel": jobs.cancel,
    "retry": jobs.retry,
    "priority": jobs.priority,
    "delete": jobs.delete,
    "models": catalog.models,
    "methods": catalog.methods,
    "workers": catalog.workers,
    "audit": audit.audit,
    "fetch": local.fetch,
    "convert": local.convert,
    "run": local.run,
    "verify": verify.verify,
    "sign": verify.sign,
    "prune": local.prune,
    "doctor": doctor.doctor,
    "version": about.version,
    "completion": about.completion,
}
"""In the order of the help."""

GROUPS: dict[str, typer.Typer] = {
    "datasets": datasets.app,
    "teachers": teachers.app,
    "keys": keys.app,
    "webhooks": webhooks.app,
}
"""Commands that have commands of their own."""

SETTINGS = {"priority": {"ignore_unknown_options": True}}
"""Of commands that are parsed otherwise: a priority below 0 is no option."""

for name, command in COMMANDS.items():
    app.command(name, context_settings=SETTINGS.get(name))(command)
for name, group in GROUPS.items():
    app.add_typer(group, name=name)
