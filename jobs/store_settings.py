"""The settings of where files are kept, when that is no directory which every host mounts."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from cartl_core.storage.bucket_url import parse_bucket_url


def forget_empty_variables() -> None:
    """Empty ``AWS_*`` variables count as unset, as all others do; obstore would take them as they are."""
    for name in [name for name, value in os.environ.items() if name.startswith("AWS_") and not value]:
        del os.environ[name]


class StoreSettings(BaseSettings):
    """Unset, all files lie in directories, and what is set here does nothing."""

    store: str = Field(
        default="",
        description="An S3-compatible object store that keeps uploads, stages, checkpoints and artifacts, "
        "`s3://bucket/prefix`; endpoint and credentials come from the usual `AWS_*` variables. Unset: the "
        "directories do.",
    )
    store_redirects: bool = Field(
        default=False,
        description="Downloads that no browser shows are redirected to a signed address of the object store, "
        "which clients must reach.",
    )
    cache_dir: Path = Field(
        default=Path(),
        description="With an object store: local copies, and what runs work on; unset: DATA_DIR/cache.",
    )
    cache_bytes: int = Field(
        default=20 * 1024**3, ge=0, le=2**60, description="Of local copies that are kept for the next run."
    )

    @field_validator("store")
    @classmethod
    def _is_a_bucket(cls, url: str) -> str:
        if url:
            parse_bucket_url(url)
        return url
