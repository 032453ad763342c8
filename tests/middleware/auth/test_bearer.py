"""`BearerAuth`: which tokens are taken, and what is said of the others."""

from __future__ import annotations

import base64
import functools
import json
import logging
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from dragoman.middleware import BearerAuth
from dragoman.middleware.auth import AUTH
from tests.middleware.auth.issuer import AUDIENCE, ISSUER, SigningKey, claims, jwks, secret_key
from tests.middleware.kit import Answered, Inner, ask

RSA = SigningKey("rsa", "RS256")
EC = SigningKey("ec", "ES256")
JWKS = jwks(RSA, EC)
SECRET = b"a secret of 32 bytes is the least"


def asked(token: str | None, **options: Any) -> Answered:
    given = {"jwks": JWKS, "issuer": ISSUER, "audience": AUDIENCE, **options}
    fields = {} if token is None else {"Authorization": f"Bearer {token}"}
    return ask(BearerAuth(Inner(), **given), headers=fields)


def refused(token: str, told: str, **options: Any) -> None:
    answered = asked(token, **options)
    assert answered.status == 401
    challenge = f'Bearer realm="Restricted", error="invalid_token", error_description="{told}"'
    assert answered.value("WWW-Authenticate") == challenge


@pytest.mark.parametrize("key", [RSA, EC], ids=lambda key: key.algorithm)
def test_a_token_of_the_issuer_is_taken(key: SigningKey) -> None:
    answered = asked(key.token(scope="read write", email="anna@shop.example"))
    assert answered.status == 200
    environ = answered.environ
    assert (environ["REMOTE_USER"], environ["AUTH_TYPE"]) == ("anna", "Bearer")
    identity = environ[AUTH]
    assert (identity.user, identity.scopes) == ("anna", {"read", "write"})
    assert identity.claims["email"] == "anna@shop.example"
    with pytest.raises(TypeError):
        identity.claims["email"] = "else"


@pytest.mark.parametrize("algorithm", ["PS256", "ES384", "EdDSA"])
def test_other_algorithms_are_taken_where_they_are_asked_for(algorithm: str) -> None:
    key = SigningKey("other", algorithm)
    token = key.token()
    assert asked(token, jwks=jwks(key), algorithms=[algorithm]).status == 200
    refused(token, "the token's algorithm is not taken", jwks=jwks(key))


def test_a_shared_secret_signs_where_it_is_asked_for() -> None:
    document = jwks(secret_key(SECRET, kid="s"))
    token = jwt.encode(claims(), SECRET, algorithm="HS256", headers={"kid": "s"})
    assert asked(token, jwks=document, algorithms=["HS256"]).status == 200


def test_without_a_token_it_says_that_one_is_wanted() -> None:
    for fields in ({}, {"Authorization": "Basic YTpi"}):
        answered = ask(BearerAuth(Inner(), jwks=JWKS, issuer=ISSUER, audience=AUDIENCE), headers=fields)
        assert (answered.status, answered.value("WWW-Authenticate")) == (401, 'Bearer realm="Restricted"')


def test_a_token_without_a_signature_is_refused() -> None:
    refused(jwt.encode(claims(), None, algorithm="none"), "the token's algorithm is not taken")
    with pytest.raises(ValueError, match="algorithms: want a list of RS256"):
        BearerAuth(jwks=JWKS, issuer=ISSUER, audience=AUDIENCE, algorithms=["none"])


def forged(header: dict[str, Any], secret: bytes) -> str:
    """A token of HS256 that no library would make."""
    import hashlib
    import hmac

    def part(raw: bytes) -> bytes:
        return base64.urlsafe_b64encode(raw).rstrip(b"=")

    signed = part(json.dumps(header).encode()) + b"." + part(json.dumps(claims()).encode())
    return (signed + b"." + part(hmac.digest(secret, signed, hashlib.sha256))).decode()


@pytest.mark.parametrize("algorithm", [["RS256"], {"RS256": 1}, None, True, 256])
def test_an_algorithm_that_is_no_text_is_refused(algorithm: Any) -> None:
    refused(forged({"alg": algorithm, "kid": "rsa"}, SECRET), "the token's algorithm is not taken")


def test_the_public_key_is_no_shared_secret() -> None:
    # CVE-2016-10555 and its kin: a token says HS256, and is signed by what everybody knows.
    pem = RSA.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for header in ({"alg": "HS256", "kid": "rsa"}, {"alg": "HS256"}):
        refused(forged(header, pem), "the token's algorithm is not taken")
        refused(forged(header, pem), "the token's key is unknown", algorithms=["RS256", "HS256"])


def test_a_key_that_the_token_brings_itself_is_not_taken() -> None:
    # CVE-2018-0114 and its kin.
    evil = SigningKey(None, "RS256")
    for headers in (
        {"jwk": evil.jwk},
        {"jku": "https://evil.example/jwks.json"},
        {"x5c": ["MIIB"]},
        {"kid": "rsa", "jwk": evil.jwk},
    ):
        refused(evil.token(headers), "the signature does not fit")


@pytest.mark.parametrize("kid", ["../../etc/passwd", "' OR 1=1", "", "é"])
def test_the_name_of_a_key_is_only_compared(kid: str) -> None:
    refused(RSA.token({"kid": kid}), "the token's key is unknown")


def test_critical_parameters_are_refused() -> None:
    # By us, since not every release of PyJWT looks at them.
    for headers in ({"crit": ["exp"], "exp": 1}, {"crit": []}, {"crit": ["b64"], "b64": False}):
        assert asked(RSA.token(headers)).status == 401


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"aud": "another"}, "the token is for another audience"),
        ({"aud": ["another", "third"]}, "the token is for another audience"),
        ({"aud": None}, "the token lacks a claim"),
        ({"iss": "https://id.example.evil.example"}, "the token is of another issuer"),
        ({"iss": None}, "the token lacks a claim"),
        ({"exp": int(time.time()) - 3600}, "the token has expired"),
        ({"exp": None}, "the token lacks a claim"),
        ({"nbf": int(time.time()) + 3600}, "the token is not valid yet"),
        ({"iat": int(time.time()) + 3600}, "the token is not valid yet"),
        ({"sub": None}, "the token has no sub"),
        ({"sub": ""}, "the token has no sub"),
        # What could be no line of a log, and no value of the environ.
        ({"sub": "anna\n127.0.0.1"}, "the token has no sub"),
        ({"sub": "\ud800"}, "the token has no sub"),
    ],
)
def test_claims_that_do_not_fit_are_refused(changed: dict[str, Any], told: str) -> None:
    refused(RSA.token(**changed), told)


def test_one_of_several_audiences_does() -> None:
    assert asked(RSA.token(aud=["another", AUDIENCE])).status == 200
    assert asked(RSA.token(aud="second"), audience=[AUDIENCE, "second"]).status == 200


def test_clocks_may_differ_by_the_leeway() -> None:
    token = RSA.token(exp=int(time.time()) - 60)
    assert asked(token, leeway_s=3600).status == 200
    refused(token, "the token has expired", leeway_s=0)


@pytest.mark.parametrize(
    ("claim", "value", "scopes"),
    [
        ("scope", "read  write", {"read", "write"}),
        ("scp", ["read", 5], {"read"}),
        ("scope", 5, set()),
        ("scope", {"a": 1}, set()),
    ],
)
def test_scopes_are_a_text_or_a_list(claim: str, value: Any, scopes: set[str]) -> None:
    assert asked(RSA.token(**{claim: value}), scope_claim=claim).environ[AUTH].scopes == scopes


def test_who_lacks_a_scope_is_told_which_are_wanted() -> None:
    answered = asked(RSA.token(scope="read"), require={"/": ["write", "admin"]})
    assert answered.status == 403
    challenge = 'Bearer realm="Restricted", error="insufficient_scope", scope="admin write"'
    assert answered.value("WWW-Authenticate") == challenge
    assert asked(RSA.token(scope="write x admin"), require={"/": ["write", "admin"]}).status == 200


def test_without_the_name_of_a_key_each_that_fits_is_tried() -> None:
    one, two = SigningKey(None, "RS256"), SigningKey(None, "RS256")
    for key in (one, two):
        assert asked(key.token(), jwks=jwks(one, EC, two)).status == 200
    refused(SigningKey(None, "RS256").token(), "the signature does not fit", jwks=jwks(one, EC, two))


def test_a_key_verifies_only_what_it_is_for() -> None:
    for more in ({"use": "enc"}, {"key_ops": ["sign"]}, {"alg": "RS512"}):
        key = SigningKey("a", "RS256", **more)
        refused(key.token(), "the token's key is unknown", jwks=jwks(key, EC))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a",
        "a.b",
        "a.b.c",
        "..",
        "é",
        "a b",
        "A" * 20_000,
        base64.b64encode(b"{}").decode() + ".e30.",
        base64.b64encode(b'{"alg":5}').decode().rstrip("=") + ".e30.",
        base64.b64encode(b"[" * 10_000).decode().rstrip("=") + ".e30.",
        RSA.token()[:-10],
        RSA.token() + "A",
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    assert asked(token).status == 401


@given(st.text(max_size=200))
def test_any_text_is_refused(text: str) -> None:
    app = BearerAuth(Inner(), jwks=JWKS, issuer=ISSUER, audience=AUDIENCE)
    assert isinstance(app.claims_of(text), str)


@functools.cache
def parts() -> list[str]:
    return RSA.token().split(".")


@given(place=st.integers(0, 2), data=st.binary(max_size=60))
def test_a_token_with_another_part_is_refused(place: int, data: bytes) -> None:
    made = list(parts())
    made[place] = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    app = BearerAuth(Inner(), jwks=JWKS, issuer=ISSUER, audience=AUDIENCE)
    assert isinstance(app.claims_of(".".join(made)), str)


def test_no_token_gets_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = RSA.token(aud="another")
    asked(token)
    assert caplog.messages == ["Bearer: GET '/': refused: the token is for another audience"]
    assert token.split(".")[2] not in caplog.text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"algorithms": []}, "algorithms: want a list"),
        ({"algorithms": "RS256"}, "algorithms: want a list"),
        ({"algorithms": ["RS256", "XX"]}, "algorithms: want a list"),
        ({"issuer": ""}, "issuer, audience: want both"),
        ({"audience": ""}, "issuer, audience: want both"),
        ({"audience": []}, "issuer, audience: want both"),
        ({"leeway_s": -1}, "leeway_s: want seconds"),
        ({"refresh_s": 0}, "refresh_s: want seconds above 0"),
        ({"jwks": "http://id.example/jwks.json"}, "jwks: want an https URL, without a user, a file or a JWKS"),
        ({"jwks": "ftp://id.example/jwks.json"}, "jwks: want an https URL"),
        ({"jwks": "https:///jwks.json"}, "jwks: want an https URL"),
        ({"jwks": "/there/is/none"}, "jwks: .*No such file"),
        ({"jwks": {}}, "jwks: want a JWKS: an object with a list"),
        ({"jwks": {"keys": [{"kty": "RSA"}]}}, "jwks: want a JWKS with a key"),
        ({"jwks": jwks(secret_key(b"short"))}, "jwks: want a JWKS with a key"),
    ],
)
def test_a_setting_that_is_wrong_is_said_at_once(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        BearerAuth(**{"jwks": JWKS, "issuer": ISSUER, "audience": AUDIENCE, **options})
