"""`RateLimit`, and what it counts with: algorithms, tables in shared memory, storages of the library `limits`."""

from dragoman.middleware.rate_limit.part import RATE_LIMIT, RateLimit, Spent

__all__ = ["RATE_LIMIT", "RateLimit", "Spent"]
