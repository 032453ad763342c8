"""Dragoman from the command lines of frameworks."""
