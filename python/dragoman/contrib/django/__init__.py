"""A Django app with the command `manage.py rundragoman`: ``INSTALLED_APPS += ["dragoman.contrib.django"]``."""
