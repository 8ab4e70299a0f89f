"""Stage 7 · joins what is done with one person's data to PostgreSQL, S3 and DynamoDB, at first use."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from functions.account_data.erase_account import EraseAccount
from functions.account_data.export_account import ExportAccount
from functions.account_data.mirror_following import mirror_following
from functions.account_data.remove_avatar import remove_avatar_files
from functions.account_data.settings import AccountDataSettings
from headwater.adapters.account_exports import AccountExports
from headwater.adapters.account_records import AccountRecords
from headwater.adapters.avatars import Avatars
from headwater.adapters.bucket import Bucket
from headwater.adapters.database_login import database_of
from headwater.adapters.follower_mirror import FollowerMirror
from headwater.adapters.follows import Follows
from headwater.adapters.mail_links import MailLinks
from headwater.adapters.postgres import Database
from headwater.adapters.sign_in_sessions import SignInSessions
from headwater.contracts import AccountTask, AccountTaskKind
from headwater.settings import load_settings


class UnitOfWork:
    def __init__(self, connection: Connection) -> None:
        self.records = AccountRecords(connection)
        self.exports = AccountExports(connection)
        self.avatars = Avatars(connection)
        self.sessions = SignInSessions(connection)
        self.links = MailLinks(connection)
        self.follows = Follows(connection)


@functools.cache
def database() -> Database:
    return database_of(load_settings(AccountDataSettings))


@contextmanager
def unit_of_work() -> Iterator[UnitOfWork]:
    with database().begin() as connection:
        yield UnitOfWork(connection)


@contextmanager
def _avatars() -> Iterator[Avatars]:
    with unit_of_work() as work:
        yield work.avatars


@contextmanager
def _follows() -> Iterator[Follows]:
    with unit_of_work() as work:
        yield work.follows


def perform(task: AccountTask) -> None:
    """Raises DependencyUnavailable; then call it again."""
    settings = load_settings(AccountDataSettings)
    uploads, media = Bucket(settings.upload_bucket), Bucket(settings.media_bucket)
    mirror = FollowerMirror(settings.room_table)
    match task.kind:
        case AccountTaskKind.EXPORT if task.export_id is not None:
            ExportAccount(unit_of_work, uploads)(task.user_id, task.export_id)
        case AccountTaskKind.ERASE:
            EraseAccount(unit_of_work, uploads, media, mirror)(task.user_id)
        case AccountTaskKind.REMOVE_AVATAR:
            remove_avatar_files(_avatars, media, task.user_id)
        case AccountTaskKind.MIRROR_FOLLOWING if task.followee_id is not None:
            mirror_following(_follows, mirror, task.user_id, task.followee_id)
