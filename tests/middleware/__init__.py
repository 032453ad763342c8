"""The middleware library: each part alone, and all of them under servers."""
