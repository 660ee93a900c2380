"""The events that monitoring counts, by an index of their own: each scrape would read all events.

Revision: 0004, after 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COUNTED = sa.text("type IN ('claimed', 'lost', 'stage_finished')")


def upgrade() -> None:
    op.create_index(
        "ix_job_events_counted",
        "job_events",
        ["type", "at"],
        postgresql_where=COUNTED,
        sqlite_where=COUNTED,
    )


def downgrade() -> None:
    op.drop_index("ix_job_events_counted", "job_events")
