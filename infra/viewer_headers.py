"""Stage 6 · the headers that every answer has for browsers' sake: the same from CloudFront and from the edge nginx.

Only what is said to everybody is here. What depends on who asks (`Access-Control-Allow-Origin`) is decided by either of them,
from the same list of origins.
"""

from __future__ import annotations

from collections.abc import Sequence

CORS_METHODS = ("GET", "HEAD", "OPTIONS")
CORS_REQUEST_HEADERS = ("Range",)
CORS_EXPOSED = ("Content-Length", "Content-Range", "Date", "ETag")  # players set their clocks by `Date`
CORS_SECONDS = 3600

MEDIA_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def page_headers(*, connects: Sequence[str], media: Sequence[str] = ()) -> dict[str, str]:
    """Of every page, script and style. `connects` are the origins that pages call, beside their own; `media`, those that they
    play and show pictures from. There is no build step that would give files names of their own: so, always revalidated."""
    played, called = (" ".join(["'self'", *hosts]) for hosts in (media, connects))
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        f"img-src {played} blob: data:",
        f"media-src {played} blob:",
        f"connect-src {called}",
        "worker-src 'self' blob:",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
    return {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
