"""The service itself: health, the keys of its tokens, the schema of its database."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from cryptography.hazmat.primitives.asymmetric import ec

from functions.schema_migration.handler import handler as schema_migration
from functions.schema_migration.migrate_schema import migrate_schema
from functions.signing_keys.handler import handler as signing_keys
from headwater.adapters import aws, secrets
from headwater.adapters.access_tokens import AUDIENCE, AccessTokens, Identity
from headwater.adapters.tables import metadata
from headwater.domain.ids import UserId
from headwater.errors import DependencyUnavailable
from tests.api_gateway import ApiClient
from tests.cloudformation import cloudformation
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer
from tests.rest_api import RestApi

ISSUER = "https://api.example.org"
NEWEST = max(file.name for file in (Path(__file__).parents[3] / "migrations/versions").glob("[0-9]*.py"))[:4]


def test_health_says_that_all_is_well(api: RestApi) -> None:
    answer = api.anonymous.get("/v1/health")
    assert answer.status == 200
    assert answer.json == {"status": "ok", "checks": {"database": "ok", "cache": "ok", "hot_state": "ok"}}


def test_health_says_what_is_not_well(
    api: RestApi, postgres: PostgresServer, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing() -> set[str]:
        answer = api.anonymous.get("/v1/health")
        assert (answer.status, answer.json["status"]) == (503, "degraded")
        return {name for name, check in answer.json["checks"].items() if check == "failing"}

    def fail(*_: object) -> None:
        raise DependencyUnavailable

    postgres.stop()
    try:
        assert failing() == {"database"}
        redis.stop()
        assert failing() == {"database", "cache"}
    finally:
        postgres.start()
        redis.start()
    monkeypatch.setattr(api.hot_state, "read", fail)
    assert failing() == {"hot_state"}


def test_the_migrations_make_exactly_the_tables_that_queries_use(postgres: PostgresServer, api: RestApi) -> None:
    with api.services.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_again_changes_nothing(postgres: PostgresServer) -> None:
    assert {migrate_schema(postgres.url) for _ in range(2)} == {NEWEST}


def test_the_migration_function_reads_its_url_from_the_secret(api: RestApi) -> None:
    assert schema_migration({}, None) == {"revision": NEWEST}


def published(api: RestApi) -> dict[str, Any]:
    answer = api.anonymous.get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=60"
    return {key["kid"]: key for key in answer.json["keys"]}


def test_a_token_is_verified_by_anybody_with_the_published_keys(api: RestApi) -> None:
    person = api.register()
    token = person.api.token
    assert token is not None
    header = jwt.get_unverified_header(token)
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    key = published(api)[header["kid"]]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    claims = jwt.decode(token, jwt.PyJWK(key), algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER)
    assert claims["sub"] == person.user["id"]
    assert claims["exp"] - claims["iat"] == 600


def test_making_keys_again_keeps_the_one_there_is(api: RestApi) -> None:
    before = signing_keys({}, None)
    assert signing_keys({}, None) == before
    assert signing_keys({"source": "aws.scheduler"}, None) == before


def test_the_deployment_makes_the_first_key_and_takes_none_away(api: RestApi) -> None:
    before = published(api)

    def asked(kind: str) -> dict[str, Any]:
        with cloudformation() as (address, heard):
            request = {"StackId": "stack", "RequestId": "request", "LogicalResourceId": "FirstKey"}
            signing_keys({**request, "RequestType": kind, "ResponseURL": address}, None)
        [told] = heard
        assert (told["Status"], told["PhysicalResourceId"]) == ("SUCCESS", "token-keys")
        return told

    for kind in ("Create", "Update", "Delete"):
        assert "PRIVATE" not in str(asked(kind))
        secrets.forget_secrets()
        assert published(api) == before, "of a deployment that is there already"
    aws.client("secretsmanager").put_secret_value(SecretId="token-keys", SecretString='{"keys": []}')
    asked("Create")
    secrets.forget_secrets()
    [made] = published(api)
    assert made not in before
    assert kid_of(api.register().api.token) == made, "it signs at once"


def test_a_rotated_key_is_published_before_it_signs_and_old_tokens_stay_valid(api: RestApi) -> None:
    person = api.register()
    old, new = signing_keys({"action": "rotate"}, None)["kids"]
    secrets.forget_secrets()
    assert set(published(api)) == {old, new}
    assert kid_of(api.register().api.token) == old

    in_six_minutes = AccessTokens(api.services.signing_keys, ISSUER, lambda: time.time() + 360)
    later = in_six_minutes.issue(Identity(UserId(person.user["id"]), "session"))
    assert kid_of(later) == new
    assert person.api.get("/v1/me").status == 200
    aws.client("secretsmanager").put_secret_value(SecretId="token-keys", SecretString="not made yet")
    signing_keys({}, None)
    secrets.forget_secrets()


def kid_of(token: str | None) -> str:
    assert token is not None
    return str(jwt.get_unverified_header(token)["kid"])


def test_a_forged_token_opens_nothing(api: RestApi) -> None:
    """RFC 8725: other algorithms, types, audiences, issuers, keys, and keys that the token itself brings along."""
    person = api.register()
    token = person.api.token
    assert token is not None
    genuine = jwt.decode(token, options={"verify_signature": False})
    kid = kid_of(token)
    stranger = ec.generate_private_key(ec.SECP256R1())
    public = jwt.algorithms.ECAlgorithm.to_jwk(stranger.public_key(), as_dict=True)
    public_pem = published(api)[kid]["x"]
    header = {"kid": kid, "typ": "at+jwt"}
    forged = [
        jwt.encode(genuine, "", algorithm="none", headers=header),
        jwt.encode(genuine, public_pem.ljust(32, "x"), algorithm="HS256", headers=header),
        jwt.encode(genuine, stranger, algorithm="ES256", headers=header),
        jwt.encode(genuine, stranger, algorithm="ES256", headers={**header, "jwk": public, "jku": "https://evil.test"}),
        jwt.encode(genuine, stranger, algorithm="ES256", headers={"kid": "unknown", "typ": "at+jwt"}),
        jwt.encode(genuine, stranger, algorithm="ES256", headers={"kid": "../../key", "typ": "at+jwt"}),
        token[:-2] + ("AA" if not token.endswith("AA") else "BB"),
        token.rpartition(".")[0] + ".",
        "a.b.c",
        "x" * 5000,
    ]
    private_key = api.services.signing_keys()[0].private_pem

    def signed(claims: dict[str, Any], typ: str = "at+jwt") -> str:
        return jwt.encode(claims, private_key, algorithm="ES256", headers={"kid": kid, "typ": typ})

    for change in (
        {"aud": "headwater-chat"}, {"iss": "https://evil.test"}, {"exp": 1}, {"sub": None}, {"jti": None}, {"iat": 2**40},
    ):  # fmt: skip
        claims = {name: value for name, value in {**genuine, **change}.items() if value is not None}
        forged.append(signed(claims))
    forged.append(signed(genuine, typ="JWT"))
    for attempt in forged:
        answer = ApiClient(api.anonymous.handler, attempt).get("/v1/me")
        assert (answer.status, answer.code) == (401, "unauthenticated"), attempt
    assert ApiClient(api.anonymous.handler, signed(genuine)).get("/v1/me").status == 200
