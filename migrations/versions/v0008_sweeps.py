"""Sweeps: jobs that were submitted together, to be compared.

Revision: 0008, after 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from jobs.database.dialect import json_type

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

IN_A_SWEEP = sa.text("sweep_id IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "sweeps",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=True),
        sa.Column("request", json_type(), nullable=False),
        sa.Column("grid", json_type(), nullable=False),
        sa.Column("margin", sa.Double(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sweeps"),
    )
    op.create_index("ix_sweeps_listing", "sweeps", ["owner_id", "created_at", "id"])
    op.add_column("jobs", sa.Column("sweep_id", sa.String(64), nullable=True))
    op.create_index(
        "ix_jobs_of_sweep",
        "jobs",
        ["sweep_id", "created_at", "id"],
        postgresql_where=IN_A_SWEEP,
        sqlite_where=IN_A_SWEEP,
    )


def downgrade() -> None:
    op.drop_index("ix_jobs_of_sweep", "jobs")
    op.drop_column("jobs", "sweep_id")
    op.drop_index("ix_sweeps_listing", "sweeps")
    op.drop_table("sweeps")
