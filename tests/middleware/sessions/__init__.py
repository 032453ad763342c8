"""`Sessions`: what an application sees, what the browser gets, and what parallel requests do to each other."""
