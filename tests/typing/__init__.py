"""What type checkers say of applications: handlers that they accept, and others that they refuse."""
