"""Stage 7 · all that PostgreSQL holds of one person: read for an export, closed at once and erased bit by bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Table, delete, func, select, update

from headwater.adapters.tables import (
    account_exports,
    audit_log,
    avatar_uploads,
    broadcasts,
    chat_messages,
    clips,
    follows,
    identities,
    mail_links,
    moderation_log,
    personal_tokens,
    sessions,
    stream_moderators,
    stream_viewers,
    stream_vips,
    streams,
    users,
)
from headwater.domain.ids import StreamId, UserId

NOBODY = ""  # the author of what somebody said whose account is gone
NOBODYS_NAME = "deleted"
_BATCH = 1000
# Gone with the account at once: what opens it, where it is written to, and what would still be made for it.
_CLOSED_WITH_IT = (identities, personal_tokens, mail_links, avatar_uploads, account_exports)

Record = Mapping[str, Any]


class AccountRecords:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def is_closed(self, user_id: UserId) -> bool | None:
        """Whether the account is to be erased; None when it has been."""
        row = self._connection.execute(select(users.c.deleted_at).where(users.c.id == user_id)).one_or_none()
        return None if row is None else row.deleted_at is not None

    def hold(self, user_id: UserId) -> None:
        """Nobody changes the account, or adds a stream to it, until the end of the transaction."""
        self._connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True))

    def streams_of(self, user_id: UserId) -> Sequence[StreamId]:
        found = self._connection.execute(select(streams.c.id).where(streams.c.owner_id == user_id))
        return [StreamId(row.id) for row in found]

    def close(self, user_id: UserId, now: datetime) -> None:
        """Nothing that identifies the person is left in the account, and nobody can sign in to it."""
        for table in _CLOSED_WITH_IT:
            self._connection.execute(delete(table).where(table.c.user_id == user_id))
        self._connection.execute(
            update(users)
            .where(users.c.id == user_id)
            .values(
                username=f"deleted:{user_id}",  # no name that anybody could choose
                email=None,
                password_hash=None,
                bio="",
                avatar_url=None,
                roles=["viewer"],
                is_verified=False,
                suspended_at=now,
                suspension_reason=None,
                deleted_at=now,
            )
        )

    def sections(self, user_id: UserId) -> Iterator[tuple[str, Sequence[Record]]]:
        """Everything but what was said in chat, table by table, without secrets and their hashes."""
        own_streams = select(streams.c.id).where(streams.c.owner_id == user_id)
        followed, follower, named = users.alias("followed"), users.alias("follower"), users.alias("named")

        def named_by(table: Table) -> Select[Any]:
            """Whom the user's streams name in `table`."""
            rows = select(table.c.stream_id, named.c.username, table.c.created_at)
            return rows.join_from(table, named, named.c.id == table.c.user_id).where(table.c.stream_id.in_(own_streams))

        queries: Mapping[str, Select[Any]] = {
            "account": select(
                users.c.id,
                users.c.username,
                users.c.email,
                users.c.email_verified_at,
                users.c.roles,
                users.c.is_verified,
                users.c.bio,
                users.c.avatar_url,
                users.c.follower_count,
                users.c.created_at,
            ).where(users.c.id == user_id),
            "sessions": select(
                sessions.c.id,
                sessions.c.created_at,
                sessions.c.refreshed_at,
                sessions.c.ended_at,
                sessions.c.end_reason,
                sessions.c.user_agent,
                sessions.c.address,
            ).where(sessions.c.user_id == user_id),
            "identities": select(
                identities.c.provider,
                identities.c.issuer,
                identities.c.subject,
                identities.c.label,
                identities.c.created_at,
                identities.c.last_used_at,
            ).where(identities.c.user_id == user_id),
            "personal_tokens": select(
                personal_tokens.c.id,
                personal_tokens.c.name,
                personal_tokens.c.scopes,
                personal_tokens.c.created_at,
                personal_tokens.c.expires_at,
                personal_tokens.c.last_used_at,
            ).where(personal_tokens.c.user_id == user_id),
            "streams": select(streams).where(streams.c.owner_id == user_id),
            "broadcasts": select(broadcasts).where(broadcasts.c.stream_id.in_(own_streams)),
            "clips": select(clips).where(clips.c.maker_id == user_id),
            "mail_links": select(
                mail_links.c.purpose, mail_links.c.email, mail_links.c.created_at, mail_links.c.expires_at
            ).where(mail_links.c.user_id == user_id),
            "avatar_upload": select(
                avatar_uploads.c.state, avatar_uploads.c.problem, avatar_uploads.c.created_at
            ).where(avatar_uploads.c.user_id == user_id),
            "exports": select(account_exports.c.state, account_exports.c.created_at).where(
                account_exports.c.user_id == user_id
            ),
            "moderators": named_by(stream_moderators),
            "vips": named_by(stream_vips),
            "viewers": named_by(stream_viewers),
            "may_watch": select(stream_viewers.c.stream_id, stream_viewers.c.created_at).where(
                stream_viewers.c.user_id == user_id
            ),
            "is_vip": select(stream_vips.c.stream_id, stream_vips.c.created_at).where(stream_vips.c.user_id == user_id),
            "moderates": select(stream_moderators.c.stream_id, stream_moderators.c.created_at).where(
                stream_moderators.c.user_id == user_id
            ),
            "following": select(followed.c.username, follows.c.created_at)
            .join_from(follows, followed, followed.c.id == follows.c.followee_id)
            .where(follows.c.follower_id == user_id),
            "followers": select(follower.c.username, follows.c.created_at)
            .join_from(follows, follower, follower.c.id == follows.c.follower_id)
            .where(follows.c.followee_id == user_id),
            "moderation_log": select(
                moderation_log.c.stream_id,
                moderation_log.c.action,
                moderation_log.c.reason,
                moderation_log.c.details,
                moderation_log.c.created_at,
            )
            .where(moderation_log.c.user_id == user_id)
            .order_by(moderation_log.c.id),
            "audit_log": select(audit_log.c.action, audit_log.c.reason, audit_log.c.details, audit_log.c.created_at)
            .where(audit_log.c.subject_id == user_id)
            .order_by(audit_log.c.id),
        }
        for name, query in queries.items():
            yield name, [dict(row) for row in self._connection.execute(query).mappings()]

    def said_after(self, user_id: UserId, message_id: str, limit: int = _BATCH) -> Sequence[Record]:
        """What the user said in chat after that message, in order."""
        query = (
            select(
                chat_messages.c.message_id,
                chat_messages.c.stream_id,
                chat_messages.c.text,
                chat_messages.c.reply_to,
                chat_messages.c.created_at,
            )
            .where(chat_messages.c.user_id == user_id, chat_messages.c.message_id > message_id)
            .order_by(chat_messages.c.message_id)
            .limit(limit)
        )
        return [dict(row) for row in self._connection.execute(query).mappings()]

    def disown_messages(self, user_id: UserId, limit: int = _BATCH) -> int:
        """Let some of what they said be said by nobody; how many."""
        some = select(chat_messages.c.message_id).where(chat_messages.c.user_id == user_id).limit(limit)
        disowned = update(chat_messages).where(chat_messages.c.message_id.in_(some))
        return self._connection.execute(disowned.values(user_id=NOBODY, username=NOBODYS_NAME)).rowcount

    def followed_by(self, user_id: UserId) -> Sequence[UserId]:
        found = self._connection.execute(select(follows.c.followee_id).where(follows.c.follower_id == user_id))
        return [UserId(row.followee_id) for row in found]

    def forget_followers(self, user_id: UserId, limit: int = _BATCH) -> int:
        some = select(follows.c.follower_id).where(follows.c.followee_id == user_id).limit(limit)
        gone = delete(follows).where(follows.c.followee_id == user_id, follows.c.follower_id.in_(some))
        return self._connection.execute(gone).rowcount

    def forget_followed(self, user_id: UserId, limit: int = _BATCH) -> int:
        """Of those whom they followed, some are followed by one less; how many."""
        some = select(follows.c.followee_id).where(follows.c.follower_id == user_id).limit(limit)
        held = select(users.c.id).where(users.c.id.in_(some)).order_by(users.c.id).with_for_update(key_share=True)
        followed = [row.id for row in self._connection.execute(held)]
        self._connection.execute(
            delete(follows).where(follows.c.follower_id == user_id, follows.c.followee_id.in_(followed))
        )
        lessened = update(users).where(users.c.id.in_(followed))
        self._connection.execute(lessened.values(follower_count=func.greatest(users.c.follower_count - 1, 0)))
        return len(followed)

    def erase(self, user_id: UserId) -> None:
        """The account itself, and whatever still refers to it; not one that is not closed."""
        closed = (users.c.id == user_id) & users.c.deleted_at.is_not(None)
        self._connection.execute(delete(users).where(closed))
