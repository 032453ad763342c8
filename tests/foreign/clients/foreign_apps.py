"""The frameworks' example applications, made as their own descriptions say; each is `FOREIGN_APPS` by name."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

SOURCES = "DRAGOMAN_TEST_SOURCES"
"""The variable with the directory that has the frameworks' sources, each under its name."""


def source(*parts: str) -> Path:
    return Path(os.environ[SOURCES], *parts)


def imported(module: str, *parts: str) -> Any:
    """A module out of one of the sources."""
    sys.path.insert(0, str(source(*parts)))
    return importlib.import_module(module)


def scratch() -> str:
    return tempfile.mkdtemp(dir=os.environ[SOURCES])


# Flask.


def flaskr() -> Any:
    module = imported("flaskr", "flask", "examples", "tutorial")
    app = module.create_app({"SECRET_KEY": "for tests", "DATABASE": os.path.join(scratch(), "flaskr.sqlite")})
    with app.app_context():
        importlib.import_module("flaskr.db").init_db()
    return app


def js_example() -> Any:
    return imported("js_example", "flask", "examples", "javascript").app


def celery_example() -> Any:
    os.environ["FLASK_CELERY"] = '{"broker_url": "memory://", "result_backend": "cache+memory://"}'
    return imported("task_app", "flask", "examples", "celery", "src").create_app()


# Werkzeug.


def of_werkzeug(name: str) -> Any:
    return imported(name, "werkzeug", "examples")


def coolmagic() -> Any:
    return of_werkzeug("coolmagic").make_app()


def i18nurls() -> Any:
    return of_werkzeug("i18nurls").make_app()


def webpylike() -> Any:
    return of_werkzeug("webpylike.example").app


def upload() -> Any:
    return of_werkzeug("upload").application


def httpbasicauth() -> Any:
    return of_werkzeug("httpbasicauth").Application({"user": "password"})


def shorty() -> Any:
    app = of_werkzeug("shorty.application").Shorty(f"sqlite:///{scratch()}/shorty.db")
    app.init_database()
    return app


def simplewiki() -> Any:
    app = of_werkzeug("simplewiki").SimpleWiki(f"sqlite:///{scratch()}/simplewiki.db")
    app.init_database()
    return app


def plnt() -> Any:
    app = of_werkzeug("plnt").Plnt(f"sqlite:///{scratch()}/plnt.db")
    app.init_database()
    return app


def shortly() -> Any:
    import fakeredis
    import redis

    redis.Redis = fakeredis.FakeRedis  # type: ignore[misc]
    return of_werkzeug("shortly.shortly").create_app()


# Falcon.


def look() -> Any:
    os.environ["LOOK_STORAGE_PATH"] = scratch()
    return imported("look.app", "falcon", "examples", "look").get_app()


def things() -> Any:
    return imported("things", "falcon", "examples").app


def things_advanced() -> Any:
    return imported("things_advanced", "falcon", "examples").app


def quote() -> Any:
    return imported("quote", "falcon", "examples").app


def header_name_case() -> Any:
    """Both halves of the recipe."""
    app = imported("raw_url_path_wsgi", "falcon", "examples", "recipes").app
    middleware = imported("header_name_case_mw", "falcon", "examples", "recipes").CustomHeadersMiddleware
    return middleware(app, custom_capitalization={"content-type": "CoNtEnT-TyPe"})


def raw_url_path() -> Any:
    return imported("raw_url_path_wsgi", "falcon", "examples", "recipes").app


def multipart_mixed() -> Any:
    return imported("multipart_mixed_main", "falcon", "examples", "recipes").app


def msgspec() -> Any:
    return imported("msgspec_main", "falcon", "examples", "recipes").application


def csv() -> Any:
    """Both recipes are resources without an application."""
    import falcon

    app = falcon.App()
    for kind in ("stream", "text"):
        module = imported(f"output_csv_{kind}_wsgi", "falcon", "examples", "recipes")
        app.add_route(f"/{kind}", module.Report())
    return app


# Bottle and WebOb have their examples in pages; what their tests serve is run with the tests.


def webob_static() -> Any:
    """WebOb's own applications for files, over its sources."""
    from webob.static import DirectoryApp

    return DirectoryApp(str(source("webob", "docs")), index_page="index.txt")


# Django: its template of a project, with the admin, and the projects of its tests.


def django_project(root_urlconf: str, *apps: str, **settings: Any) -> Any:
    import django
    from django.conf import settings as configured
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    directory = scratch()
    sys.path.insert(0, str(source("django", "tests")))
    contrib = ("admin", "auth", "contenttypes", "sessions", "messages", "staticfiles", "sites", "flatpages")
    middleware = (
        "security.SecurityMiddleware",
        "gzip.GZipMiddleware",
        "http.ConditionalGetMiddleware",
        "locale.LocaleMiddleware",
        "common.CommonMiddleware",
        "csrf.CsrfViewMiddleware",
        "clickjacking.XFrameOptionsMiddleware",
    )
    configured.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{directory}/db.sqlite3"}},
        INSTALLED_APPS=[*(f"django.contrib.{name}" for name in contrib), *apps],
        LOGGING_CONFIG=None,
        MIDDLEWARE=[
            *(f"django.middleware.{name}" for name in middleware),
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        ROOT_URLCONF=root_urlconf,
        SECRET_KEY="only for tests",
        SITE_ID=1,
        STATIC_URL="/static/",
        STATIC_ROOT=f"{directory}/static",
        MEDIA_ROOT=f"{directory}/media",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "DIRS": [str(source("django", "tests", "templates"))],
                "OPTIONS": {
                    "context_processors": [
                        f"django.{name}"
                        for name in (
                            "template.context_processors.request",
                            "contrib.auth.context_processors.auth",
                            "contrib.messages.context_processors.messages",
                        )
                    ]
                },
            }
        ],
        MIGRATION_MODULES=dict.fromkeys(["admin", "auth", "contenttypes", "sessions", "sites", "flatpages"]),
        USE_TZ=True,
        **settings,
    )
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    return get_wsgi_application()


def django_admin() -> Any:
    """The admin of Django's tests, its static files served as runserver does."""
    from django.contrib.staticfiles.handlers import StaticFilesHandler

    return StaticFilesHandler(django_project("admin_views.urls", "admin_views"))


def django_views() -> Any:
    return django_project("view_tests.urls", "view_tests")


def django_generic() -> Any:
    return django_project("generic_views.urls", "generic_views")


# WhiteNoise, around nothing and around Django.


def whitenoise_files() -> Any:
    from webob.exc import HTTPNotFound
    from whitenoise import WhiteNoise

    return WhiteNoise(HTTPNotFound(), root=str(source("flask", "docs")), prefix="docs", index_file=True)


def whitenoise_django() -> Any:
    from whitenoise import WhiteNoise

    inner = django_project("generic_views.urls", "generic_views")
    return WhiteNoise(inner, root=str(source("flask", "docs")), prefix="docs", autorefresh=True)


EXAMPLES: dict[str, tuple[Callable[[], Any], ...]] = {
    "flask": (flaskr, js_example, celery_example),
    "werkzeug": (
        coolmagic, i18nurls, webpylike, upload, httpbasicauth, shorty, simplewiki, plnt, shortly,
    ),
    "django": (django_admin, django_views, django_generic),
    "falcon": (
        look, things, things_advanced, quote, header_name_case, raw_url_path, multipart_mixed, msgspec, csv,
    ),
    "webob": (webob_static,),
    "whitenoise": (whitenoise_files, whitenoise_django),
}  # fmt: skip
