"""Quotas of owners, and how long their runs have held devices.

Revision: 0022, after 0021

Runs that are under way are counted from the next claim on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "owner_quotas",
        sa.Column("owner_id", sa.String(length=64), nullable=False),
        sa.Column("queued", sa.Integer(), nullable=True),
        sa.Column("running", sa.Integer(), nullable=True),
        sa.Column("device_seconds", sa.BigInteger(), nullable=True),
        sa.Column("stored_bytes", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_owner_quotas")),
    )
    op.create_table(
        "device_uses",
        sa.Column("work_id", sa.String(length=64), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.String(length=64), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("work_id", "token", name=op.f("pk_device_uses")),
    )
    op.create_index("ix_device_uses_of_owner", "device_uses", ["owner_id", "ended_at", "seconds"])


def downgrade() -> None:
    op.drop_table("device_uses")
    op.drop_table("owner_quotas")
    op.drop_column("jobs", "claimed_at")
