"""Stage 7 · routes of one's own data: a copy of all of it, and the end of the account."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter

from functions.api.dependencies import CurrentUser, ServicesDep, Unit
from functions.api.inline_routes import InlineRoute
from functions.api.people import ExportOut, Farewell
from functions.api.representations import Page
from functions.api.use_cases.account_data import delete_account, request_export
from functions.api.wiring import Services
from headwater.adapters.account_exports import AccountExport, ExportState
from headwater.domain.ids import UserId
from headwater.media.object_keys import account_export

router = APIRouter(route_class=InlineRoute, prefix="/me", tags=["accounts"])

DOWNLOAD_SECONDS = 300


def _out(export: AccountExport, user_id: UserId, services: Services) -> ExportOut:
    url = None
    if export.state is ExportState.READY:
        key = account_export(user_id, export.export_id)
        url = services.upload_forms.download(key, "headwater-export.json.gz", DOWNLOAD_SECONDS)
    return ExportOut(
        id=export.export_id,
        status=export.state.value,
        created_at=export.created_at,
        expires_at=export.expires_at,
        url=url,
    )


@router.post("/exports", status_code=202)
def request_data(user: CurrentUser, services: ServicesDep, unit: Unit) -> ExportOut:
    """Ask for a copy of all that is stored about oneself; `GET` says when it is ready. Once an hour."""
    return _out(request_export(unit, services.account_data, user.user_id), user.user_id, services)


@router.get("/exports")
def exports(user: CurrentUser, services: ServicesDep, unit: Unit) -> Page[ExportOut]:
    """The copies that were asked for in the last day: gzipped JSON, deleted a day after it was made."""
    found = unit.account_exports.of_user(user.user_id, datetime.now(UTC))
    return Page(items=[_out(export, user.user_id, services) for export in found], next_cursor=None)


@router.post("/deletion", status_code=204)
def delete_me(body: Farewell, user: CurrentUser, services: ServicesDep, unit: Unit) -> None:
    """Delete one's account with its streams, for ever. Send the password, or have signed in within ten minutes.

    What is removed, what becomes anonymous and what is kept: docs/privacy.md.
    """
    services.limits.spend("password", user.user_id, services.settings.logins_per_minute)
    delete_account(
        unit, services.passwords, services.hot_state, services.sockets, services.account_data, user, body.password
    )
