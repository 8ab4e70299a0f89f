"""Moderation of chat: its log, which only grows, messages that are hidden, and the VIPs of a stream."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("chat_messages", sa.Column("deleted_at", TIME))
    op.create_table(
        "moderation_log",
        sa.Column("id", sa.Text),
        # No foreign keys: what was done stays known when its doer, its stream and its subject are gone.
        sa.Column("stream_id", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("actor_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("message_id", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("details", JSONB, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("undoes", sa.Text),
        sa.Column("seq", sa.BigInteger),
        sa.Column("first_seq", sa.BigInteger),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="moderation_log_pkey"),
    )
    op.create_index("moderation_log_stream_id_id_idx", "moderation_log", ["stream_id", "id"])
    op.create_index("moderation_log_user_id_id_idx", "moderation_log", ["user_id", "id"])
    op.create_index(
        "moderation_log_undoes_idx", "moderation_log", ["undoes"], postgresql_where=sa.text("undoes IS NOT NULL")
    )
    # What hides or shows messages, so that one that reaches the archive late learns of it.
    hiding = sa.text("action IN ('delete', 'restore', 'timeout', 'ban', 'clear')")
    op.create_index("moderation_log_hiding_idx", "moderation_log", ["stream_id", "seq"], postgresql_where=hiding)
    op.execute(
        "CREATE FUNCTION moderation_log_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the moderation log is only appended to'; END $$"
    )
    op.execute(
        "CREATE TRIGGER moderation_log_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON moderation_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION moderation_log_only_grows()"
    )
    op.create_table(
        "stream_vips",
        sa.Column("stream_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("stream_id", "user_id", name="stream_vips_pkey"),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"], name="stream_vips_stream_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="stream_vips_user_id_fkey", ondelete="CASCADE"),
    )
    op.create_index("stream_vips_user_id_idx", "stream_vips", ["user_id"])
