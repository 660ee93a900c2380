"""Files are found by their digest: the jobs whose student is the same network.

Revision: 0023, after 0022
"""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_artifacts_sha256"), "artifacts", ["sha256"])


def downgrade() -> None:
    op.drop_index(op.f("ix_artifacts_sha256"), "artifacts")
