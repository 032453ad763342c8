"""`Csrf`: refuses what another site's page makes a visitor's browser send."""

from dragoman.middleware.csrf.layer import CSRF_TOKEN, Csrf
from dragoman.middleware.csrf.token import Token

__all__ = ["CSRF_TOKEN", "Csrf", "Token"]
