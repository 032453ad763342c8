"""Configurations of gunicorn, after the shapes that public projects use; the tests import and run each of them."""
