"""What a stage is apart from recipe and machine, so that one that is computed anew can say why.

Revision: 0012, after 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.add_column("stages", sa.Column("identity", sa.String(length=64), nullable=True))
    op.add_column("stages", sa.Column("basis", JSON, nullable=True))
    op.create_index("ix_stages_identity", "stages", ["owner_id", "identity"])


def downgrade() -> None:
    op.drop_index("ix_stages_identity", "stages")
    op.drop_column("stages", "basis")
    op.drop_column("stages", "identity")
