"""People: suspension, roles per stream, follows, personal access tokens, avatars, exports, and the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0002"
down_revision = "0001"

TIME = sa.DateTime(timezone=True)


def created_at() -> sa.Column[object]:
    return sa.Column("created_at", TIME, nullable=False, server_default=sa.func.now())


def owned_by_user(table: str, column: str = "user_id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], ["users.id"], name=f"{table}_{column}_fkey", ondelete="CASCADE")


def upgrade() -> None:
    op.add_column("users", sa.Column("suspended_at", TIME))
    op.add_column("users", sa.Column("suspension_reason", sa.Text))
    op.add_column("users", sa.Column("deleted_at", TIME))
    op.add_column("users", sa.Column("follower_count", sa.Integer, nullable=False, server_default=sa.text("0")))
    # `LIKE 'prefix%'` in any collation: an administrator looks for people by how their names and addresses begin.
    op.create_index("users_username_prefix_idx", "users", [sa.text("lower(username) text_pattern_ops")])
    op.create_index("users_email_prefix_idx", "users", [sa.text("lower(email) text_pattern_ops")])
    op.create_index("users_admins_idx", "users", ["id"], postgresql_where=sa.text("'admin' = ANY (roles)"))

    op.create_table(
        "stream_moderators",
        sa.Column("stream_id", sa.Text),
        sa.Column("user_id", sa.Text),
        created_at(),
        sa.PrimaryKeyConstraint("stream_id", "user_id", name="stream_moderators_pkey"),
        sa.ForeignKeyConstraint(
            ["stream_id"], ["streams.id"], name="stream_moderators_stream_id_fkey", ondelete="CASCADE"
        ),
        owned_by_user("stream_moderators"),
    )
    op.create_index("stream_moderators_user_id_idx", "stream_moderators", ["user_id"])

    op.create_table(
        "follows",
        sa.Column("follower_id", sa.Text),
        sa.Column("followee_id", sa.Text),
        sa.Column("id", sa.Text, nullable=False),
        created_at(),
        sa.PrimaryKeyConstraint("follower_id", "followee_id", name="follows_pkey"),
        owned_by_user("follows", "follower_id"),
        owned_by_user("follows", "followee_id"),
        sa.CheckConstraint("follower_id <> followee_id", name="follows_not_oneself"),
    )
    op.create_index("follows_follower_id_id_idx", "follows", ["follower_id", "id"])
    op.create_index("follows_followee_id_id_idx", "follows", ["followee_id", "id"])

    op.create_table(
        "personal_tokens",
        sa.Column("id", sa.Text),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("token_hash", sa.LargeBinary, nullable=False),
        sa.Column("scopes", ARRAY(sa.Text), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("last_used_at", TIME),
        created_at(),
        sa.PrimaryKeyConstraint("id", name="personal_tokens_pkey"),
        owned_by_user("personal_tokens"),
    )
    op.create_index("personal_tokens_user_id_idx", "personal_tokens", ["user_id"])
    op.create_index("personal_tokens_token_hash_key", "personal_tokens", ["token_hash"], unique=True)

    op.create_table(
        "avatar_uploads",
        sa.Column("user_id", sa.Text),
        sa.Column("upload_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("problem", sa.Text),
        created_at(),
        sa.PrimaryKeyConstraint("user_id", name="avatar_uploads_pkey"),
        owned_by_user("avatar_uploads"),
    )

    op.create_table(
        "account_exports",
        sa.Column("id", sa.Text),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("finished_at", TIME),
        created_at(),
        sa.PrimaryKeyConstraint("id", name="account_exports_pkey"),
        owned_by_user("account_exports"),
    )
    op.create_index("account_exports_user_id_id_idx", "account_exports", ["user_id", "id"])

    # What was said is exported and made anonymous by its author.
    op.create_index("chat_messages_user_id_message_id_idx", "chat_messages", ["user_id", "message_id"])

    op.create_table(
        "audit_log",
        sa.Column("id", sa.Text),
        # No foreign keys: what was done stays known when its doer and its subject are gone.
        sa.Column("actor_id", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject_kind", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("details", JSONB, nullable=False, server_default=sa.text("'{}'")),
        created_at(),
        sa.PrimaryKeyConstraint("id", name="audit_log_pkey"),
    )
    op.create_index("audit_log_actor_id_id_idx", "audit_log", ["actor_id", "id"])
    op.create_index("audit_log_subject_id_id_idx", "audit_log", ["subject_id", "id"])
    op.execute(
        "CREATE FUNCTION audit_log_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is only appended to'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_log_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_only_grows()"
    )
