"""Keys have a role, expire and are rotated; the audit log.

Revision: 0021, after 0020

A key gets the smallest role with all that its scopes allowed. The scopes stay, for the version before.
Rows of the audit log can be neither changed nor deleted.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
ROLES = (("viewer", '"read"'), ("submitter", '"submit"'), ("operator", '"admin"'))
"""In the order in which the later ones win."""
REFUSAL = "the audit log is only added to"


def upgrade() -> None:
    op.add_column(
        "api_keys", sa.Column("role", sa.String(length=16), server_default="viewer", nullable=False)
    )
    op.add_column("api_keys", sa.Column("previous_hash", sa.String(length=64), nullable=True))
    for name in ("previous_until", "expires_at", "last_used_at"):
        op.add_column("api_keys", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    for role, scope in ROLES:
        op.execute(f"UPDATE api_keys SET role = '{role}' WHERE CAST(scopes AS text) LIKE '%{scope}%'")
    op.create_table(
        "audit_log",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.String(length=64), nullable=True),
        sa.Column("key_id", sa.String(length=64), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("object", sa.String(length=200), nullable=False),
        sa.Column("object_owner", sa.String(length=64), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("detail", JSON, nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_log")),
    )
    _guard()


def _guard() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_log_{event.lower()} BEFORE {event} ON audit_log "
                f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION refuse_change_of_audit_log() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_log_only_grows BEFORE UPDATE OR DELETE ON audit_log "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_log()"
    )


def downgrade() -> None:
    op.drop_table("audit_log")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION refuse_change_of_audit_log()")
    for name in ("last_used_at", "expires_at", "previous_until", "previous_hash", "role"):
        op.drop_column("api_keys", name)
