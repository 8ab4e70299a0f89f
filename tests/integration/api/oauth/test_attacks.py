"""Signing in with an OpenID provider: every way in which somebody could get between."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from headwater.adapters.cache import cache_client
from tests.oauth_browser import Browser, Page, query_of, told_page
from tests.openid_provider import approve
from tests.redis_server import RedisServer
from tests.rest_api import RestApi


def test_a_callback_is_worth_nothing_in_another_browser(api: RestApi, browser: Browser) -> None:
    """Login CSRF: an attacker's own finished sign-in, opened by somebody else."""
    back = approve(browser.start("acme"), "attacker")
    victim = Browser(api.anonymous)
    assert told_page(victim.visit(back)) == {"error": "sign_in_expired"}
    victim.start("acme")  # nor with a sign-in of their own under way
    assert told_page(victim.visit(back)) == {"error": "sign_in_expired"}
    assert told_page(browser.visit(back)).keys() == {"code"}  # and it was not used up by that


def test_a_code_for_the_page_is_worth_nothing_on_another_page(api: RestApi, browser: Browser) -> None:
    """Login CSRF by the last step: an attacker's code in somebody else's address bar."""
    code = told_page(browser.visit(approve(browser.start("acme"), "attacker")))["code"]
    stolen = Browser(api.anonymous).exchange(code, Page().verifier)
    assert (stolen.status, stolen.code) == (400, "sign_in_expired")
    assert browser.exchange(code).code == "sign_in_expired"  # one try


@pytest.mark.parametrize("site", ["cross-site", "same-site", "same-origin"])
def test_a_link_elsewhere_signs_nobody_in_who_did_not_want_it(api: RestApi, site: str) -> None:
    """Without a challenge, the callback itself would make an account: that is for programs that open the address themselves."""
    begun = api.anonymous.call("GET", "/v1/auth/oauth/acme/start", headers={"sec-fetch-site": site})
    assert (begun.status, begun.code) == (422, "invalid_input")
    by_program = api.anonymous.call("GET", "/v1/auth/oauth/acme/start", headers={"sec-fetch-site": "none"})
    assert by_program.status == 303


def test_every_step_works_once(browser: Browser) -> None:
    jar_before = dict(browser.cookies)
    url = browser.start("acme")
    jar = dict(browser.cookies)
    back = approve(url, "ana")
    code = told_page(browser.visit(back))["code"]
    browser.cookies = {**jar_before, **jar}  # a browser that keeps its cookies
    assert told_page(browser.visit(back)) == {"error": "sign_in_expired"}
    assert browser.exchange(code).status == 200
    assert browser.exchange(code).code == "sign_in_expired"


def test_a_providers_code_that_was_used_is_refused_in_a_new_sign_in(browser: Browser) -> None:
    back = approve(browser.start("acme"), "ana")
    assert "code" in told_page(browser.visit(back))
    replayed = {**query_of(back), "state": query_of(browser.start("acme"))["state"]}
    answer = browser.visit(f"/v1/auth/oauth/acme/callback?{urlencode(replayed)}")
    assert told_page(answer) == {"error": "sign_in_failed"}


def test_a_code_of_somebody_elses_sign_in_is_refused(api: RestApi, browser: Browser) -> None:
    """Code injection: the provider holds it to the other sign-in's PKCE challenge."""
    stolen = query_of(approve(browser.start("acme"), "victim"))
    attacker = Browser(api.anonymous)
    injected = {**stolen, "state": query_of(attacker.start("acme"))["state"]}
    answer = attacker.visit(f"/v1/auth/oauth/acme/callback?{urlencode(injected)}")
    assert told_page(answer) == {"error": "sign_in_failed"}


@pytest.mark.parametrize("altered", ["nonce", "code_challenge"])
def test_an_answer_to_an_altered_request_is_refused(browser: Browser, altered: str) -> None:
    url = browser.start("acme")
    asked = query_of(url)
    back = approve(url.replace(asked[altered], "x" * 43), "ana")
    assert told_page(browser.visit(back)) == {"error": "sign_in_failed"}


def test_an_answer_of_another_provider_is_refused(browser: Browser) -> None:
    """Mix-up (RFC 9700 §4.4): a sign-in that began at one provider is answered by another."""
    state = query_of(browser.start("other"))["state"]
    answered = query_of(approve(browser.start("acme"), "ana"))
    at_its_own = browser.visit(f"/v1/auth/oauth/acme/callback?{urlencode({**answered, 'state': state})}")
    assert told_page(at_its_own) == {"error": "sign_in_expired"}
    state = query_of(browser.start("other"))["state"]
    at_the_other = browser.visit(f"/v1/auth/oauth/other/callback?{urlencode({**answered, 'state': state})}")
    assert told_page(at_the_other) == {"error": "sign_in_failed"}


@pytest.mark.parametrize("issuer", [None, "", "https://attacker.example"])
def test_an_answer_without_its_issuers_name_is_refused(browser: Browser, issuer: str | None) -> None:
    answered = query_of(approve(browser.start("acme"), "ana"))
    answered.pop("iss")
    if issuer is not None:
        answered["iss"] = issuer
    answer = browser.visit(f"/v1/auth/oauth/acme/callback?{urlencode(answered)}")
    assert told_page(answer) == {"error": "sign_in_failed"}


def test_a_sign_in_that_took_too_long_is_over(browser: Browser, redis: RedisServer) -> None:
    back = approve(browser.start("acme"), "ana")
    [flow] = cache_client(redis.url).keys("oauth:flow:*")
    assert 0 < cache_client(redis.url).ttl(flow) <= 600
    cache_client(redis.url).delete(flow)
    assert told_page(browser.visit(back)) == {"error": "sign_in_expired"}


def test_who_says_no_at_the_provider_comes_back_to_the_page(browser: Browser) -> None:
    back = approve(browser.start("acme"), "ana", deny=True)
    assert told_page(browser.visit(back)) == {"error": "sign_in_denied"}


@pytest.mark.parametrize(
    "query",
    ["", "state=", "state=nonsense", "code=nonsense", "state=a&code=b&iss=c", "error=access_denied", "state=%00%ff"],
)
def test_a_callback_that_nobody_asked_for_is_refused(browser: Browser, query: str) -> None:
    browser.start("acme")
    answer = browser.visit(f"/v1/auth/oauth/acme/callback?{query}", headers={})
    assert answer.status in (400, 422)
    assert answer.code in ("sign_in_expired", "invalid_input")


def test_what_rests_in_the_cache_opens_nothing(browser: Browser, redis: RedisServer) -> None:
    asked = query_of(browser.start("acme"))
    cache = cache_client(redis.url)
    [name] = cache.keys("oauth:flow:*")
    kept = str(name) + str(cache.get(name))
    assert asked["state"] not in kept
    assert asked["nonce"] not in kept
