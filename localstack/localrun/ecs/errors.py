"""What ECS answers when it refuses, by the names its clients catch."""

from __future__ import annotations


class EcsError(Exception):
    """A refusal; `code` is the exception's name in the ECS API reference."""

    code = "ClientException"


class InvalidParameter(EcsError):
    code = "InvalidParameterException"


class ClusterNotFound(EcsError):
    code = "ClusterNotFoundException"


class Conflict(EcsError):
    """The same client token came with another request."""

    code = "ConflictException"


class ServerError(EcsError):
    code = "ServerException"
