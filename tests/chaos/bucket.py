"""A campaign whose files lie in a bucket: the object store, and the bucket as a directory at the end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from jobs.files.stores import artifact_store, stage_store
from jobs.settings import Settings
from tests.chaos.service import Service
from tests.fixtures.object_store import ObjectServer, server_command, wait_for
from tests.fixtures.postgres_server import free_port

CACHE_BYTES = 32 * 1024**2
"""So little that copies go while they are in use."""
MakeService = Callable[[str, list[str]], Service]


class ObjectStore:
    """A server that can be killed; what was put before is there afterwards.

    The environment of this process names it, for the campaign's own looks and all that it starts.
    """

    def __init__(self, scratch: Path, make: MakeService) -> None:
        self.server = ObjectServer(free_port(), bucket="cartl-chaos")
        os.environ.update(self.server.environment)
        folder = scratch / "objects"
        folder.mkdir()
        self.service = make("objects", server_command(self.server, folder))

    @property
    def url(self) -> str:
        return f"s3://{self.server.bucket}/campaign"

    def start(self) -> None:
        self.service.start()
        wait_for(self.server, lambda: self.service.is_up, self.service.log)


def as_directories(settings: Settings, folder: Path) -> Settings:
    """All of the bucket, compared with its digests, for checks that read directories."""
    stages, artifacts = folder / "stages", folder / "artifacts"
    for store, root in ((stage_store(settings), stages), (artifact_store(settings), artifacts)):
        root.mkdir(parents=True, exist_ok=True)
        for entry in store.entries():
            path = root / entry.key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(store.stream(entry.key)))
            os.utime(path, (entry.modified, entry.modified))
    return settings.model_copy(update={"store": "", "stages_dir": stages, "artifacts_dir": artifacts})
