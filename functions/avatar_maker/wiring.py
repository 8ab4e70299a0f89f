"""Stage 7 · joins the making of avatars to S3 and PostgreSQL, at first use."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from functions.avatar_maker.make_avatar import MakeAvatar
from functions.avatar_maker.render_picture import render_picture
from functions.avatar_maker.settings import AvatarMakerSettings
from headwater.adapters.avatars import Avatars
from headwater.adapters.bucket import Bucket
from headwater.adapters.postgres import Database
from headwater.adapters.secrets import secret
from headwater.settings import load_settings


@functools.cache
def database() -> Database:
    settings = load_settings(AvatarMakerSettings)
    return Database(lambda: str(secret(settings.database_secret)["url"]))


@contextmanager
def unit_of_work() -> Iterator[Avatars]:
    with database().begin() as connection:
        yield Avatars(connection)


@functools.cache
def make_avatar() -> MakeAvatar:
    settings = load_settings(AvatarMakerSettings)
    uploads, media = Bucket(settings.upload_bucket), Bucket(settings.media_bucket)
    return MakeAvatar(uploads, media, unit_of_work, render_picture, settings.cdn_url)
