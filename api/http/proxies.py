"""Signs that a request came through a proxy, or from the page of another site."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers

from api.http.addresses import is_loopback

# Header names by their beginning: what proxies, load balancers and content networks add to a request.
PROXY_PREFIXES = (
    "forwarded",
    "via",
    "x-forwarded",
    "x-real-",
    "x-original-",
    "x-client-",
    "x-cluster-client-",
    "x-proxy",
    "x-envoy-",
    "x-amzn-",
    "x-azure-",
    "x-appengine-",
    "x-arr-",
    "x-varnish",
    "x-coming-from",
    "x-remote-",
    "x-host",
    "x-via",
    "cf-",
    "cdn-loop",
    "fastly-",
    "fly-",
    "akamai-",
    "true-client-",
    "client-ip",
    "proxy-",
    "wl-proxy-",
    "remote-addr",
    "tailscale-",
    "ngrok-",
)


def came_through_a_proxy(headers: Headers, http_version: str) -> bool:
    """True when a header, or HTTP/1.0, shows a proxy.

    HTTP/1.0 is how nginx asks unless it is told otherwise, with no other sign; browsers and the clients of
    this service do not speak it.
    """
    return http_version == "1.0" or any(name.startswith(PROXY_PREFIXES) for name in headers)


def comes_from_another_site(headers: Headers) -> bool:
    """True when Origin, Referer or Sec-Fetch-Site name a site that is not on this machine."""
    if headers.get("sec-fetch-site", "none").strip().lower() == "cross-site":
        return True
    return any(name in headers and not is_loopback(host_of(headers[name])) for name in ("origin", "referer"))


def host_of(url: str) -> str | None:
    """The host of a URL; ``None`` for `null` and for what is no URL."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
