"""The archive of chat keeps a message's emotes and its author's badges, as they were when it was said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("chat_messages", sa.Column("badges", ARRAY(sa.Text)))
    op.add_column("chat_messages", sa.Column("emotes", JSONB))
