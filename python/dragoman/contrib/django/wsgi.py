"""The WSGI application of a Django project, as its settings name it."""

from django.conf import settings
from django.core.servers.basehttp import get_internal_wsgi_application

from dragoman.loader import Loaded
from dragoman.types import WSGIApplication

__all__ = ["load", "name_of_application", "with_static_files"]


def name_of_application() -> str:
    """``project.wsgi:application``, or the call that gives Django's own."""
    path = settings.WSGI_APPLICATION or "django.core.wsgi.get_wsgi_application()"
    return ":".join(path.rpartition(".")[::2])


def load(has_static_files: bool) -> Loaded:
    """The application of settings.WSGI_APPLICATION, behind the static files if they are to be served, too."""
    application = get_internal_wsgi_application()
    if has_static_files:
        from django.contrib.staticfiles.handlers import StaticFilesHandler  # noqa: PLC0415 - of an app that is there

        application = StaticFilesHandler(application)
    return Loaded(application, name_of_application())


def with_static_files() -> WSGIApplication:
    """The same in a process that has not set Django up yet."""
    import django  # noqa: PLC0415 - as above

    django.setup()
    return load(has_static_files=True).application
