"""The server of this process: uvicorn with a table of connections that is looked at each second."""

from __future__ import annotations

import asyncio
import socket

import uvicorn
from fastapi import FastAPI

from api.http.middleware import LoggedOnce
from api.serving.connections import ConnectionLimits, ConnectionTable
from api.serving.descriptors import raise_descriptors, room_for
from api.serving.protocol import GuardedConfig
from jobs.networks import parse_networks
from jobs.settings import Settings

GRACE_SECONDS = 3
BACKLOG = 512
TICKS_PER_CHECK = 10
"""uvicorn ticks ten times a second."""


class Server(uvicorn.Server):
    """Ends the streams of events first: they would hold a shutdown up for as long as somebody watches."""

    def __init__(self, config: GuardedConfig, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app
        self._connections = config.connections

    async def on_tick(self, counter: int) -> bool:
        """Look after the connections once a second."""
        if counter % TICKS_PER_CHECK == 0:
            self._connections.check(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, streaming and serving, in this order."""
        await self._app.state.context.feed.close()
        await super().shutdown(sockets)


def configuration(app: FastAPI, settings: Settings) -> GuardedConfig:
    """How ``app`` is served. Raises this process's limit on open files."""
    total = room_for(settings.max_connections, raise_descriptors())
    limits = ConnectionLimits(
        total=total,
        by_address=min(settings.max_connections_per_address, total),
        head_seconds=settings.head_seconds,
        body_seconds=settings.body_seconds,
    )
    return GuardedConfig(
        LoggedOnce(app),
        connections=ConnectionTable(limits, parse_networks(settings.trusted_proxies)),
        host=settings.host,
        port=settings.port,
        log_level=settings.log_level.lower(),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # `create_app` reads them, by CARTL_TRUSTED_PROXIES alone
        # As many are accepted at a time, before the first of them can be refused.
        backlog=min(BACKLOG, total),
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
