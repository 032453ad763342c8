"""Applications of real frameworks over sockets."""
