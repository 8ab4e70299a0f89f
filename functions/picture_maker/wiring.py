"""Stage 7 · joins the making of avatars and emotes to S3, PostgreSQL and DynamoDB, at first use."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from functions.picture_maker.make_avatar import MakeAvatar
from functions.picture_maker.make_emote import MakeEmote
from functions.picture_maker.render_picture import render_picture
from functions.picture_maker.settings import PictureMakerSettings
from headwater.adapters.avatars import Avatars
from headwater.adapters.bucket import Bucket
from headwater.adapters.database_login import database_of
from headwater.adapters.postgres import Database
from headwater.adapters.room_emotes import RoomEmotes
from headwater.domain.emotes import emote_upload_of
from headwater.settings import load_settings


@functools.cache
def database() -> Database:
    return database_of(load_settings(PictureMakerSettings))


@contextmanager
def unit_of_work() -> Iterator[Avatars]:
    with database().begin() as connection:
        yield Avatars(connection)


@functools.cache
def make_avatar() -> MakeAvatar:
    settings = load_settings(PictureMakerSettings)
    uploads, media = Bucket(settings.upload_bucket), Bucket(settings.media_bucket)
    return MakeAvatar(uploads, media, unit_of_work, render_picture, settings.cdn_url)


@functools.cache
def make_emote() -> MakeEmote:
    settings = load_settings(PictureMakerSettings)
    uploads, media = Bucket(settings.upload_bucket), Bucket(settings.media_bucket)
    return MakeEmote(uploads, media, RoomEmotes(settings.room_table), render_picture)


def make_picture(upload_key: str) -> None:
    """Of whatever kind the key says. Raises DependencyUnavailable; then call it again."""
    if emote_upload_of(upload_key) is not None:
        make_emote()(upload_key)
    else:
        make_avatar()(upload_key)
