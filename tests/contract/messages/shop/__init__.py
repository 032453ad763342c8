"""An application that makes the three mistakes of everybody who learns WSGI."""
