"""What the tests over sockets share: a server process, a raw client, and a channel into the application."""
