"""Whom a job is shown to, besides its owner.

Revision: 0006, after 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_shares",
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("owner_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_shares_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "owner_id", name=op.f("pk_job_shares")),
    )
    op.create_index("ix_job_shares_of_reader", "job_shares", ["owner_id", "job_id"])


def downgrade() -> None:
    op.drop_index("ix_job_shares_of_reader", "job_shares")
    op.drop_table("job_shares")
