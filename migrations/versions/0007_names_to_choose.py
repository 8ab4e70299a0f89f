"""Usernames that we made up for who came from a sign-in provider, until they have chosen one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("users", sa.Column("username_provisional", sa.Boolean, nullable=False, server_default=sa.false()))
