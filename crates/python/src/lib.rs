//! The extension module `dragoman._native`: the WSGI gateway over the engine.
