"""Which providers may be configured, where they may send us, and what newcomers are called."""

from __future__ import annotations

import itertools
import json

import pytest

from functions.api.settings import ApiSettings
from headwater.domain import usernames
from headwater.domain.sign_in_providers import configured_provider, may_be_spoken_to, username_candidates
from headwater.settings import SettingsError, load_settings
from tests.contract.api.conftest import ENVIRONMENT


def test_google_and_twitch_are_known_by_their_names() -> None:
    google, twitch = configured_provider("google", "id"), configured_provider("twitch", "id")
    assert (google.issuer, google.label, google.claims) == ("https://accounts.google.com", "Google", ())
    assert (twitch.issuer, twitch.label) == ("https://id.twitch.tv/oauth2", "Twitch")
    assert "email" in twitch.claims
    assert "user:read:email" in twitch.scope


@pytest.mark.parametrize(
    ("name", "client_id", "issuer"),
    [
        ("acme", "id", None),
        ("acme", "", "https://acme.example"),
        ("Acme", "id", "https://acme.example"),
        ("a/b", "id", "https://acme.example"),
        ("..", "id", "https://acme.example"),
        ("acme", "id", "http://acme.example"),
        ("acme", "id", "http://169.254.169.254"),
        ("acme", "id", "https://user:password@acme.example"),
        ("acme", "id", "https://acme.example?tenant=1"),
        ("acme", "id", "https://acme.example#x"),
        ("acme", "id", "file:///etc/passwd"),
        ("acme", "id", "https://"),
        ("acme", "id", "https://[::1"),
        ("acme", "id", "https://аcme.example"),  # a Cyrillic а
    ],
)
def test_a_provider_that_cannot_be_trusted_is_not_configured(name: str, client_id: str, issuer: str | None) -> None:
    with pytest.raises(ValueError, match="sign-in provider"):
        configured_provider(name, client_id, issuer)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://oauth2.googleapis.com/token", True),
        ("https://acme.example:8443/token", True),
        ("http://acme.example/token", False),
        ("http://127.0.0.1/token", False),
        ("https://127.0.0.1/token", False),
        ("https://localhost/token", False),
        ("https://169.254.169.254/latest/meta-data", False),
        ("https://0x7f000001/", False),
        ("https://2130706433/", False),
        ("https://[fd00:ec2::254]/", False),
        ("https://user@acme.example/token", False),
        ("ftp://acme.example/token", False),
        ("//acme.example/token", False),
        ("", False),
    ],
)
def test_a_providers_own_document_leads_to_public_places_only(url: str, allowed: bool) -> None:
    assert may_be_spoken_to(url, "https://acme.example") is allowed


def test_a_provider_on_this_machine_may_stay_on_it() -> None:
    assert may_be_spoken_to("http://127.0.0.1:9000/token", "http://127.0.0.1:9000")
    assert not may_be_spoken_to("http://acme.example/token", "http://127.0.0.1:9000")


@pytest.mark.parametrize(
    "configured",
    [
        "nonsense",
        {},
        [{"name": "google"}],
        [{"name": "google", "client_id": "id", "client_secret": "not here"}],
        [{"name": "google", "client_id": "id"}, {"name": "google", "client_id": "id"}],
        [
            {"name": "google", "client_id": "id"},
            {"name": "g", "client_id": "id", "issuer": "https://accounts.google.com"},
        ],
    ],
)
def test_a_configuration_that_means_nothing_certain_is_refused(configured: object) -> None:
    text = configured if isinstance(configured, str) else json.dumps(configured)
    settings = load_settings(ApiSettings, {**ENVIRONMENT, "OAUTH_PROVIDERS": text})
    with pytest.raises(SettingsError) as refused:
        _ = settings.sign_in_providers
    assert "not here" not in str(refused.value)


def test_without_a_configuration_nobody_is_offered() -> None:
    assert load_settings(ApiSettings, ENVIRONMENT).sign_in_providers == []


@pytest.mark.parametrize(
    ("preferred", "first"),
    [
        ("ana", "ana"),
        ("Ana Bell", "Ana_Bell"),
        ("Zoë", "Zoe"),
        ("  --ana!!", "ana"),
        ("x" * 60, "x" * 25),
    ],
)
def test_a_newcomer_keeps_their_name_as_far_as_it_can_be_one(preferred: str, first: str) -> None:
    assert next(username_candidates(preferred, lambda count: "7" * count)) == first


@pytest.mark.parametrize("preferred", [None, "", "ab", "admin", "m0derator", "多田", "🙂🙂🙂"])
def test_a_newcomer_without_a_usable_name_gets_one(preferred: str | None) -> None:
    assert next(username_candidates(preferred, lambda count: "7" * count)) == "user_7777777777"


@pytest.mark.parametrize("preferred", ["x" * 25, "ana", "ab", "a" * 24 + "é"])
def test_every_candidate_can_be_a_username(preferred: str) -> None:
    digits = itertools.count(1000)
    found = list(username_candidates(preferred, lambda count: str(next(digits)).zfill(count)))
    assert len(found) == len(set(found)) >= 5
    assert all(usernames.objection(each) is None for each in found)
