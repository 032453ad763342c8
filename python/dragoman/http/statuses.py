"""Status codes: their reason phrases, and which of them come without a body (RFC 9110 §15)."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["REASONS", "is_bodiless", "is_cacheable_by_default", "reason_phrase", "status_line"]

REASONS: Mapping[int, str] = MappingProxyType(
    {
        100: "Continue",
        101: "Switching Protocols",
        102: "Processing",
        103: "Early Hints",
        200: "OK",
        201: "Created",
        202: "Accepted",
        203: "Non-Authoritative Information",
        204: "No Content",
        205: "Reset Content",
        206: "Partial Content",
        207: "Multi-Status",
        208: "Already Reported",
        226: "IM Used",
        300: "Multiple Choices",
        301: "Moved Permanently",
        302: "Found",
        303: "See Other",
        304: "Not Modified",
        305: "Use Proxy",
        307: "Temporary Redirect",
        308: "Permanent Redirect",
        400: "Bad Request",
        401: "Unauthorized",
        402: "Payment Required",
        403: "Forbidden",
        404: "Not Found",
        405: "Method Not Allowed",
        406: "Not Acceptable",
        407: "Proxy Authentication Required",
        408: "Request Timeout",
        409: "Conflict",
        410: "Gone",
        411: "Length Required",
        412: "Precondition Failed",
        413: "Content Too Large",
        414: "URI Too Long",
        415: "Unsupported Media Type",
        416: "Range Not Satisfiable",
        417: "Expectation Failed",
        421: "Misdirected Request",
        422: "Unprocessable Content",
        423: "Locked",
        424: "Failed Dependency",
        425: "Too Early",
        426: "Upgrade Required",
        428: "Precondition Required",
        429: "Too Many Requests",
        431: "Request Header Fields Too Large",
        451: "Unavailable For Legal Reasons",
        500: "Internal Server Error",
        501: "Not Implemented",
        502: "Bad Gateway",
        503: "Service Unavailable",
        504: "Gateway Timeout",
        505: "HTTP Version Not Supported",
        506: "Variant Also Negotiates",
        507: "Insufficient Storage",
        508: "Loop Detected",
        510: "Not Extended",
        511: "Network Authentication Required",
    }
)
"""The reason phrases of IANA's registry of status codes, those that the engine has."""

# RFC 9110 §15: for a code that is not known, that of its class.
CLASSES = {1: "Informational", 2: "Success", 3: "Redirection", 4: "Client Error", 5: "Server Error"}
# RFC 9110 §15.1
CACHEABLE_BY_DEFAULT = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501})


def reason_phrase(status: int) -> str:
    """What a status code means, in the words of its RFC; for one that is not registered the name of its class.

    Source: RFC 9110 §15; IANA, HTTP Status Code Registry.

    >>> reason_phrase(404), reason_phrase(499)
    ('Not Found', 'Client Error')
    """
    return REASONS.get(status) or CLASSES.get(status // 100, "Unknown")


def status_line(status: int) -> str:
    """The status as `start_response` takes it.

    status   100 to 999
    Raises ValueError for another number.
    Source: PEP 3333, "The start_response() Callable"; RFC 9110 §15.

    >>> status_line(404)
    '404 Not Found'
    """
    if not 100 <= status <= 999:
        raise ValueError(f"status {status!r}: want a number from 100 to 999")
    return f"{int(status)} {reason_phrase(status)}"


def is_bodiless(status: int) -> bool:
    """Whether an answer of this status has no body, and no Content-Type for one: 1xx, 204, 205, 304.

    Source: RFC 9110 §6.4.1, §15.2, §15.3.5, §15.3.6 (205 has a body of no bytes), §15.4.5.

    >>> is_bodiless(304), is_bodiless(200)
    (True, False)
    """
    return 100 <= status < 200 or status in (204, 205, 304)


def is_cacheable_by_default(status: int) -> bool:
    """Whether a cache may keep an answer of this status that does not speak of caching.

    Source: RFC 9110 §15.1.

    >>> is_cacheable_by_default(200), is_cacheable_by_default(302)
    (True, False)
    """
    return status in CACHEABLE_BY_DEFAULT
