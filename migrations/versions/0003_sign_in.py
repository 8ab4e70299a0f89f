"""Sessions that say from where; a lost refresh's answer; addresses that were verified, and the links sent to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("sessions", sa.Column("user_agent", sa.Text, nullable=False, server_default=sa.text("''")))
    op.add_column("sessions", sa.Column("address", sa.Text, nullable=False, server_default=sa.text("''")))
    op.add_column("refresh_tokens", sa.Column("sealed_successor", sa.LargeBinary))

    op.add_column("users", sa.Column("email_verified_at", TIME))
    op.create_index(
        "users_username_look_key", "users", [sa.text("translate(lower(username), '01i', 'oll')")], unique=True
    )

    op.create_table(
        "mail_links",
        sa.Column("token_hash", sa.LargeBinary),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("token_hash", name="mail_links_pkey"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="mail_links_user_id_fkey", ondelete="CASCADE"),
    )
    op.create_index("mail_links_user_id_idx", "mail_links", ["user_id"])
