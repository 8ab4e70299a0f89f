"""A stage that does not exist, or a value that is wrong, is named before anything is deployed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.config import ConfigurationError, LocalValues, local, stage_named


def test_an_unknown_stage_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"'prod'.*local"):
        stage_named("prod", local_values_file=None)


def test_the_local_stage_has_the_contracts_addresses_by_default() -> None:
    stage = stage_named("local", local_values_file=None)
    assert stage.urls.api == "http://127.0.0.1:8000"
    assert stage.urls.rtmp == ("rtmp://127.0.0.1:1935/live",)


def test_the_local_stack_can_move_every_address(tmp_path: Path) -> None:
    moved = tmp_path / "local.json"
    moved.write_text(json.dumps({"api_url": "http://127.0.0.1:9000", "rtmp_urls": ["rtmp://127.0.0.1:2935/live"]}))
    stage = stage_named("local", local_values_file=str(moved))
    assert stage.urls.api == "http://127.0.0.1:9000"
    assert stage.urls.rtmp == ("rtmp://127.0.0.1:2935/live",)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "not JSON"),
        ("[]", "JSON object"),
        ('{"api_urls": "http://127.0.0.1"}', "api_urls"),
        ('{"ws_url": ""}', "ws_url"),
        ('{"ws_url": 8001}', "ws_url"),
        ('{"rtmp_urls": "rtmp://127.0.0.1/live"}', "rtmp_urls"),
        ('{"rtmp_urls": []}', "rtmp_urls"),
        ('{"sign_in_providers": {}}', "sign_in_providers"),
        ('{"sign_in_providers": [{"name": "google"}]}', "client_id"),
        ('{"sign_in_providers": [{"name": "google", "client_id": 5}]}', "strings"),
        ('{"sign_in_providers": [{"name": "acme", "client_id": "x"}]}', "'acme' needs an issuer"),
        ('{"sign_in_providers": [{"name": "acme", "client_id": "x", "issuer": "http://acme.example"}]}', "https"),
    ],
)
def test_a_wrong_value_is_named(text: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        LocalValues.from_json(text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing\.json"):
        stage_named("local", local_values_file=str(tmp_path / "missing.json"))


def test_a_stage_has_exactly_one_database() -> None:
    import dataclasses

    with pytest.raises(ConfigurationError, match="exactly one of database_url and database_secret_arn"):
        dataclasses.replace(
            local(LocalValues()), database_secret_arn="arn:aws:secretsmanager:eu-west-1:1:secret:x-123456"
        )


def test_a_stage_has_somebody_whom_its_mail_comes_from() -> None:
    import dataclasses

    assert local(LocalValues()).mail_domain == "headwater.localhost"
    with pytest.raises(ConfigurationError, match="mail_sender"):
        dataclasses.replace(local(LocalValues()), mail_sender="Headwater")
