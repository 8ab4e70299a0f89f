"""Stage 7 · routes of signing in with Google, Twitch or any OpenID provider, and of the identities linked to an account."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from functions.api.accounts import OwnUserOut
from functions.api.dependencies import ClientAddress, ClientDevice, CurrentUser, ServicesDep, Unit
from functions.api.identities import (
    CHALLENGE_PATTERN,
    ArrivalOut,
    ChosenUsername,
    CodeAndVerifier,
    IdentityOut,
    LinkStart,
    LinkStartOut,
    SignInProviderOut,
    arrival_out,
    identity_out,
)
from functions.api.inline_routes import InlineRoute
from functions.api.representations import Page
from functions.api.routes.users import me
from functions.api.use_cases import oauth
from functions.api.wiring import Services
from headwater.adapters.oauth_flows import FLOW_SECONDS
from headwater.domain.ids import is_id
from headwater.domain.sign_in_providers import SignInProvider
from headwater.errors import FieldError, HeadwaterError, InvalidInput, NotFound, UnknownProvider
from headwater.observability import logger

router = APIRouter(route_class=InlineRoute, tags=["accounts"])

_REDIRECT: dict[int | str, dict[str, Any]] = {303: {"description": "To the provider, or back to the pages."}}
_MOST_COOKIES = 4  # sign-ins of one browser that are under way; more are a mistake, or somebody filling its jar
_LONGEST = 2048  # characters of a provider's code or state: far more than any is


async def _provider(provider: Annotated[str, Path()], services: ServicesDep) -> SignInProvider:
    found = services.sign_in_providers.get(provider)
    if found is None:
        raise UnknownProvider
    return found


async def _identity_id(identity_id: Annotated[str, Path()]) -> str:
    if not is_id(identity_id):
        raise NotFound
    return identity_id


Provider = Annotated[SignInProvider, Depends(_provider)]
FromProvider = Annotated[str | None, Query(max_length=_LONGEST)]


@router.get("/auth/oauth/providers")
def sign_in_providers(services: ServicesDep) -> Page[SignInProviderOut]:
    """The providers that this deployment offers to sign in with."""
    offered = services.sign_in_providers.values()
    return Page(items=[SignInProviderOut(provider=each.name, label=each.label) for each in offered], next_cursor=None)


@router.get("/auth/oauth/{provider}/start", status_code=303, response_class=RedirectResponse, responses=_REDIRECT)
def start_sign_in(
    request: Request,
    provider: Provider,
    address: ClientAddress,
    services: ServicesDep,
    challenge: Annotated[str | None, Query(pattern=CHALLENGE_PATTERN)] = None,
    link: Annotated[str | None, Query(max_length=128)] = None,
) -> Response:
    """For a browser to follow: on to the provider. `challenge` is the SHA-256 (base64url) of a verifier that the page
    keeps; `link` is in the address that `POST /v1/me/identities/{provider}/start` answers with, instead."""
    if challenge is not None and link is not None:
        raise InvalidInput(errors=(FieldError("challenge", "Send either this or `link`."),))
    try:
        services.limits.spend("oauth-start", address, services.settings.logins_per_minute)
        _not_led_here(request, challenge or link)
        flows, client, link_to = services.oauth_flows, services.openid_provider(provider), None
        if link is not None:
            ticket = oauth.redeem_link_ticket(flows, link, provider.name)
            challenge, link_to = ticket.challenge, ticket.user_id
        departure = oauth.begin(flows, client, provider.name, challenge, link_to)
    except HeadwaterError as error:
        return _explained(error, request, services)
    answer = RedirectResponse(departure.url, 303)
    stale = [name for name in request.cookies if name.startswith(oauth.COOKIE_PREFIX)]
    for name in stale if len(stale) >= _MOST_COOKIES else ():
        _forget(answer, name)
    answer.set_cookie(
        departure.cookie_name, departure.cookie_value, max_age=FLOW_SECONDS, secure=True, httponly=True, samesite="lax"
    )
    return answer


@router.get("/auth/oauth/{provider}/callback", responses=_REDIRECT)
def finish_sign_in(
    request: Request,
    provider: Provider,
    device: ClientDevice,
    address: ClientAddress,
    services: ServicesDep,
    unit: Unit,
    state: FromProvider = None,
    code: FromProvider = None,
    error: FromProvider = None,
    iss: FromProvider = None,
) -> ArrivalOut:
    """Where the provider sends the browser. From here it goes to the page `/signed-in` with a code in the fragment, which
    `POST /v1/auth/oauth/exchange` takes; or, for a start without `challenge`, the tokens are the answer."""
    cookie_name = oauth.cookie_name(state or "")
    callback = oauth.Callback(
        code=code, error=error, issuer=iss, state=state or "", cookie=request.cookies.get(cookie_name)
    )
    answer: Response
    try:
        proven, flow = oauth.come_back(
            services.oauth_flows, services.openid_provider(provider), provider.name, callback
        )
        if flow.challenge is not None:
            proof = oauth.keep_proof(services.oauth_flows, proven, flow.challenge, flow.link_to)
            answer = _to_page(services, code=proof)
    except HeadwaterError as failure:
        answer = _explained(failure, request, services)
    else:
        if flow.challenge is None:
            arrival = oauth.sign_in(
                unit, lambda: services.sockets, services.tokens, proven, device, lambda: _may_join(services, address)
            )
            answer = Response(arrival_out(arrival).model_dump_json(), media_type="application/json")
    if callback.cookie is not None:
        _forget(answer, cookie_name)
    return answer  # type: ignore[return-value]  # the model describes the one answer that is no redirect


@router.post("/auth/oauth/exchange")
def exchange_code(
    body: CodeAndVerifier, device: ClientDevice, address: ClientAddress, services: ServicesDep, unit: Unit
) -> ArrivalOut:
    """Trade the code that `/signed-in` was called with, and the verifier of the page that began, for tokens. The first
    sign-in with an identity makes an account. Works once, within a minute."""
    services.limits.spend("oauth-exchange", address, services.settings.logins_per_minute)
    proven = oauth.redeem_proof(services.oauth_flows, body.code, body.verifier, link_to=None)
    arrival = oauth.sign_in(
        unit, lambda: services.sockets, services.tokens, proven, device, lambda: _may_join(services, address)
    )
    return arrival_out(arrival)


@router.get("/me/identities")
def my_identities(user: CurrentUser, unit: Unit) -> Page[IdentityOut]:
    """The identities that this account can be opened with."""
    return Page(items=[identity_out(each) for each in unit.identities.of_user(user.user_id)], next_cursor=None)


@router.post("/me/identities/{provider}/start", status_code=201)
def start_linking(user: CurrentUser, provider: Provider, body: LinkStart, services: ServicesDep) -> LinkStartOut:
    """An address for this user's browser to follow within a minute, once, to link an identity of this provider."""
    ticket = oauth.permit_link(services.oauth_flows, user.user_id, provider.name, body.challenge)
    start = f"{services.settings.api_url}/v1/auth/oauth/{provider.name}/start"
    return LinkStartOut(url=f"{start}?{urlencode({'link': ticket})}")


@router.post("/me/identities", status_code=201)
def link_identity(body: CodeAndVerifier, user: CurrentUser, services: ServicesDep, unit: Unit) -> IdentityOut:
    """Link the identity that a sign-in proved which this user began. 409 `identity_taken` if it opens an account already."""
    proven = oauth.redeem_proof(services.oauth_flows, body.code, body.verifier, link_to=user.user_id)
    return identity_out(oauth.link(unit, services.account_mail, user.user_id, proven))


@router.put("/me/username")
def choose_username(body: ChosenUsername, user: CurrentUser, unit: Unit) -> OwnUserOut:
    """Choose a username in the place of the one that was made up at the first sign-in. Once."""
    oauth.choose_username(unit.identities, user.user_id, body.username)
    return me(user, unit)


@router.delete("/me/identities/{identity_id}", status_code=204)
def unlink_identity(
    identity_id: Annotated[str, Depends(_identity_id)], user: CurrentUser, services: ServicesDep, unit: Unit
) -> None:
    """Unlink an identity. 409 `last_sign_in_method` if it is the only way to sign in."""
    oauth.unlink(unit, services.account_mail, user.user_id, identity_id)


def _not_led_here(request: Request, page_began: str | None) -> None:
    """A program opens its own address (`none`). A link elsewhere that leads here without a challenge is nobody's wish: at
    its end somebody would have an account, and tokens on their screen, who wanted neither."""
    if page_began is None and request.headers.get("sec-fetch-site", "none") != "none":
        raise InvalidInput(errors=(FieldError("challenge", "A page that begins a sign-in sends one."),))


def _may_join(services: Services, address: str) -> None:
    services.limits.spend("register", address, services.settings.registrations_per_minute)


def _to_page(services: Services, **fragment: str) -> Response:
    """In the fragment: it is sent to no server, and no Referer repeats it (RFC 9110 §10.1.3)."""
    return RedirectResponse(f"{services.settings.web_url}/signed-in#{urlencode(fragment)}", 303)


def _explained(error: HeadwaterError, request: Request, services: Services) -> Response:
    """To people, a page says what happened; programs get the problem."""
    if "text/html" not in request.headers.get("accept", ""):
        raise error
    logger().warning("a sign-in was not finished", extra={"code": error.code})
    return _to_page(services, error=error.code)


def _forget(answer: Response, cookie_name: str) -> None:
    answer.delete_cookie(cookie_name, secure=True, httponly=True, samesite="lax")
