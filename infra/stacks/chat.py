"""Stage 7 · chat: the WebSocket API, ordered delivery to everyone in a room, and the archive."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from headwater.contracts import EVENT_SOURCE, STREAM_EVENT_SOURCE
from headwater.domain.broadcast import StreamEventName
from infra.config.values import WebAddresses
from infra.constructs.gateway import SocketGateway
from infra.constructs.service_function import Deployment, ServiceFunction
from infra.constructs.work_queue import WorkQueue
from infra.stacks.data import ROOMS_INDEX, DataStack

SOCKET_STAGE = "chat"  # a WebSocket API has no $default stage


class ChatStack(Stack):
    """`ws_chat` answers frames, `chat_delivery` sends a room's events to its connections in order, `chat_status` tells a
    room what becomes of its stream, `chat_archive` keeps what was said."""

    def __init__(
        self, scope: Construct, construct_id: str, *, deployment: Deployment, data: DataStack, web: WebAddresses
    ) -> None:
        super().__init__(scope, construct_id)
        stage = deployment.stage
        # A room whose delivery failed waits, and its order with it, but at first for seconds only (`redelivery`). So
        # twenty attempts are a quarter of an hour.
        self.delivery_queue = WorkQueue(
            self, "DeliveryQueue", stage=stage, visibility_seconds=90, attempts=20, fifo=True
        )
        self.archive_queue = WorkQueue(self, "ArchiveQueue", stage=stage, visibility_seconds=60, attempts=1000)

        self.gateway = SocketGateway(
            self, "Sockets", stage=stage, stage_name=SOCKET_STAGE, description="Headwater chat"
        )
        self.socket_api = self.gateway.api
        self.callback_url = (
            stage.websocket_callback_url.format(api_id=self.socket_api.api_id, stage=SOCKET_STAGE)
            if stage.websocket_callback_url is not None
            else self.gateway.callback_url
        )

        self.address = stage.urls.ws if stage.urls is not None else self.gateway.address

        self.sockets = ServiceFunction(
            self,
            "WsChat",
            deployment=deployment,
            name="ws_chat",
            environment={
                "CONNECTION_TABLE": data.connections.table_name,
                "ROOM_TABLE": data.rooms.table_name,
                "STREAM_TABLE": data.control_plane.streams.table_name,
                "CHAT_DELIVERY_QUEUE_URL": self.delivery_queue.url,
                "CHAT_ARCHIVE_QUEUE_URL": self.archive_queue.url,
                "CHAT_CALLBACK_URL": self.callback_url,
                "CACHE_URL": data.cache.url,
                "CORS_ORIGINS": ",".join(web.origins),
                "CHAT_CONNECTIONS_PER_MINUTE": str(stage.limits.chat_connections_per_minute),
                "CHAT_JOINS_PER_MINUTE": str(stage.limits.chat_joins_per_minute),
                "CHAT_MESSAGE_BURST": str(stage.limits.chat_message_burst),
                "CHAT_MESSAGES_PER_MINUTE": str(stage.limits.chat_messages_per_minute),
                "CHAT_ROOM_MESSAGE_BURST": str(stage.limits.chat_room_message_burst),
                "CHAT_ROOM_MESSAGES_PER_SECOND": str(stage.limits.chat_room_messages_per_second),
            },
            timeout_seconds=10,
        )
        self.sockets.may("dynamodb:GetItem", data.control_plane.streams.table_arn)
        used = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
        self.sockets.may(used, data.connections.table_arn)
        self._let_close_connections(self.sockets, data)
        self.let_keep_rooms(self.sockets, data)
        self.sockets.may("sqs:SendMessage", self.delivery_queue.arn, self.archive_queue.arn)
        self._let_use_connections(self.sockets, "POST", "DELETE")
        throttles = stage.api.throttles
        for route, throttle in (
            ("$connect", throttles.connecting),
            ("$disconnect", throttles.leaving),
            ("$default", throttles.frames),
        ):
            answers = stage.socket_route_responses and route == "$default"
            self.gateway.route(route, self.sockets, throttle=throttle, answers=answers)

        self.delivery = ServiceFunction(
            self,
            "Delivery",
            deployment=deployment,
            name="chat_delivery",
            environment={
                "CONNECTION_TABLE": data.connections.table_name,
                "CHAT_CALLBACK_URL": self.callback_url,
                "CHAT_DELIVERY_QUEUE_URL": self.delivery_queue.url,
                "CACHE_URL": data.cache.url,
            },
            timeout_seconds=15,
            memory_mib=1024,
        )
        self.delivery.consume(self.delivery_queue, batch_size=10)
        self.delivery.may("dynamodb:Query", data.connections.table_arn)
        self.delivery.may("sqs:SendMessage", self.delivery_queue.arn)
        self._let_close_connections(self.delivery, data)
        self._let_use_connections(self.delivery, "POST", "DELETE")

        self.status_queue = WorkQueue(self, "StatusQueue", stage=stage, visibility_seconds=60, attempts=20)
        self.status = ServiceFunction(
            self,
            "Status",
            deployment=deployment,
            name="chat_status",
            environment={
                "CACHE_URL": data.cache.url,
                "CHAT_DELIVERY_QUEUE_URL": self.delivery_queue.url,
                "CHAT_STATUS_QUEUE_URL": self.status_queue.url,
            },
            timeout_seconds=10,
        )
        self.status.may("sqs:SendMessage", self.delivery_queue.arn, self.status_queue.arn)
        self.status.consume(self.status_queue, batch_size=10)
        data.control_plane.forward(EVENT_SOURCE, self.status_queue, rule=(self, "BroadcastChanged"))

        self.admission_queue = WorkQueue(self, "AdmissionQueue", stage=stage, visibility_seconds=120, attempts=20)
        self.admission = ServiceFunction(
            self,
            "Admission",
            deployment=deployment,
            name="chat_admission",
            environment={
                "STREAM_TABLE": data.control_plane.streams.table_name,
                "CONNECTION_TABLE": data.connections.table_name,
                "CACHE_URL": data.cache.url,
                "CHAT_CALLBACK_URL": self.callback_url,
            },
            timeout_seconds=20,
        )
        self.admission.may("dynamodb:GetItem", data.control_plane.streams.table_arn)
        self.admission.may(["dynamodb:Query", "dynamodb:BatchWriteItem"], data.connections.table_arn)
        self._let_use_connections(self.admission, "DELETE")
        self.admission.consume(self.admission_queue, batch_size=10)
        data.control_plane.forward(
            STREAM_EVENT_SOURCE,
            self.admission_queue,
            StreamEventName.AUDIENCE_CHANGED,
            StreamEventName.DELETED,
            rule=(self, "AudienceChanged"),
        )

        self.archive = ServiceFunction(
            self,
            "Archive",
            deployment=deployment,
            name="chat_archive",
            environment=data.database.environment,
            timeout_seconds=10,
        )
        data.database.let_log_in(self.archive)
        self.archive.consume(self.archive_queue, batch_size=10, at_once=stage.api.concurrency.writers)

        CfnOutput(self, "SocketApiId", value=self.socket_api.api_id)
        CfnOutput(self, "SocketStage", value=SOCKET_STAGE)

    def _let_close_connections(self, function: ServiceFunction, data: DataStack) -> None:
        function.may(["dynamodb:GetItem", "dynamodb:DeleteItem"], data.connections.table_arn)
        function.may("dynamodb:Query", f"{data.connections.table_arn}/index/{ROOMS_INDEX}")

    def let_keep_rooms(self, function: ServiceFunction, data: DataStack) -> None:
        """Look at what a room keeps, and change it: settings, bans, held messages, emotes."""
        function.may(
            ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:Query"],
            data.rooms.table_arn,
        )

    def let_end_sockets(self, function: ServiceFunction, data: DataStack) -> None:
        """Close the sockets of a session that has ended."""
        function.may("dynamodb:Query", data.connections.table_arn)
        self._let_close_connections(function, data)
        self._let_use_connections(function, "DELETE")

    def _let_use_connections(self, function: ServiceFunction, *methods: str) -> None:
        """Send frames (POST), and close sockets (DELETE): that take none, send nothing but nonsense, or have had their time."""
        connections = (
            self.format_arn(
                service="execute-api",
                resource=self.socket_api.api_id,
                resource_name=f"{SOCKET_STAGE}/{method}/@connections/*",
            )
            for method in methods
        )
        function.may("execute-api:ManageConnections", *connections)
