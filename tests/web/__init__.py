"""`dragoman.web`: its parts without a server, and what it is like for who comes from Flask."""
