"""Notes with attachments: a JSON API, written for Flask in `flask/` and for dragoman.web in `dragoman/`."""
