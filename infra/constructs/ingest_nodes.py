"""Stage 1 · containers/rtmp-ingest as an ECS service on Fargate, behind a network load balancer.

A node is a place: whoever publishes to it is read from it, by its own address in the VPC (`pull_url`), for as long as the
connection lasts. So nodes are never taken away from under their publishers:

- The load balancer lets connections of a node that is to go live on (`connection_termination` off), sends it no new ones, and
  ECS stops it when they have ended, after an hour at the latest.
- A node that has publishers is protected: scaling in takes another, and a deployment waits (rtmp_ingest/task_protection.py).
- Told to stop all the same, it refuses new publishers and waits for the present ones, up to two minutes, which is the most
  that Fargate allows; then their encoders reconnect, to another node, and the broadcast goes on (its reconnect window).
"""

from __future__ import annotations

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as balancing
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.config.ingest import IngestService
from infra.config.stage import Stage
from infra.constructs.ingest_task import CONTAINER, RTMP, IngestTask
from infra.stacks.network import NetworkStack

SERVICE = "rtmp-ingest"  # as nodes name themselves in their metrics
RTMPS = 443
LONGEST_DRAIN = Duration.hours(1)  # the most that a target group knows


class IngestNodes(IngestTask):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        service: IngestService,
        network: NetworkStack,
        hooks_url: str,
        hook_secret: secretsmanager.ISecret,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stage=stage,
            service=service,
            hooks_url=hooks_url,
            hook_secret=hook_secret,
            environment={"METRICS_NAMESPACE": stage.metrics_namespace},
        )
        self._network = network
        self.front_group = ec2.SecurityGroup(
            self,
            "Front",
            vpc=network.vpc,
            description="The load balancer before the ingest nodes: encoders, from anywhere",
            allow_all_outbound=False,
        )
        self.group = ec2.SecurityGroup(
            self, "Nodes", vpc=network.vpc, description="Ingest nodes: the load balancer publishes, workers pull"
        )
        self.front_group.add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(RTMP), "RTMP")
        self.front_group.add_egress_rule(self.group, ec2.Port.tcp(RTMP), "to the nodes")
        self.group.add_ingress_rule(self.front_group, ec2.Port.tcp(RTMP), "RTMP, TLS taken off")
        self.tasks_may("ecs:UpdateTaskProtection")
        self._balance()
        self._serve()

    @property
    def addresses(self) -> tuple[str, ...]:
        """For encoders; the safest first."""
        host = self._service.domain or self.balancer.load_balancer_dns_name
        encrypted = (f"rtmps://{host}:{RTMPS}/live",) if self._service.certificate_arn else ()
        return (*encrypted, f"rtmp://{host}:{RTMP}/live")

    def _balance(self) -> None:
        self.balancer = balancing.NetworkLoadBalancer(
            self,
            "Balancer",
            vpc=self._network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=list(self._network.public_subnets)),
            internet_facing=True,
            cross_zone_enabled=True,
            security_groups=[self.front_group],
            deletion_protection=self._stage.keep_data,
        )
        # An encoder that reconnects finds the node again that still has the end of what it sent.
        self.targets = [self._target_group("Flows", sticky=True)]
        self.listeners = [self.balancer.add_listener("Rtmp", port=RTMP, default_target_groups=self.targets[:1])]
        if self._service.certificate_arn is not None:
            self.front_group.add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(RTMPS), "RTMPS")
            # A target group of a TLS listener cannot be sticky.
            self.targets.append(self._target_group("TlsFlows", sticky=False))
            self.listeners.append(
                self.balancer.add_listener(
                    "Rtmps",
                    port=RTMPS,
                    protocol=balancing.Protocol.TLS,
                    certificates=[balancing.ListenerCertificate(self._service.certificate_arn)],
                    ssl_policy=balancing.SslPolicy.RECOMMENDED_TLS,
                    default_target_groups=self.targets[1:],
                )
            )
        CfnOutput(Stack.of(self), "LoadBalancerName", value=self.balancer.load_balancer_dns_name)

    def _target_group(self, name: str, *, sticky: bool) -> balancing.NetworkTargetGroup:
        group = balancing.NetworkTargetGroup(
            self,
            name,
            vpc=self._network.vpc,
            port=RTMP,
            protocol=balancing.Protocol.TCP,
            target_type=balancing.TargetType.IP,
            preserve_client_ip=False,  # or nodes would have to let in the whole internet
            connection_termination=False,
            deregistration_delay=LONGEST_DRAIN,
            health_check=balancing.HealthCheck(
                protocol=balancing.Protocol.TCP,
                interval=Duration.seconds(10),
                healthy_threshold_count=2,
                unhealthy_threshold_count=3,
            ),
        )
        group.set_attribute("stickiness.enabled", "true" if sticky else "false")
        if sticky:
            group.set_attribute("stickiness.type", "source_ip")
        # A node whose health check fails for a moment keeps its publishers.
        group.set_attribute("target_health_state.unhealthy.connection_termination.enabled", "false")
        return group

    def _serve(self) -> None:
        service = self._service
        self.service = ecs.CfnService(
            self,
            "Service",
            cluster=self.cluster.attr_arn,
            task_definition=self.definition.task_definition_arn,
            launch_type="FARGATE",
            propagate_tags="SERVICE",
            # No desired count: that is the scaling's, and a deployment must not take it back.
            deployment_configuration=ecs.CfnService.DeploymentConfigurationProperty(
                minimum_healthy_percent=100,
                maximum_percent=200,
                deployment_circuit_breaker=ecs.CfnService.DeploymentCircuitBreakerProperty(enable=True, rollback=True),
            ),
            health_check_grace_period_seconds=30,
            load_balancers=[
                ecs.CfnService.LoadBalancerProperty(
                    container_name=CONTAINER, container_port=RTMP, target_group_arn=target.target_group_arn
                )
                for target in self.targets
            ],
            network_configuration=ecs.CfnService.NetworkConfigurationProperty(
                awsvpc_configuration=ecs.CfnService.AwsVpcConfigurationProperty(
                    subnets=[each.subnet_id for each in self._network.public_subnets],
                    security_groups=[self.group.security_group_id],
                    assign_public_ip="ENABLED",  # its way to the hooks; there is no NAT
                )
            ),
        )
        for listener in self.listeners:
            self.service.node.add_dependency(listener)  # ECS refuses a target group that no load balancer has
        target = scaling.CfnScalableTarget(
            self,
            "NodesWanted",
            service_namespace="ecs",
            scalable_dimension="ecs:service:DesiredCount",
            resource_id=f"service/{self.cluster_name}/{self.service.attr_name}",
            min_capacity=service.min_tasks,
            max_capacity=service.max_tasks,
        )
        policy = scaling.CfnScalingPolicy(
            self,
            "ByPublishers",
            policy_name=f"{self.cluster_name}-publishers",
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.ref,
            target_tracking_scaling_policy_configuration=scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
                target_value=service.publishers_per_task,
                scale_out_cooldown=60,
                scale_in_cooldown=900,
                customized_metric_specification=scaling.CfnScalingPolicy.CustomizedMetricSpecificationProperty(
                    namespace=self._stage.metrics_namespace,
                    metric_name="Publishers",
                    dimensions=[scaling.CfnScalingPolicy.MetricDimensionProperty(name="service", value=SERVICE)],
                    statistic="Average",  # each node says its own, once a minute
                ),
            ),
        )
        policy.node.add_dependency(target)
