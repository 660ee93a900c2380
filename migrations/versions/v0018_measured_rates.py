"""Measured rates of stages, and the pace of running jobs.

Revision: 0018, after 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "stage_rates",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("device", sa.String(length=16), nullable=False),
        sa.Column("device_name", sa.String(length=200), nullable=False),
        sa.Column("threads", sa.Integer(), nullable=False),
        sa.Column("precision", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("size_class", sa.Integer(), nullable=False),
        sa.Column("macs", sa.Double(), nullable=False),
        sa.Column("batches", sa.Double(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.CheckConstraint("seconds > 0", name=op.f("ck_stage_rates_seconds_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stage_rates")),
    )
    op.create_index("ix_stage_rates_of", "stage_rates", ["device_name", "kind", "size_class", "id"])
    op.create_table(
        "job_paces",
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("images_per_second", sa.Double(), nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_paces_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_job_paces")),
    )


def downgrade() -> None:
    op.drop_table("job_paces")
    op.drop_table("stage_rates")
