"""Identities at sign-in providers; accounts that came through one may have no e-mail address."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.alter_column("users", "email", nullable=True)
    op.create_table(
        "identities",
        sa.Column("id", sa.Text),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("label", sa.Text),
        sa.Column("last_used_at", TIME),
        sa.Column("created_at", TIME, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name="identities_pkey"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="identities_user_id_fkey", ondelete="CASCADE"),
    )
    op.create_index("identities_issuer_subject_key", "identities", ["issuer", "subject"], unique=True)
    # One of each provider: what an account can be opened with stays a short list.
    op.create_index("identities_user_id_issuer_key", "identities", ["user_id", "issuer"], unique=True)
