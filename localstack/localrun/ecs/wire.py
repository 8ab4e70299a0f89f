"""The HTTP side of the ECS-shaped endpoint: AWS's JSON 1.1 protocol, one POST to `/` a call, named by a header."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from localrun.ecs.errors import EcsError, InvalidParameter, ServerError
from localrun.ecs.operations import CREDENTIALS_PATH, Operations

_TARGET_PREFIX = "AmazonEC2ContainerServiceV20141113."
_LARGEST_BODY = 1 << 20
_LOG = logging.getLogger("ecs")

Call = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


class EcsServer:
    """Serves `operations` on a loopback port."""

    def __init__(self, operations: Operations) -> None:
        self._calls: dict[str, Call] = {
            "RunTask": operations.run_task,
            "StopTask": operations.stop_task,
            "DescribeTasks": operations.describe_tasks,
            "ListTasks": operations.list_tasks,
        }
        self._credentials = operations.credentials

    async def listen(self, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._serve_connection, "127.0.0.1", port)

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
            pass  # the client left, or does not speak HTTP
        except asyncio.CancelledError:
            pass  # the endpoint stops; asyncio's streams would report a cancelled connection as a failure
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; False when the connection is to be closed."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        if not 0 <= length <= _LARGEST_BODY:
            return False
        body = await reader.readexactly(length)
        if head[0].startswith(f"GET {CREDENTIALS_PATH}"):
            task_id = head[0].split(" ")[1].removeprefix(CREDENTIALS_PATH)
            status, answer = await self._answer_with(lambda: self._credentials(task_id))
        else:
            status, answer = await self._answer(headers.get("x-amz-target", ""), body)
        payload = json.dumps(answer).encode()
        writer.write(
            f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}\r\n"
            f"Content-Type: application/x-amz-json-1.1\r\nx-amzn-RequestId: {uuid.uuid4()}\r\n"
            f"Content-Length: {len(payload)}\r\n\r\n".encode()
            + payload
        )
        await writer.drain()
        return headers.get("connection", "").lower() != "close"

    async def _answer(self, target: str, body: bytes) -> tuple[int, dict[str, Any]]:
        return await self._answer_with(lambda: self._call_named(target)(_request_in(body)))

    async def _answer_with(self, call: Callable[[], Awaitable[dict[str, Any]]]) -> tuple[int, dict[str, Any]]:
        try:
            return 200, await call()
        except EcsError as refusal:
            status = 500 if isinstance(refusal, ServerError) else 400
            return status, {"__type": refusal.code, "message": str(refusal)}
        except Exception:
            _LOG.exception("a call failed")
            return 500, {"__type": ServerError.code, "message": "The endpoint failed. Its log says why."}

    def _call_named(self, target: str) -> Call:
        call = self._calls.get(target.removeprefix(_TARGET_PREFIX))
        if call is None:
            raise InvalidParameter(f"This endpoint serves {', '.join(self._calls)}; not {target or 'this request'}.")
        return call


def _request_in(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        raise InvalidParameter("The request is not JSON.") from None
    if not isinstance(request, dict):
        raise InvalidParameter("The request is not a JSON object.")
    return request
