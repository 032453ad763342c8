"""The frameworks' own tests and example applications, with a checker around everything that is called through WSGI."""
