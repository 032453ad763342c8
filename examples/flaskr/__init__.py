"""A blog with accounts, after Flask's tutorial: for Flask in `flask/`, for dragoman.web in `dragoman/`."""
