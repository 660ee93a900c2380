"""What a service answers of networks, methods, keys, webhooks and workers, as `answers` has it of jobs."""

from __future__ import annotations

from pydantic import JsonValue

from cartl.http.answers import Shape


class Model(Shape):
    """A network of the catalog."""

    name: str = ""
    family: str = ""
    blocks: int = 0
    freeze_depth_min: int = 0
    freeze_depth_max: int = 0


class Method(Shape):
    """A way to transfer."""

    name: str = ""
    title: str = ""
    objective: str = ""
    head_only: bool = False


class Catalog(Shape):
    """What may be asked for."""

    methods: list[dict[str, JsonValue]] = []


class Key(Shape):
    """An API key, without its secret."""

    id: str = ""
    owner: str = ""
    name: str = ""
    role: str = ""
    created_at: str | None = None
    expires_at: str | None = None
    last_used_at: str | None = None
    in_use: bool = False


class Webhook(Shape):
    """An address that is called, without its secret."""

    id: str = ""
    url: str = ""
    events: list[str] = []
    created_at: str | None = None


class Delivery(Shape):
    """A message for a webhook, and what came of it."""

    id: str = ""
    event: str = ""
    job: str = ""
    state: str = ""
    attempts: int = 0
    status: int | None = None
    error: str | None = None
    created_at: str | None = None
    next_attempt_at: str | None = None


class AuditEntry(Shape):
    """A row of the audit log."""

    number: int
    at: str = ""
    owner: str | None = None
    key: str | None = None
    address: str | None = None
    action: str = ""
    object: str = ""
    object_owner: str | None = None
    outcome: str = ""


class Slot(Shape):
    """A place for one run."""

    number: int = 0
    device: str = ""
    busy: bool = False
    job: str | None = None


class Worker(Shape):
    """A worker process."""

    id: str = ""
    host: str | None = None
    slots: list[Slot] = []
    version: str = ""
    started_at: str | None = None
    heartbeat_at: str | None = None
