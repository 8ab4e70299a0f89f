"""Client · all calls of the REST API, by what they are about."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from types import TracebackType
from typing import Any

import httpx

from headwater_client import answers
from headwater_client.accounts import Auth, Me
from headwater_client.chat import Chat
from headwater_client.connection import Connection, path, reader
from headwater_client.moderation import Moderation
from headwater_client.people import Admin, Users
from headwater_client.streams import Broadcasts, Clips, Streams


class Headwater:
    """A client of the API at `url`, which ends before the `/v1`.

    For nobody until it signs in (`auth`), or for the owner of `token`: an access token or a personal one. A refused or
    failed call raises `ApiProblem`. An `http` client of one's own has `url` as its base, and is not closed.
    """

    def __init__(self, url: str | None = None, *, token: str | None = None, http: httpx.Client | None = None) -> None:
        self._own: httpx.Client | None = None
        if http is None:
            if url is None:
                raise ValueError("where is the API? Give its url, or an http client of your own")
            http = self._own = httpx.Client(base_url=url, timeout=30)
        connection = self.connection = Connection(http, token)
        self.auth = Auth(connection)
        self.me = Me(connection)
        self.users = Users(connection)
        self.streams = Streams(connection)
        self.broadcasts = Broadcasts(connection)
        self.clips = Clips(connection)
        self.chat = Chat(connection)
        self.moderation = Moderation(connection)
        self.admin = Admin(connection)
        self.service = Service(connection)

    @property
    def tokens(self) -> answers.Tokens | None:
        """What the last sign-in or refresh brought: keep its `refresh_token` to go on later."""
        return self.connection.tokens

    def close(self) -> None:
        if self._own is not None:
            self._own.close()

    def __enter__(self) -> Headwater:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Service:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def health(self) -> answers.Health:
        """Also when something behind the API fails: `checks` says what."""
        accept = (HTTPStatus.SERVICE_UNAVAILABLE,)
        return self._connection.fetch(reader(answers.Health), "GET", path("health"), accept=accept)

    def categories(self, *, q: str | None = None, limit: int | None = None) -> Iterator[answers.Category]:
        return self._connection.pages(reader(answers.Category), path("categories"), {"q": q, "limit": limit})

    def chat_ticket(self) -> answers.ChatTicket:
        """Opens one chat socket, as `?ticket=`."""
        return self._connection.fetch(reader(answers.ChatTicket), "POST", path("chat", "tickets"))

    def token_keys(self) -> dict[str, list[dict[str, Any]]]:
        """The public keys of the access tokens (RFC 7517)."""
        return self._connection.fetch(reader(dict[str, list[dict[str, Any]]]), "GET", "/.well-known/jwks.json")
