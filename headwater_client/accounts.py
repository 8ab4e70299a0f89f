"""Client · signing up, in and out (`Auth`), and what is one's own (`Me`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Literal, TypedDict, Unpack

import httpx

from headwater_client import answers
from headwater_client.connection import Connection, path, reader
from headwater_client.problems import problem_in

PictureType = Literal["image/jpeg", "image/png", "image/webp", "image/gif"]
Scope = Literal[
    "read:account", "write:account", "read:streams", "write:streams", "read:stream_keys", "write:stream_keys",
    "read:chat", "write:chat", "read:moderation", "write:moderation",
]  # fmt: skip


class Auth:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def register(self, username: str, email: str, password: str) -> answers.Tokens:
        """Makes an account; the client is signed in with it from here on."""
        body = {"username": username, "email": email, "password": password}
        return self._connection.sign_in(reader(answers.Tokens), path("auth", "register"), body)

    def login(self, login: str, password: str) -> answers.Tokens:
        """`login`: a username or an e-mail address. The client is signed in from here on."""
        body = {"login": login, "password": password}
        return self._connection.sign_in(reader(answers.Tokens), path("auth", "login"), body)

    def refresh(self, refresh_token: str) -> answers.Tokens:
        """Goes on with a session from an earlier run; while the client runs, it refreshes by itself."""
        return self._connection.refresh(refresh_token)

    def logout(self) -> None:
        self._connection.send("POST", path("auth", "logout"))
        self._connection.signed_out()

    def sessions(self, *, limit: int | None = None) -> Iterator[answers.SignInSession]:
        return self._connection.pages(reader(answers.SignInSession), path("auth", "sessions"), {"limit": limit})

    def end_session(self, session_id: str) -> None:
        self._connection.send("DELETE", path("auth", "sessions", session_id))

    def end_other_sessions(self) -> None:
        self._connection.send("DELETE", path("auth", "sessions"))

    def change_password(self, current_password: str, new_password: str) -> None:
        body = {"current_password": current_password, "new_password": new_password}
        self._connection.send("POST", path("auth", "password"), body)

    def forgot_password(self, email: str) -> None:
        self._connection.send("POST", path("auth", "password", "forgot"), {"email": email})

    def reset_password(self, token: str, password: str) -> None:
        """`token`: the part of the mailed link behind the `#`."""
        self._connection.send("POST", path("auth", "password", "reset"), {"token": token, "password": password})

    def change_email(self, email: str, *, password: str | None = None) -> None:
        """Has a link sent to the new address, which counts once that is followed. Who has no password has to have signed
        in a moment ago."""
        body = {"email": email} if password is None else {"email": email, "password": password}
        self._connection.send("POST", path("auth", "email"), body)

    def request_verification(self) -> None:
        self._connection.send("POST", path("auth", "email", "verification"))

    def confirm_email(self, token: str) -> None:
        """`token`: the part of the mailed link behind the `#`."""
        self._connection.send("POST", path("auth", "email", "verify"), {"token": token})

    def sign_in_providers(self) -> Iterator[answers.SignInProvider]:
        return self._connection.pages(reader(answers.SignInProvider), path("auth", "oauth", "providers"))

    def start_sign_in(self, provider: str, *, challenge: str | None = None, link: str | None = None) -> str:
        """The provider's address. The browser that goes there must have the cookies of this very answer."""
        query = {"challenge": challenge, "link": link}
        answer = self._connection.call("GET", path("auth", "oauth", provider, "start"), query=query)
        return _redirection(answer)

    def finish_sign_in(
        self,
        provider: str,
        *,
        state: str | None = None,
        code: str | None = None,
        error: str | None = None,
        iss: str | None = None,
    ) -> answers.Arrival | str:
        """Where the provider sends the browser. The tokens; or, begun with a challenge, the page that goes on."""
        query = {"state": state, "code": code, "error": error, "iss": iss}
        address = path("auth", "oauth", provider, "callback")
        answer = self._connection.call("GET", address, query=query)
        if answer.status_code == HTTPStatus.SEE_OTHER:
            return _redirection(answer)
        arrival = self._connection.read(answer, reader(answers.Arrival))
        self._connection.signed_in(arrival)
        return arrival

    def exchange_code(self, code: str, verifier: str) -> answers.Arrival:
        """The client is signed in from here on."""
        body = {"code": code, "verifier": verifier}
        return self._connection.sign_in(reader(answers.Arrival), path("auth", "oauth", "exchange"), body)


class ProfileChanges(TypedDict, total=False):
    bio: str


class Me:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self) -> answers.OwnUser:
        return self._connection.fetch(reader(answers.OwnUser), "GET", path("me"))

    def change(self, **changes: Unpack[ProfileChanges]) -> answers.OwnUser:
        """What is not given stays as it is."""
        return self._connection.fetch(reader(answers.OwnUser), "PATCH", path("me"), changes)

    def choose_username(self, username: str) -> answers.OwnUser:
        """Once, for who came from a sign-in provider."""
        return self._connection.fetch(reader(answers.OwnUser), "PUT", path("me", "username"), {"username": username})

    def identities(self) -> Iterator[answers.Identity]:
        return self._connection.pages(reader(answers.Identity), path("me", "identities"))

    def start_linking(self, provider: str, challenge: str) -> answers.LinkStart:
        address = path("me", "identities", provider, "start")
        return self._connection.fetch(reader(answers.LinkStart), "POST", address, {"challenge": challenge})

    def link_identity(self, code: str, verifier: str) -> answers.Identity:
        body = {"code": code, "verifier": verifier}
        return self._connection.fetch(reader(answers.Identity), "POST", path("me", "identities"), body)

    def unlink_identity(self, identity_id: str) -> None:
        self._connection.send("DELETE", path("me", "identities", identity_id))

    def following(self, *, limit: int | None = None) -> Iterator[answers.Follow]:
        return self._connection.pages(reader(answers.Follow), path("me", "following"), {"limit": limit})

    def is_following(self, username: str) -> answers.Following:
        return self._connection.fetch(reader(answers.Following), "GET", path("me", "following", username))

    def create_token(
        self, name: str, scopes: Sequence[Scope], *, expires_in_days: int | None = None
    ) -> answers.NewPersonalToken:
        """The answer's `token` is shown this once."""
        body = {"name": name, "scopes": list(scopes)}
        days = {} if expires_in_days is None else {"expires_in_days": expires_in_days}
        return self._connection.fetch(reader(answers.NewPersonalToken), "POST", path("me", "tokens"), body | days)

    def tokens(self, *, limit: int | None = None) -> Iterator[answers.PersonalToken]:
        return self._connection.pages(reader(answers.PersonalToken), path("me", "tokens"), {"limit": limit})

    def revoke_token(self, token_id: str) -> None:
        self._connection.send("DELETE", path("me", "tokens", token_id))

    def avatar(self) -> answers.Avatar:
        """What became of the last upload, too."""
        return self._connection.fetch(reader(answers.Avatar), "GET", path("me", "avatar"))

    def request_avatar_upload(self, content_type: PictureType) -> answers.AvatarUpload:
        """A form to send the picture with; `send_avatar` does both."""
        body = {"content_type": content_type}
        return self._connection.fetch(reader(answers.AvatarUpload), "POST", path("me", "avatar"), body)

    def send_avatar(self, picture: bytes, content_type: PictureType) -> None:
        """Uploads a picture. `avatar()` says when it is `ready`, or why it has `failed`."""
        send_picture(self.request_avatar_upload(content_type), picture, content_type)

    def remove_avatar(self) -> None:
        self._connection.send("DELETE", path("me", "avatar"))

    def exports(self) -> Iterator[answers.Export]:
        return self._connection.pages(reader(answers.Export), path("me", "exports"))

    def request_export(self) -> answers.Export:
        return self._connection.fetch(reader(answers.Export), "POST", path("me", "exports"))

    def delete(self, *, password: str | None = None) -> None:
        """Deletes the account. Who has no password has to have signed in a moment ago."""
        body = {} if password is None else {"password": password}
        self._connection.send("POST", path("me", "deletion"), body)
        self._connection.signed_out()


def send_picture(form: answers.AvatarUpload, picture: bytes, content_type: PictureType) -> None:
    """To the storage, and not with our token."""
    answer = httpx.post(form.url, data=form.fields, files={"file": ("picture", picture, content_type)}, timeout=60)
    if not answer.is_success:
        raise problem_in(answer)


def _redirection(answer: httpx.Response) -> str:
    if answer.status_code != HTTPStatus.SEE_OTHER:
        raise problem_in(answer)
    return answer.headers["location"]
