"""Data sets and teachers that people bring, whom each is shown to, and keys that made them.

Revision: 0014, after 0013
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from jobs.database.dialect import json_type

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ID = sa.String(64)
TIME = sa.DateTime(timezone=True)
STATES = {
    "datasets": "'receiving', 'checking', 'ready', 'rejected', 'changed'",
    "teachers": "'receiving', 'checking', 'verified', 'unverified', 'rejected'",
}
LIVING = sa.text("state <> 'rejected'")


def upgrade() -> None:
    _create_resources("datasets", _nullable("root", sa.Text()), _nullable("root_stamp", ID))
    _create_resources("teachers")
    with op.batch_alter_table("idempotency_keys") as keys:
        keys.alter_column("job_id", existing_type=ID, nullable=True)
        keys.add_column(_nullable("resource_id", ID))


def downgrade() -> None:
    op.execute("DELETE FROM idempotency_keys WHERE job_id IS NULL")
    with op.batch_alter_table("idempotency_keys") as keys:
        keys.drop_column("resource_id")
        keys.alter_column("job_id", existing_type=ID, nullable=False)
    for table in ("teachers", "datasets"):
        op.drop_table(f"{table[:-1]}_shares")
        op.drop_table(table)


def _nullable(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


def _create_resources(table: str, *more: sa.Column[Any]) -> None:
    op.create_table(
        table,
        sa.Column("id", ID, nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("name", ID, nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        _nullable("reason", ID),
        _nullable("message", sa.Text()),
        sa.Column("asked", json_type(), nullable=False),
        _nullable("found", json_type()),
        _nullable("sha256", ID),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        _nullable("content", sa.Text()),
        _nullable("expires_at", TIME),
        _nullable("sender", ID),
        _nullable("sender_expires_at", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        *more,
        sa.CheckConstraint(f"state IN ({STATES[table]})", name=op.f(f"ck_{table}_state_known")),
        sa.CheckConstraint(
            "(state = 'receiving') = (expires_at IS NOT NULL)", name=op.f(f"ck_{table}_receiving_expires")
        ),
        sa.CheckConstraint(
            "sender IS NULL OR state = 'receiving'", name=op.f(f"ck_{table}_receiving_is_sent")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )
    op.create_index(f"ix_{table}_listing", table, ["owner_id", "created_at", "id"])
    op.create_index(
        f"uq_{table}_name",
        table,
        ["owner_id", "name"],
        unique=True,
        postgresql_where=LIVING,
        sqlite_where=LIVING,
    )
    shares = f"{table[:-1]}_shares"
    op.create_table(
        shares,
        sa.Column("resource_id", ID, nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["resource_id"], [f"{table}.id"], name=op.f(f"fk_{shares}_resource_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("resource_id", "owner_id", name=op.f(f"pk_{shares}")),
    )
    op.create_index(f"ix_{shares}_of_reader", shares, ["owner_id", "resource_id"])
