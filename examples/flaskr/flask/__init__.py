"""The blog as an application of Flask."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from flask import Flask

from flaskr.flask import auth, blog, db


def create_app(settings: Mapping[str, Any] | None = None) -> Flask:
    """The application; `settings` come before those of the file config.py in the instance folder."""
    app = Flask(
        __name__,
        template_folder="../templates",
        static_folder="../static",
        instance_path=os.environ.get("FLASKR_INSTANCE"),
        instance_relative_config=True,
    )
    app.config["DATABASE"] = os.path.join(app.instance_path, "flaskr.sqlite")
    app.config.from_pyfile("config.py", silent=True)
    app.config.from_mapping(settings or {})
    db.init_app(app)
    app.register_blueprint(auth.bp)
    app.register_blueprint(blog.bp)
    return app
