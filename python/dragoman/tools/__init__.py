"""What a developer asks of an application on the command line: its routes, its own commands, a shell with it."""
