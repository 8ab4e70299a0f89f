"""Values that several areas share: addresses, what functions run on, limits, sign-in providers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headwater.domain.sign_in_providers import configured_provider
from infra.config.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class PublicUrls:
    """Where clients reach the deployment, as they are told. No trailing slash."""

    api: str
    ws: str
    cdn: str
    web: str
    rtmp: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("api", "ws", "cdn", "web"):
            if "://" not in (url := getattr(self, name)) or url.endswith("/"):
                raise ConfigurationError(f"urls.{name} must be an address without a slash at its end, not {url!r}")
        if not self.rtmp:
            raise ConfigurationError("urls.rtmp must name at least one address")


@dataclass(frozen=True, kw_only=True)
class WebAddresses:
    """Where media and pages are. Known before chat and the API are made, for these answer to `origins` alone."""

    cdn: str
    page: str
    more_origins: tuple[str, ...] = ()

    @property
    def origins(self) -> tuple[str, ...]:
        """From where browsers may call; exact."""
        return tuple(dict.fromkeys((self.page, self.cdn, *self.more_origins)))


@dataclass(frozen=True, kw_only=True)
class FunctionRuntime:
    """What the functions run on, and so what their bundles are built for.

    `wheel_platform` is uv's `--python-platform`; None means this machine and this interpreter.
    """

    python: str
    architecture: Literal["arm64", "x86_64"]
    wheel_platform: str | None


LAMBDA = FunctionRuntime(python="3.13", architecture="arm64", wheel_platform="aarch64-manylinux_2_34")


@dataclass(frozen=True, kw_only=True)
class ServiceLimits:
    """Requests per minute and address before the API answers 429, and e-mails per hour that somebody can have sent to one
    address; what one user may have, and may say in one chat room."""

    registrations_per_minute: int = 5
    logins_per_minute: int = 10
    mails_per_hour: int = 5
    streams_per_user: int = 100
    broadcasts_per_user: int = 10  # on the air at once
    longest_broadcast_seconds: int = 48 * 3600
    clips_per_minute: int = 10
    playback_sessions_per_minute: int = 120
    chat_connections_per_minute: int = 120
    chat_joins_per_minute: int = 60
    chat_message_burst: int = 20
    chat_messages_per_minute: int = 40
    chat_room_message_burst: int = 400
    chat_room_messages_per_second: int = 200


@dataclass(frozen=True, kw_only=True)
class SignInProvider:
    """An OpenID provider to sign in with, as in docs/oauth.md. `issuer` may be left out for google and twitch.

    A `client_secret` given here ends up in the template: for one machine. Elsewhere it is put into the secret afterwards.
    """

    name: str
    client_id: str
    issuer: str | None = None
    label: str | None = None
    client_secret: str | None = None

    def __post_init__(self) -> None:
        try:
            configured_provider(self.name, self.client_id, self.issuer, self.label)
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
