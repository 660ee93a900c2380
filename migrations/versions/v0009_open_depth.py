"""A job's freeze depth may be open: the run chooses it, and the column is null.

Revision: 0009, after 0008

SQLite cannot drop NOT NULL from a column, so there the column is made anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column("jobs", "freeze_depth", existing_type=sa.Integer(), nullable=True)
        return
    _made_anew(sa.Column("freeze_depth_anew", sa.Integer(), server_default="0", nullable=True))


def downgrade() -> None:
    op.execute("UPDATE jobs SET freeze_depth = 0 WHERE freeze_depth IS NULL")
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column("jobs", "freeze_depth", existing_type=sa.Integer(), nullable=False)
        return
    _made_anew(sa.Column("freeze_depth_anew", sa.Integer(), server_default="0", nullable=False))


def _made_anew(column: sa.Column[int]) -> None:
    """Put ``column`` in the place of ``freeze_depth``, its values kept; no index or check names it."""
    op.add_column("jobs", column)
    op.execute("UPDATE jobs SET freeze_depth_anew = freeze_depth")
    op.drop_column("jobs", "freeze_depth")
    op.execute("ALTER TABLE jobs RENAME COLUMN freeze_depth_anew TO freeze_depth")
