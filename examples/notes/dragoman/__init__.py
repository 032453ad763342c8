"""The notes as an application of dragoman.web."""
