"""Stores are private, recoverable, paid per request, and shaped as the code that uses them believes."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.adapters.chat_connections import ConnectionItem
from headwater.adapters.dynamodb_tables import LeaseItem, StreamItem, TimelineItem
from headwater.adapters.room_items import RoomItem
from tests.templates import Resource, Templates

TABLES = {
    "STREAM_TABLE": StreamItem,
    "LEASE_TABLE": LeaseItem,
    "SEGMENT_TABLE": TimelineItem,
    "CONNECTION_TABLE": ConnectionItem,
    "ROOM_TABLE": RoomItem,
}


def table_called(synthesised: Templates, variable: str) -> Resource:
    """The one table that every function and task knows by this variable."""
    found = {}
    for function in synthesised.resources("AWS::Lambda::Function"):
        variables = function.properties["Environment"]["Variables"]
        if variable in variables:
            table = synthesised.referred(function.stack, variables[variable])
            found[str(table)] = table
    [table] = found.values()
    return table


def bucket_called(synthesised: Templates, variable: str) -> Resource:
    """The one bucket that every function knows by this variable."""
    found = {}
    for function in synthesised.resources("AWS::Lambda::Function"):
        variables = function.properties["Environment"]["Variables"]
        if variable in variables:
            bucket = synthesised.referred(function.stack, variables[variable])
            found[str(bucket)] = bucket
    [bucket] = found.values()
    return bucket


def keys(schema: list[dict[str, str]]) -> dict[str, str]:
    return {key["KeyType"]: key["AttributeName"] for key in schema}


@pytest.mark.parametrize("variable", TABLES)
def test_keys_and_indexes_are_those_of_the_model(synthesised: Templates, variable: str) -> None:
    table = table_called(synthesised, variable).properties
    wanted: Any = TABLES[variable]._get_schema()  # what PynamoDB would create the table with
    assert keys(table["KeySchema"]) == keys(wanted["key_schema"])
    deployed = {
        index["IndexName"]: (keys(index["KeySchema"]), index["Projection"])
        for index in table.get("GlobalSecondaryIndexes", [])
    }
    assert deployed == {
        index["index_name"]: (keys(index["key_schema"]), index["projection"])
        for index in wanted["global_secondary_indexes"]
    }


@pytest.mark.parametrize("variable", TABLES)
def test_items_that_carry_an_expiry_expire_and_no_others(synthesised: Templates, variable: str) -> None:
    expiry = table_called(synthesised, variable).properties.get("TimeToLiveSpecification")
    if "expires_at" in TABLES[variable].get_attributes():
        assert expiry == {"AttributeName": "expires_at", "Enabled": True}
    else:
        assert expiry is None


def test_answers_that_are_kept_expire_and_are_found_where_powertools_looks(synthesised: Templates) -> None:
    table = table_called(synthesised, "IDEMPOTENCY_TABLE").properties
    assert keys(table["KeySchema"]) == {"HASH": "id"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_tables_are_paid_per_request_and_recoverable(synthesised: Templates) -> None:
    tables = synthesised.resources("AWS::DynamoDB::Table")
    assert len(tables) == len(TABLES) + 1  # and the answered requests, which have no model
    for table in tables:
        assert table.properties["BillingMode"] == "PAY_PER_REQUEST", table
        assert table.properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, table


def test_the_media_bucket_is_private_and_keeps_no_unfinished_uploads(synthesised: Templates) -> None:
    bucket = bucket_called(synthesised, "MEDIA_BUCKET")
    assert set(bucket.properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket.properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    [rule] = bucket.properties["LifecycleConfiguration"]["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert "ExpirationInDays" not in rule
    assert "CorsConfiguration" not in bucket.properties, "the CDN answers CORS for it"


def test_what_people_upload_is_private_gone_after_a_day_and_told_of_to_whoever_makes_pictures_of_it(
    synthesised: Templates,
) -> None:
    bucket = bucket_called(synthesised, "UPLOAD_BUCKET")
    assert set(bucket.properties["PublicAccessBlockConfiguration"].values()) == {True}
    [rule] = bucket.properties["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == 1
    assert "Prefix" not in rule
    [cors] = bucket.properties["CorsConfiguration"]["CorsRules"]
    assert cors["AllowedMethods"] == ["POST"]
    assert "*" not in cors["AllowedOrigins"]
    configured = bucket.properties["NotificationConfiguration"]["QueueConfigurations"]
    folders = [each["Filter"]["S3Key"]["Rules"] for each in configured]
    assert folders == [[{"Name": "prefix", "Value": folder}] for folder in ("avatars/", "emotes/")]
    [queue] = {str(each["Queue"]): each["Queue"] for each in configured}.values()
    [mapping] = [
        each
        for each in synthesised.resources("AWS::Lambda::EventSourceMapping")
        if each.properties["EventSourceArn"] == queue
    ]
    consumer = synthesised.referred(mapping.stack, mapping.properties["FunctionName"])
    assert consumer == synthesised.function("picture_maker")


def test_no_secret_is_written_in_a_template(synthesised: Templates) -> None:
    for secret in synthesised.resources("AWS::SecretsManager::Secret"):
        if "GenerateSecretString" in secret.properties:
            assert secret.properties["GenerateSecretString"]["PasswordLength"] >= 32, secret
        else:
            # Where the local database is, without a password; a place for keys that are made after deployment; and what the
            # deployer of a local stack has been given by the providers that people sign in with.
            assert secret.properties["SecretString"] in (
                '{"url":"postgresql+psycopg://headwater@127.0.0.1:15432/headwater"}',
                '{"keys": []}',
                '{"google": "of-google, hidden"}',
            )


def test_work_that_cannot_be_done_is_kept_for_a_fortnight(synthesised: Templates) -> None:
    queues = synthesised.resources("AWS::SQS::Queue")
    fed = {
        str(synthesised.referred(mapping.stack, mapping.properties["EventSourceArn"]))
        for mapping in synthesised.resources("AWS::Lambda::EventSourceMapping")
    }
    dead = set()
    for queue in queues:
        assert queue.properties["SqsManagedSseEnabled"] is True, queue
        if str(queue) in fed:
            aside = synthesised.referred(queue.stack, queue.properties["RedrivePolicy"]["deadLetterTargetArn"])
            assert aside.properties["MessageRetentionPeriod"] == 14 * 24 * 3600, aside
            assert aside.properties.get("FifoQueue") == queue.properties.get("FifoQueue"), aside
            dead.add(str(aside))
    missed = {
        str(synthesised.referred(each.stack, each.properties["Target"]["DeadLetterConfig"]["Arn"]))
        for each in synthesised.resources("AWS::Scheduler::Schedule")
    }
    assert {str(queue) for queue in queues} == fed | dead | missed
    assert not fed & dead


def test_history_outlasts_a_night_without_a_database(synthesised: Templates) -> None:
    rules = [rule for rule in synthesised.resources("AWS::Events::Rule") if "EventBusName" in rule.properties]
    patterns = [rule.properties["EventPattern"] for rule in rules]
    assert all(
        each == {"source": ["headwater.broadcasts"]} or each["source"] == ["headwater.streams"] for each in patterns
    )
    stack = synthesised.function("broadcast_history").stack
    [rule] = [rule for rule in rules if rule.stack == stack]
    [target] = rule.properties["Targets"]
    queue = synthesised.referred(rule.stack, target["Arn"])
    patience = queue.properties["VisibilityTimeout"] * queue.properties["RedrivePolicy"]["maxReceiveCount"]
    assert patience >= 12 * 3600
    assert queue.properties["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert target["DeadLetterConfig"], "an event that does not even reach the queue is kept, too"


def test_a_stopped_task_is_a_pulse(synthesised: Templates) -> None:
    [rule] = [rule for rule in synthesised.resources("AWS::Events::Rule") if "EventBusName" not in rule.properties]
    pattern = rule.properties["EventPattern"]
    assert pattern["source"] == ["aws.ecs"]
    assert pattern["detail-type"] == ["ECS Task State Change"]
    assert pattern["detail"]["lastStatus"] == ["STOPPED"]
    [target] = rule.properties["Targets"]
    pulses = synthesised.function("transcode_dispatch").properties["Environment"]["Variables"]["PULSE_QUEUE_URL"]
    stack = synthesised.function("transcode_dispatch").stack
    assert synthesised.referred(rule.stack, target["Arn"]) == synthesised.referred(stack, pulses)
    # The cluster's ARN is written out in the rule (the other way round the stacks would need each other).
    [cluster] = synthesised.resources("AWS::ECS::Cluster")
    [arn] = pattern["detail"]["clusterArn"]
    assert arn["Fn::Join"][1][-1] == f":cluster/{cluster.properties['ClusterName']}"
