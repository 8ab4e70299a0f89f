"""What a deployment costs while nobody streams, watches or calls: read off the templates, resource by resource.

A kind of resource that is neither priced here nor known to be free is an error, so that no stack can add one unnoticed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.cost.prices import HOURS_PER_MONTH, monthly, price

Template = Mapping[str, Any]

MINUTES_PER_MONTH = HOURS_PER_MONTH * 60
# Lambda asks an SQS queue even when it is empty: five long polls at a time, of 20 s each, which somebody pays for.
POLLS_PER_MINUTE = 5 * 60 / 20
# Billed for a scheduled call that finds nothing to do.
SCHEDULED_CALL_SECONDS = 0.1
# At least so much is paid for, whatever is in it.
SMALLEST_VALKEY_GB = 0.1
SMALLEST_REDIS_GB = 1.0

# Paid for by use alone, if at all.
FREE = frozenset(
    {
        "AWS::ApiGateway::Account",
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::ApiMapping",
        "AWS::ApiGatewayV2::DomainName",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::IntegrationResponse",
        "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::RouteResponse",
        "AWS::ApiGatewayV2::Stage",
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        "AWS::Budgets::Budget",  # the first two of an account
        "AWS::CDK::Metadata",
        "AWS::CertificateManager::Certificate",
        "AWS::CloudFormation::CustomResource",
        "AWS::CloudFormation::WaitCondition",
        "AWS::CloudFormation::WaitConditionHandle",
        "AWS::CloudFront::CachePolicy",
        "AWS::CloudFront::Distribution",
        "AWS::CloudFront::Function",
        "AWS::CloudFront::KeyGroup",
        "AWS::CloudFront::KeyValueStore",
        "AWS::CloudFront::OriginAccessControl",
        "AWS::CloudFront::OriginRequestPolicy",
        "AWS::CloudFront::PublicKey",
        "AWS::CloudFront::ResponseHeadersPolicy",
        "AWS::DynamoDB::Table",
        "AWS::EC2::EgressOnlyInternetGateway",
        "AWS::EC2::EIPAssociation",
        "AWS::EC2::FlowLog",
        "AWS::EC2::InternetGateway",
        "AWS::EC2::LaunchTemplate",
        "AWS::EC2::Route",
        "AWS::EC2::RouteTable",
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::Subnet",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::EC2::VPC",
        "AWS::EC2::VPCCidrBlock",
        "AWS::EC2::VPCGatewayAttachment",
        "AWS::ECR::Repository",
        "AWS::ECS::Cluster",
        "AWS::ECS::ClusterCapacityProviderAssociations",
        "AWS::ECS::TaskDefinition",
        "AWS::ElastiCache::SubnetGroup",
        "AWS::ElastiCache::User",
        "AWS::ElastiCache::UserGroup",
        "AWS::ElasticLoadBalancingV2::Listener",
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        "AWS::Events::EventBus",
        "AWS::Events::Rule",
        "AWS::IAM::InstanceProfile",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::LayerVersion",
        "AWS::Lambda::Permission",
        "AWS::Logs::Delivery",
        "AWS::Logs::DeliveryDestination",
        "AWS::Logs::DeliverySource",
        "AWS::Logs::LogGroup",
        "AWS::Logs::MetricFilter",
        "AWS::Logs::QueryDefinition",
        "AWS::Logs::ResourcePolicy",
        "AWS::RDS::DBClusterParameterGroup",
        "AWS::RDS::DBParameterGroup",
        "AWS::RDS::DBSubnetGroup",
        "AWS::Route53::RecordSet",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::Scheduler::ScheduleGroup",
        "AWS::SES::ConfigurationSet",
        "AWS::SES::EmailIdentity",
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
        "AWS::SecretsManager::ResourcePolicy",
        "AWS::SecretsManager::RotationSchedule",
        "AWS::SecretsManager::SecretTargetAttachment",
        "AWS::SSM::Parameter",
    }
)


class UnpricedResource(Exception):
    """A template holds something of which nobody has said what it costs. The message names it."""


@dataclass(frozen=True)
class Line:
    """`count` of `what`, together `dollars` a month."""

    stack: str
    what: str
    count: float
    dollars: float


@dataclass(frozen=True)
class Found:
    """A resource among the others of its deployment, for what is told by another resource."""

    stack: str
    logical_id: str
    type: str
    properties: Mapping[str, Any]
    templates: Mapping[str, Template]

    def referred(self, value: Any) -> Found | None:
        """The resource that a `Ref`, `Fn::GetAtt` or import of either means; None when it is not in these templates."""
        return _referred(self.templates, self.stack, value)

    def of_type(self, type_: str) -> Iterator[Found]:
        return (each for each in resources(self.templates) if each.type == type_)

    def is_same(self, other: Found | None) -> bool:
        return other is not None and (self.stack, self.logical_id) == (other.stack, other.logical_id)


def resources(templates: Mapping[str, Template]) -> Iterator[Found]:
    for stack, template in templates.items():
        for logical_id, body in template["Resources"].items():
            yield Found(stack, logical_id, body["Type"], body.get("Properties", {}), templates)


def _referred(templates: Mapping[str, Template], stack: str, value: Any) -> Found | None:
    if not isinstance(value, dict):
        return None
    if "Fn::ImportValue" in value:
        for owner, template in templates.items():
            for output in template.get("Outputs", {}).values():
                if output.get("Export", {}).get("Name") == value["Fn::ImportValue"]:
                    return _referred(templates, owner, output["Value"])
        return None
    logical_id = value.get("Ref") or (value.get("Fn::GetAtt") or [None])[0]
    body = templates[stack]["Resources"].get(logical_id)
    return Found(stack, logical_id, body["Type"], body.get("Properties", {}), templates) if body else None


def idle_lines(templates: Mapping[str, Template]) -> list[Line]:
    """What costs something, by stack and kind, dearest first. Raises UnpricedResource."""
    together: dict[tuple[str, str], tuple[float, float]] = {}
    for found in resources(templates):
        for what, count, dollars in _costs(found):
            had_count, had_dollars = together.get((found.stack, what), (0.0, 0.0))
            together[(found.stack, what)] = (had_count + count, had_dollars + dollars)
    lines = [Line(stack, what, count, dollars) for (stack, what), (count, dollars) in together.items()]
    return sorted(lines, key=lambda line: (-line.dollars, line.stack, line.what))


_Costs = Iterator[tuple[str, float, float]]


def _costs(found: Found) -> _Costs:
    if found.type in FREE or found.type.startswith("Custom::"):  # a custom resource is a call of a function, once
        return iter(())
    if found.type not in _PRICED:
        raise UnpricedResource(
            f"{found.stack}/{found.logical_id} is a {found.type}: say in infra/cost/idle.py what it costs, or that it is free"
        )
    return _PRICED[found.type](found)


def _each(what: str, dollars: float) -> Callable[[Found], _Costs]:
    def cost(found: Found) -> _Costs:
        del found
        yield what, 1, dollars

    return cost


def _schedule(found: Found) -> _Costs:
    calls = _calls_per_month(found.properties["ScheduleExpression"])
    target = found.referred(found.properties["Target"]["Arn"])
    gigabytes = target.properties.get("MemorySize", 128) / 1024 if target else 0.5
    each = price("EventBridge Scheduler") + price("Lambda, request")
    each += SCHEDULED_CALL_SECONDS * gigabytes * price("Lambda, ARM")
    yield "scheduled calls, and their functions", calls, calls * each


def _calls_per_month(expression: str) -> float:
    if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression):
        minutes = {"minute": 1, "hour": 60, "day": 1440}[rate[2]] * int(rate[1])
        return MINUTES_PER_MONTH / minutes
    if expression.startswith("cron("):
        return HOURS_PER_MONTH / 24  # once a day; nothing here comes more often by the clock
    raise UnpricedResource(f"how often is {expression!r}? (infra/cost/idle.py)")


def _polled_queue(found: Found) -> _Costs:
    if "ProvisionedPollerConfig" in found.properties:
        raise UnpricedResource(
            f"{found.stack}/{found.logical_id}: provisioned pollers have no price in infra/cost/idle.py"
        )
    queue = found.referred(found.properties["EventSourceArn"])
    kind = "SQS FIFO" if queue and queue.properties.get("FifoQueue") else "SQS"
    polls = POLLS_PER_MINUTE * MINUTES_PER_MONTH
    yield f"{kind} queues that Lambda polls", 1, polls * price(kind)


def _alarm(found: Found) -> _Costs:
    metrics = [each for each in found.properties.get("Metrics", ()) if "MetricStat" in each]
    yield "alarms", 1, max(1, len(metrics)) * price("alarm")


def _web_acl(found: Found) -> _Costs:
    rules = len(found.properties.get("Rules", ()))
    yield "web ACLs with their rules", 1, price("WAF, web ACL") + rules * price("WAF, rule")


def _load_balancer(found: Found) -> _Costs:
    if found.properties.get("Type") != "network":
        raise UnpricedResource(f"{found.stack}/{found.logical_id}: only network load balancers have a price here")
    yield "network load balancers", 1, monthly("Network Load Balancer")
    zones = len(found.properties.get("Subnets") or found.properties.get("SubnetMappings") or ())
    if found.properties.get("Scheme") == "internet-facing":
        yield "public IPv4 addresses", zones, monthly("public IPv4 address", zones)


def _service(found: Found) -> _Costs:
    """The tasks that are there when nobody asks for more."""
    tasks = _least_tasks(found)
    if not tasks:
        return
    definition = found.referred(found.properties["TaskDefinition"])
    if definition is None:
        raise UnpricedResource(f"{found.stack}/{found.logical_id}: its task definition is in none of the templates")
    vcpu, gigabytes = task_size(definition.properties)
    strategy = found.properties.get("CapacityProviderStrategy", ())
    spot = bool(strategy) and all(each["CapacityProvider"] == "FARGATE_SPOT" for each in strategy)
    kind = "Fargate Spot, ARM" if spot else "Fargate, ARM"
    hourly = vcpu * price(f"{kind}, vCPU") + gigabytes * price(f"{kind}, memory")
    what = f"{'Spot tasks' if spot else 'tasks'} of {vcpu:g} vCPU and {gigabytes:g} GB that always run"
    yield what, tasks, tasks * hourly * HOURS_PER_MONTH
    network = found.properties.get("NetworkConfiguration", {}).get("AwsvpcConfiguration", {})
    if network.get("AssignPublicIp") == "ENABLED":
        yield "public IPv4 addresses", tasks, monthly("public IPv4 address", tasks)


def _least_tasks(service: Found) -> int:
    """What its scaling leaves of it, or what it is told to have."""
    name = service.properties.get("ServiceName")
    for target in service.of_type("AWS::ApplicationAutoScaling::ScalableTarget"):
        if target.properties.get("ServiceNamespace") == "ecs" and _speaks_of(target, service, name):
            return int(target.properties["MinCapacity"])
    return int(service.properties.get("DesiredCount", 1))


def _speaks_of(target: Found, service: Found, name: Any) -> bool:
    said = str(target.properties["ResourceId"])
    return target.stack == service.stack and (service.logical_id in said or (isinstance(name, str) and name in said))


def task_size(definition: Mapping[str, Any]) -> tuple[float, float]:
    """vCPU and GB of a Fargate task definition."""
    return int(definition["Cpu"]) / 1024, int(definition["Memory"]) / 1024


def _database_cluster(found: Found) -> _Costs:
    """Its instances are what costs, and what is stored in it; and the secret that RDS makes for its password."""
    if found.properties.get("ManageMasterUserPassword"):
        yield "secrets", 1, price("secret")


def _database_instance(found: Found) -> _Costs:
    if found.properties["DBInstanceClass"] != "db.serverless":
        raise UnpricedResource(
            f"{found.stack}/{found.logical_id}: only db.serverless has a price in infra/cost/idle.py"
        )
    cluster = found.referred(found.properties["DBClusterIdentifier"])
    if cluster is None:
        raise UnpricedResource(f"{found.stack}/{found.logical_id}: its cluster is in none of the templates")
    least = float(cluster.properties["ServerlessV2ScalingConfiguration"]["MinCapacity"])
    what = f"Aurora instances of at least {least:g} ACU" if least else "Aurora instances that sleep"
    yield what, 1, monthly("Aurora Serverless v2", least)


def _serverless_cache(found: Found) -> _Costs:
    if found.properties["Engine"] == "valkey":
        yield "ElastiCache Serverless, Valkey", 1, monthly("ElastiCache Serverless, Valkey, data", SMALLEST_VALKEY_GB)
    else:
        yield (
            "ElastiCache Serverless, Redis OSS",
            1,
            monthly("ElastiCache Serverless, Redis OSS, data", SMALLEST_REDIS_GB),
        )


def _cache_nodes(found: Found) -> _Costs:
    groups = int(found.properties.get("NumNodeGroups", 1))
    nodes = groups * (1 + int(found.properties.get("ReplicasPerNodeGroup", 0)))
    kind = f"cache node {found.properties['CacheNodeType']}, Valkey"
    yield kind, nodes, monthly(kind, nodes)


def _instance(found: Found) -> _Costs:
    kind = f"instance {found.properties['InstanceType']}"
    yield kind, 1, monthly(kind)
    disks = found.properties.get("BlockDeviceMappings", ())
    gigabytes = sum(int(each.get("Ebs", {}).get("VolumeSize", 8)) for each in disks) or 8
    yield "disk, GB", gigabytes, gigabytes * price("disk, gp3")
    for network in found.properties.get("NetworkInterfaces", ()):
        if network.get("AssociatePublicIpAddress"):
            yield "public IPv4 addresses", 1, monthly("public IPv4 address")


def _endpoint(found: Found) -> _Costs:
    if found.properties.get("VpcEndpointType", "Gateway") == "Interface":
        zones = len(found.properties["SubnetIds"])
        yield "interface endpoints, by zone", zones, monthly("interface endpoint", zones)


def _function(found: Found) -> _Costs:
    del found
    return iter(())


def _version(found: Found) -> _Costs:
    if "ProvisionedConcurrencyConfig" in found.properties:
        raise UnpricedResource(f"{found.stack}/{found.logical_id}: provisioned concurrency has no price here")
    return iter(())


_PRICED: Mapping[str, Callable[[Found], _Costs]] = {
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": _each("composite alarms", price("alarm, composite")),
    "AWS::CloudWatch::Dashboard": _each("dashboards", price("dashboard")),
    "AWS::EC2::EIP": _each("public IPv4 addresses", monthly("public IPv4 address")),
    "AWS::EC2::Instance": _instance,
    "AWS::EC2::NatGateway": _each("NAT gateways", monthly("NAT gateway")),
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::ECS::Service": _service,
    "AWS::ElastiCache::ReplicationGroup": _cache_nodes,
    "AWS::ElastiCache::ServerlessCache": _serverless_cache,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _load_balancer,
    "AWS::KMS::Key": _each("KMS keys", price("KMS key")),
    "AWS::Lambda::Alias": _version,
    "AWS::Lambda::EventSourceMapping": _polled_queue,
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::Version": _version,
    "AWS::RDS::DBCluster": _database_cluster,
    "AWS::RDS::DBInstance": _database_instance,
    "AWS::Route53::HostedZone": _each("hosted zones", price("hosted zone")),
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::SecretsManager::Secret": _each("secrets", price("secret")),
    "AWS::WAFv2::WebACL": _web_acl,
}


def allowed(lines: list[Line]) -> float:
    """What the account's own free allowances take off these lines, if nothing else uses them up: 10 alarms, 3 dashboards, a
    million SQS requests, and all scheduled calls (14 million; a million calls and 400,000 GB-seconds of Lambda)."""
    polling = sum(line.dollars for line in lines if line.what.startswith("SQS"))
    taken = sum(line.dollars for line in lines if line.what.startswith("scheduled calls"))
    taken += min(polling, 1e6 * price("SQS"))
    taken += min(sum(line.dollars for line in lines if line.what == "alarms"), 10 * price("alarm"))
    taken += min(sum(line.dollars for line in lines if line.what == "dashboards"), 3 * price("dashboard"))
    return taken
