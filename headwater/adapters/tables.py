"""Stage 7 · the PostgreSQL tables as queries see them. `migrations/` makes them; a test holds the two against each other."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
    func,
    literal_column,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)


def _created_at() -> Column[object]:
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("username", Text, nullable=False),
    # Its bearer may choose another, once.
    Column("username_provisional", Boolean, nullable=False, server_default=false()),
    Column("email", Text),  # none for who came from a provider that vouched for no address
    Column("password_hash", Text),  # Argon2id; null for accounts that only sign in elsewhere
    Column("roles", ARRAY(Text), nullable=False, server_default=text("'{viewer}'")),
    Column("is_verified", Boolean, nullable=False, server_default=false()),
    Column("bio", Text, nullable=False, server_default=text("''")),
    Column("avatar_url", Text),
    Column("email_verified_at", DateTime(timezone=True)),  # when a link that was sent to `email` came back
    Column("suspended_at", DateTime(timezone=True)),  # since when the account may do nothing
    Column("suspension_reason", Text),
    Column("deleted_at", DateTime(timezone=True)),  # its owner has gone; what is left of it is being removed
    Column("follower_count", Integer, nullable=False, server_default=text("0")),
    _created_at(),
    Index("users_username_key", text("lower(username)"), unique=True),
    Index("users_email_key", text("lower(email)"), unique=True),
    # Names that look alike in many a font are one name: see `headwater.domain.usernames`.
    Index("users_username_look_key", text("translate(lower(username), '01i', 'oll')"), unique=True),
    Index(
        "users_username_prefix_idx",
        literal_column("lower(username)").label("p"),
        postgresql_ops={"p": "text_pattern_ops"},
    ),
    Index(
        "users_email_prefix_idx", literal_column("lower(email)").label("p"), postgresql_ops={"p": "text_pattern_ops"}
    ),
    Index("users_admins_idx", "id", postgresql_where=text("'admin' = ANY (roles)")),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("refreshed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ended_at", DateTime(timezone=True)),
    Column("end_reason", Text),
    Column("user_agent", Text, nullable=False, server_default=text("''")),  # of the last sign-in or refresh, cut short
    Column("address", Text, nullable=False, server_default=text("''")),  # likewise
    _created_at(),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
    Column("sealed_successor", LargeBinary),  # until the successor is used: see `headwater.domain.refresh_tokens`
    _created_at(),
)

mail_links = Table(
    "mail_links",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("purpose", Text, nullable=False),
    Column("email", Text, nullable=False),  # where the link was sent
    Column("expires_at", DateTime(timezone=True), nullable=False),
    _created_at(),
)

identities = Table(
    "identities",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("provider", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("label", Text),  # the address or name that it goes by there: shown to its owner, and nothing else
    Column("last_used_at", DateTime(timezone=True)),
    _created_at(),
    Index("identities_issuer_subject_key", "issuer", "subject", unique=True),
    Index("identities_user_id_issuer_key", "user_id", "issuer", unique=True),
)

streams = Table(
    "streams",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=text("''")),
    Column("category", Text),
    Column("tags", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("privacy", Text, nullable=False, server_default=text("'public'")),
    Column("record", Boolean, nullable=False, server_default=true()),
    Column("latency", Text, nullable=False, server_default=text("'standard'")),
    Column("reconnect_window", Integer, nullable=False, server_default=text("60")),
    Column("auto_start", Boolean, nullable=False, server_default=true()),
    Column("mature", Boolean, nullable=False, server_default=false()),
    Column("total_views", BigInteger, nullable=False, server_default=text("0")),
    Column("scheduled_start", DateTime(timezone=True)),
    _created_at(),
    Index("streams_owner_id_id_idx", "owner_id", "id"),
    Index("streams_category_idx", text("lower(category)"), "id", postgresql_where=text("privacy = 'public'")),
    Index("streams_tags_idx", "tags", postgresql_using="gin"),
    Index("streams_scheduled_idx", "scheduled_start", "id", postgresql_where=text("scheduled_start IS NOT NULL")),
)

broadcasts = Table(
    "broadcasts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("stream_id", Text, ForeignKey("streams.id", ondelete="CASCADE"), nullable=False),
    Column("sequence", Integer, nullable=False),  # of the news that this row was last written from
    Column("title", Text, nullable=False),  # the stream's, when the broadcast began
    Column("state", Text, nullable=False),
    Column("public", Boolean, nullable=False),
    Column("recording", Text, nullable=False),
    Column("recorded", Boolean, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("live_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Column("end_reason", Text),
    Column("end_detail", Text),
    Column("duration_seconds", Float),
    Column("renditions", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("viewers", Integer, nullable=False, server_default=text("0")),
    # When `viewers` was counted: nobody counts an audience that has gone.
    Column("viewers_at", DateTime(timezone=True)),
    Column("peak_viewers", Integer, nullable=False, server_default=text("0")),
    Column("total_views", BigInteger, nullable=False, server_default=text("0")),
    Column("withheld", Boolean, nullable=False, server_default=false()),  # its owner keeps the recording to themselves
    Column("deleted_at", DateTime(timezone=True)),  # the recording's; the row stays, or late news would bring it back
    Index("broadcasts_stream_id_id_idx", "stream_id", "id"),
    Index("broadcasts_ready_idx", "id", postgresql_where=text("recording = 'ready' AND deleted_at IS NULL")),
    Index("broadcasts_on_air_idx", "stream_id", postgresql_where=text("state <> 'ended'")),
)

categories = Table(
    "categories",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("words", Text, nullable=False),  # the name as `headwater.domain.stream_search` folds it
    Index("categories_name_key", text("lower(name)"), unique=True),
    Index("categories_words_idx", "words", postgresql_using="gin", postgresql_ops={"words": "gin_trgm_ops"}),
)

# What streams are searched by: the words of title, labels (owner, category, tags) and description, folded likewise.
stream_words = Table(
    "stream_words",
    metadata,
    Column("stream_id", Text, ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True),
    Column("title", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("names", Text, Computed("title || ' ' || labels", persisted=True), nullable=False),
    Column(
        "document",
        TSVECTOR,
        Computed(
            "setweight(to_tsvector('simple', title), 'A') || setweight(to_tsvector('simple', labels), 'B')"
            " || setweight(to_tsvector('simple', description), 'D')",
            persisted=True,
        ),
        nullable=False,
    ),
    Index("stream_words_document_idx", "document", postgresql_using="gin"),
    Index("stream_words_names_idx", "names", postgresql_using="gin", postgresql_ops={"names": "gin_trgm_ops"}),
)

# What was live at a moment, with what it is ordered by: pages of one list follow one ranking while the counts move.
live_rankings = Table(
    "live_rankings",
    metadata,
    Column("slot", BigInteger, primary_key=True),  # the moment: Unix time in units of `live_rankings.SLOT_SECONDS`
    Column("stream_ids", ARRAY(Text), nullable=False),
    Column("viewers", ARRAY(Integer), nullable=False),
    Column("live_since", ARRAY(BigInteger), nullable=False),  # Unix ms
)

stream_viewers = Table(
    "stream_viewers",
    metadata,
    Column("stream_id", Text, ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    _created_at(),
)

clips = Table(
    "clips",
    metadata,
    Column("id", Text, primary_key=True),
    Column("stream_id", Text, ForeignKey("streams.id", ondelete="CASCADE"), nullable=False),
    Column("broadcast_id", Text, ForeignKey("broadcasts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("maker_id", Text, ForeignKey("users.id", ondelete="SET NULL")),  # null: their account is gone
    Column("title", Text, nullable=False),
    Column("start_seconds", Float, nullable=False),  # from the beginning of the recording
    Column("duration_seconds", Float, nullable=False),
    Column("picture", Integer),  # the number of the thumbnail that stands for it
    _created_at(),
    Index("clips_stream_id_id_idx", "stream_id", "id"),
    Index("clips_maker_id_id_idx", "maker_id", "id"),
)

chat_messages = Table(
    "chat_messages",
    metadata,
    Column("message_id", Text, primary_key=True),
    # No foreign keys: the archive comes late, perhaps after its stream or author is gone, and must not fail for ever.
    Column("stream_id", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("reply_to", Text),
    Column("badges", ARRAY(Text)),  # of the author, then; NULL: not known
    Column("emotes", JSONB),  # [{id, name, start, end}]; NULL: none
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("deleted_at", DateTime(timezone=True)),  # hidden by a moderator
    Index("chat_messages_stream_id_seq_idx", "stream_id", "seq"),
    Index("chat_messages_stream_id_created_at_seq_idx", "stream_id", "created_at", "seq"),
    Index("chat_messages_user_id_message_id_idx", "user_id", "message_id"),
)

moderation_log = Table(
    "moderation_log",
    metadata,
    Column("id", Text, primary_key=True),
    # No foreign keys: what was done stays known when its doer, its stream and its subject are gone. A trigger refuses changes.
    Column("stream_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("user_id", Text),
    Column("message_id", Text),
    Column("reason", Text),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    Column("undoes", Text),
    Column("seq", BigInteger),  # of the event that told of it
    Column("first_seq", BigInteger),  # of the oldest event that the room still showed then
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("moderation_log_stream_id_id_idx", "stream_id", "id"),
    Index("moderation_log_user_id_id_idx", "user_id", "id"),
    Index("moderation_log_undoes_idx", "undoes", postgresql_where=text("undoes IS NOT NULL")),
    Index(
        "moderation_log_hiding_idx",
        "stream_id",
        "seq",
        postgresql_where=text("action IN ('delete', 'restore', 'timeout', 'ban', 'clear')"),
    ),
)

stream_vips = Table(
    "stream_vips",
    metadata,
    Column("stream_id", Text, ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    _created_at(),
)

stream_moderators = Table(
    "stream_moderators",
    metadata,
    Column("stream_id", Text, ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    _created_at(),
)

follows = Table(
    "follows",
    metadata,
    Column("follower_id", Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("followee_id", Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("id", Text, nullable=False),  # rises with time: the order of lists
    _created_at(),
    CheckConstraint("follower_id <> followee_id", name="follows_not_oneself"),
    Index("follows_follower_id_id_idx", "follower_id", "id"),
    Index("follows_followee_id_id_idx", "followee_id", "id"),
)

personal_tokens = Table(
    "personal_tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("token_hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("last_used_at", DateTime(timezone=True)),
    _created_at(),
    Index("personal_tokens_token_hash_key", "token_hash", unique=True),
)

avatar_uploads = Table(
    "avatar_uploads",
    metadata,
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    # The last one that was permitted; what comes of an earlier one is dropped.
    Column("upload_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("problem", Text),
    _created_at(),
)

account_exports = Table(
    "account_exports",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("state", Text, nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    _created_at(),
    Index("account_exports_user_id_id_idx", "user_id", "id"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Text, primary_key=True),
    # No foreign keys: what was done stays known when its doer and its subject are gone. A trigger refuses every change.
    Column("actor_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject_kind", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("reason", Text),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    _created_at(),
    Index("audit_log_actor_id_id_idx", "actor_id", "id"),
    Index("audit_log_subject_id_id_idx", "subject_id", "id"),
)
