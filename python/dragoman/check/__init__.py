"""Drives an application in this process through a catalogue of requests, and holds it to the contract."""
