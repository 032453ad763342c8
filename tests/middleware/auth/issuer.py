"""An issuer of tokens: keys, tokens that they sign, and a server that has the JWKS."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

__all__ = ["AUDIENCE", "ISSUER", "JwksServer", "SigningKey", "claims", "jwks", "secret_key"]

ISSUER = "https://id.example"
AUDIENCE = "shop"


class SigningKey:
    """A private key, and its public half as a JWK."""

    def __init__(self, kid: str | None, algorithm: str, **more: Any) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.private: Any = MAKERS[algorithm]()
        made = jwt.get_algorithm_by_name(algorithm).to_jwk(self.private.public_key(), as_dict=True)
        self.jwk: dict[str, Any] = {**made, "kid": kid, **more} if kid else {**made, **more}

    def token(self, headers: dict[str, Any] | None = None, **changed: Any) -> str:
        """A token; `changed` claims replace those of `claims`, None takes one away."""
        kept = {name: value for name, value in {**claims(), **changed}.items() if value is not None}
        given = {"kid": self.kid} if self.kid else {}
        return jwt.encode(kept, self.private, algorithm=self.algorithm, headers={**given, **(headers or {})})


MAKERS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "PS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def claims() -> dict[str, Any]:
    now = int(time.time())
    return {"iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "exp": now + 600, "iat": now}


def jwks(*keys: SigningKey | dict[str, Any]) -> dict[str, Any]:
    return {"keys": [key.jwk if isinstance(key, SigningKey) else key for key in keys]}


def secret_key(secret: bytes, **more: Any) -> dict[str, Any]:
    return {"kty": "oct", "k": base64.urlsafe_b64encode(secret).rstrip(b"=").decode(), **more}


class JwksServer:
    """Serves `document`, counts how often, and may be slow, broken or away. A context manager."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self.status = 200
        self.headers: dict[str, str] = {}
        self.count = 0
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.count += 1
                outer.entered.release()
                outer.gate.wait(20)
                body = outer.document if isinstance(outer.document, bytes) else json.dumps(outer.document).encode()
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    # It was too large, and the client has gone.
                    pass

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/jwks.json"

    def __enter__(self) -> JwksServer:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
