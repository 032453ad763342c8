"""Sends the same bytes to Dragoman and to other servers, and asks for each whether they read the same requests."""
