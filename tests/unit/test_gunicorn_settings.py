"""gunicorn's settings as ours, by gunicorn's own configuration object."""

from __future__ import annotations

from typing import Any

import pytest
from gunicorn.config import Config

from dragoman.errors import UsageError
from dragoman.gunicorn import MEANINGS, MISSING, REFUSED, is_chosen, settings_of
from dragoman.settings import Settings


def settings(environment: dict[str, str] | None = None, **chosen: Any) -> Settings:
    cfg = Config()
    for name, value in chosen.items():
        cfg.set(name, value)
    return settings_of(cfg, environment or {})


def test_what_nobody_has_set_is_ours_but_threads_and_bodies_are_gunicorns() -> None:
    found = settings()
    assert (found.keep_alive, found.limit_request_line, found.worker_connections) == (75, 8192, 0)
    assert (found.threads, found.workers, found.limit_body) == (1, 1, 0)


def test_what_somebody_has_set_is_taken() -> None:
    found = settings(threads=4, workers=3, keepalive=5, graceful_timeout=7, worker_connections=50)
    assert (found.threads, found.workers, found.keep_alive, found.graceful_timeout) == (4, 3, 5, 7)
    assert found.worker_connections == 50
    assert settings(limit_request_fields=7).limit_request_fields == 7


def test_no_limit_of_gunicorns_is_the_most_of_ours() -> None:
    found = settings(limit_request_line=0, limit_request_field_size=0)
    assert (found.limit_request_line, found.limit_request_field_size) == (1 << 20, 1 << 20)


def test_variables_are_what_gunicorn_has_no_setting_for() -> None:
    found = settings({"DRAGOMAN_LIMIT_BODY": "1K", "DRAGOMAN_QUEUE": "3", "SCRIPT_NAME": "/shop"})
    assert (found.limit_body, found.queue, found.root_path) == (1024, 3, "/shop")
    assert settings({"DRAGOMAN_THREADS": "9"}).threads == 1


def test_a_value_that_ours_does_not_take_names_the_setting() -> None:
    with pytest.raises(UsageError, match="--access-logformat"):
        settings(access_log_format="%(nothing)s")


def test_every_name_of_the_tables_is_gunicorns() -> None:
    assert set(MEANINGS) | set(REFUSED) | set(MISSING) <= set(Config().settings)


@pytest.mark.parametrize("name", [*MEANINGS, *REFUSED, *MISSING])
def test_nothing_is_chosen_in_a_new_configuration(name: str) -> None:
    assert not is_chosen(Config(), name)
