"""Stage 7 · one OpenID provider: where it is, how people are sent there, and how its answer becomes a proven identity.

Discovery and keys are kept in memory for a while; a key that is not known yet is looked for at most twice a minute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import msgspec
from authlib.integrations.httpx_client import OAuth2Client, OAuthError
from authlib.oauth2.client import OAuth2Client as AuthorizationRequest

from headwater.adapters.openid_http import BoundedTransport, fetch_json, timeouts
from headwater.adapters.openid_tokens import ALGORITHMS, Jwk, UnknownKey, verified_claims
from headwater.domain.accounts import is_email
from headwater.domain.sign_in_providers import ProvenIdentity, SignInProvider, may_be_spoken_to
from headwater.errors import ProviderUnavailable, SignInFailed
from headwater.observability import count, logger

METADATA_SECONDS = 3600.0
KEYS_SECONDS = 600.0
NEW_KEY_SECONDS = 30.0  # between two looks for a key that is not in the set
_MAX_NAME_LENGTH = 100


class _Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What we use of a provider's description (OpenID Connect Discovery §3, RFC 8414 §2)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _KeySet(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


class _UserInfo(msgspec.Struct, frozen=True):
    sub: str
    email: str | None = None
    email_verified: bool | str | None = None
    preferred_username: str | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    value: Any
    since: float


class OpenIdProvider:
    """`client_secret` is asked for at each use, for it rests in a secret; None for a client that has none.

    Every method raises ProviderUnavailable when the provider does not answer, or not as it should.
    """

    def __init__(self, provider: SignInProvider, client_secret: Callable[[], str | None], redirect_uri: str) -> None:
        self._provider = provider
        self._client_secret = client_secret
        self._redirect_uri = redirect_uri
        self._metadata_kept: _Kept | None = None
        self._keys_kept: _Kept | None = None
        self._refreshing = threading.Lock()

    def authorization_url(self, *, state: str, nonce: str, code_verifier: str) -> str:
        """Where to send somebody who wants to sign in: authorization code, PKCE with S256 (RFC 9700 §2.1.1)."""
        parameters = {"nonce": nonce}
        if self._provider.claims:
            # A list of names without requirements: `null` each (OpenID Connect Core §5.5).
            wanted = {"id_token": dict.fromkeys(self._provider.claims)}
            parameters["claims"] = msgspec.json.encode(wanted).decode()
        request = AuthorizationRequest(
            session=None,
            client_id=self._provider.client_id,
            scope=self._provider.scope,
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
        )
        url, _ = request.create_authorization_url(
            self._metadata().authorization_endpoint, state=state, code_verifier=code_verifier, **parameters
        )
        return str(url)

    def check_issuer(self, claimed: str | None) -> None:
        """RFC 9207: the answer must come from whom it was asked of. Raises SignInFailed."""
        missing = claimed is None and self._metadata().authorization_response_iss_parameter_supported
        if missing or (claimed is not None and claimed != self._provider.issuer):
            raise SignInFailed

    def prove(self, code: str, *, code_verifier: str, nonce: str) -> ProvenIdentity:
        """Trade the code of a callback for who it speaks of. Raises SignInFailed."""
        answer = self._redeem(code, code_verifier)
        id_token = answer.get("id_token")
        if not isinstance(id_token, str):
            raise SignInFailed
        claims = self._claims(id_token, nonce)
        try:
            profile = msgspec.convert(claims, _UserInfo)
        except msgspec.ValidationError:
            raise SignInFailed from None
        access_token = answer.get("access_token")
        if profile.email is None and isinstance(access_token, str):
            profile = self._asked_profile(access_token, profile)
        return ProvenIdentity(
            provider=self._provider.name,
            issuer=self._provider.issuer,
            subject=profile.sub,
            email=_verified_email(profile),
            preferred_username=(profile.preferred_username or "")[:_MAX_NAME_LENGTH] or None,
        )

    def _redeem(self, code: str, code_verifier: str) -> dict[str, Any]:
        with self._client() as client:
            try:
                answer: dict[str, Any] = client.fetch_token(
                    self._metadata().token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    redirect_uri=self._redirect_uri,
                    code_verifier=code_verifier,
                )
            except OAuthError as error:
                self._note_refusal(str(error.error))
                raise SignInFailed from None  # what the provider says of it is not ours to show
            except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, TypeError) as error:
                raise ProviderUnavailable from error
        if "id_token" not in answer:
            self._note_refusal("no id_token")  # Twitch refuses with `status` and `message`, without an `error`
        return answer

    def _claims(self, id_token: str, nonce: str) -> dict[str, Any]:
        metadata = self._metadata()

        def claims_by(keys: list[Jwk]) -> dict[str, Any]:
            return verified_claims(
                id_token,
                keys,
                issuer=self._provider.issuer,
                client_id=self._provider.client_id,
                nonce=nonce,
                algorithms=metadata.id_token_signing_alg_values_supported,
            )

        try:
            try:
                return claims_by(self._keys(KEYS_SECONDS))
            except UnknownKey:
                return claims_by(self._keys(NEW_KEY_SECONDS))
        except SignInFailed:
            self._note_refusal("invalid id_token")
            raise

    def _asked_profile(self, access_token: str, known: _UserInfo) -> _UserInfo:
        """What the UserInfo endpoint says, if it speaks of the same person (OpenID Connect Core §5.3.4)."""
        endpoint = self._metadata().userinfo_endpoint
        if endpoint is None or self._provider.claims:
            return known
        try:
            told = msgspec.json.decode(fetch_json(endpoint, access_token), type=_UserInfo)
        except msgspec.DecodeError as error:
            raise ProviderUnavailable from error
        if told.sub != known.sub:
            raise SignInFailed
        return told

    def _metadata(self) -> _Metadata:
        kept = self._metadata_kept
        if kept is None or time.monotonic() - kept.since > METADATA_SECONDS:
            with self._refreshing:
                kept = self._metadata_kept = _Kept(self._fetched_metadata(), time.monotonic())
        metadata: _Metadata = kept.value
        return metadata

    def _fetched_metadata(self) -> _Metadata:
        issuer = self._provider.issuer
        try:
            metadata = msgspec.json.decode(
                fetch_json(f"{issuer.rstrip('/')}/.well-known/openid-configuration"), type=_Metadata
            )
        except msgspec.DecodeError as error:
            raise ProviderUnavailable from error
        endpoints = [metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri]
        if metadata.userinfo_endpoint is not None:
            endpoints.append(metadata.userinfo_endpoint)
        if metadata.issuer != issuer or not all(may_be_spoken_to(each, issuer) for each in endpoints):
            logger().error("a sign-in provider's discovery document is not its own", extra={"issuer": issuer})
            raise ProviderUnavailable
        if not ALGORITHMS.intersection(metadata.id_token_signing_alg_values_supported):
            raise ProviderUnavailable
        return metadata

    def _keys(self, at_most_seconds_old: float) -> list[Jwk]:
        kept = self._keys_kept
        if kept is None or time.monotonic() - kept.since > at_most_seconds_old:
            metadata = self._metadata()
            with self._refreshing:
                try:
                    found = msgspec.json.decode(fetch_json(metadata.jwks_uri), type=_KeySet)
                except msgspec.DecodeError as error:
                    raise ProviderUnavailable from error
                kept = self._keys_kept = _Kept(found.keys, time.monotonic())
        keys: list[Jwk] = kept.value
        return keys

    def _client(self) -> OAuth2Client:
        secret = self._client_secret()
        return OAuth2Client(
            client_id=self._provider.client_id,
            client_secret=secret,
            token_endpoint_auth_method=_auth_method(secret, self._metadata()),
            transport=BoundedTransport(),
            timeout=timeouts(),
            trust_env=False,
            follow_redirects=False,
        )

    def _note_refusal(self, reason: str) -> None:
        count("SignInProviderRefused")
        shown = reason[:40] if reason.isascii() and reason.isprintable() else "unprintable"
        logger().warning("a sign-in was not confirmed", extra={"provider": self._provider.name, "reason": shown})


def _auth_method(secret: str | None, metadata: _Metadata) -> str:
    if secret is None:
        return "none"
    # In the body there is one way to write a secret; in the header, clients and providers disagree about its encoding.
    supported = metadata.token_endpoint_auth_methods_supported
    return "client_secret_post" if "client_secret_post" in supported else "client_secret_basic"


def _verified_email(profile: _UserInfo) -> str | None:
    """The address, if the provider says in so many words that it is theirs. Some say it as text."""
    if profile.email_verified not in (True, "true") or profile.email is None:
        return None
    return profile.email if is_email(profile.email) else None
