"""Deploys Headwater: one app, one stack per stage of the path, `-c stage=<name>` choosing the values they are given.

`-c settings=<file>` puts a deployer's own values over those of `dev` and `prod` (infra/config/deployer_values.py). The stage
`local` reads the addresses of the local stack from the JSON file that `HEADWATER_LOCAL` names
(`infra.config.local_values.LocalValues`); without it, the public contract's defaults hold. `-c code=none` makes templates to
read, not to deploy: with empty archives in place of the functions' bundles. Nothing else is read from outside.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

# Run as a script, the first import root is this folder, and `constructs` would be ours instead of the CDK's.
if __name__ == "__main__" and Path(sys.path[0]).resolve() == Path(__file__).resolve().parent:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

# The CDK runs well on the Node.js that Debian 12 and Ubuntu 24.04 ship, and warns at length that it is old.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "18,20")

from aws_cdk import App, CliCredentialsStackSynthesizer, Tags

from infra.bundling import Bundler, bundle, bundle_all, empty_bundle
from infra.config.errors import ConfigurationError
from infra.config.network import ExistingNetwork
from infra.config.regions import check_region
from infra.config.stage import Stage
from infra.config.stages import stage_named
from infra.config.values import WebAddresses
from infra.constructs.service_function import Deployment
from infra.database_authorities import believed_authorities
from infra.stacks.api import ApiStack
from infra.stacks.chat import ChatStack
from infra.stacks.data import DataStack
from infra.stacks.delivery import DeliveryStack
from infra.stacks.ingest import IngestStack
from infra.stacks.monitoring import MonitoringStack
from infra.stacks.network import NetworkStack
from infra.stacks.transcode import TranscodeStack

# Behaviour of the CDK itself, the same however the app is run. Strong references: CloudFormation refuses to take away what
# another stack still uses.
CDK_CONTEXT = {"@aws-cdk/core:defaultCrossStackReferences": "strong"}


def add_stacks(app: App, *, stage: Stage, bundle: Bundler) -> None:
    """Every stack of one stage, in the order of the path of the video; those whose values are None are not there."""
    prefix = f"headwater-{stage.name}"
    network = None if stage.network is None else NetworkStack(app, f"{prefix}-network", network=stage.network)
    deployment = Deployment(stage=stage, bundle=bundle, placement=None if network is None else network.functions)
    data = DataStack(app, f"{prefix}-data", deployment=deployment, network=network)
    ingest = IngestStack(app, f"{prefix}-ingest", deployment=deployment, data=data, network=network)
    TranscodeStack(app, f"{prefix}-transcode", deployment=deployment, data=data, ingest=ingest, network=network)
    delivery = None
    if stage.delivery is not None:
        delivery = DeliveryStack(app, f"{prefix}-delivery", deployment=deployment, data=data, delivery=stage.delivery)
    web = _web_addresses(stage, delivery)
    chat = ChatStack(app, f"{prefix}-chat", deployment=deployment, data=data, web=web)
    api = ApiStack(app, f"{prefix}-api", deployment=deployment, data=data, ingest=ingest, chat=chat, web=web)
    if delivery is not None:
        delivery.publish_pages(api, api=api.address, ws=chat.address)
    if stage.monitoring is not None:
        cluster = data.database.cluster
        MonitoringStack(
            app,
            f"{prefix}-monitoring",
            deployment=deployment,
            monitoring=stage.monitoring,
            ingest=ingest,
            chat=chat,
            api=api,
            database_cluster=None if cluster is None else cluster.cluster_identifier,
            edge_store=delivery is not None,
        )
    Tags.of(app).add("headwater:stage", stage.name)


def _web_addresses(stage: Stage, delivery: DeliveryStack | None) -> WebAddresses:
    if delivery is not None:
        return delivery.web
    if stage.urls is None:
        raise AssertionError("Stage has checked that one of them is set")
    return WebAddresses(cdn=stage.urls.cdn, page=stage.urls.web, more_origins=stage.api.more_origins)


def app_of(stage: Stage) -> App:
    """An app without stacks yet, that is deployed as the stage's are."""
    return App(
        context=CDK_CONTEXT,
        default_stack_synthesizer=None if stage.uses_bootstrap_roles else CliCredentialsStackSynthesizer(),
    )


def _check_region(stage: Stage) -> None:
    """Where there is no network, nothing is far away: one machine is in no region."""
    if stage.network is not None:
        dual_stack = not isinstance(stage.network, ExistingNetwork) or stage.network.dual_stack
        check_region(stage.region, os.environ.get("CDK_DEFAULT_REGION"), dual_stack=dual_stack)


def main() -> None:
    asked = App(auto_synth=False).node.try_get_context  # only to be asked: how the app is made depends on the stage
    try:
        stage = stage_named(
            asked("stage") or "local",
            local_values_file=os.environ.get("HEADWATER_LOCAL"),
            settings_file=asked("settings"),
        )
        _check_region(stage)
        authorities = believed_authorities(stage.database, stage.region or os.environ.get("CDK_DEFAULT_REGION"))
        app = app_of(stage)
        if asked("code") == "none":
            add_stacks(app, stage=stage, bundle=empty_bundle)
        else:
            bundle_all(stage.function_runtime, authorities=authorities)
            add_stacks(app, stage=stage, bundle=partial(bundle, authorities=authorities))
    except ConfigurationError as error:
        sys.exit(f"headwater: {error}")
    app.synth()


if __name__ == "__main__":
    main()
