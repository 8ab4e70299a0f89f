"""All stages · alarms that say what has happened and what to do about it, and one page that shows the path at a glance.

An alarm watches what somebody would notice (a publish refused, a playlist that stands still), not what a machine does. Its
description is two sentences and an anchor of docs/runbook.md. Nothing that is not written by the code or by AWS is watched:
tests/infra/test_monitoring.py holds every name against both.
"""

from __future__ import annotations

from collections.abc import Iterator

from aws_cdk import App, Duration, Stack
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.config.monitoring import Monitoring
from infra.constructs.service_function import Deployment, ServiceFunction
from infra.constructs.work_queue import WorkQueue
from infra.stacks.api import ApiStack
from infra.stacks.chat import SOCKET_STAGE, ChatStack
from infra.stacks.ingest import IngestStack

RUNBOOK = "docs/runbook.md"
FIVE_MINUTES = Duration.minutes(5)
WORKER = "ffmpeg-worker"  # as the task names itself in its metrics
EDGE_STORE_BYTES = 5_000_000  # all that CloudFront's KeyValueStore takes ("Quotas", CloudFront Developer Guide)


class MonitoringStack(Stack):
    """Last of all: it looks at what the others have made, and nothing depends on it."""

    def __init__(
        self,
        scope: App,
        construct_id: str,
        *,
        deployment: Deployment,
        monitoring: Monitoring,
        ingest: IngestStack,
        chat: ChatStack,
        api: ApiStack,
        database_cluster: str | None,
        edge_store: bool,
    ) -> None:
        """`database_cluster`: the identifier of an Aurora cluster that is made here; None for an existing database.
        `edge_store`: whether CloudFront's edges are told who may watch."""
        super().__init__(scope, construct_id)
        self._stage = deployment.stage
        self._named = f"headwater-{self._stage.name}"
        self.alarms: list[cloudwatch.Alarm] = []
        self.topic = sns.Topic(self, "Alarms", topic_name=f"{self._named}-alarms", enforce_ssl=True)
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[
                    iam.ServicePrincipal("cloudwatch.amazonaws.com"),
                    iam.ServicePrincipal("budgets.amazonaws.com"),
                ],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        if monitoring.mail is not None:
            self.topic.add_subscription(subscriptions.EmailSubscription(monitoring.mail))

        self._watch_ingest(monitoring, ingest)
        self._watch_workers(monitoring)
        self._watch_chat(monitoring, chat)
        self._watch_gateways(ingest, api, chat)
        if database_cluster is not None:
            self._watch_database(database_cluster)
        if edge_store:
            self._watch_edge_store()
        self._watch_dead_letters(scope)
        if monitoring.monthly_budget_usd is not None:
            self._watch_costs(monitoring.monthly_budget_usd)
        self._draw(ingest, chat, api, database_cluster, edge_store=edge_store)

    def _watch_ingest(self, monitoring: Monitoring, ingest: IngestStack) -> None:
        self._alarm(
            "ingest-refused",
            self._ours("PublishesRefused", "ingest_hooks"),
            at_least=monitoring.refusals,
            means="Encoders are being turned away: somebody guesses keys, or keys that were right no longer are.",
            do="Read the outcomes of the last minutes; if they name a store, it is that store.",
        )
        self._alarm(
            "hooks-not-believed",
            self._ours("HookRejected", "ingest_hooks"),
            at_least=5,
            means="Hooks arrive whose signature is wrong or old: nobody can publish from that node, or they are forged.",
            do="Compare the node's secret and clock with the function's; replace nodes after a rotation.",
        )
        self._alarm(
            "publish-hook-slow",
            _gateway("Latency", {"ApiId": ingest.gateway.api.api_id}, statistic="p99"),
            at_least=3_000,
            times=2,
            means="Encoders wait for seconds until they may publish; from 8 s on they are refused.",
            do="Look for throttles of DynamoDB and for cold starts; keep instances warm if it is those.",
        )

        if ingest.starter is not None:
            self._alarm(
                "ingest-nodes-not-started",
                self._ours("IngestNodeNotStarted", "ingest_nodes"),
                at_least=2,
                means="Streamers ask for somewhere to publish to, and no ingest node comes.",
                do="The log names ECS's reason, or the node's own log says why it did not announce itself.",
            )

    def _watch_workers(self, monitoring: Monitoring) -> None:
        self._alarm(
            "worker-start-slow",
            self._ours("GoLiveDelay", WORKER, statistic="p90"),
            at_least=monitoring.go_live_seconds * 1_000,
            means="Broadcasts take long to begin: tasks start slowly, or not at once.",
            do="Look at how long tasks are pending, and why; raise Fargate's quota or keep workers warm.",
        )
        self._alarm(
            "workers-not-started",
            self._ours("RunTaskFailed", "transcode_dispatch"),
            at_least=3,
            means="ECS refuses to start workers: new broadcasts do not begin, and lost workers are not replaced.",
            do="The log names ECS's reason: capacity, a quota, the image or a subnet.",
        )
        self._alarm(
            "broadcasts-given-up",
            self._ours("BroadcastGivenUp", "transcode_dispatch"),
            at_least=1,
            means="A broadcast was ended because its workers kept dying.",
            do="Follow it through the log; its worker's last lines say what it died of.",
        )
        self._alarm(
            "uploads-near-real-time",
            self._ours("SlowUploads", WORKER),
            at_least=10,
            means="Segments take nearly as long to store as they last; soon viewers will wait.",
            do="See whether it is one worker (its machine) or all (S3, or the way to it).",
        )
        self._alarm(
            "playlists-stale",
            self._ours("SegmentDelay", WORKER, statistic="p95"),
            at_least=monitoring.behind_seconds * 1_000,
            means="Playlists name segments long after they were published: players run dry.",
            do="Uploads, the lease table and the worker's CPU, in this order.",
        )
        self._alarm(
            "zombie-broadcasts",
            self._ours("ZombieBroadcasts", "broadcast_sweep"),
            at_least=1,
            means="A broadcast does not settle though every deadline of it has passed: it costs, or has no recording.",
            do="The sweep's log names it; follow it and send its pulse again, or end it.",
        )

    def _watch_chat(self, monitoring: Monitoring, chat: ChatStack) -> None:
        self._alarm(
            "chat-delivery-lag",
            chat.delivery_queue.queue.metric_approximate_age_of_oldest_message(
                statistic="Maximum", period=Duration.minutes(1)
            ),
            at_least=monitoring.chat_lag_seconds,
            times=3,
            means="Messages in chat arrive late, or not at all, in at least one room.",
            do="Look at errors and throttles of chat_delivery, and at the cache.",
        )

    def _watch_gateways(self, ingest: IngestStack, api: ApiStack, chat: ChatStack) -> None:
        for name, gateway, of in (("api", api.gateway, "Calls of the REST API"), ("hooks", ingest.gateway, "Hooks")):
            self._alarm(
                f"{name}-5xx",
                _gateway("5xx", {"ApiId": gateway.api.api_id}),
                at_least=5,
                means=f"{of} fail on our side.",
                do="Find the request ids in the access log, and their lines in the function's log.",
                section="api-5xx",
            )
        self._alarm(
            "sockets-failing",
            _gateway("IntegrationError", {"ApiId": chat.gateway.api.api_id, "Stage": SOCKET_STAGE}),
            at_least=5,
            means="Frames from chat clients meet a function that fails.",
            do="Read the errors of ws_chat; if they name a store, it is that store.",
        )

    def _watch_database(self, cluster: str) -> None:
        self._alarm(
            "database-at-its-limit",
            _database("ACUUtilization", cluster),
            at_least=90,
            times=3,
            means="PostgreSQL has nearly all the capacity that it may have: calls become slow, then fail.",
            do="Find the query that costs it, then raise database.max_acu.",
        )
        self._alarm(
            "database-away",
            self._ours("HistoryUnavailable", "broadcast_history"),
            at_least=1,
            times=3,
            means="History cannot be written: the database is away. Broadcasts and chat go on, and what is waiting is kept.",
            do="See whether the cluster is failing over, out of connections, or unreachable.",
        )

    def _watch_edge_store(self) -> None:
        self._alarm(
            "edge-store-filling",
            self._ours("EdgeStoreBytes", "edge_access", statistic="Maximum"),
            at_least=EDGE_STORE_BYTES * 0.8,
            means="The store at CloudFront's edges is four fifths full; what no longer fits is not told to them.",
            do="Take out entries of streams that were deleted long ago, before what turns private stays open.",
            missing=cloudwatch.TreatMissingData.IGNORE,  # written when something changes: until then it is as full as it was
        )

    def _watch_dead_letters(self, app: App) -> None:
        for name, queue in _dead_letter_queues(app):
            self._alarm(
                f"dead-letters-{name}",
                queue.metric_approximate_number_of_messages_visible(statistic="Maximum", period=FIVE_MINUTES),
                at_least=1,
                means=f"Work of {name} was given up after every attempt. It is kept for 14 days.",
                do="Mend what it failed of, then send it back.",
                section="dead-letters",
            )

    def _watch_costs(self, dollars: int) -> None:
        to = [budgets.CfnBudget.SubscriberProperty(address=self.topic.topic_arn, subscription_type="SNS")]
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=f"{self._named}-monthly",
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=dollars, unit="USD"),
                cost_filters={"TagKeyValue": [f"user:headwater:stage${self._stage.name}"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN",
                        notification_type=kind,
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=to,
                )
                for kind, percent in (("ACTUAL", 80), ("FORECASTED", 100))
            ],
        )

    def _draw(
        self, ingest: IngestStack, chat: ChatStack, api: ApiStack, database_cluster: str | None, *, edge_store: bool
    ) -> None:
        ours = self._ours
        board = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=self._named, default_interval=Duration.hours(6))
        board.add_widgets(cloudwatch.AlarmStatusWidget(title="What rings", alarms=self.alarms, width=24, height=4))
        board.add_widgets(
            _graph("Publishes", ours("PublishesAccepted", "ingest_hooks"), ours("PublishesRefused", "ingest_hooks")),
            _graph("From publish to live, ms", ours("GoLiveDelay", WORKER, statistic="p90")),
            _graph(
                "Workers",
                ours("WorkerReplaced", "transcode_dispatch"),
                ours("RunTaskFailed", "transcode_dispatch"),
                ours("ReaderCrashes", WORKER),
            ),
        )
        board.add_widgets(
            _graph("Behind the node, ms", ours("SegmentDelay", WORKER, statistic="p95")),
            _graph("Uploads", ours("SlowUploads", WORKER), ours("MissingSegments", WORKER)),
            _graph("Hooks, ms", _gateway("Latency", {"ApiId": ingest.gateway.api.api_id}, statistic="p99")),
        )
        http = {"ApiId": api.gateway.api.api_id}
        board.add_widgets(
            _graph("REST API", *(_gateway(name, http) for name in ("Count", "4xx", "5xx"))),
            _graph("REST API, ms", _gateway("Latency", http, statistic="p95")),
            _graph(
                "Chat",
                _gateway("MessageCount", {"ApiId": chat.gateway.api.api_id, "Stage": SOCKET_STAGE}),
                chat.delivery_queue.queue.metric_approximate_age_of_oldest_message(statistic="Maximum"),
            ),
        )
        if edge_store:
            stored = ours("EdgeStoreBytes", "edge_access", statistic="Maximum")
            board.add_widgets(_graph(f"Edges' store, of {EDGE_STORE_BYTES} bytes", stored))
        if database_cluster is not None:
            board.add_widgets(
                _graph("Database, % of its limit", _database("ACUUtilization", database_cluster)),
                _graph("Connections", _database("DatabaseConnections", database_cluster)),
            )

    def _ours(self, name: str, service: str, *, statistic: str = "Sum") -> cloudwatch.Metric:
        """What the code counts or measures (headwater/observability.py)."""
        return cloudwatch.Metric(
            namespace=self._stage.metrics_namespace,
            metric_name=name,
            dimensions_map={"service": service},
            statistic=statistic,
            period=FIVE_MINUTES,
        )

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        *,
        at_least: float,
        means: str,
        do: str,
        times: int = 1,
        section: str | None = None,
        missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING,
    ) -> None:
        """Rings when `metric` is `at_least` so much, `times` in a row, and says when it is over.

        `missing`: what it means that nothing was written; usually that nobody streams.
        """
        alarm = cloudwatch.Alarm(
            self,
            "".join(part.title() for part in name.split("-")),
            alarm_name=f"{self._named}-{name}",
            alarm_description=f"{means} {do} {RUNBOOK}#{section or name}",
            metric=metric,
            threshold=at_least,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=times,
            treat_missing_data=missing,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        alarm.add_ok_action(actions.SnsAction(self.topic))
        self.alarms.append(alarm)


def _dead_letter_queues(app: Construct) -> Iterator[tuple[str, sqs.Queue]]:
    """All there are, each with the name of what it belongs to."""
    for made in app.node.find_all():
        if isinstance(made, WorkQueue):
            yield made.node.id, made.dead_letters
        elif isinstance(made, ServiceFunction) and made.missed is not None:
            yield f"{made.node.id}-schedule", made.missed


def _gateway(name: str, dimensions: dict[str, str], *, statistic: str = "Sum") -> cloudwatch.Metric:
    """docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html, …/apigateway-websocket-api-logging.html"""
    return cloudwatch.Metric(
        namespace="AWS/ApiGateway",
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        period=FIVE_MINUTES,
    )


def _database(name: str, cluster: str) -> cloudwatch.Metric:
    """docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2.setting-capacity.html, "CloudWatch metrics"."""
    return cloudwatch.Metric(
        namespace="AWS/RDS",
        metric_name=name,
        dimensions_map={"DBClusterIdentifier": cluster},
        statistic="Maximum",
        period=FIVE_MINUTES,
    )


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=8, height=6)
