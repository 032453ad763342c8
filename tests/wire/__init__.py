"""HTTP/1.1 over sockets: framing, connections, refusals, timers and listeners."""
