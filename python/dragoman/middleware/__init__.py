"""Middleware for any WSGI application under any WSGI server; each part is loaded when it is asked for."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman.middleware.access_log import AccessLog
    from dragoman.middleware.auth.api_key import ApiKeyAuth
    from dragoman.middleware.auth.basic import BasicAuth
    from dragoman.middleware.auth.bearer import BearerAuth
    from dragoman.middleware.body_limit import BodyLimit
    from dragoman.middleware.cache import Cache
    from dragoman.middleware.compress import Compress
    from dragoman.middleware.conditional import Conditional
    from dragoman.middleware.cors import Cors
    from dragoman.middleware.csrf import Csrf
    from dragoman.middleware.deadline import Deadline
    from dragoman.middleware.decompress import Decompress
    from dragoman.middleware.error_pages import ErrorPages
    from dragoman.middleware.force_https import ForceHTTPS
    from dragoman.middleware.health import Health
    from dragoman.middleware.host_router import HostRouter
    from dragoman.middleware.layer import Layer
    from dragoman.middleware.maintenance import Maintenance
    from dragoman.middleware.method_override import MethodOverride
    from dragoman.middleware.metrics import Metrics
    from dragoman.middleware.mount import Mount
    from dragoman.middleware.proxy_headers import ProxyHeaders
    from dragoman.middleware.rate_limit import RateLimit
    from dragoman.middleware.redirects import Redirects
    from dragoman.middleware.request_id import RequestId
    from dragoman.middleware.security_headers import SecurityHeaders
    from dragoman.middleware.server_timing import ServerTiming, timed
    from dragoman.middleware.sessions import Sessions
    from dragoman.middleware.stacking import OrderError, stack
    from dragoman.middleware.static import Static
    from dragoman.middleware.tracing import Tracing
    from dragoman.middleware.trusted_hosts import TrustedHosts
else:
    # What a part stands on (Redis, argon2, …) need not be installed for the others.
    MODULE_OF = {
        "AccessLog": "access_log",
        "ApiKeyAuth": "auth.api_key",
        "BasicAuth": "auth.basic",
        "BearerAuth": "auth.bearer",
        "BodyLimit": "body_limit",
        "Cache": "cache",
        "Compress": "compress",
        "Conditional": "conditional",
        "Cors": "cors",
        "Csrf": "csrf",
        "Deadline": "deadline",
        "Decompress": "decompress",
        "ErrorPages": "error_pages",
        "ForceHTTPS": "force_https",
        "Health": "health",
        "HostRouter": "host_router",
        "Layer": "layer",
        "Maintenance": "maintenance",
        "MethodOverride": "method_override",
        "Metrics": "metrics",
        "Mount": "mount",
        "OrderError": "stacking",
        "ProxyHeaders": "proxy_headers",
        "RateLimit": "rate_limit",
        "Redirects": "redirects",
        "RequestId": "request_id",
        "SecurityHeaders": "security_headers",
        "ServerTiming": "server_timing",
        "Sessions": "sessions",
        "Static": "static",
        "Tracing": "tracing",
        "TrustedHosts": "trusted_hosts",
        "stack": "stacking",
        "timed": "server_timing",
    }

    def __getattr__(name: str) -> object:
        if name in MODULE_OF:
            return getattr(importlib.import_module(f"{__name__}.{MODULE_OF[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "AccessLog",
    "ApiKeyAuth",
    "BasicAuth",
    "BearerAuth",
    "BodyLimit",
    "Cache",
    "Compress",
    "Conditional",
    "Cors",
    "Csrf",
    "Deadline",
    "Decompress",
    "ErrorPages",
    "ForceHTTPS",
    "Health",
    "HostRouter",
    "Layer",
    "Maintenance",
    "MethodOverride",
    "Metrics",
    "Mount",
    "OrderError",
    "ProxyHeaders",
    "RateLimit",
    "Redirects",
    "RequestId",
    "SecurityHeaders",
    "ServerTiming",
    "Sessions",
    "Static",
    "Tracing",
    "TrustedHosts",
    "stack",
    "timed",
]
