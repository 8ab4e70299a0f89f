"""Signing in with an OpenID provider, linking and unlinking: the whole way, and what is asked wrongly."""

from __future__ import annotations

import pytest

from tests.account_mail import letters
from tests.api_gateway import Answer
from tests.oauth_api import API, link, sign_in
from tests.oauth_browser import Browser, location, query_of, told_page
from tests.openid_provider import approve
from tests.rest_api import PASSWORD, RestApi

# --- The way ---


def test_a_first_sign_in_makes_an_account_and_the_next_one_finds_it(api: RestApi, browser: Browser) -> None:
    first = sign_in(browser, "ana")
    assert first.status == 200, first.text
    user = first.json["user"]
    assert (user["username"], user["email"], user["email_verified"]) == ("ana", "ana@example.net", True)
    assert (first.json["is_new"], first.json["email_in_use"]) == (True, False)
    again = sign_in(Browser(api.anonymous), "ana")
    assert (again.json["user"]["id"], again.json["is_new"]) == (user["id"], False)
    assert api.signed_in(again).api.get("/v1/me").json["username"] == "ana"


@pytest.mark.parametrize("provider", ["acme", "other"])
def test_the_provider_is_asked_for_a_code_with_everything_that_protects_it(browser: Browser, provider: str) -> None:
    asked = query_of(browser.start(provider))
    assert asked["response_type"] == "code"
    assert asked["redirect_uri"] == f"{API}/v1/auth/oauth/{provider}/callback"
    assert asked["scope"] == "openid email profile"
    assert (asked["code_challenge_method"], len(asked["code_challenge"])) == ("S256", 43)
    assert min(len(asked["state"]), len(asked["nonce"])) >= 43
    assert len({asked["state"], asked["nonce"], asked["code_challenge"], browser.page.challenge}) == 4


def test_state_and_nonce_rest_in_a_cookie_that_only_this_host_sets_and_no_script_reads(browser: Browser) -> None:
    answer = browser.visit(f"/v1/auth/oauth/acme/start?challenge={browser.page.challenge}")
    asked = query_of(location(answer))
    [cookie] = answer.cookies
    pair, *attributes = cookie.split("; ")
    assert pair == f"__Host-oauth-{asked['state'][:12]}={asked['state']}.{asked['nonce']}"
    assert {each.lower() for each in attributes} == {
        "httponly", "max-age=600", "path=/", "samesite=lax", "secure",
    }  # fmt: skip


def test_no_token_is_ever_in_an_address_and_the_cookie_is_gone_afterwards(browser: Browser) -> None:
    back = browser.visit(approve(browser.start("acme"), "ana"))
    assert set(told_page(back)) == {"code"}
    assert browser.cookies == {}
    tokens = browser.exchange(told_page(back)["code"]).json
    assert tokens["access_token"] not in back.headers["location"]
    assert tokens["refresh_token"] not in back.headers["location"]
    assert back.headers["cache-control"] == "no-store"
    assert back.headers["referrer-policy"] == "no-referrer"


def test_a_program_that_has_no_page_gets_the_tokens_from_the_callback(browser: Browser) -> None:
    started = browser.visit("/v1/auth/oauth/acme/start", headers={})
    answer = browser.visit(approve(location(started), "ana"), headers={})
    assert (answer.status, answer.json["user"]["username"]) == (200, "ana")
    assert answer.headers["content-type"] == "application/json"


def test_sign_ins_in_two_tabs_do_not_disturb_each_other(browser: Browser) -> None:
    one, other = browser.start("acme"), browser.start("acme")
    for url, login in ((one, "ana"), (other, "ben")):
        answer = browser.exchange(told_page(browser.visit(approve(url, login)))["code"])
        assert answer.json["user"]["username"] == login


def test_a_jar_full_of_unfinished_sign_ins_is_emptied(browser: Browser) -> None:
    for _ in range(9):
        browser.start("acme")
    assert len(browser.cookies) <= 4


def test_who_is_offered_is_listed(api: RestApi) -> None:
    assert api.anonymous.get("/v1/auth/oauth/providers").json["items"] == [
        {"provider": "acme", "label": "Acme"},
        {"provider": "other", "label": "Other"},
        {"provider": "away", "label": "Away"},
    ]


# --- Accounts ---


def test_the_same_address_does_not_open_somebody_elses_account(api: RestApi, browser: Browser) -> None:
    owner = api.anonymous.post(
        "/v1/auth/register", {"username": "owner", "email": "ANA@example.net", "password": PASSWORD}
    ).json["user"]
    answer = sign_in(browser, "ana")
    assert answer.json["user"]["id"] != owner["id"]
    assert (answer.json["user"]["email"], answer.json["email_in_use"]) == (None, True)
    assert api.anonymous.post("/v1/auth/login", {"login": "ana@example.net", "password": PASSWORD}).status == 200


def test_an_address_that_the_provider_does_not_vouch_for_is_not_taken(browser: Browser) -> None:
    answer = sign_in(browser, "unverified-ana")
    assert (answer.json["user"]["email"], answer.json["email_in_use"]) == (None, False)


def test_the_same_subject_of_another_issuer_is_somebody_else(api: RestApi, browser: Browser) -> None:
    here = sign_in(browser, "ana", "acme").json["user"]
    there = sign_in(Browser(api.anonymous), "ana", "other").json["user"]
    assert here["id"] != there["id"]


@pytest.mark.parametrize("taken", ["ana", "ANA"])
def test_a_name_that_is_taken_gets_a_number(api: RestApi, browser: Browser, taken: str) -> None:
    api.register(taken)
    username = sign_in(browser, "ana").json["user"]["username"]
    assert username.startswith("ana_")
    assert username[4:].isdigit()


@pytest.mark.parametrize("login", ["admin", "x", "多田"])
def test_a_name_that_nobody_may_bear_is_replaced_and_never_by_an_address(browser: Browser, login: str) -> None:
    assert sign_in(browser, login).json["user"]["username"].startswith("user_")


def test_a_newcomer_chooses_a_name_once(api: RestApi, browser: Browser) -> None:
    api.register("taken")
    person = api.signed_in(sign_in(browser, "ana"))

    def choose(username: str) -> Answer:
        return person.api.call("PUT", "/v1/me/username", {"username": username})

    assert [choose(name).code for name in ("taken", "TAKEN", "admin", "chosen", "chosen", "again", "x", "多田")] == [
        "name_taken", "name_taken", "name_taken", None, None, "conflict", "invalid_input", "invalid_input",
    ]  # fmt: skip
    assert person.api.get("/v1/me").json["username"] == "chosen"
    assert sign_in(Browser(api.anonymous), "ana").json["user"]["username"] == "chosen"


def test_the_name_of_who_registered_was_chosen(api: RestApi) -> None:
    answer = api.register().api.call("PUT", "/v1/me/username", {"username": "another"})
    assert (answer.status, answer.code) == (409, "conflict")


def test_an_account_from_elsewhere_has_no_password_to_guess(api: RestApi, browser: Browser) -> None:
    sign_in(browser, "ana")
    for password in ("", "null", PASSWORD):
        answer = api.anonymous.post("/v1/auth/login", {"login": "ana", "password": password})
        assert (answer.status, answer.code) == (401, "invalid_credentials")


# --- Linking ---


def test_an_identity_that_was_linked_opens_the_account_it_was_linked_to(api: RestApi, browser: Browser) -> None:
    person = api.register("ben")
    linked = link(person, browser, "ana")
    assert (linked.status, linked.json["provider"], linked.json["label"]) == (201, "acme", "ana@example.net")
    assert sign_in(Browser(api.anonymous), "ana").json["user"]["id"] == person.user["id"]
    [listed] = person.api.get("/v1/me/identities").json["items"]
    assert listed["id"] == linked.json["id"]
    assert listed["last_used_at"] is not None


def test_an_identity_belongs_to_one_account_and_an_account_has_one_of_each_provider(
    api: RestApi, browser: Browser
) -> None:
    person, other = api.register(), api.register()
    assert link(person, browser, "ana").status == 201
    taken = link(other, Browser(api.anonymous), "ana")
    assert (taken.status, taken.code) == (409, "identity_taken")
    second = link(person, Browser(api.anonymous), "ben")
    assert (second.status, second.code) == (409, "identity_taken")
    assert link(person, Browser(api.anonymous), "ana", "other").status == 201


def test_what_one_user_began_to_link_cannot_be_finished_by_another_nor_as_a_sign_in(
    api: RestApi, browser: Browser
) -> None:
    person, other = api.register(), api.register()

    def code_for_person() -> dict[str, str]:
        url = person.api.post("/v1/me/identities/acme/start", {"challenge": browser.page.challenge}).json["url"]
        back = browser.visit(approve(location(browser.visit(url)), "ana"))
        return {"code": told_page(back)["code"], "verifier": browser.page.verifier}

    assert other.api.post("/v1/me/identities", code_for_person()).code == "sign_in_expired"
    assert api.anonymous.post("/v1/auth/oauth/exchange", code_for_person()).code == "sign_in_expired"
    assert api.anonymous.post("/v1/me/identities", code_for_person()).status == 401
    assert person.api.get("/v1/me/identities").json["items"] == []


def test_what_was_begun_as_a_sign_in_links_nothing(api: RestApi, browser: Browser) -> None:
    person = api.register()
    code = told_page(browser.visit(approve(browser.start("acme"), "ana")))["code"]
    answer = person.api.post("/v1/me/identities", {"code": code, "verifier": browser.page.verifier})
    assert (answer.status, answer.code) == (400, "sign_in_expired")


def test_leave_to_link_works_once_and_for_one_provider(api: RestApi, browser: Browser) -> None:
    person = api.register()
    body = {"challenge": browser.page.challenge}
    url = person.api.post("/v1/me/identities/acme/start", body).json["url"]
    assert told_page(browser.visit(url.replace("/acme/", "/other/"))) == {"error": "sign_in_expired"}
    url = person.api.post("/v1/me/identities/acme/start", body).json["url"]
    location(browser.visit(url))
    assert told_page(browser.visit(url)) == {"error": "sign_in_expired"}


def test_the_last_way_in_is_not_taken_away(api: RestApi, browser: Browser) -> None:
    person = api.signed_in(sign_in(browser, "ana"))
    [only] = person.api.get("/v1/me/identities").json["items"]
    refused = person.api.delete(f"/v1/me/identities/{only['id']}")
    assert (refused.status, refused.code) == (409, "last_sign_in_method")
    assert len(person.api.get("/v1/me/identities").json["items"]) == 1
    assert link(person, Browser(api.anonymous), "ana", "other").status == 201
    assert person.api.delete(f"/v1/me/identities/{only['id']}").status == 204
    assert [each["provider"] for each in person.api.get("/v1/me/identities").json["items"]] == ["other"]
    assert sign_in(Browser(api.anonymous), "ana").json["is_new"]


def test_the_owner_is_written_to_when_the_ways_in_change(api: RestApi, browser: Browser) -> None:
    person = api.register()
    letters()
    linked = link(person, browser, "ana").json
    person.api.delete(f"/v1/me/identities/{linked['id']}")
    assert [(each.to, each.subject.split()[0]) for each in letters()] == [
        ([person.user["email"]], "Another"),
        ([person.user["email"]], "One"),
    ]


def test_nobody_unlinks_what_is_not_theirs(api: RestApi, browser: Browser) -> None:
    person, other = api.register(), api.register()
    linked = link(person, browser, "ana").json
    assert other.api.delete(f"/v1/me/identities/{linked['id']}").status == 404
    assert person.api.delete("/v1/me/identities/nonsense").status == 404
    assert person.api.delete(f"/v1/me/identities/{linked['id']}").status == 204


# --- What is asked wrongly ---


def test_a_provider_that_is_not_offered_is_not_found(api: RestApi, browser: Browser) -> None:
    for path in ("/v1/auth/oauth/google/start", "/v1/auth/oauth/google/callback?state=x&code=y"):
        answer = browser.visit(path)
        assert (answer.status, answer.code) == (404, "unknown_provider")
    answer = api.register().api.post("/v1/me/identities/google/start", {"challenge": browser.page.challenge})
    assert (answer.status, answer.code) == (404, "unknown_provider")


@pytest.mark.parametrize("query", ["challenge=short", f"challenge={'x' * 44}", "challenge=x&link=y"])
def test_a_start_with_a_bad_challenge_names_it(browser: Browser, query: str) -> None:
    answer = browser.visit(f"/v1/auth/oauth/acme/start?{query}")
    assert (answer.status, answer.code) == (422, "invalid_input")


def test_linking_is_for_who_is_signed_in(api: RestApi, browser: Browser) -> None:
    assert api.anonymous.get("/v1/me/identities").status == 401
    assert api.anonymous.post("/v1/me/identities/acme/start", {"challenge": browser.page.challenge}).status == 401
    assert api.anonymous.delete("/v1/me/identities/x").status in (401, 404)


def test_a_suspended_account_is_not_opened_from_elsewhere_either(api: RestApi, browser: Browser) -> None:
    sign_in(browser, "ana")
    with api.services.database.begin() as connection:
        connection.exec_driver_sql("UPDATE users SET suspended_at = now()")
    answer = sign_in(Browser(api.anonymous), "ana")
    assert (answer.status, answer.code) == (403, "account_suspended")


def test_a_provider_that_is_away_is_said_to_be(api: RestApi) -> None:
    answer = api.anonymous.get("/v1/auth/oauth/away/start")
    assert (answer.status, answer.code) == (503, "provider_unavailable")
    assert answer.headers["retry-after"]
