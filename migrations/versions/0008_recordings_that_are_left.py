"""The index of recordings leaves out those that were deleted, whose rows stay."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    left = sa.text("recording = 'ready' AND deleted_at IS NULL")
    op.drop_index("broadcasts_ready_idx", "broadcasts")
    op.create_index("broadcasts_ready_idx", "broadcasts", ["id"], postgresql_where=left)
