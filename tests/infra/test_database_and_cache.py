"""The database and the cache: made as the stage says or there already, encrypted, and migrated before anybody uses them."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.bundling import AUTHORITIES
from infra.config.database import Aurora, ExistingDatabase
from infra.config.errors import ConfigurationError
from infra.database_authorities import authorities_of_rds, believed_authorities
from tests.infra.test_network import EXISTING_STORES
from tests.templates import Templates

OfStage = Callable[..., Templates]
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mine-abcdef"  # of EXISTING_STORES
# SHA-256 of the region's three certificates, as copies of AWS's global bundle of 2025 have them.
EU_WEST_1 = {
    "6f7e01b62af24058417130b21e5fb9ad9f29b29c775c5107b657419010975886",
    "62e29ef90310947eed5d5546021d636008fad329fab9ea31ba1ae768b734f29a",
    "88ecf027448f7198f3c1a6762474c4658dab35a18686af6b65de3c4023c6d0b2",
}


def test_the_database_of_dev_sleeps_and_goes_with_its_stack(of_stage: OfStage) -> None:
    made = of_stage("dev")
    [cluster] = made.resources("AWS::RDS::DBCluster")
    assert cluster.properties["ServerlessV2ScalingConfiguration"] == {
        "MinCapacity": 0,
        "MaxCapacity": 2,
        "SecondsUntilAutoPause": 300,
    }
    assert len(made.resources("AWS::RDS::DBInstance")) == 1
    assert cluster.properties["DeletionProtection"] is False
    assert cluster.attributes["DeletionPolicy"] == "Delete"


def test_the_database_of_prod_is_awake_has_a_reader_as_large_and_leaves_a_snapshot(of_stage: OfStage) -> None:
    made = of_stage("prod")
    [cluster] = made.resources("AWS::RDS::DBCluster")
    scaling = cluster.properties["ServerlessV2ScalingConfiguration"]
    assert scaling["MinCapacity"] >= 0.5
    assert "SecondsUntilAutoPause" not in scaling
    tiers = [each.properties["PromotionTier"] for each in made.resources("AWS::RDS::DBInstance")]
    assert sorted(tiers) == [0, 1], "tier 1 scales with the writer"
    assert cluster.properties["DeletionProtection"] is True
    assert cluster.attributes["DeletionPolicy"] == "Snapshot"
    assert cluster.properties["BackupRetentionPeriod"] >= 7


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_database_is_encrypted_refuses_plain_connections_and_makes_its_own_password(
    of_stage: OfStage, stage: str
) -> None:
    made = of_stage(stage)
    [cluster] = made.resources("AWS::RDS::DBCluster")
    major, minor = cluster.properties["EngineVersion"].split(".")
    assert (int(major), int(minor)) >= (17, 9), "earlier ones can no longer be created"
    assert cluster.properties["StorageEncrypted"] is True
    assert cluster.properties["ManageMasterUserPassword"] is True
    assert "MasterUserPassword" not in cluster.properties
    parameters = made.referred(cluster.stack, cluster.properties["DBClusterParameterGroupName"])
    assert parameters.properties["Parameters"]["rds.force_ssl"] == "1"


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_cache_is_spoken_to_with_tls_and_capped(of_stage: OfStage, stage: str) -> None:
    made = of_stage(stage)
    [cache] = made.resources("AWS::ElastiCache::ServerlessCache")
    assert cache.properties["Engine"] == "valkey"
    assert {"DataStorage", "ECPUPerSecond"} == cache.properties["CacheUsageLimits"].keys()
    told = [
        function.properties["Environment"]["Variables"]["CACHE_URL"]
        for function in made.resources("AWS::Lambda::Function")
        if "CACHE_URL" in function.properties["Environment"]["Variables"]
    ]
    assert len(told) > 1
    for url in told:
        assert url["Fn::Join"][1][0] == "rediss://"


def test_an_existing_database_and_cache_are_used_and_none_is_made(of_stage: OfStage) -> None:
    made = of_stage("prod", network={"egress": "nat_gateway"}, **EXISTING_STORES)
    assert made.resources("AWS::RDS::DBCluster") == []
    assert made.resources("AWS::ElastiCache::ServerlessCache") == []
    api = made.function("api")
    variables = api.properties["Environment"]["Variables"]
    assert variables["DATABASE_SECRET"] == SECRET
    assert "DATABASE_ADDRESS" not in variables
    assert variables["CACHE_URL"] == "rediss://cache.example.com:6379"
    role = made.referred(api.stack, api.properties["Role"])
    assert SECRET in str([each["Resource"] for each in made.statements(role)])
    opened = {
        each.properties["GroupId"]: (each.properties["FromPort"], each.properties["ToPort"])
        for each in made.resources("AWS::EC2::SecurityGroupIngress")
        if str(each.properties["GroupId"]).startswith("sg-")
    }
    assert opened == {"sg-database": (5432, 5432), "sg-cache": (6379, 6380)}


@pytest.mark.parametrize(
    ("stage", "changes", "setting"),
    [
        ("local", {}, "database.url"),
        ("dev", {}, "database"),
        ("prod", {"network": {"egress": "nat_gateway"}, **EXISTING_STORES}, "database.secret_arn"),
    ],
)
def test_the_schema_is_migrated_before_anybody_who_uses_it_is_deployed(
    of_stage: OfStage, stage: str, changes: dict[str, object], setting: str
) -> None:
    made = of_stage(stage, **changes)
    [schema] = made.resources("Custom::DatabaseSchema")
    assert made.referred(schema.stack, schema.properties["ServiceToken"]) == made.function("schema_migration")
    assert schema.properties["Setting"] == setting
    function = made.function("schema_migration")
    assert int(schema.properties["ServiceTimeout"]) > function.properties["Timeout"], "or the reason would be lost"
    waits_for = schema.attributes["DependsOn"]
    role = function.properties["Role"]["Fn::GetAtt"][0]
    policies = [
        each.logical_id
        for each in made.resources("AWS::IAM::Policy")
        if each.stack == function.stack and {"Ref": role} in each.properties["Roles"]
    ]
    stores = [
        each.logical_id for kind in ("AWS::RDS::DBCluster", "AWS::RDS::DBInstance") for each in made.resources(kind)
    ]
    assert {*policies, *stores, function.logical_id} <= set(waits_for)
    for other in made.resources("AWS::Lambda::Function"):
        if "DATABASE_SECRET" in other.properties["Environment"]["Variables"] and other != function:
            assert other.stack != schema.stack
            assert "Fn::ImportValue" in str(made.stacks[other.stack]), "its stack waits for that of the schema"


def test_another_set_of_migrations_is_an_update_and_the_same_is_none(of_stage: OfStage) -> None:
    digests = {
        made.resources("Custom::DatabaseSchema")[0].properties["Migrations"]
        for made in (of_stage("local"), of_stage("dev"), of_stage("prod"))
    }
    assert len(digests) == 1
    [digest] = digests
    assert len(digest) == 64


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_whoever_uses_the_database_has_it_prove_to_be_itself(of_stage: OfStage, stage: str) -> None:
    made = of_stage(stage)
    for function in made.resources("AWS::Lambda::Function"):
        variables = function.properties["Environment"]["Variables"]
        assert variables.get("DATABASE_AUTHORITIES") == (AUTHORITIES if "DATABASE_SECRET" in variables else None)
    # The one that is believed, whatever the account has made its default.
    for instance in made.resources("AWS::RDS::DBInstance"):
        assert instance.properties["CACertificateIdentifier"] == "rds-ca-rsa2048-g1"


def test_an_existing_database_does_too_unless_its_deployer_says_otherwise(of_stage: OfStage) -> None:
    made = of_stage("prod", network={"egress": "nat_gateway"}, **EXISTING_STORES)
    assert made.function("api").properties["Environment"]["Variables"]["DATABASE_AUTHORITIES"] == AUTHORITIES
    local = of_stage("local").function("api").properties["Environment"]["Variables"]
    assert "DATABASE_AUTHORITIES" not in local, "the loopback's database has no certificate"


def test_those_who_are_believed_are_the_regions_authorities_of_rds() -> None:
    by_region = authorities_of_rds()
    assert {"us-east-1", "eu-west-1", "ap-southeast-2", "sa-east-1"} <= by_region.keys()
    assert {len(pems) for pems in by_region.values()} == {3}, "RSA 2048, RSA 4096 and ECC 384"
    found = believed_authorities(Aurora(), "eu-west-1")
    assert found is not None
    fingerprints = {hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest() for pem in by_region["eu-west-1"]}
    assert fingerprints == EU_WEST_1
    assert found.decode() == "".join(by_region["eu-west-1"])


def test_a_region_whose_authorities_are_not_known_is_named_with_what_to_fetch() -> None:
    with pytest.raises(ConfigurationError, match=r"il-central-1.*truststore.*database\.certificate_authorities"):
        believed_authorities(Aurora(), "il-central-1")


def test_a_deployers_own_authorities_are_checked_before_anything_is_deployed(tmp_path: Path) -> None:
    [pem, *_] = authorities_of_rds()["eu-west-1"]
    own = tmp_path / "own.pem"
    database = ExistingDatabase(url="postgresql://h/n", certificate_authorities=str(own))
    with pytest.raises(ConfigurationError, match=r"database\.certificate_authorities names a file that cannot be read"):
        believed_authorities(database, None)
    for wrong in ("", "no certificate", pem.replace("MII", "MIX")):
        own.write_text(wrong)
        with pytest.raises(ConfigurationError, match=r"database\.certificate_authorities: .*own\.pem must hold"):
            believed_authorities(database, None)
    own.write_text(f"what it is of\n{pem}")
    assert believed_authorities(database, None) == pem.encode()
    assert believed_authorities(ExistingDatabase(url="postgresql://h/n", verify_certificate=False), None) is None
    with pytest.raises(ConfigurationError, match=r"certificate_authorities is of no use with verify_certificate"):
        ExistingDatabase(url="postgresql://h/n", certificate_authorities=str(own), verify_certificate=False)
