"""Providers with ways of their own: Twitch, and those that answer as none should."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headwater.adapters import openid_provider as adapter
from headwater.adapters.openid_http import MAX_ANSWER_BYTES
from headwater.adapters.openid_provider import OpenIdProvider
from headwater.domain.sign_in_providers import ProvenIdentity, configured_provider
from headwater.errors import ProviderUnavailable, SignInFailed
from tests.fake_openid import FakeOpenId, Reply, as_json, fake_openid
from tests.oauth_browser import query_of

CALLBACK = "https://api.example.org/v1/auth/oauth/twitch/callback"
VERIFIER = "v" * 43
NONCE = "n" * 43


@pytest.fixture
def twitch() -> Iterator[FakeOpenId]:
    user = {"sub": "713936733", "preferred_username": "AnaPlays", "email": "ana@example.net", "email_verified": True}
    with fake_openid("/oauth2", user=user) as fake:
        yield fake


def client_of(fake: FakeOpenId, name: str = "twitch", secret: str | None = None) -> OpenIdProvider:
    provider = configured_provider(name, fake.client_id, fake.issuer)
    return OpenIdProvider(provider, lambda: fake.client_secret if secret is None else secret, CALLBACK)


def go(client: OpenIdProvider, fake: FakeOpenId) -> ProvenIdentity:
    url = client.authorization_url(state="s" * 43, nonce=NONCE, code_verifier=VERIFIER)
    answered = query_of(fake.authorize(url))
    client.check_issuer(answered.get("iss"))
    return client.prove(answered["code"], code_verifier=VERIFIER, nonce=NONCE)


# --- Twitch ---


def test_twitch_tells_name_and_address_because_it_is_asked_by_name(twitch: FakeOpenId) -> None:
    url = client_of(twitch).authorization_url(state="s", nonce=NONCE, code_verifier=VERIFIER)
    asked = query_of(url)
    assert json.loads(asked["claims"]) == {
        "id_token": {"email": None, "email_verified": None, "preferred_username": None}
    }
    assert asked["scope"] == "openid user:read:email"
    assert go(client_of(twitch), twitch) == ProvenIdentity(
        "twitch", twitch.issuer, "713936733", "ana@example.net", "AnaPlays"
    )


def test_twitch_leaves_out_an_address_that_is_not_verified(twitch: FakeOpenId) -> None:
    del twitch.user["email"]
    proven = go(client_of(twitch), twitch)
    assert (proven.email, proven.label) == (None, "AnaPlays")
    assert twitch.count("/userinfo") == 0  # it was asked for in the token, and there is none


def test_twitch_is_given_the_secret_where_it_looks_for_it(twitch: FakeOpenId) -> None:
    go(client_of(twitch), twitch)
    [form] = [form for path, form in twitch.received if path == "/token"]
    assert form["client_secret"] == twitch.client_secret
    assert form["redirect_uri"] == CALLBACK
    assert form["code_verifier"] == VERIFIER


def test_a_refusal_in_twitchs_own_form_is_a_refusal(twitch: FakeOpenId) -> None:
    with pytest.raises(SignInFailed):
        go(client_of(twitch, secret="wrong"), twitch)
    with pytest.raises(SignInFailed):
        client_of(twitch).prove("used or invented", code_verifier=VERIFIER, nonce=NONCE)


def test_without_pkce_the_nonce_keeps_stolen_codes_out(twitch: FakeOpenId) -> None:
    client = client_of(twitch)
    url = client.authorization_url(state="s", nonce="of the victim's sign-in", code_verifier=VERIFIER)
    stolen = query_of(twitch.authorize(url))["code"]
    with pytest.raises(SignInFailed):
        client.prove(stolen, code_verifier="another", nonce=NONCE)


# --- As none should ---


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://id.twitch.tv/oauth2"},
        {"token_endpoint": "http://169.254.169.254/latest/meta-data"},
        {"jwks_uri": "http://attacker.example/keys"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"userinfo_endpoint": "file:///etc/passwd"},
        {"id_token_signing_alg_values_supported": ["none", "HS256"]},
        {"jwks_uri": None},
        {"token_endpoint": 5},
    ],
    ids=str,
)
def test_a_discovery_document_that_leads_astray_is_not_followed(twitch: FakeOpenId, changes: dict[str, Any]) -> None:
    document = {**twitch.discovery, **changes}
    twitch.replies["/.well-known/openid-configuration"] = lambda: as_json(document)
    with pytest.raises(ProviderUnavailable):
        client_of(twitch).authorization_url(state="s", nonce=NONCE, code_verifier=VERIFIER)
    assert [path for path, _ in twitch.received] == ["/.well-known/openid-configuration"]


BAD_ANSWERS: dict[str, Callable[[], Reply]] = {
    "too long": lambda: as_json({"x": "x" * MAX_ANSWER_BYTES}),
    "compressed": lambda: (200, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"\x1f\x8b"),
    "elsewhere": lambda: (302, {"Location": "http://169.254.169.254/"}, b""),
    "a page": lambda: (200, {"Content-Type": "text/html"}, b"<p>We will be back soon."),
    "no JSON": lambda: (200, {"Content-Type": "application/json"}, b"{"),
    "a list": lambda: as_json([]),
    "an error": lambda: as_json({"error": "server_error"}, 503),
}


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token"])
@pytest.mark.parametrize("answer", BAD_ANSWERS, ids=str)
def test_a_provider_that_does_not_answer_as_it_should_is_unavailable(
    twitch: FakeOpenId, path: str, answer: str
) -> None:
    twitch.replies[path] = BAD_ANSWERS[answer]
    with pytest.raises(ProviderUnavailable):
        go(client_of(twitch), twitch)


def test_a_provider_that_is_away_is_unavailable(twitch: FakeOpenId) -> None:
    provider = configured_provider("twitch", "id", "http://127.0.0.1:9")
    with pytest.raises(ProviderUnavailable):
        OpenIdProvider(provider, lambda: None, CALLBACK).authorization_url(
            state="s", nonce=NONCE, code_verifier=VERIFIER
        )


def test_a_new_key_is_looked_for_and_an_unknown_one_not_for_ever(
    twitch: FakeOpenId, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("headwater.adapters.openid_provider.time.monotonic", lambda: now[0])
    client = client_of(twitch)
    go(client, twitch)
    go(client, twitch)
    assert (twitch.count("/keys"), twitch.count("/.well-known/openid-configuration")) == (1, 1)
    twitch.kid = "2"
    now[0] += adapter.NEW_KEY_SECONDS + 1
    go(client, twitch)
    assert twitch.count("/keys") == 2
    twitch.replies["/keys"] = lambda: as_json({"keys": []})
    twitch.kid = "3"
    for _ in range(3):
        with pytest.raises(SignInFailed):
            go(client, twitch)
    assert twitch.count("/keys") == 2
    now[0] += adapter.KEYS_SECONDS + 1
    with pytest.raises(SignInFailed):
        go(client, twitch)  # a key that was taken away is forgotten


# --- UserInfo, where a token says little ---


def told_by_userinfo(fake: FakeOpenId, body: object) -> ProvenIdentity:
    fake.replies["/userinfo"] = lambda: as_json(body)
    return go(client_of(fake, "acme"), fake)


def test_an_address_that_the_token_lacks_is_asked_for(twitch: FakeOpenId) -> None:
    told = {"sub": "713936733", "email": "ana@example.net", "email_verified": "true", "preferred_username": "ana"}
    proven = told_by_userinfo(twitch, told)
    assert (proven.email, proven.preferred_username) == ("ana@example.net", "ana")


def test_what_is_said_of_somebody_else_is_refused(twitch: FakeOpenId) -> None:
    with pytest.raises(SignInFailed):
        told_by_userinfo(twitch, {"sub": "somebody-else", "email": "ana@example.net", "email_verified": True})


@pytest.mark.parametrize(
    "told",
    [
        {"email": "ana@example.net"},
        {"email": "ana@example.net", "email_verified": False},
        {"email": "ana@example.net", "email_verified": "false"},
        {"email": "not an address", "email_verified": True},
        {"email": "ana@example.net\x00", "email_verified": True},
        {"email": f"{'a' * 250}@example.net", "email_verified": True},
    ],
)
def test_an_address_without_a_clear_word_for_it_is_none(twitch: FakeOpenId, told: dict[str, Any]) -> None:
    assert told_by_userinfo(twitch, {"sub": "713936733", **told}).email is None


@pytest.mark.parametrize("claims", [{"email": 5}, {"email_verified": []}, {"preferred_username": {"a": 1}}])
def test_claims_of_a_wrong_type_prove_nothing(twitch: FakeOpenId, claims: dict[str, Any]) -> None:
    twitch.alter_claims = lambda usual: {**usual, **claims}
    with pytest.raises(SignInFailed):
        go(client_of(twitch), twitch)
