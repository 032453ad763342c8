"""PEP 3333 over sockets: what the server owes an application, and what it says of a broken one."""
