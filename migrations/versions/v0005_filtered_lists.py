"""Lists that are filtered by data set, method or tag read what they show, not all jobs of an owner.

Revision: 0005, after 0004
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BY = {"dataset": "ix_jobs_listing_by_dataset", "method": "ix_jobs_listing_by_method"}


def upgrade() -> None:
    for column, name in BY.items():
        op.create_index(name, "jobs", ["owner_id", column, "created_at", "id"])
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(
            "ix_jobs_tags",
            "jobs",
            ["tags"],
            postgresql_using="gin",
            postgresql_ops={"tags": "jsonb_path_ops"},
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("ix_jobs_tags", "jobs")
    for name in BY.values():
        op.drop_index(name, "jobs")
