"""A stage that does not exist, or a value that is wrong, is named before anything is deployed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from botocore.session import get_session

from infra.config.cache import ExistingCache
from infra.config.database import Aurora, ExistingDatabase
from infra.config.errors import ConfigurationError
from infra.config.local_values import LocalValues, local
from infra.config.regions import WITHOUT, check_region
from infra.config.stage import Stage
from infra.config.stages import PROD, stage_named, stage_of_values


def test_an_unknown_stage_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"'staging'.*local, dev, prod"):
        stage_named("staging")


def test_the_local_stage_has_the_contracts_addresses_by_default() -> None:
    stage = stage_named("local")
    assert stage.urls is not None
    assert stage.urls.api == "http://127.0.0.1:8000"
    assert stage.urls.rtmp == ("rtmp://127.0.0.1:1935/live",)


def test_the_local_stack_can_move_every_address(tmp_path: Path) -> None:
    moved = tmp_path / "local.json"
    moved.write_text(json.dumps({"api_url": "http://127.0.0.1:9000", "rtmp_urls": ["rtmp://127.0.0.1:2935/live"]}))
    stage = stage_named("local", local_values_file=str(moved))
    assert stage.urls is not None
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
    arn = "arn:aws:secretsmanager:eu-west-1:1:secret:x-123456"
    assert ExistingDatabase(secret_arn=arn).url is None
    for url, both_or_none in ((None, None), ("postgresql+psycopg://x@127.0.0.1/x", arn)):
        with pytest.raises(ConfigurationError, match="exactly one of url and secret_arn"):
            ExistingDatabase(url=url, secret_arn=both_or_none)


def test_a_stage_has_somebody_whom_its_mail_comes_from() -> None:
    assert local(LocalValues()).mail_domain == "headwater.localhost"
    with pytest.raises(ConfigurationError, match="mail_sender"):
        dataclasses.replace(local(LocalValues()), mail_sender="Headwater")


EXAMPLE: dict[str, object] = {
    "mail_sender": "Headwater <no-reply@example.com>",
    "delivery": False,
    "urls": {
        "api": "https://api.example.com",
        "ws": "wss://chat.example.com",
        "cdn": "https://media.example.com",
        "web": "https://example.com",
        "rtmp": ["rtmp://ingest.example.com/live"],
    },
}


def test_what_a_deployer_says_stands_over_the_stages_values_and_the_rest_stays(tmp_path: Path) -> None:
    settings = tmp_path / "prod.toml"
    settings.write_text(
        """
        mail_sender = "Ana <ana@example.com>"
        delivery = false
        [urls]
        api = "https://api.example.com"
        ws = "wss://chat.example.com"
        cdn = "https://media.example.com"
        web = "https://example.com"
        rtmp = ["rtmps://ingest.example.com:443/live"]
        [database]
        max_acu = 64
        [[sign_in_providers]]
        name = "google"
        client_id = "of-google"
        """
    )
    stage = stage_named("prod", settings_file=str(settings))
    untouched = stage_of_values("prod", EXAMPLE)
    assert stage.mail_domain == "example.com"
    assert isinstance(stage.database, Aurora)
    assert isinstance(untouched.database, Aurora)
    assert stage.database == dataclasses.replace(untouched.database, max_acu=64.0)
    assert [each.name for each in stage.sign_in_providers] == ["google"]
    assert stage.cache == untouched.cache


def test_an_existing_thing_is_chosen_by_its_fields() -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:1:secret:x-123456"
    stage = stage_of_values(
        "prod", {**EXAMPLE, "database": {"secret_arn": arn}, "cache": {"url": "rediss://cache.example:6379"}}
    )
    assert stage.database == ExistingDatabase(secret_arn=arn)
    assert stage.cache == ExistingCache(url="rediss://cache.example:6379")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"databse": {}}, "there is no setting databse; did you mean database?"),
        ({"database": {"max_acus": 4}}, "there is no setting database.max_acus; did you mean database.max_acu?"),
        ({"database": {"secret_arm": "arn:x"}}, "did you mean database.secret_arn?"),
        ({"database": {"secret_arn": "arn:x", "max_acu": 4}}, "secret_arn is of another kind than max_acu"),
        ({"database": {"max_acu": "4"}}, "database.max_acu must be a number, not '4'"),
        ({"database": {"readers": True}}, "database.readers must be a whole number, not True"),
        ({"database": {"min_acu": 0.7}}, "database.min_acu must be a multiple of 0.5"),
        ({"database": {"secret_arn": "mine"}}, "database.secret_arn must be the whole ARN"),
        ({"database": 5}, "database must be a table of min_acu"),
        ({"network": {"egress": "nat"}}, "network.egress must be one of 'ipv6', 'nat_instance', 'nat_gateway'"),
        ({"network": {"cidr": "10.0.0.0/30"}}, "network.cidr must have"),
        ({"network": {"vpc_id": "vpc-1"}}, "network.availability_zones is missing: it must be a list, each a string"),
        ({"network": False}, "set network"),
        ({"cache": {"url": "localhost:6379"}}, "cache.url must begin with rediss://"),
        ({"api": {"more_origins": ["https://a.example", 5]}}, r"api.more_origins\[1\] must be a string, not 5"),
        ({"log_retention_days": 8}, "log_retention_days must be one of 1, 7, 30, 90, not 8"),
        ({"urls": {}}, "urls.api is missing"),
        ({"delivery": {}}, "urls are of a front that is not made here"),
        ({"mail_sender": "Headwater"}, "mail_sender must be `Name <address>`"),
        ({"function_runtime": {}}, "there is no setting function_runtime"),
        ({"sign_in_providers": [{"name": "google"}]}, r"sign_in_providers\[0\].client_id is missing"),
        ({"recording_retention_days": 0}, "recording_retention_days must be at least 1"),
    ],
)
@pytest.mark.parametrize("name", ["dev", "prod"])
def test_a_wrong_setting_is_named_with_what_would_be_right(name: str, changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        stage_of_values(name, {**EXAMPLE, **changes})


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(ConfigurationError, match="mail_sender is missing: it must be a string"):
        stage_named("dev")


@pytest.mark.parametrize(("text", "said"), [(None, "settings=…` names a file"), ("mail_sender = ", "is not TOML")])
def test_a_settings_file_that_cannot_be_read_is_named(tmp_path: Path, text: str | None, said: str) -> None:
    settings = tmp_path / "my.toml"
    if text is not None:
        settings.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        stage_named("prod", settings_file=str(settings))


@pytest.mark.parametrize("shape", [Stage, *(type(value) for value in PROD.values() if dataclasses.is_dataclass(value))])
def test_values_are_frozen(shape: type) -> None:
    assert shape.__dataclass_params__.frozen  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("asked", "of_cli", "said"),
    [
        ("ap-east-1", None, "region: ap-east-1 has no SES, which mail_sender needs"),
        (None, "mx-central-1", "region: mx-central-1 has no SES"),
        ("eu-west-1", "us-east-1", "region is eu-west-1, but the CLI deploys to us-east-1"),
        ("cn-north-1", None, "partition"),
    ],
)
def test_a_region_without_a_needed_service_is_refused(asked: str | None, of_cli: str | None, said: str) -> None:
    check_region("eu-west-1", "eu-west-1", dual_stack=True)
    check_region(None, None, dual_stack=True)
    with pytest.raises(ConfigurationError, match=said):
        check_region(asked, of_cli, dual_stack=True)


def test_what_regions_lack_is_what_botocore_lists() -> None:
    [aws] = [
        each
        for each in get_session().get_component("data_loader").load_data("endpoints")["partitions"]
        if each["partition"] == "aws"
    ]

    def listing(service: str, tag: str | None = None) -> set[str]:
        return {
            region
            for region, facts in aws["services"][service]["endpoints"].items()
            if tag is None or any(tag in each["tags"] for each in facts.get("variants", []))
        }

    ses, dual_stack = WITHOUT.values()
    assert ses == aws["regions"].keys() - listing("email")
    for service in ("s3", "secretsmanager", "sqs", "events"):
        assert dual_stack == aws["regions"].keys() - listing(service, "dualstack"), service
    for service in (
        "apigateway",
        "dynamodb",
        "ecs",
        "elasticache",
        "elasticloadbalancing",
        "lambda",
        "rds",
        "scheduler",
    ):
        assert aws["regions"].keys() <= listing(service), service
