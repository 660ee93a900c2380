"""Flat claims and lists with many jobs; what retention needs to know.

Revision: 0002, after 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

QUEUED = sa.text("state = 'queued'")
DEPTH = {
    "postgresql": "CAST(spec ->> 'freeze_depth' AS integer)",
    "sqlite": "json_extract(spec, '$.freeze_depth')",
}


def upgrade() -> None:
    op.add_column("jobs", sa.Column("freeze_depth", sa.Integer(), server_default="0", nullable=False))
    op.execute(f"UPDATE jobs SET freeze_depth = {DEPTH[op.get_bind().dialect.name]}")
    op.add_column("stages", sa.Column("used_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE stages SET used_at = coalesce(finished_at, created_at)")
    op.create_index(
        "ix_jobs_queue_of_owner",
        "jobs",
        ["owner_id", sa.text("priority DESC"), "created_at", "id"],
        postgresql_where=QUEUED,
        sqlite_where=QUEUED,
    )
    op.create_index("ix_jobs_listing_by_state", "jobs", ["owner_id", "state", "created_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_jobs_listing_by_state", "jobs")
    op.drop_index("ix_jobs_queue_of_owner", "jobs")
    op.drop_column("stages", "used_at")
    op.drop_column("jobs", "freeze_depth")
