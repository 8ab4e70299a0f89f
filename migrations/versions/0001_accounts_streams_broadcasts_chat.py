"""Users and their sessions, streams, broadcasts, and the archive of chat."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0001"
down_revision = None

TIME = sa.DateTime(timezone=True)


def created_at() -> sa.Column[object]:
    return sa.Column("created_at", TIME, nullable=False, server_default=sa.func.now())


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Text),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("roles", ARRAY(sa.Text), nullable=False, server_default=sa.text("'{viewer}'")),
        sa.Column("is_verified", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("bio", sa.Text, nullable=False, server_default=sa.text("''")),
        sa.Column("avatar_url", sa.Text),
        created_at(),
        sa.PrimaryKeyConstraint("id", name="users_pkey"),
    )
    op.create_index("users_username_key", "users", [sa.text("lower(username)")], unique=True)
    op.create_index("users_email_key", "users", [sa.text("lower(email)")], unique=True)

    op.create_table(
        "sessions",
        sa.Column("id", sa.Text),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("refreshed_at", TIME, nullable=False, server_default=sa.func.now()),
        sa.Column("ended_at", TIME),
        sa.Column("end_reason", sa.Text),
        created_at(),
        sa.PrimaryKeyConstraint("id", name="sessions_pkey"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="sessions_user_id_fkey", ondelete="CASCADE"),
    )
    op.create_index("sessions_user_id_idx", "sessions", ["user_id"])

    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", sa.LargeBinary),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME),
        created_at(),
        sa.PrimaryKeyConstraint("token_hash", name="refresh_tokens_pkey"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name="refresh_tokens_session_id_fkey", ondelete="CASCADE"
        ),
    )
    op.create_index("refresh_tokens_session_id_idx", "refresh_tokens", ["session_id"])

    op.create_table(
        "streams",
        sa.Column("id", sa.Text),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False, server_default=sa.text("''")),
        sa.Column("category", sa.Text),
        sa.Column("tags", ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("privacy", sa.Text, nullable=False, server_default=sa.text("'public'")),
        sa.Column("record", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("latency", sa.Text, nullable=False, server_default=sa.text("'standard'")),
        sa.Column("reconnect_window", sa.Integer, nullable=False, server_default=sa.text("60")),
        sa.Column("auto_start", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("mature", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("total_views", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        created_at(),
        sa.PrimaryKeyConstraint("id", name="streams_pkey"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="streams_owner_id_fkey", ondelete="CASCADE"),
    )
    op.create_index("streams_owner_id_id_idx", "streams", ["owner_id", "id"])
    op.create_index(
        "streams_category_idx",
        "streams",
        [sa.text("lower(category)"), "id"],
        postgresql_where=sa.text("privacy = 'public'"),
    )
    op.create_index("streams_tags_idx", "streams", ["tags"], postgresql_using="gin")

    op.create_table(
        "broadcasts",
        sa.Column("id", sa.Text),
        sa.Column("stream_id", sa.Text, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("public", sa.Boolean, nullable=False),
        sa.Column("recording", sa.Text, nullable=False),
        sa.Column("recorded", sa.Boolean, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("live_at", TIME),
        sa.Column("ended_at", TIME),
        sa.Column("end_reason", sa.Text),
        sa.Column("end_detail", sa.Text),
        sa.Column("duration_seconds", sa.Float),
        sa.Column("renditions", ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("viewers", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("peak_viewers", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("total_views", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="broadcasts_pkey"),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"], name="broadcasts_stream_id_fkey", ondelete="CASCADE"),
    )
    op.create_index("broadcasts_stream_id_id_idx", "broadcasts", ["stream_id", "id"])
    op.create_index("broadcasts_ready_idx", "broadcasts", ["id"], postgresql_where=sa.text("recording = 'ready'"))
    op.create_index("broadcasts_on_air_idx", "broadcasts", ["stream_id"], postgresql_where=sa.text("state <> 'ended'"))

    op.create_table(
        "chat_messages",
        sa.Column("message_id", sa.Text),
        sa.Column("stream_id", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("reply_to", sa.Text),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("message_id", name="chat_messages_pkey"),
    )
    op.create_index("chat_messages_stream_id_seq_idx", "chat_messages", ["stream_id", "seq"])
