"""Who sends a request: by password (`BasicAuth`), by token (`BearerAuth`) or by key (`ApiKeyAuth`)."""

from dragoman.middleware.auth.identity import AUTH, Identity

__all__ = ["AUTH", "Identity"]
