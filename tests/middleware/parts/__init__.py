"""One module for each part or family of parts, with a list `PARTS`."""
