"""`Tracing`, and the attributes of its spans."""

from dragoman.middleware.tracing.part import SPAN_ID, TRACE_ID, Tracing

__all__ = ["SPAN_ID", "TRACE_ID", "Tracing"]
