"""CloudFront is what the table of paths says, row by row, and nobody reads the buckets but this distribution."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from infra.config.delivery import Delivery
from infra.config.errors import ConfigurationError
from infra.delivery_paths import PATHS, PathBehaviour
from infra.stacks.delivery import ERRORS
from infra.viewer_headers import CORS_EXPOSED, MEDIA_HEADERS, page_headers
from tests.own_names import CERTIFICATE, GLOBAL_CERTIFICATE, OWN_NAMES, PAGE, WEB_ACL
from tests.templates import ROOT, Resource, Templates


@pytest.fixture(scope="session")
def prod(of_stage: Callable[..., Templates]) -> Templates:
    return of_stage("prod")


@pytest.fixture(scope="session")
def own_name(of_stage: Callable[..., Templates]) -> Templates:
    return of_stage("prod", **OWN_NAMES)


def config(templates: Templates) -> dict[str, Any]:
    [distribution] = templates.resources("AWS::CloudFront::Distribution")
    found: dict[str, Any] = distribution.properties["DistributionConfig"]
    return found


def stack(templates: Templates) -> str:
    return templates.resources("AWS::CloudFront::Distribution")[0].stack


def behaviour(templates: Templates, row: PathBehaviour) -> dict[str, Any]:
    """In the order in which CloudFront tries them."""
    everything = [
        *config(templates)["CacheBehaviors"],
        {"PathPattern": "*", **config(templates)["DefaultCacheBehavior"]},
    ]
    assert [each["PathPattern"] for each in everything] == [each.pattern for each in PATHS]
    found: dict[str, Any]
    [found] = [each for each in everything if each["PathPattern"] == row.pattern]
    return found


def fits(pattern: str, path: str) -> bool:
    """As CloudFront matches: `?` is any one character, `*` any number of them, a slash as well."""
    expression = "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in pattern)
    return re.fullmatch(expression, path) is not None


@pytest.mark.parametrize("row", PATHS, ids=lambda row: row.name)
def test_every_row_of_the_table_of_paths_is_a_behaviour(own_name: Templates, row: PathBehaviour) -> None:
    """The other side, of one machine, is tests/integration/localrun/test_edge.py."""
    for path, _ in row.examples:
        assert next(each for each in PATHS if fits(each.pattern, path)) is row
    made = behaviour(own_name, row)
    here = stack(own_name)
    assert made["TargetOriginId"] == row.origin
    assert (made["ViewerProtocolPolicy"], made["Compress"]) == ("redirect-to-https", True)
    assert made["AllowedMethods"] == ["GET", "HEAD", "OPTIONS"]
    assert "OriginRequestPolicyId" not in made, "nothing of a request reaches the bucket but its path"
    policy = own_name.referred(here, made["CachePolicyId"]).properties["CachePolicyConfig"]
    assert (policy["MinTTL"], policy["DefaultTTL"], policy["MaxTTL"]) == (
        row.cached.least,
        row.cached.least,
        row.cached.most,
    )
    key = policy["ParametersInCacheKeyAndForwardedToOrigin"]
    assert key == {
        "CookiesConfig": {"CookieBehavior": "none"},
        "HeadersConfig": {"HeaderBehavior": "none"},
        "QueryStringsConfig": {"QueryStringBehavior": "none"},
        "EnableAcceptEncodingGzip": True,
        "EnableAcceptEncodingBrotli": True,
    }
    if row.signed:
        [group] = made["TrustedKeyGroups"]
        assert own_name.referred(here, group).type == "Custom::KeyGroup"
    else:
        assert "TrustedKeyGroups" not in made
    functions = {
        each["EventType"]: own_name.referred(here, each["FunctionARN"]).properties["FunctionConfig"]["Comment"]
        for each in made.get("FunctionAssociations", [])
    }
    wanted = {"viewer-request": "Headwater: infra/edge/pages.js"} if row.origin == "pages" else {}
    wanted |= {"viewer-request": "Headwater: infra/edge/media.js"} if row.by_state else {}
    wanted |= {"viewer-response": "Headwater: infra/edge/media.js"} if row.signed else {}
    assert functions == wanted
    headers = own_name.referred(here, made["ResponseHeadersPolicyId"]).properties["ResponseHeadersPolicyConfig"]
    if row.origin == "media":
        cors = headers["CorsConfig"]
        assert cors["AccessControlAllowOrigins"] == {"Items": ["https://watch.example.com", PAGE]}
        assert cors["AccessControlAllowCredentials"] is row.signed
        assert cors["AccessControlExposeHeaders"] == {"Items": list(CORS_EXPOSED)}
        assert said(headers) == MEDIA_HEADERS
    else:
        assert "CorsConfig" not in headers
        pages = page_headers(connects=[])
        assert said(headers).keys() == pages.keys() - {"Cache-Control"}
        for name in pages.keys() - {"Cache-Control", "Content-Security-Policy"}:
            assert said(headers)[name] == pages[name]


def said(policy: dict[str, Any]) -> dict[str, Any]:
    """The headers that a policy adds, but for CORS and that plain HTTP is over."""
    security = policy["SecurityHeadersConfig"]
    assert security["StrictTransportSecurity"]["AccessControlMaxAgeSec"] >= 31_536_000
    found = {each["Header"]: each["Value"] for each in policy["CustomHeadersConfig"]["Items"]}
    found["X-Content-Type-Options"] = "nosniff" if security["ContentTypeOptions"]["Override"] else None
    if "ContentSecurityPolicy" in security:
        found["Content-Security-Policy"] = security["ContentSecurityPolicy"]["ContentSecurityPolicy"]
        found["Referrer-Policy"] = security["ReferrerPolicy"]["ReferrerPolicy"]
    return found


def test_pages_may_call_the_api_and_nobody_else(own_name: Templates, prod: Templates) -> None:
    called = connects(own_name)
    assert called[:3] == ["'self'", "https://api.example.com", "wss://chat.example.com"]
    assert all(each.startswith("https://*.s3.") for each in called[3:])
    assert all(each.endswith(("example.com", "amazonaws.com", "'self'")) for each in connects(prod))


def connects(templates: Templates) -> list[str]:
    policies = templates.resources("AWS::CloudFront::ResponseHeadersPolicy")
    [pages] = [
        each
        for each in policies
        if "ContentSecurityPolicy" in each.properties["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    ]
    policy = said(pages.properties["ResponseHeadersPolicyConfig"])["Content-Security-Policy"]
    text = "".join(
        each if isinstance(each, str) else {"AWS::Region": "eu-west-1", "AWS::URLSuffix": "amazonaws.com"}[each["Ref"]]
        for each in policy["Fn::Join"][1]
    )
    [found] = [each for each in text.split("; ") if each.startswith("connect-src ")]
    return found.split()[1:]


def test_no_error_is_kept(prod: Templates) -> None:
    kept = {each["ErrorCode"]: each["ErrorCachingMinTTL"] for each in config(prod)["CustomErrorResponses"]}
    assert kept == dict.fromkeys(ERRORS, 0)


def policies_of(templates: Templates, bucket: Resource) -> list[dict[str, Any]]:
    return [
        each.properties["PolicyDocument"]
        for each in templates.resources("AWS::S3::BucketPolicy")
        if templates.referred(each.stack, each.properties["Bucket"]) == bucket
    ]


def test_only_this_distribution_reads_the_buckets_and_only_by_tls(prod: Templates) -> None:
    origins = {each["Id"]: each for each in config(prod)["Origins"]}
    assert origins.keys() == {"media", "pages"}
    for origin in origins.values():
        assert prod.referred(stack(prod), origin["OriginAccessControlId"]).properties["OriginAccessControlConfig"][
            "SigningBehavior"
        ] == ("always")
        bucket = prod.referred(stack(prod), origin["DomainName"])
        assert set(bucket.properties["PublicAccessBlockConfiguration"].values()) == {True}
        [policy] = policies_of(prod, bucket)
        denied = [each for each in policy["Statement"] if each["Effect"] == "Deny"]
        assert [each["Condition"] for each in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]
        allowed = [each for each in policy["Statement"] if each["Effect"] == "Allow"]
        assert sorted(each["Action"] for each in allowed) == ["s3:GetObject", "s3:ListBucket"]
        for each in allowed:
            assert each["Principal"] == {"Service": "cloudfront.amazonaws.com"}
            source = each["Condition"]["StringEquals"]["AWS:SourceArn"]["Fn::Join"][1]
            assert source[-2:] == [":distribution/", source[-1]]
            assert prod.referred(stack(prod), source[-1]).type == "AWS::CloudFront::Distribution"


def test_every_bucket_has_a_policy_that_wants_tls(prod: Templates) -> None:
    for bucket in prod.resources("AWS::S3::Bucket"):
        [policy] = policies_of(prod, bucket)
        assert {"Bool": {"aws:SecureTransport": "false"}} in [each.get("Condition") for each in policy["Statement"]], (
            bucket
        )


def test_the_access_log_is_written_without_cookies_and_goes_after_a_while(prod: Templates, own_name: Templates) -> None:
    log = config(prod)["Logging"]
    assert log["IncludeCookies"] is False
    bucket = prod.referred(stack(prod), log["Bucket"])
    assert [each["ExpirationInDays"] for each in bucket.properties["LifecycleConfiguration"]["Rules"]] == [30]
    # The one who writes puts an access control list there; nobody else does, and no public one counts.
    assert bucket.properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    assert "Logging" not in config(own_name)


def test_a_name_of_ones_own_has_its_certificate_and_reaches_all_who_answer_to_pages(own_name: Templates) -> None:
    made = config(own_name)
    assert made["Aliases"] == ["watch.example.com"]
    assert made["ViewerCertificate"] == {
        "AcmCertificateArn": GLOBAL_CERTIFICATE,
        "MinimumProtocolVersion": "TLSv1.2_2021",
        "SslSupportMethod": "sni-only",
    }
    assert made["WebACLId"] == WEB_ACL
    assert made["PriceClass"] == "PriceClass_All"
    for function in ("api", "account_mail"):
        assert (
            own_name.function(function).properties["Environment"]["Variables"]["WEB_URL"] == "https://watch.example.com"
        )
    assert own_name.function("ws_chat").properties["Environment"]["Variables"]["CORS_ORIGINS"].split(",") == [
        "https://watch.example.com",
        PAGE,
    ]
    [code] = [
        each.properties["FunctionCode"]
        for each in own_name.resources("AWS::CloudFront::Function")
        if "KeyValueStoreAssociations" in each.properties["FunctionConfig"]
    ]
    assert f"const ORIGINS = {json.dumps(['https://watch.example.com', PAGE])};" in code


def test_without_one_the_distributions_own_name_is_told_to_the_api_and_chat_and_pages(prod: Templates) -> None:
    api = prod.function("api")
    scheme, host = api.properties["Environment"]["Variables"]["CDN_URL"]["Fn::Join"][1]
    assert scheme == "https://"
    assert prod.referred(api.stack, host).type == "AWS::CloudFront::Distribution"
    [published] = prod.resources("Custom::Pages")
    assert published.stack == api.stack, "as soon as the API is there, and not before"
    assert prod.referred(published.stack, published.properties["ServiceToken"]) == prod.function("page_publisher")
    addresses = json.dumps(published.properties["Addresses"])
    assert all(f'\\"{name}\\"' in addresses or f'{name}\\\\"' in addresses for name in ("api", "ws", "cdn"))


def test_the_edges_run_the_files_that_were_tested(prod: Templates) -> None:
    functions = {
        each.properties["FunctionConfig"]["Comment"]: each for each in prod.resources("AWS::CloudFront::Function")
    }
    for file in ("media.js", "pages.js"):
        made = functions[f"Headwater: infra/edge/{file}"].properties
        assert made["FunctionCode"] == (ROOT / "infra" / "edge" / file).read_text()
        assert (made["FunctionConfig"]["Runtime"], made["AutoPublish"]) == ("cloudfront-js-2.0", True)
        assert len(made["FunctionCode"]) < 10_240
    [association] = functions["Headwater: infra/edge/media.js"].properties["FunctionConfig"][
        "KeyValueStoreAssociations"
    ]
    store = prod.referred(stack(prod), association["KeyValueStoreARN"])
    told = prod.function("edge_access")
    assert prod.referred(told.stack, told.properties["Environment"]["Variables"]["EDGE_STORE_ARN"]) == store


def test_the_edges_hear_whatever_is_said_of_streams(prod: Templates) -> None:
    told = prod.function("edge_access")
    [rule] = [each for each in prod.resources("AWS::Events::Rule") if each.stack == told.stack]
    assert rule.properties["EventPattern"] == {"source": ["headwater.streams"]}
    [mapping] = [each for each in prod.resources("AWS::Lambda::EventSourceMapping") if each.stack == told.stack]
    assert mapping.properties["EventSourceArn"] == rule.properties["Targets"][0]["Arn"]
    queue = prod.referred(mapping.stack, mapping.properties["EventSourceArn"]).properties
    assert queue["VisibilityTimeout"] * queue["RedrivePolicy"]["maxReceiveCount"] >= 12 * 3600


def test_a_new_store_is_filled_before_viewers_come(prod: Templates) -> None:
    [filled] = prod.resources("Custom::FilledStore")
    assert prod.referred(filled.stack, filled.properties["ServiceToken"]) == prod.function("edge_access")
    assert prod.referred(filled.stack, filled.properties["Store"]).type == "AWS::CloudFront::KeyValueStore"
    [distribution] = prod.resources("AWS::CloudFront::Distribution")
    assert filled.logical_id in distribution.attributes["DependsOn"]


def test_keys_are_followed_by_the_next_without_a_deployment(prod: Templates) -> None:
    maker = prod.function("playback_keys")
    [group] = prod.resources("Custom::KeyGroup")
    assert prod.referred(group.stack, group.properties["ServiceToken"]) == maker
    [rotation] = [
        each
        for each in prod.resources("AWS::Scheduler::Schedule")
        if prod.referred(each.stack, each.properties["Target"]["Arn"]) == maker
    ]
    assert json.loads(rotation.properties["Target"]["Input"]) == {"action": "rotate"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"domain": "watch.example.com"}, "delivery.certificate_arn is missing"),
        ({"certificate_arn": GLOBAL_CERTIFICATE}, "delivery.domain is missing"),
        (
            {"domain": "https://watch.example.com", "certificate_arn": GLOBAL_CERTIFICATE},
            "delivery.domain must be a host's name",
        ),
        (
            {"domain": "a.b", "certificate_arn": CERTIFICATE},
            "certificate in us-east-1",
        ),
        (
            {"web_acl_arn": WEB_ACL.replace("global", "regional")},
            "delivery.web_acl_arn must be of a web ACL for CloudFront",
        ),
        ({"access_log_days": -1}, "delivery.access_log_days must be from 0"),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Delivery(**given)
