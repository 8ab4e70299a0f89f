"""Stage 6 · what CloudFront keeps and for how long, and the headers of its answers; from the same sources as the edge nginx."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Aws
from aws_cdk import aws_cloudfront as cloudfront
from constructs import Construct

from infra.config.stage import Stage
from infra.constructs.edge_functions import edge_name
from infra.delivery_paths import CacheTimes
from infra.viewer_headers import (
    CORS_EXPOSED,
    CORS_METHODS,
    CORS_REQUEST_HEADERS,
    CORS_SECONDS,
    MEDIA_HEADERS,
    page_headers,
)

_Policy = cloudfront.CfnResponseHeadersPolicy
# Of S3, and of nobody's business.
_KEPT_BACK = ("x-amz-meta-broadcast-id", "x-amz-server-side-encryption")
_HSTS_SECONDS = 31_536_000


def cache_policy(scope: Construct, construct_id: str, *, stage: Stage, times: CacheTimes) -> cloudfront.CfnCachePolicy:
    """Nothing but the path is in the key, and nothing else reaches the bucket; `Accept-Encoding` is, as one of three values,
    for CloudFront keeps compressed copies."""
    none = cloudfront.CfnCachePolicy.CookiesConfigProperty(cookie_behavior="none")
    return cloudfront.CfnCachePolicy(
        scope,
        construct_id,
        cache_policy_config=cloudfront.CfnCachePolicy.CachePolicyConfigProperty(
            name=edge_name(stage, construct_id.lower()),
            min_ttl=times.least,
            default_ttl=times.least,
            max_ttl=times.most,
            parameters_in_cache_key_and_forwarded_to_origin=(
                cloudfront.CfnCachePolicy.ParametersInCacheKeyAndForwardedToOriginProperty(
                    cookies_config=none,
                    headers_config=cloudfront.CfnCachePolicy.HeadersConfigProperty(header_behavior="none"),
                    query_strings_config=cloudfront.CfnCachePolicy.QueryStringsConfigProperty(
                        query_string_behavior="none"
                    ),
                    enable_accept_encoding_gzip=True,
                    enable_accept_encoding_brotli=True,
                )
            ),
        ),
    )


def media_headers_policy(
    scope: Construct, construct_id: str, *, stage: Stage, origins: Sequence[str], credentials: bool
) -> cloudfront.CfnResponseHeadersPolicy:
    """`origins` are exactly the pages on other hosts that may read media; pages of this host need no leave.
    `credentials`: they may send their signed cookies."""
    cors = _Policy.CorsConfigProperty(
        access_control_allow_origins=_Policy.AccessControlAllowOriginsProperty(items=list(origins)),
        access_control_allow_methods=_Policy.AccessControlAllowMethodsProperty(items=list(CORS_METHODS)),
        access_control_allow_headers=_Policy.AccessControlAllowHeadersProperty(items=list(CORS_REQUEST_HEADERS)),
        access_control_expose_headers=_Policy.AccessControlExposeHeadersProperty(items=list(CORS_EXPOSED)),
        access_control_allow_credentials=credentials,
        access_control_max_age_sec=CORS_SECONDS,
        origin_override=True,
    )
    return _headers_policy(scope, construct_id, stage, MEDIA_HEADERS, cors=cors if origins else None)


def page_headers_policy(scope: Construct, construct_id: str, *, stage: Stage) -> cloudfront.CfnResponseHeadersPolicy:
    headers = page_headers(connects=_called(stage))
    del headers["Cache-Control"]  # the files have it, and an error has another
    return _headers_policy(scope, construct_id, stage, headers)


def _called(stage: Stage) -> list[str]:
    """What pages call. The API and chat are made after the pages' address is known, for they answer to it alone; so where
    they have no names of their own, all those of API Gateway in the region are named. Uploads go to a bucket as S3 names it,
    over IPv4 or over both."""
    gateway = f"*.execute-api.{Aws.REGION}.{Aws.URL_SUFFIX}"
    api, chat = f"https://{gateway}", f"wss://{gateway}"
    if stage.urls is not None:
        api, chat = stage.urls.api, stage.urls.ws
    if stage.api.domain is not None:
        api = f"https://{stage.api.domain.name}"
    if stage.api.chat_domain is not None:
        chat = f"wss://{stage.api.chat_domain.name}"
    buckets = [f"https://*.{each}.{Aws.URL_SUFFIX}" for each in (f"s3.{Aws.REGION}", f"s3.dualstack.{Aws.REGION}")]
    return [api, chat, *buckets]


def _headers_policy(
    scope: Construct,
    construct_id: str,
    stage: Stage,
    headers: Mapping[str, str],
    *,
    cors: cloudfront.CfnResponseHeadersPolicy.CorsConfigProperty | None = None,
) -> cloudfront.CfnResponseHeadersPolicy:
    others = dict(headers)
    if others.pop("X-Content-Type-Options") != "nosniff":
        raise AssertionError("CloudFront knows no other value of X-Content-Type-Options")
    policy, referrer = others.pop("Content-Security-Policy", None), others.pop("Referrer-Policy", None)
    return _Policy(
        scope,
        construct_id,
        response_headers_policy_config=_Policy.ResponseHeadersPolicyConfigProperty(
            name=edge_name(stage, construct_id.lower()),
            cors_config=cors,
            security_headers_config=_Policy.SecurityHeadersConfigProperty(
                content_type_options=_Policy.ContentTypeOptionsProperty(override=True),
                content_security_policy=None
                if policy is None
                else _Policy.ContentSecurityPolicyProperty(content_security_policy=policy, override=True),
                referrer_policy=None
                if referrer is None
                else _Policy.ReferrerPolicyProperty(referrer_policy=referrer, override=True),
                strict_transport_security=_Policy.StrictTransportSecurityProperty(
                    access_control_max_age_sec=_HSTS_SECONDS, override=True
                ),
            ),
            custom_headers_config=_Policy.CustomHeadersConfigProperty(
                items=[
                    _Policy.CustomHeaderProperty(header=name, value=value, override=True)
                    for name, value in others.items()
                ]
            ),
            remove_headers_config=_Policy.RemoveHeadersConfigProperty(
                items=[_Policy.RemoveHeaderProperty(header=name) for name in _KEPT_BACK]
            ),
        ),
    )
