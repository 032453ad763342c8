"""`Cache`, and what it is made of: keys, a policy, stored answers, and who waits for whom."""

from dragoman.middleware.cache.part import CACHE, Cache

__all__ = ["CACHE", "Cache"]
