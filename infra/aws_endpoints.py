"""Where functions in the network reach AWS, and how it is known that they do: by IPv6, or through a gateway endpoint.

A table of facts. tests/infra/test_egress.py holds it against the grants of every function in the network, against what botocore
really does with the function's environment, and against docs/network.md, where people read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """`host` with `{region}` to be filled in. `client` is botocore's name of the service; None for what we speak ourselves."""

    host: str
    way: Literal["IPv6", "gateway endpoint"]
    client: str | None
    evidence: str


# By the prefix of the service's actions in IAM.
ENDPOINTS: Mapping[str, Endpoint] = {
    "dynamodb": Endpoint(
        host="dynamodb.{region}.amazonaws.com",
        way="gateway endpoint",
        client="dynamodb",
        evidence="docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-ddb.html: free, IPv4 alone, for this name; "
        "so the name is pinned (`AWS_ENDPOINT_URL_DYNAMODB`), or botocore would go to the account's own dual-stack name",
    ),
    "s3": Endpoint(
        host="s3.dualstack.{region}.amazonaws.com",
        way="IPv6",
        client="s3",
        evidence="botocore's endpoints.json lists it for each region; by IPv4 its addresses are those of the gateway endpoint",
    ),
    "secretsmanager": Endpoint(
        host="secretsmanager.{region}.amazonaws.com",
        way="IPv6",
        client="secretsmanager",
        evidence="botocore's rule set sends dual-stack requests to this name; docs.aws.amazon.com/secretsmanager/latest/"
        "userguide/ip-access.html; botocore's endpoints.json tags it `dualstack` in each region",
    ),
    "sqs": Endpoint(
        host="sqs.{region}.api.aws",
        way="IPv6",
        client="sqs",
        evidence="docs.aws.amazon.com/general/latest/gr/sqs-service.html and botocore's endpoints.json list it for each region",
    ),
    "events": Endpoint(
        host="events.{region}.api.aws",
        way="IPv6",
        client="events",
        evidence="docs.aws.amazon.com/eventbridge/latest/userguide/dual-stack.html (but for global endpoints, which are not "
        "used here); botocore's endpoints.json lists it for each region",
    ),
    "ses": Endpoint(
        host="email.{region}.api.aws",
        way="IPv6",
        client="sesv2",
        evidence="docs.aws.amazon.com/general/latest/gr/ses.html lists it for each region that has SES",
    ),
    "execute-api": Endpoint(
        host="{api}.execute-api.{region}.amazonaws.com",
        way="IPv6",
        client=None,
        evidence="docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-ip-address-type.html: the API is made "
        "with `IpAddressType: dualstack`",
    ),
}
