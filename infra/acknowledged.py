"""Where a rule of other people's does not hold for resources of ours, and why. Read by infra/review.py.

Resources are named by their construct's path without `headwater-<stage>-`; a `*` stands for what lies between. What is
acknowledged and found nowhere is an error, too, so that nothing stays here that has been mended.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

_OWN_KEY = (
    "Encrypted with the key of the service itself. A key of our own is $1 a month each and a call of KMS for every "
    "use, and keeps out nobody whom IAM lets in: who may read here may use the key, too."
)
_INSIGHTS = (
    "Container Insights is $0.30 a month for each of its metrics and task; workers and nodes write what we look at themselves "
    "(infra/stacks/monitoring.py)."
)
_FIREWALL = "A setting, `delivery.web_acl_arn`: $0.60 a million requests, segments included, is for whoever needs it."
_OLD_TLS = (
    "CloudFront's own name comes with its own certificate, and that with its own policy. With `delivery.domain`, TLS 1.2 and "
    "later alone."
)
_BALANCER_LOG = (
    "It would name connections by address, and those of RTMPS alone. Who published what, and when, is in the nodes' log and "
    "the hooks'."
)
_FUNCTIONS = ("*/Function/Resource",)


@dataclass(frozen=True)
class Acknowledgement:
    """`rule` as its tool names it: `W3005` (cfn-lint), `CKV_AWS_117` (checkov), `AwsSolutions-IAM5` (cdk-nag); of cdk-nag's
    rules that find several things in one resource, `found` says which (a pattern)."""

    rule: str
    resources: tuple[str, ...]
    reason: str
    found: str = "*"

    def covers(self, rule: str, path: str, said: str) -> bool:
        return (
            rule == self.rule
            and fnmatchcase(said, self.found)
            and any(fnmatchcase(path, each) for each in self.resources)
        )


ACKNOWLEDGEMENTS = (
    Acknowledgement(
        "CKV_AWS_117",
        _FUNCTIONS,
        "Only functions that use the database or the cache are in the VPC (docs/network.md). The others would gain a slower "
        "start, and lose their way to AWS whenever the network's is broken.",
    ),
    Acknowledgement(
        "CKV_AWS_116",
        _FUNCTIONS,
        "It wants a DLQ on the function. Ours are called by a gateway, which waits for the answer, or by a queue, which has "
        "dead letters of its own; what a schedule starts has its queue `Missed` (tests/infra/test_functions.py).",
    ),
    Acknowledgement(
        "CKV_AWS_115",
        _FUNCTIONS,
        "Concurrency is reserved where it protects a store, which takes it from everybody else: not on every function.",
    ),
    Acknowledgement("CKV_AWS_173", _FUNCTIONS, f"Names and addresses, no secrets. {_OWN_KEY}"),
    Acknowledgement(
        "AwsSolutions-L1",
        _FUNCTIONS,
        "Python 3.13 is what the bundles are compiled for and the tests run on; Lambda supports it until 2029.",
    ),
    Acknowledgement(
        "CKV_AWS_158", ("*/Log/Resource", "*Log*/Resource"), f"Secrets are redacted before they are written. {_OWN_KEY}"
    ),
    Acknowledgement(
        "CKV_AWS_27", ("*/Queue/Resource", "*/DeadLetters/Resource", "*/Missed/Resource"), f"SSE-SQS is on. {_OWN_KEY}"
    ),
    Acknowledgement("CKV_AWS_119", ("data/*",), _OWN_KEY),
    Acknowledgement("CKV_AWS_149", ("data/*",), _OWN_KEY),
    Acknowledgement(
        "AwsSolutions-SMG4",
        ("data/TokenKeys/Resource", "data/PlaybackKeys/Resource", "data/HookSecret/Resource"),
        "Rotated by functions/signing_keys, functions/playback_keys and functions/hook_secret, on schedules of ours: the "
        "next one is known before it signs, and the old one stays valid for as long as what it signed, or whoever has it.",
    ),
    Acknowledgement(
        "AwsSolutions-SMG4",
        ("data/StreamKeySecret/Resource",),
        "Every stream key is derived from it: changing it throws every encoder out, which is worth it after a leak (0034).",
    ),
    Acknowledgement(
        "AwsSolutions-SQS3",
        ("*/Missed/Resource",),
        "It is where what a schedule could not start is kept: a DLQ itself.",
    ),
    Acknowledgement(
        "CKV_AWS_21",
        ("*/Resource",),
        "Versions would keep for ever what people have deleted, and double what segments and playlists cost: objects are "
        "written once under a name that says what they are.",
    ),
    Acknowledgement(
        "CKV_AWS_18",
        ("*/Resource",),
        "Nobody but our functions and CloudFront reaches the bucket; what viewers fetch is in CloudFront's own log.",
    ),
    Acknowledgement(
        "AwsSolutions-S1",
        ("*/Resource",),
        "Nobody but our functions and CloudFront reaches the bucket; what viewers fetch is in CloudFront's own log.",
    ),
    Acknowledgement(
        "AwsSolutions-APIG4",
        ("api/Http/*", "chat/Sockets/*", "ingest/*"),
        "Who calls is decided by the function: most of the API is open to everybody, sockets open with a ticket, hooks are "
        "signed. An authoriser would be a second call and a second place for the same rules.",
    ),
    Acknowledgement("CKV_AWS_65", ("transcode/Cluster", "ingest/Nodes/Cluster"), _INSIGHTS),
    Acknowledgement("AwsSolutions-ECS4", ("transcode/Cluster", "ingest/Nodes/Cluster"), _INSIGHTS),
    Acknowledgement(
        "AwsSolutions-ECS2",
        ("*/Task/Resource",),
        "The environment holds names of tables and buckets; secrets come from Secrets Manager.",
    ),
    Acknowledgement(
        "AwsSolutions-IAM4",
        ("*/LogWriter/Resource",),
        "AWS's own policy for API Gateway's log role, of which a region has one: it writes logs and nothing else.",
    ),
    Acknowledgement(
        "AwsSolutions-S10",
        ("data/Media/Resource",),
        "Its policy refuses plain HTTP and lies in the delivery stack, where cdk-nag does not look (tests/infra).",
    ),
    Acknowledgement(
        "AwsSolutions-CFR1",
        ("delivery/Distribution",),
        "Who may watch is decided by stream, not by country.",
    ),
    Acknowledgement("AwsSolutions-CFR2", ("delivery/Distribution",), _FIREWALL),
    Acknowledgement("CKV_AWS_68", ("delivery/Distribution",), _FIREWALL),
    Acknowledgement("AwsSolutions-CFR4", ("delivery/Distribution",), _OLD_TLS),
    Acknowledgement("CKV_AWS_174", ("delivery/Distribution",), _OLD_TLS),
    Acknowledgement(
        "AwsSolutions-EC23",
        ("ingest/Nodes/Front/Resource", "ingest/Nodes/Nodes/Resource"),
        "Encoders come from anywhere: RTMP's port and RTMPS's are open to everybody, and every publish is asked for its key.",
    ),
    Acknowledgement("AwsSolutions-ELB2", ("ingest/Nodes/Balancer/Resource",), _BALANCER_LOG),
    Acknowledgement("CKV_AWS_91", ("ingest/Nodes/Balancer/Resource",), _BALANCER_LOG),
    Acknowledgement(
        "CKV_AWS_26",
        ("monitoring/Alarms/Resource",),
        "Names of alarms, which are no secret; with a key, CloudWatch needs a policy on it, and is silent without.",
    ),
    Acknowledgement(
        "AwsSolutions-IAM5",
        ("data/PlaybackKeysMaker/Role/DefaultPolicy/Resource",),
        "To IAM, CloudFront's public keys and key groups are no resources that could be named.",
        found="Resource::[*]",
    ),
    Acknowledgement(
        "AwsSolutions-IAM5",
        ("*/Task/ExecutionRole/DefaultPolicy/Resource",),
        "ecr:GetAuthorizationToken knows no resource.",
        found="Resource::[*]",
    ),
    Acknowledgement(
        "AwsSolutions-IAM5",
        ("*/Function/Interfaces/Resource",),
        "Lambda places the function in the network in its name: interfaces have no name before they are made (AWS, "
        "AWSLambdaVPCAccessExecutionRole). A refusal beside it keeps it from the function (infra/constructs/placement.py).",
        found="Resource::[*]",
    ),
    Acknowledgement(
        "CKV_AWS_111",
        ("*/Function/Interfaces/Resource",),
        "The same policy: interfaces have no name before they are made.",
    ),
    Acknowledgement(
        "AwsSolutions-RDS6",
        ("data/Database/Aurora/Resource",),
        "Functions sign in with a password that RDS keeps and rotates, over TLS. IAM's tokens end after 15 minutes and are "
        "limited to 200 new connections a second, which is what a crowd needs.",
    ),
    Acknowledgement(
        "AwsSolutions-RDS10",
        ("data/Database/Aurora/Resource",),
        "In the stage `dev`, where data goes with the stacks. Where it is kept (`keep_data`) it is protected (tests/infra).",
    ),
    Acknowledgement(
        "CKV_AWS_162",
        ("data/Database/Aurora/Resource",),
        "Functions sign in with a password that RDS keeps and rotates, over TLS. IAM's tokens end after 15 minutes and are "
        "limited to 200 new connections a second, which is what a crowd needs.",
    ),
    Acknowledgement(
        "CKV_AWS_118",
        ("data/Database/Aurora/*/Resource",),
        "Processes of the operating system tell nothing of a serverless instance that its ACUs and connections do not, and "
        "are paid for as logs.",
    ),
    Acknowledgement(
        "AwsSolutions-VPC7",
        ("network/Vpc/Resource",),
        "Nothing but our functions, tasks and stores is in it, each behind a security group of its own, and a log of every "
        "flow is paid for by the gigabyte: for whoever has to have one.",
    ),
    Acknowledgement(
        "AwsSolutions-IAM5",
        ("*/DefaultPolicy/Resource",),
        "What lies below a prefix, an index, the revisions of a family: named when it is made, not when it is deployed. A "
        "wildcard in an action and a bare `*` are refused by tests/infra/test_access.py, but for what it lists with reasons.",
        found="Resource::?*[/:]*",
    ),
    Acknowledgement(
        "AwsSolutions-IAM5",
        (
            "transcode/Dispatch/Role/DefaultPolicy/Resource",
            "transcode/Sweep/Role/DefaultPolicy/Resource",
            "ingest/Nodes/Starter/Role/DefaultPolicy/Resource",
        ),
        "ecs:ListTasks knows no resource but a container instance, which Fargate lacks; a condition names the cluster.",
        found="Resource::[*]",
    ),
)
