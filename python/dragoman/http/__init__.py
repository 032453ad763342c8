"""Values of HTTP without sockets, clock or environ: what a field's text means, and how it is written.

Each module is one subject and is imported by its name: ``from dragoman.http import fields, ranges``. What a client sent
never raises: it parses to a value, or to what its RFC says of a field that cannot be read. What an application or an
operator got wrong raises ValueError with what is wanted.
"""
