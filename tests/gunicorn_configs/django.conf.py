"""A Django project on a virtual machine: a unix socket, a pid file, logs in files, an own user."""

import os

directory = os.environ.get("SHOP_RUN_DIRECTORY", "/run/shop")

wsgi_app = "tests.gunicorn_configs.apps"
bind = [f"unix:{directory}/web.sock", "127.0.0.1:0"]
umask = "007"
pidfile = f"{directory}/web.pid"
errorlog = "-"
accesslog = f"{directory}/access.log"
workers = "2"
threads = 3
proc_name = "shop"
raw_env = [
    "SHOP_SETTINGS=shop.settings.production",
]
