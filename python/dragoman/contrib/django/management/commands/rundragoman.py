"""The command ``manage.py rundragoman``: serves a Django project as `runserver` does, by the real server."""

import argparse
import os
import re
import subprocess
import sys
import sysconfig
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.utils import autoreload

from dragoman.contrib.django.wsgi import load, name_of_application
from dragoman.embedded import BackgroundServer, keyword_settings, serve_loaded
from dragoman.errors import DragomanError
from dragoman.log import Log, open_log
from dragoman.settings import Row, rows

# What Django's own options, or its settings, say.
DJANGOS = {"application", "chdir", "pythonpath"}


class Command(BaseCommand):  # type: ignore[misc]
    """``manage.py rundragoman [ADDR:PORT] [--workers N] ...``: all of Dragoman's settings are options.

    With DEBUG static files are served and a changed file restarts the server, as `runserver` does; without it there are
    as many workers as the machine has processors for.
    """

    help = "Serves the project by Dragoman: with DEBUG in this process and reloading, else by several workers."
    # As runserver does it: at each start of the server, also after a reload.
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the address, runserver's switches, and Dragoman's settings."""
        parser.add_argument("addrport", nargs="?", help="port, or address:port; 127.0.0.1:8000 by default")
        parser.add_argument("--noreload", action="store_true", help="do not restart when a file changes")
        parser.add_argument("--skip-checks", action="store_true", help="do not run the system checks")
        parser.add_argument("--nostatic", action="store_true", help="do not serve static files with DEBUG")
        group = parser.add_argument_group("settings of Dragoman", "docs/settings.md explains each")
        for row in rows():
            add_setting(group, row, taken=parser._option_string_actions)

    def handle(self, *arguments: Any, **options: Any) -> None:
        """Serve until a signal ends it."""
        if not settings.DEBUG and not settings.ALLOWED_HOSTS:
            raise CommandError("settings.ALLOWED_HOSTS has to name the hosts that are served, unless DEBUG is on")
        given = given_settings(options)
        if not settings.DEBUG or options["noreload"]:
            status = self.serve(given, options)
        elif given["workers"] not in (None, "0"):
            raise CommandError("reloading serves in one process; --workers goes with --noreload")
        else:
            given["workers"] = None
            status = autoreload.run_with_reloader(self.serve_here, given, options) or 0
        if status:
            raise SystemExit(status)

    def serve(self, given: dict[str, Any], options: dict[str, Any]) -> int:
        """Serve in the main thread, or in workers that are forked from here; the exit status."""
        self.check_project(options)
        if settings.DEBUG and given["workers"] is None:
            given["workers"] = "0"
        try:
            if keyword_settings(given, os.environ).workers:
                become_supervisor(application_string(options), given)
            return serve_loaded(lambda: load(has_static_files(options)), given)
        except DragomanError as error:
            raise CommandError(message_of(error), returncode=error.exit_status) from None

    def serve_here(self, given: dict[str, Any], options: dict[str, Any]) -> None:
        """Serve in this thread, which the reloader has started: the main one watches the files."""
        autoreload.raise_last_exception()
        self.check_project(options)
        try:
            found = keyword_settings(given, os.environ)
            log = Log(open_log(found.error_logfile), found.log_level)
            given.pop("error_logfile")
            loaded = load(has_static_files(options))
            server = BackgroundServer(loaded.application, given, os.environ, log=log, name=loaded.name)
            server.start()
        except DragomanError as error:
            # A SystemExit would end this thread alone, and status 3 means to the reloader that a file has changed.
            self.stderr.write(f"Error: {message_of(error)}")
            self.stderr.flush()
            os._exit(1)
        urls = "\n".join(listener.url for listener in server.listeners)
        log.info(f"dragoman serves {loaded.name} (Django, DEBUG)\n{urls}\nrestarts when a file changes; Ctrl-C stops")
        server.wait()

    def check_project(self, options: dict[str, Any]) -> None:
        """Run Django's system checks and look for migrations that were not made, as runserver does."""
        if not options["skip_checks"]:
            self.check(display_num_errors=True)
        self.check_migrations()
        # Workers must not share the connections that this has opened.
        connections.close_all()


def has_static_files(options: dict[str, Any]) -> bool:
    """Whether the server is to serve them, too."""
    return settings.DEBUG and not options["nostatic"] and "django.contrib.staticfiles" in settings.INSTALLED_APPS


def application_string(options: dict[str, Any]) -> str:
    """The application as `dragoman` takes it on its command line."""
    if has_static_files(options):
        return "dragoman.contrib.django.wsgi:with_static_files()"
    return name_of_application()


def become_supervisor(application: str, given: dict[str, Any]) -> NoReturn:
    """Go on as `python -m dragoman`: a process that has imported the project could not load it anew at a reload."""
    by_name = {row.name: row for row in rows()}
    # Files are not read, here neither.
    flags = ["--config", os.devnull, f"--pythonpath={','.join(own_paths())}"]
    for name, value in given.items():
        for text in [value] if isinstance(value, str) else value or ():
            flags.append(by_name[name].flag if by_name[name].is_flag else f"{by_name[name].flag}={text}")
    # Set by `--settings` too, which the new program does not have.
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE}
    sys.stdout.flush()
    sys.stderr.flush()
    interpreter = [sys.executable, *subprocess._args_from_interpreter_flags()]  # type: ignore[attr-defined]
    os.execve(sys.executable, [*interpreter, "-m", "dragoman", *flags, "--", application], environment)


def own_paths() -> list[str]:
    """The directories that manage.py and Django's options have put on ``sys.path``: no new interpreter has them."""
    usual = {os.path.realpath(path) for path in sysconfig.get_paths().values()}
    usual |= {os.path.realpath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    usual.add(os.path.realpath(os.getcwd()))
    return [path for path in sys.path if os.path.isdir(path) and os.path.realpath(path) not in usual]


def add_setting(group: Any, row: Row, taken: Any) -> None:
    """Add the flags of `row` that Django has left free. They are taken as text; the table of settings reads it."""
    flags = [flag for flag in row.flags if flag not in taken]
    if not flags or row.name in DJANGOS:
        return
    if row.is_flag:
        shape: dict[str, Any] = {"action": "store_const", "const": "true"}
    elif row.is_repeatable:
        shape = {"action": "append", "metavar": row.metavar}
    else:
        shape = {"metavar": row.metavar}
    # argparse reads % in a help text as a format.
    group.add_argument(*flags, dest=row.name, help=row.doc.replace("%", "%%"), **shape)


def given_settings(options: dict[str, Any]) -> dict[str, Any]:
    """The settings among the options of the command, the address of its argument with them."""
    given = {row.name: options.get(row.name) for row in rows() if row.name not in DJANGOS}
    if address := options["addrport"]:
        if given["bind"]:
            raise CommandError("the address is given twice, as an argument and by --bind")
        given["bind"] = [f"127.0.0.1:{address}" if re.fullmatch("[0-9]+", address) else address]
    return given


def message_of(error: DragomanError) -> str:
    """What the error says, its details on lines of their own."""
    return f"{error}\n{error.details}".rstrip("\n")
