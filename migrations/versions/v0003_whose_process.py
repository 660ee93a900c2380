"""Which process supervises a job, and in which space of process ids a worker lives.

Revision: 0003, after 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("supervisor_pid", sa.Integer(), nullable=True))
    op.add_column("workers", sa.Column("pid_space", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("workers", "pid_space")
    op.drop_column("jobs", "supervisor_pid")
