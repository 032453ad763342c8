"""What a file's name tells: its media type, and whether it changes with what is in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from mimetypes import MimeTypes

from dragoman.http.media_types import parse_media_type

__all__ = ["content_type", "immutability", "media_types"]

# Python's own table differs by version, and that of the machine by machine.
TYPES = {
    ".aac": "audio/aac",
    ".apk": "application/vnd.android.package-archive",
    ".atom": "application/atom+xml",
    ".avif": "image/avif",
    ".br": "application/octet-stream",
    ".bz2": "application/x-bzip2",
    ".cjs": "text/javascript",
    ".csv": "text/csv",
    ".eot": "application/vnd.ms-fontobject",
    ".flac": "audio/flac",
    ".geojson": "application/geo+json",
    ".glb": "model/gltf-binary",
    ".gltf": "model/gltf+json",
    ".gz": "application/gzip",
    ".heic": "image/heic",
    ".ico": "image/vnd.microsoft.icon",
    ".ics": "text/calendar",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".jsonld": "application/ld+json",
    ".jxl": "image/jxl",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4a": "audio/mp4",
    ".m4v": "video/mp4",
    ".map": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".mkv": "video/x-matroska",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".mpd": "application/dash+xml",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".ogv": "video/ogg",
    ".opus": "audio/ogg",
    ".otf": "font/otf",
    ".rss": "application/rss+xml",
    ".svg": "image/svg+xml",
    ".ts": "video/mp2t",
    ".ttf": "font/ttf",
    ".vtt": "text/vtt",
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".weba": "audio/webm",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xhtml": "application/xhtml+xml",
    ".xml": "application/xml",
    ".xz": "application/x-xz",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zip": "application/zip",
    ".zst": "application/zstd",
    "apple-app-site-association": "application/json",
    "crossdomain.xml": "text/x-cross-domain-policy",
}
UNKNOWN = "application/octet-stream"

# Django's ManifestStaticFilesStorage (name.0123456789ab.css) and webpack's [contenthash] (name.0123456789abcdef0123.js,
# name-0123abcd.js): hexadecimal digits before the last suffix. A name of decimal digits alone may be a date.
HASHED = re.compile(r"[.-](?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,64}\.[A-Za-z0-9]+(?:\.map)?$")


def media_types(more: Mapping[str, str]) -> dict[str, str]:
    """Media types by suffix (``".css"``) or whole name, in small letters; `more` goes before what is known.

    Raises ValueError for what is no media type.
    """
    for name, value in more.items():
        if parse_media_type(value) is None:
            raise ValueError(f"types[{name!r}]: want a media type such as text/html, got {value!r}")
    return MimeTypes().types_map[1] | TYPES | {name.lower(): value for name, value in more.items()}


def content_type(name: str, types: Mapping[str, str], charset: str | None) -> str:
    """The Content-Type of the file called `name`; texts get `charset`, unless their type has one already."""
    name = name.lower()
    dot = name.rfind(".")
    found = types.get(name) or types.get(name[dot:] if dot >= 0 else "", UNKNOWN)
    is_text = found.startswith("text/") and charset is not None and "charset=" not in found.lower()
    return f"{found}; charset={charset}" if is_text else found


def immutability(given: bool | str | Callable[[str], bool]) -> Callable[[str], bool]:
    """Says of a URL's path whether what it names never changes: by True's own patterns, a pattern, or a function.

    Raises ValueError for a pattern that is none.
    """
    if callable(given):
        return given
    if isinstance(given, bool):
        return lambda url: given and HASHED.search(url) is not None
    try:
        pattern = re.compile(given)
    except (re.error, TypeError) as error:
        raise ValueError(f"immutable: want True, False, a pattern or a function, got {given!r}: {error}") from None
    return lambda url: pattern.search(url) is not None
