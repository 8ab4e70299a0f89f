"""Finding streams: categories, words to search by, planned starts, and rankings of what is live that pages follow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR

from headwater.domain.stream_search import searchable

revision = "0005"
down_revision = "0004"

TIME = sa.DateTime(timezone=True)

CATEGORIES = (
    "Animals & Pets",
    "Art",
    "Astronomy",
    "Beauty & Style",
    "Board Games",
    "Card Games",
    "Chess",
    "Coding",
    "Conferences & Talks",
    "Cooking",
    "Crafts",
    "Dance",
    "DIY & Making",
    "DJ Sets",
    "Education",
    "Electronics",
    "Film & Theatre",
    "Fitness",
    "Gaming",
    "Gardening",
    "Health",
    "History",
    "Just Chatting",
    "Languages",
    "Local News",
    "Motorsport",
    "Music",
    "Nature",
    "News",
    "Outdoors",
    "Photography",
    "Podcasts",
    "Politics",
    "Religion & Spirituality",
    "Retro Games",
    "Science",
    "Speedrunning",
    "Sports",
    "Strategy Games",
    "Study With Me",
    "Tabletop Roleplay",
    "Technology",
    "Travel",
    "Virtual Reality",
    "Writing",
)


def upgrade() -> None:
    # A trusted extension: whoever may create in the database may add it, also on Aurora.
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")

    categories = op.create_table(
        "categories",
        sa.Column("id", sa.Text),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="categories_pkey"),
    )
    op.create_index("categories_name_key", "categories", [sa.text("lower(name)")], unique=True)
    op.create_index(
        "categories_words_idx",
        "categories",
        ["words"],
        postgresql_using="gin",
        postgresql_ops={"words": "gin_trgm_ops"},
    )
    op.bulk_insert(
        categories,
        [{"id": searchable(name).replace(" ", "-"), "name": name, "words": searchable(name)} for name in CATEGORIES],
    )

    op.add_column("streams", sa.Column("scheduled_start", TIME))
    op.create_index(
        "streams_scheduled_idx",
        "streams",
        ["scheduled_start", "id"],
        postgresql_where=sa.text("scheduled_start IS NOT NULL"),
    )
    op.add_column("broadcasts", sa.Column("viewers_at", TIME))

    words = op.create_table(
        "stream_words",
        sa.Column("stream_id", sa.Text),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("names", sa.Text, sa.Computed("title || ' ' || labels", persisted=True), nullable=False),
        sa.Column(
            "document",
            TSVECTOR,
            sa.Computed(
                "setweight(to_tsvector('simple', title), 'A') || setweight(to_tsvector('simple', labels), 'B')"
                " || setweight(to_tsvector('simple', description), 'D')",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("stream_id", name="stream_words_pkey"),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"], name="stream_words_stream_id_fkey", ondelete="CASCADE"),
    )
    op.create_index("stream_words_document_idx", "stream_words", ["document"], postgresql_using="gin")
    op.create_index(
        "stream_words_names_idx",
        "stream_words",
        ["names"],
        postgresql_using="gin",
        postgresql_ops={"names": "gin_trgm_ops"},
    )
    connection = op.get_bind()
    known = connection.execute(
        sa.text(
            "SELECT s.id, s.title, s.description, s.category, s.tags, u.username FROM streams s"
            " JOIN users u ON u.id = s.owner_id"
        )
    )
    rows = [
        {
            "stream_id": row.id,
            "title": searchable(row.title),
            "labels": searchable(" ".join([row.username, row.category or "", *row.tags])),
            "description": searchable(row.description),
        }
        for row in known
    ]
    if rows:
        op.bulk_insert(words, rows)

    op.create_table(
        "live_rankings",
        sa.Column("slot", sa.BigInteger),
        sa.Column("stream_ids", ARRAY(sa.Text), nullable=False),
        sa.Column("viewers", ARRAY(sa.Integer), nullable=False),
        sa.Column("live_since", ARRAY(sa.BigInteger), nullable=False),
        sa.PrimaryKeyConstraint("slot", name="live_rankings_pkey"),
    )
