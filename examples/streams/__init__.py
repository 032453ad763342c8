"""Answers that come bit by bit, written for Flask in `flask/` and for dragoman.web in `dragoman/`."""
