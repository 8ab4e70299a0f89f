"""Who may watch a private stream; recordings that are withheld or deleted; clips."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

TIME = sa.DateTime(timezone=True)


def created_at() -> sa.Column[object]:
    return sa.Column("created_at", TIME, nullable=False, server_default=sa.func.now())


def upgrade() -> None:
    op.create_table(
        "stream_viewers",
        sa.Column("stream_id", sa.Text),
        sa.Column("user_id", sa.Text),
        created_at(),
        sa.PrimaryKeyConstraint("stream_id", "user_id", name="stream_viewers_pkey"),
        sa.ForeignKeyConstraint(
            ["stream_id"], ["streams.id"], name="stream_viewers_stream_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="stream_viewers_user_id_fkey", ondelete="CASCADE"),
    )
    op.create_index("stream_viewers_user_id_idx", "stream_viewers", ["user_id"])

    op.add_column("broadcasts", sa.Column("withheld", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("broadcasts", sa.Column("deleted_at", TIME))

    op.create_table(
        "clips",
        sa.Column("id", sa.Text),
        sa.Column("stream_id", sa.Text, nullable=False),
        sa.Column("broadcast_id", sa.Text, nullable=False),
        sa.Column("maker_id", sa.Text),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("start_seconds", sa.Float, nullable=False),
        sa.Column("duration_seconds", sa.Float, nullable=False),
        sa.Column("picture", sa.Integer),
        created_at(),
        sa.PrimaryKeyConstraint("id", name="clips_pkey"),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"], name="clips_stream_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["broadcasts.id"], name="clips_broadcast_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["maker_id"], ["users.id"], name="clips_maker_id_fkey", ondelete="SET NULL"),
    )
    op.create_index("clips_stream_id_id_idx", "clips", ["stream_id", "id"])
    op.create_index("clips_broadcast_id_idx", "clips", ["broadcast_id"])
    op.create_index("clips_maker_id_id_idx", "clips", ["maker_id", "id"])
