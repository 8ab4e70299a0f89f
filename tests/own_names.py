"""The settings of a deployment under names of its own, and with somebody who gets its alarms; one synthesis for all who ask."""

from __future__ import annotations

GLOBAL_CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
CERTIFICATE = GLOBAL_CERTIFICATE.replace("us-east-1", "eu-west-1")
WEB_ACL = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/mine/11111111"
PAGE = "https://pages.example.com"
MAIL = "ops@example.com"

OWN_NAMES: dict[str, object] = {
    "delivery": {
        "domain": "watch.example.com",
        "certificate_arn": GLOBAL_CERTIFICATE,
        "web_acl_arn": WEB_ACL,
        "access_log_days": 0,
        "reach": "all",
    },
    "api": {
        "more_origins": [PAGE],
        "domain": {"name": "api.example.com", "certificate_arn": CERTIFICATE},
        "chat_domain": {"name": "chat.example.com", "certificate_arn": CERTIFICATE},
    },
    "ingest": {"domain": "ingest.example.com", "certificate_arn": CERTIFICATE},
    "monitoring": {"mail": MAIL},
}
