"""The REST API and a bare FastAPI app in one worker process, in turns: `python -m bench.api_process calls rounds`.

The bare app runs the very statements that the API was seen to run, and the same calls of Redis, DynamoDB and Argon2, and
gives the same answers through the same models. What it lacks is ours: tokens, rights, input rules, errors, headers, units of
work, what a stream is. Both are spoken to as API Gateway does, through Mangum. Prints one line of JSON.
"""

# ruff: noqa: ARG001 - the bare app declares what requests carry and answers what was prepared

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from mangum import Mangum
from sqlalchemy import event

from functions.api.accounts import TokensOut
from functions.api.handler import gateway, handler
from functions.api.representations import OwnStreamOut, Page, StreamOut
from functions.api.wiring import Services
from headwater.adapters.stream_lists import StreamFilter, StreamLists, StreamOrder
from headwater.broadcasts import unix_ms
from headwater.domain.broadcast import StreamControl
from headwater.domain.ids import StreamId, UserId, is_id, new_id
from headwater.domain.stream_search import understand
from tests.api_gateway import http_event

PASSWORD = "grenoble-umbrella-47"  # noqa: S105
BODY = {"title": "Evenings in the workshop", "description": "Wood and words.", "category": "Music", "tags": ["wood"]}
LISTS = {
    "everything, newest": (StreamFilter(), StreamOrder.NEWEST),
    "live, most watched": (StreamFilter(live=True), StreamOrder.VIEWERS),
    "live, last started": (StreamFilter(live=True), StreamOrder.STARTED),
    "everything, most watched": (StreamFilter(), StreamOrder.VIEWERS),
    "live in a category": (StreamFilter(live=True, category="chess"), StreamOrder.VIEWERS),
    "a tag": (StreamFilter(tag="tag7"), StreamOrder.NEWEST),
    "planned": (StreamFilter(), StreamOrder.SCHEDULED),
    "search, two words": (StreamFilter(search=understand("evening 4711")), StreamOrder.RELEVANCE),
    "search, misspelt": (StreamFilter(search=understand("evenign 4711")), StreamOrder.RELEVANCE),
}

Statement = tuple[str, Any]


class Call:
    """One request, as the API and the bare app get it. `body` None: a GET."""

    def __init__(self, path: str, body: Any = None, token: str | None = None, query: str = "") -> None:
        headers = {"host": "api.example.org"}
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            headers["content-type"] = "application/json"
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        method = "GET" if body is None else "POST"
        self.event = http_event(method, path, query, headers, payload, "203.0.113.7")

    def ask(self, app: Callable[[dict[str, Any], Any], dict[str, Any]], status: int) -> Any:
        answer = app(self.event, None)
        if answer["statusCode"] != status:
            raise RuntimeError(f"{self.event['rawPath']}: {answer}")
        return json.loads(answer["body"])


@contextmanager
def seen_statements(services: Services) -> Any:
    seen: list[Statement] = []

    def note(*told: Any) -> None:
        _, _, statement, parameters, _, _ = told
        seen.append((statement, parameters))

    event.listen(services.database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(services.database.engine, "before_cursor_execute", note)


def bare_app(
    services: Services, statements: dict[str, list[Statement]], answers: dict[str, Any], known_ids: set[str]
) -> Mangum:
    app = FastAPI()

    def run(name: str) -> None:
        """The statements, with ids and hashes of their own where a second row of the same would be refused."""
        ids: dict[str, str] = {}

        def fresh(value: Any) -> Any:
            if isinstance(value, str) and is_id(value) and value not in known_ids:
                return ids.setdefault(value, new_id())
            bare = getattr(value, "obj", value)  # psycopg's own wrapping of bytes
            return os.urandom(len(bare)) if isinstance(bare, bytes) else value

        with services.database.engine.connect() as connection:
            for statement, parameters in statements[name]:
                given = {key: fresh(value) for key, value in parameters.items()} if parameters else None
                result = connection.exec_driver_sql(statement, given)
                if result.returns_rows:
                    result.fetchall()
            connection.commit()

    @app.get("/v1/streams")
    def streams(live: bool, sort: str) -> Page[StreamOut]:
        run("list")
        items = [StreamOut(**item) for item in answers["list"]["items"]]
        services.presence.viewers([StreamId(item.id) for item in items], unix_ms())
        return Page(items=items, next_cursor=answers["list"]["next_cursor"])

    @app.get("/v1/streams/{stream_id}")
    def stream(stream_id: str) -> StreamOut:
        run("get")
        services.hot_state.read(StreamId(stream_id))
        services.presence.viewers([StreamId(stream_id)], unix_ms())
        return StreamOut(**answers["get"])

    @app.post("/v1/auth/login")
    def login(body: dict[str, str]) -> TokensOut:
        for subject in ("203.0.113.7", body["login"]):
            services.limits.spend("bare", subject, 10**9)
        services.passwords.matches(body["password"], answers["hash"])
        run("login")
        return TokensOut(**answers["login"])

    @app.post("/v1/streams", status_code=201)
    def create(body: dict[str, Any]) -> OwnStreamOut:
        run("create")
        services.hot_state.create(StreamControl(stream_id=StreamId(new_id()), owner_id=UserId(new_id())))
        return OwnStreamOut(**answers["create"])

    return Mangum(app, lifespan="off", text_mime_types=["application/json"])


def sql_milliseconds(services: Services) -> dict[str, list[float]]:
    """For each list, its second page included where there is one: the time of all its statements, round by round."""
    spent = 0.0
    began = 0.0

    def before(*_: Any) -> None:
        nonlocal began
        began = time.perf_counter()

    def after(*_: Any) -> None:
        nonlocal spent
        spent += time.perf_counter() - began

    engine = services.database.engine
    found: dict[str, list[float]] = {}
    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    for name, (wanted, order) in LISTS.items():
        for _ in range(30):
            spent = 0.0
            with services.database.begin() as connection:
                StreamLists(connection).page(wanted, order, None, None, 25)
            found.setdefault(name, []).append(1000 * spent)
    event.remove(engine, "before_cursor_execute", before)
    event.remove(engine, "after_cursor_execute", after)
    return found


def main() -> None:
    calls, rounds = int(sys.argv[1]), int(sys.argv[2])
    services: Services = gateway().app.state.services  # type: ignore[attr-defined]
    person = {"username": "bench_person", "email": "bench@example.org", "password": PASSWORD}
    visitor = {"username": "bench_visitor", "email": "visitor@example.org", "password": PASSWORD}
    registered = Call("/v1/auth/register", person).ask(handler, 201)
    visiting = Call("/v1/auth/register", visitor).ask(handler, 201)
    token = registered["access_token"]
    made = Call("/v1/streams", BODY, token).ask(handler, 201)
    requests = {
        "list": (Call("/v1/streams", query=urlencode({"live": "true", "sort": "viewers"})), 200, calls),
        "get": (Call(f"/v1/streams/{made['id']}"), 200, calls),
        "login": (Call("/v1/auth/login", {"login": visitor["username"], "password": PASSWORD}), 200, calls // 4),
        "create": (Call("/v1/streams", BODY, token), 201, calls // 2),
    }
    with services.unit_of_work() as unit:
        found = unit.accounts.credentials(visitor["username"])
    answers: dict[str, Any] = {"hash": found[1] if found else None}
    statements: dict[str, list[Statement]] = {}
    for name, (request, status, _) in requests.items():
        for _ in range(3):
            with seen_statements(services) as seen:
                answers[name] = request.ask(handler, status)
        statements[name] = seen
    known = {registered["user"]["id"], visiting["user"]["id"], made["id"], _session_id(token)}
    bare: Any = bare_app(services, statements, answers, known)
    times: dict[str, dict[str, list[list[float]]]] = {name: {"ours": [], "peer": []} for name in requests}
    sides: dict[str, Any] = {"ours": handler, "peer": bare}
    for _ in range(rounds):
        for name, (request, status, count) in requests.items():
            taken: dict[str, list[float]] = {"ours": [], "peer": []}
            for app in sides.values():
                request.ask(app, status)
            for _ in range(count):  # by turns, so that whatever else the machine does meets both
                if name == "login":
                    _end_sessions_of(services, visiting["user"]["id"])
                for side, app in sides.items():
                    began = time.perf_counter()
                    app(request.event, None)
                    taken[side].append(1000 * (time.perf_counter() - began))
            for side in sides:
                times[name][side].append(taken[side])
    print("\n" + json.dumps({"times": times, "sql": sql_milliseconds(services)}))


def _end_sessions_of(services: Services, user_id: str) -> None:
    """So that a sign-in is measured, not the end of what is one session too many."""
    with services.unit_of_work() as unit:
        unit.sessions.end_surplus(UserId(user_id), 5, "too_many", datetime.now(UTC))


def _session_id(token: str) -> str:
    import jwt

    claims = jwt.decode(token, options={"verify_signature": False})
    return str(claims.get("sid", ""))


if __name__ == "__main__":
    main()
