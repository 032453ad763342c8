"""Which characters stand in the parts of a URL as they are (RFC 3986 §3.3, §3.4)."""

from __future__ import annotations

__all__ = ["SAFE_IN_PATH", "SAFE_IN_QUERY", "SAFE_IN_SEGMENT", "SAFE_IN_VALUE"]

SAFE_IN_SEGMENT = "!$&'()*+,:;=@"
SAFE_IN_PATH = SAFE_IN_SEGMENT + "/"
SAFE_IN_QUERY = SAFE_IN_PATH + "?"
# Of a variable's value: not what some servers take for parameters of a segment.
SAFE_IN_VALUE = SAFE_IN_SEGMENT.replace(";", "").replace("=", "")
