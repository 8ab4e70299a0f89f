"""CloudFront, before media and pages: one distribution. Prices are those of North America and Europe, USD.

Without anything set it costs nothing while nobody watches. A month's first terabyte and ten million requests are free; then
$0.085 per GB (less from 10 TB on) and $1.00 per million requests, of which those for media also cost $0.10 per million calls of
the function at the edge and $0.03 per million reads of its store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from infra.config.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """`domain` is a name of one's own (`watch.example.com`), $0: it needs `certificate_arn`, a certificate of ACM that lies in
    us-east-1 wherever the deployment is, and a CNAME to the distribution. Without one, CloudFront gives a name.

    `web_acl_arn` is a web ACL of WAF, of scope CLOUDFRONT and so of us-east-1, too: $5 a month, $1 for each rule, and $0.60
    per million requests, segments included. `reach`: from where viewers are served; "200" and "all" have places on more
    continents, at their prices ($0.110 to $0.120 per GB). `access_log_days`: how long lines of the access log are kept, which
    say who had how many bytes of what (and from which address); 0 writes none. Writing is free, a million lines are about
    60 MB of S3, $0.0014 a month.
    """

    domain: str | None = None
    certificate_arn: str | None = None
    web_acl_arn: str | None = None
    reach: Literal["100", "200", "all"] = "100"
    access_log_days: int = 30

    def __post_init__(self) -> None:
        if (self.domain is None) != (self.certificate_arn is None):
            missing = "certificate_arn" if self.certificate_arn is None else "domain"
            raise ConfigurationError(f"delivery.{missing} is missing: a domain and its certificate go together")
        if self.domain is not None and ("/" in self.domain or ":" in self.domain or "." not in self.domain):
            raise ConfigurationError(
                f"delivery.domain must be a host's name such as watch.example.com, not {self.domain!r}"
            )
        if self.certificate_arn is not None and not self.certificate_arn.startswith("arn:aws:acm:us-east-1:"):
            raise ConfigurationError(
                "delivery.certificate_arn must be of a certificate in us-east-1 (arn:aws:acm:us-east-1:…), where CloudFront "
                f"looks for it, not {self.certificate_arn!r}"
            )
        acl = self.web_acl_arn
        if acl is not None and not (acl.startswith("arn:aws:wafv2:us-east-1:") and ":global/webacl/" in acl):
            raise ConfigurationError(
                "delivery.web_acl_arn must be of a web ACL for CloudFront (arn:aws:wafv2:us-east-1:…:global/webacl/…), "
                f"not {acl!r}"
            )
        if not 0 <= self.access_log_days <= 3650:
            raise ConfigurationError("delivery.access_log_days must be from 0 (no access log) to 3650")
