"""Settings of what one owner may use, where no operator has set other limits for them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from jobs.quotas import WINDOW_DAYS, Limits
from jobs.sink_settings import SinkSettings

Count = Annotated[int, Field(ge=1, le=10**9)]


class OwnerSettings(SinkSettings):
    """Limits of each owner."""

    max_queued_per_owner: Count = Field(
        default=10_000, description="Queued jobs of one owner, at submission and retry."
    )
    max_running_per_owner: Count | None = Field(
        default=None, description="Unset: as many as there are slots."
    )
    max_device_seconds_per_owner: Count | None = Field(
        default=None, description="Of all devices together, within the window; unset: no limit."
    )
    device_window_days: float = Field(
        default=WINDOW_DAYS, gt=0, le=400, description="Within which device seconds are counted."
    )
    max_stored_bytes_per_owner: Annotated[int, Field(ge=1024, le=2**50)] | None = Field(
        default=None,
        description="Of what one owner has sent and of the files of their jobs; unset: none on all of it.",
    )

    @property
    def owner_limits(self) -> Limits:
        """Of owners for whom no operator has set others."""
        return Limits(
            queued=self.max_queued_per_owner,
            running=self.max_running_per_owner,
            device_seconds=self.max_device_seconds_per_owner,
            stored_bytes=self.max_stored_bytes_per_owner,
            window_days=self.device_window_days,
        )
