"""Where a stack lives follows from two variables, and two stacks never share a port, a folder or a scratch folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from localrun.plan import REPOSITORY, PlanError, plan_from


def test_the_default_stack_has_the_addresses_of_the_public_contract() -> None:
    plan = plan_from({})
    assert plan.endpoints() == {
        "api": "http://127.0.0.1:8000",
        "ws": "ws://127.0.0.1:8001",
        "cdn": "http://127.0.0.1:8080",
        "web": "http://127.0.0.1:8080",
        "rtmp": "rtmp://127.0.0.1:1935/live",
    }
    assert plan.endpoints_file == REPOSITORY / "localstack" / ".run" / "endpoints.json"


def test_an_offset_moves_every_port_by_as_much() -> None:
    ours = dataclasses.astuple(plan_from({}).ports)
    theirs = dataclasses.astuple(plan_from({"HEADWATER_PORT_OFFSET": "700"}).ports)
    assert theirs == tuple(port + 700 for port in ours)
    assert not set(ours) & set(theirs)


def test_a_data_folder_of_its_own_holds_everything_of_a_stack(tmp_path: Path) -> None:
    plan = plan_from({"HEADWATER_DATA": str(tmp_path / "other")})
    assert plan.data == tmp_path / "other"
    assert plan.run.is_relative_to(plan.data)
    assert plan.scratch != plan_from({}).scratch


def test_another_endpoint_takes_the_emulators_place() -> None:
    aws = plan_from({"AWS_ENDPOINT_URL": "http://localhost:4566/"}).aws
    assert aws.environment() == {
        "AWS_ENDPOINT_URL": "http://localhost:4566",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


def test_another_endpoint_is_used_in_the_region_and_account_that_its_user_chose_and_ours_in_none_of_them() -> None:
    chosen = {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "111122223333",
        "AWS_SECRET_ACCESS_KEY": "whatever",
    }
    aws = plan_from({**chosen, "AWS_ENDPOINT_URL": "http://localhost:4566"}).aws
    assert (aws.region, aws.access_key, aws.secret_key) == ("eu-central-1", "111122223333", "whatever")
    assert "whatever" not in repr(aws)
    assert plan_from(chosen).aws == plan_from({}).aws


@pytest.mark.parametrize(
    "endpoint",
    ["localhost:4566", "https://localhost:4566", "http://localhost:4566/aws", "http://", "http://sts.amazonaws.com"],
)
def test_an_endpoint_that_cannot_be_is_refused_by_name(endpoint: str) -> None:
    with pytest.raises(PlanError, match="AWS_ENDPOINT_URL"):
        plan_from({"AWS_ENDPOINT_URL": endpoint})


def test_a_folder_that_a_configuration_cannot_name_is_refused_at_once() -> None:
    with pytest.raises(PlanError, match="HEADWATER_DATA"):
        plan_from({"HEADWATER_DATA": "/tmp/my data"})


@pytest.mark.parametrize("offset", ["many", "1.5", "50000", "-1935"])
def test_an_offset_that_cannot_be_is_refused_by_name(offset: str) -> None:
    with pytest.raises(PlanError, match="HEADWATER_PORT_OFFSET"):
        plan_from({"HEADWATER_PORT_OFFSET": offset})


def test_how_many_workers_wait_is_asked_for_by_a_number() -> None:
    assert plan_from({}).warm_workers == 0
    assert plan_from({"HEADWATER_WARM_WORKERS": "2"}).warm_workers == 2
    for wrong in ("one", "-1", "21", "²"):
        with pytest.raises(PlanError, match="HEADWATER_WARM_WORKERS must be a number from 0 to 20"):
            plan_from({"HEADWATER_WARM_WORKERS": wrong})
