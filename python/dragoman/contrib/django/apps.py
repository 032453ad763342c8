"""What Django's registry of apps knows of this one."""

from django.apps import AppConfig


class DragomanConfig(AppConfig):  # type: ignore[misc]
    """The app. Its label is not the module's last name, which is Django's own."""

    name = "dragoman.contrib.django"
    label = "dragoman"
    verbose_name = "Dragoman"
