"""What goes wrong around a server: each fault of docs/faults.md is made, and its outcome is held."""
