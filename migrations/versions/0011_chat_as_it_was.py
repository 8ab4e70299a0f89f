"""What was said in a stream can be found by when, so that a recording is played with its chat."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_index("chat_messages_stream_id_created_at_seq_idx", "chat_messages", ["stream_id", "created_at", "seq"])
