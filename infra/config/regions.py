"""Regions that lack what a deployment needs. tests/infra/test_stage_values.py holds this against what botocore lists."""

from __future__ import annotations

from collections.abc import Mapping

from infra.config.errors import ConfigurationError

# Commercial regions without the service, by what needs it.
WITHOUT: Mapping[str, frozenset[str]] = {
    "SES, which mail_sender needs": frozenset(
        {"ap-east-1", "ap-east-2", "ap-southeast-4", "ap-southeast-6", "ap-southeast-7", "eu-south-2", "mx-central-1"}
    ),
    "dual-stack endpoints of AWS APIs, which a dual-stack network needs": frozenset({"ap-east-2", "ap-southeast-6"}),
}


def check_region(asked: str | None, of_cli: str | None, *, dual_stack: bool) -> None:
    """`asked` is the setting `region`, `of_cli` where the CLI deploys to (None when it is not the CLI that asks).

    Raises ConfigurationError naming the service that is missing, or two regions that are not the same.
    """
    if asked is not None and of_cli is not None and asked != of_cli:
        raise ConfigurationError(
            f"region is {asked}, but the CLI deploys to {of_cli}: set AWS_REGION, or change region"
        )
    region = asked or of_cli
    if region is None:
        return
    if region.startswith(("cn-", "us-gov-", "us-iso", "eu-isoe", "eusc-")):
        raise ConfigurationError(f"region: {region} is in a partition that this has not been made for; choose another")
    for lacking, regions in WITHOUT.items():
        if region in regions and (dual_stack or "dual-stack" not in lacking):
            raise ConfigurationError(f"region: {region} has no {lacking}; choose another")
