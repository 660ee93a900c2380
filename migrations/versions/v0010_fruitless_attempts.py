"""Attempts are counted while nothing comes of them, not in all.

Revision: 0010, after 0009

Jobs that are under way begin with what they have lost so far.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("fruitless_attempts", sa.Integer(), server_default="0", nullable=False))
    op.execute("UPDATE jobs SET fruitless_attempts = attempts_used")


def downgrade() -> None:
    op.drop_column("jobs", "fruitless_attempts")
