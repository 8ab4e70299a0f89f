"""Other people's rules: what they find is acknowledged by rule, resource and reason, or it is a finding."""

from __future__ import annotations

from infra.acknowledged import ACKNOWLEDGEMENTS, Acknowledgement
from infra.review import Finding, unacknowledged

LOGGING = Acknowledgement("S1", ("data/Media/Resource",), "CloudFront has the log")
PREFIXES = Acknowledgement("IAM5", ("*/DefaultPolicy/Resource",), "a prefix", found="Resource::?*/*")


def test_what_is_acknowledged_at_one_resource_is_found_at_another() -> None:
    media = Finding("cdk-nag", "S1", "headwater-prod-data/Media/Resource")
    other = Finding("cdk-nag", "S1", "headwater-prod-data/Uploads/Resource")
    assert unacknowledged([media, other], [LOGGING]) == ([other], {LOGGING})


def test_another_rule_at_an_acknowledged_resource_is_found() -> None:
    found = Finding("cdk-nag", "S2", "headwater-prod-data/Media/Resource")
    assert unacknowledged([found], [LOGGING]) == ([found], set())


def test_one_wildcard_does_not_excuse_another_in_the_same_policy() -> None:
    policy = "headwater-prod-api/Rest/Role/DefaultPolicy/Resource"
    below = Finding("cdk-nag", "IAM5", policy, "Resource::<Media.Arn>/avatars/*")
    everything = Finding("cdk-nag", "IAM5", policy, "Resource::*")
    actions = Finding("cdk-nag", "IAM5", policy, "Action::s3:*")
    assert unacknowledged([below, everything, actions], [PREFIXES]) == ([actions, everything], {PREFIXES})


def test_no_rule_is_acknowledged_for_a_whole_stack_or_without_a_reason() -> None:
    for each in ACKNOWLEDGEMENTS:
        assert len(each.reason) > 30, each.rule
        assert not {"*", "*/*"} & set(each.resources), each.rule
