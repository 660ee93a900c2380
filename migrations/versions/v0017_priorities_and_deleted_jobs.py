"""Owners order their own jobs; deleted jobs go on being counted; lists of one owner read their own rows.

Revision: 0017, after 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

QUEUED = sa.text("state = 'queued'")
OF_ANYBODY = sa.text("id > ''")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.drop_index("ix_jobs_claimable", "jobs")
    op.create_index(
        "ix_jobs_queue",
        "jobs",
        ["created_at", "id", "owner_id", "priority"],
        postgresql_where=QUEUED,
        sqlite_where=QUEUED,
    )
    op.drop_index("ix_jobs_everyones_listing", "jobs")
    op.create_index(
        "ix_jobs_everyones_listing",
        "jobs",
        ["created_at", "id"],
        postgresql_where=OF_ANYBODY,
        sqlite_where=OF_ANYBODY,
    )
    op.create_table(
        "deleted_jobs",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("owner_id", sa.String(length=64), nullable=False),
        sa.Column("deleted_by", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=True),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("last_claim_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("losses", JSON, nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deleted_jobs")),
    )


def downgrade() -> None:
    op.drop_table("deleted_jobs")
    op.drop_index("ix_jobs_everyones_listing", "jobs")
    op.create_index("ix_jobs_everyones_listing", "jobs", ["created_at", "id"])
    op.drop_index("ix_jobs_queue", "jobs")
    op.create_index(
        "ix_jobs_claimable",
        "jobs",
        ["priority", "created_at", "id"],
        postgresql_where=QUEUED,
        sqlite_where=QUEUED,
    )
