"""The streams as an application of dragoman.web."""
