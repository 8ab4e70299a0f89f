"""What holds in every stage on AWS, whatever it decides: nothing open, nothing in the clear, nothing lost by chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headwater.adapters.dynamodb_tables import LeaseItem
from tests.infra.test_functions import FUNCTIONS, ON_DEMAND, assert_settings_match, settings_of
from tests.templates import Resource, Templates

STAGES = ("dev", "prod")
# Who publishes comes from anywhere.
OPEN_TO_EVERYBODY = {1935, 443}
KEPT = (
    "AWS::DynamoDB::Table",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
    "AWS::RDS::DBCluster",
)


@pytest.fixture(params=STAGES)
def on_aws(request: pytest.FixtureRequest, of_stage: Callable[..., Templates]) -> Templates:
    return of_stage(request.param)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def policies_of(templates: Templates, type_: str, property_: str, resource: Resource) -> Iterator[dict[str, Any]]:
    """Statements of the resource policies that are about `resource`."""
    for policy in templates.resources(type_):
        for about in listed(policy.properties[property_]):
            if str(templates.referred(policy.stack, about)) == str(resource):
                yield from policy.properties["PolicyDocument"]["Statement"]


def refuses_plain_http(statements: Iterator[dict[str, Any]]) -> bool:
    return any(
        each["Effect"] == "Deny" and each.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        for each in statements
    )


def functions_of(templates: Templates) -> dict[str, Resource]:
    """Those that the stage has, by the names of their folders."""
    found = {each.properties["Handler"].split(".")[1]: each for each in templates.resources("AWS::Lambda::Function")}
    assert set(FUNCTIONS) - ON_DEMAND <= found.keys()
    return found


def test_settings_of_every_function_match_what_the_stage_gives(on_aws: Templates) -> None:
    for name, function in functions_of(on_aws).items():
        assert_settings_match(
            settings_of(f"functions.{name}.settings"), function.properties["Environment"]["Variables"]
        )


def test_functions_are_arm64_and_the_python_they_are_compiled_for(on_aws: Templates) -> None:
    for name, function in functions_of(on_aws).items():
        properties = function.properties
        assert (properties["Architectures"], properties["Runtime"]) == (["arm64"], "python3.13"), name


def test_buckets_are_private_encrypted_and_refuse_plain_http(on_aws: Templates) -> None:
    buckets = on_aws.resources("AWS::S3::Bucket")
    assert len(buckets) >= 2
    for bucket in buckets:
        assert set(bucket.properties["PublicAccessBlockConfiguration"].values()) == {True}, bucket
        assert len(bucket.properties["PublicAccessBlockConfiguration"]) == 4, bucket
        assert bucket.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"], bucket
        assert refuses_plain_http(policies_of(on_aws, "AWS::S3::BucketPolicy", "Bucket", bucket)), bucket


def test_no_bucket_lets_everybody_in(on_aws: Templates) -> None:
    for policy in on_aws.resources("AWS::S3::BucketPolicy"):
        for statement in policy.properties["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                assert statement["Principal"] not in ("*", {"AWS": "*"}), policy


def test_queues_are_encrypted_and_refuse_plain_http(on_aws: Templates) -> None:
    for queue in on_aws.resources("AWS::SQS::Queue"):
        assert queue.properties["SqsManagedSseEnabled"] is True, queue
        assert refuses_plain_http(policies_of(on_aws, "AWS::SQS::QueuePolicy", "Queues", queue)), queue


def test_every_queue_that_is_worked_on_sets_aside_what_cannot_be_done(on_aws: Templates) -> None:
    mappings = on_aws.resources("AWS::Lambda::EventSourceMapping")
    assert len(mappings) >= 10
    for mapping in mappings:
        queue = on_aws.referred(mapping.stack, mapping.properties["EventSourceArn"])
        aside = on_aws.referred(queue.stack, queue.properties["RedrivePolicy"]["deadLetterTargetArn"])
        assert aside.properties["MessageRetentionPeriod"] == 14 * 24 * 3600, queue


def test_tables_are_recoverable_and_those_whose_items_expire_expire(on_aws: Templates) -> None:
    tables = on_aws.resources("AWS::DynamoDB::Table")
    expiring = [each for each in tables if "TimeToLiveSpecification" in each.properties]
    assert len(expiring) >= 4  # leases, connections, rooms, answered requests
    assert "expires_at" in LeaseItem.get_attributes()
    for table in tables:
        assert table.properties["BillingMode"] == "PAY_PER_REQUEST", table
        assert table.properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, table
    for table in expiring:
        assert table.properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_the_database_is_encrypted_backed_up_and_nobody_reaches_it_from_outside(on_aws: Templates) -> None:
    clusters = on_aws.resources("AWS::RDS::DBCluster")
    assert len(clusters) == 1
    for cluster in clusters:
        assert cluster.properties["StorageEncrypted"] is True
        assert cluster.properties["BackupRetentionPeriod"] >= 1
    for instance in on_aws.resources("AWS::RDS::DBInstance"):
        assert instance.properties.get("PubliclyAccessible", False) is False, instance


def test_nothing_lets_the_whole_world_in_but_for_publishers(on_aws: Templates) -> None:
    rules = [(str(each), each.properties) for each in on_aws.resources("AWS::EC2::SecurityGroupIngress")]
    for group in on_aws.resources("AWS::EC2::SecurityGroup"):
        rules += [(str(group), rule) for rule in group.properties.get("SecurityGroupIngress", ())]
    assert rules
    for name, rule in rules:
        if rule.get("CidrIp") == "0.0.0.0/0" or rule.get("CidrIpv6") == "::/0":
            assert rule["FromPort"] == rule["ToPort"], name
            assert rule["FromPort"] in OPEN_TO_EVERYBODY, name


def test_data_goes_with_the_stage_dev_and_outlives_prod(of_stage: Callable[..., Templates]) -> None:
    for stage, kept in (("dev", False), ("prod", True)):
        templates = of_stage(stage)
        for type_ in KEPT:
            for resource in templates.resources(type_):
                policy = resource.attributes.get("DeletionPolicy", "Delete")
                if kept:
                    assert policy in ("Retain", "RetainExceptOnCreate", "Snapshot"), f"{stage} {resource}"
                else:
                    assert policy == "Delete", f"{stage} {resource}"
    for table in of_stage("prod").resources("AWS::DynamoDB::Table"):
        assert table.properties["DeletionProtectionEnabled"] is True, table
