"""Every folder under functions/ is deployed once, told exactly what its settings ask for, and fed without losing work."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from headwater.settings import EnvironmentSettings, load_settings
from tests.templates import ROOT, Templates

FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/handler.py"))
# One machine has no CDN.
OF_THE_CDN = {"edge_access", "page_publisher"}
# Where ingest nodes run on demand, which `dev` has and `prod` has not.
ON_DEMAND = {"ingest_nodes"}
# Read by libraries, not by our settings.
LIBRARY_VARIABLES = ("AWS_ENDPOINT_URL", "AWS_USE_DUALSTACK_ENDPOINT", "POWERTOOLS_")


def settings_of(module: str) -> type[EnvironmentSettings]:
    """The settings class that `module` declares."""
    [declared] = [
        value
        for value in vars(importlib.import_module(module)).values()
        if isinstance(value, type) and issubclass(value, EnvironmentSettings) and value.__module__ == module
    ]
    return declared


def assert_settings_match(shape: type[EnvironmentSettings], variables: dict[str, object]) -> None:
    given = {name for name in variables if not name.startswith(LIBRARY_VARIABLES)}
    fields = msgspec.structs.fields(shape)
    assert given <= {field.encode_name for field in fields}, "the template gives what nobody reads"
    assert {field.encode_name for field in fields if field.required} <= given, (
        "the template does not give what is needed"
    )
    plain = {name: value if isinstance(value, str) else "made-by-cloudformation" for name, value in variables.items()}
    load_settings(shape, plain)


def test_every_function_folder_is_deployed_once(synthesised: Templates, of_stage: Callable[..., Templates]) -> None:
    local, dev, prod = (
        sorted(each.properties["Handler"] for each in templates.resources("AWS::Lambda::Function"))
        for templates in (synthesised, of_stage("dev"), of_stage("prod"))
    )
    assert dev == [f"functions.{name}.handler.handler" for name in FUNCTIONS]
    assert prod == [f"functions.{name}.handler.handler" for name in FUNCTIONS if name not in ON_DEMAND]
    assert local == [f"functions.{name}.handler.handler" for name in FUNCTIONS if name not in OF_THE_CDN | ON_DEMAND]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_handler_that_is_named_can_be_imported_and_called(name: str) -> None:
    assert callable(importlib.import_module(f"functions.{name}.handler").handler)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_settings_match_what_the_template_gives(of_stage: Callable[..., Templates], name: str) -> None:
    stage = "dev" if name in ON_DEMAND else "prod" if name in OF_THE_CDN else "local"
    variables = of_stage(stage).function(name).properties["Environment"]["Variables"]
    assert_settings_match(settings_of(f"functions.{name}.settings"), variables)


def test_the_workers_settings_match_what_its_task_definition_and_job_give(synthesised: Templates) -> None:
    [definition] = synthesised.resources("AWS::ECS::TaskDefinition")
    [container] = definition.properties["ContainerDefinitions"]
    variables = {each["Name"]: each["Value"] for each in container["Environment"]}
    for given in ("TRANSCODE_JOB", "WARM_WORKER"):
        assert_settings_match(settings_of("ffmpeg_worker.settings"), {**variables, given: "{}"})


def test_the_task_definition_runs_the_worker_on_a_read_only_root(synthesised: Templates) -> None:
    [definition] = synthesised.resources("AWS::ECS::TaskDefinition")
    [container] = definition.properties["ContainerDefinitions"]
    assert container["Name"] == "worker"
    assert container["Command"] == ["python", "-m", "ffmpeg_worker"]
    assert container["ReadonlyRootFilesystem"] is True
    assert [each["ContainerPath"] for each in container["MountPoints"] if not each["ReadOnly"]] == ["/tmp"]
    assert Path(ROOT, "containers/ffmpeg-worker/ffmpeg_worker/__main__.py").is_file()


def test_a_worker_that_hands_over_has_ten_seconds_left_to_store_what_nobody_came_for(synthesised: Templates) -> None:
    [definition] = synthesised.resources("AWS::ECS::TaskDefinition")
    [container] = definition.properties["ContainerDefinitions"]
    variables = {each["Name"]: each["Value"] for each in container["Environment"]}
    assert container["StopTimeout"] == 120, "the most that Fargate gives"
    assert 90 <= float(variables["WORKER_HAND_OVER_SECONDS"]) <= container["StopTimeout"] - 10


def test_every_log_is_deleted_after_a_while(synthesised: Templates) -> None:
    for function in synthesised.resources("AWS::Lambda::Function"):
        log = synthesised.referred(function.stack, function.properties["LoggingConfig"]["LogGroup"])
        assert log.type == "AWS::Logs::LogGroup", function
    for log in synthesised.resources("AWS::Logs::LogGroup"):
        assert log.properties["RetentionInDays"] >= 1, log


def test_a_batch_with_one_bad_message_does_not_come_back_whole(synthesised: Templates) -> None:
    mappings = synthesised.resources("AWS::Lambda::EventSourceMapping")
    assert len({str(mapping.properties["EventSourceArn"]) for mapping in mappings}) == len(mappings)
    for mapping in mappings:
        assert mapping.properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"], mapping


def test_a_message_stays_hidden_for_six_time_outs_of_its_function(synthesised: Templates) -> None:
    for mapping in synthesised.resources("AWS::Lambda::EventSourceMapping"):
        queue = synthesised.referred(mapping.stack, mapping.properties["EventSourceArn"])
        function = synthesised.referred(mapping.stack, mapping.properties["FunctionName"])
        assert queue.properties["VisibilityTimeout"] >= 6 * function.properties["Timeout"], queue


def test_the_publish_hook_is_answered_before_nginx_gives_up(synthesised: Templates) -> None:
    assert synthesised.function("ingest_hooks").properties["Timeout"] < 10


def test_whatever_a_schedule_starts_and_cannot_do_is_kept(synthesised: Templates) -> None:
    schedules = synthesised.resources("AWS::Scheduler::Schedule")
    assert len(schedules) >= 3
    for schedule in schedules:
        target = schedule.properties["Target"]
        function = synthesised.referred(schedule.stack, target["Arn"])
        missed = synthesised.referred(schedule.stack, target["DeadLetterConfig"]["Arn"])
        [asynchronous] = [
            each
            for each in synthesised.resources("AWS::Lambda::EventInvokeConfig")
            if synthesised.referred(each.stack, each.properties["FunctionName"]) == function
        ]
        kept_by_lambda = asynchronous.properties["DestinationConfig"]["OnFailure"]["Destination"]
        assert synthesised.referred(asynchronous.stack, kept_by_lambda) == missed, function
        assert missed.properties["MessageRetentionPeriod"] == 14 * 24 * 3600, missed
        assert missed.properties["SqsManagedSseEnabled"] is True, missed


def test_every_target_of_a_rule_keeps_what_does_not_reach_it(synthesised: Templates) -> None:
    for rule in synthesised.resources("AWS::Events::Rule"):
        for target in rule.properties["Targets"]:
            aside = synthesised.referred(rule.stack, target["DeadLetterConfig"]["Arn"])
            assert aside.properties["MessageRetentionPeriod"] == 14 * 24 * 3600, rule


def test_what_writes_to_the_database_comes_back_no_faster_than_the_database_takes_it(
    of_stage: Callable[..., Templates],
) -> None:
    templates = of_stage("prod")
    limited = set()
    for mapping in templates.resources("AWS::Lambda::EventSourceMapping"):
        function = templates.referred(mapping.stack, mapping.properties["FunctionName"])
        if "DATABASE_SECRET" in function.properties["Environment"]["Variables"]:
            assert mapping.properties["ScalingConfig"] == {"MaximumConcurrency": 10}, function
            limited.add(function.properties["Handler"].split(".")[1])
    assert {"broadcast_history", "chat_archive", "account_mail", "account_data", "picture_maker"} <= limited
    assert templates.function("api").properties["ReservedConcurrentExecutions"] == 400
