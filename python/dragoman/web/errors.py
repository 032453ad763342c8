"""Answers that are raised: one exception for each status of an error, and `abort`, which raises them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from dragoman.http.statuses import reason_phrase

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dragoman.types import Environ, StartResponse
    from dragoman.web.response import Response

__all__ = [
    "BadGateway",
    "BadRequest",
    "Conflict",
    "ContentTooLarge",
    "Forbidden",
    "GatewayTimeout",
    "Gone",
    "HTTPException",
    "InternalServerError",
    "LengthRequired",
    "MethodNotAllowed",
    "MissingKey",
    "NotAcceptable",
    "NotFound",
    "NotImplementedByServer",
    "PreconditionFailed",
    "PreconditionRequired",
    "RangeNotSatisfiable",
    "RequestTimeout",
    "ServiceUnavailable",
    "TooManyRequests",
    "Unauthorized",
    "UnprocessableContent",
    "UnsupportedMediaType",
    "abort",
    "class_for",
    "exception_for",
]


class HTTPException(Exception):
    """An answer of 400 or more, raised.

    description   what was wrong and how to mend it; clients see it. None: a sentence that is the same for all of its
                  status
    response      sent as it is, instead of a page that is made of this exception
    headers       further fields of that page
    extensions    further members of its problem details, RFC 9457 §3.2

    >>> NotFound("There is no user 7.").code
    404
    """

    code: ClassVar[int] = 500
    description: str = ""

    def __init__(
        self,
        description: str | None = None,
        response: Response | None = None,
        *,
        headers: Iterable[tuple[str, str]] = (),
        extensions: dict[str, Any] | None = None,
    ) -> None:
        # A class of an application may have none.
        self.description = (self.description or f"{self.name}.") if description is None else description
        super().__init__(self.description)
        self.response = response
        self.headers = list(headers)
        self.extensions = extensions or {}

    @property
    def lines(self) -> Sequence[str]:
        """What is told one by one below the description."""
        return ()

    @property
    def name(self) -> str:
        """The reason phrase of the status."""
        return reason_phrase(self.code)

    def get_response(self, environ: Environ | None = None) -> Response:
        """The page that it is where no handler makes another one, to be changed; `environ` decides of HTML or JSON."""
        from dragoman.web.context import CURRENT, ENVIRON  # noqa: PLC0415
        from dragoman.web.handling import page  # noqa: PLC0415

        context = CURRENT.get()
        here = {} if context is None else context[ENVIRON]
        return page(self, here if environ is None else environ)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with that page, as PEP 3333 has it: a handler may give the exception back instead of raising it."""
        return self.get_response(environ)(environ, start_response)

    def __str__(self) -> str:
        return f"{self.code} {self.name}" + (f": {self.description}" if self.description else "")


class BadRequest(HTTPException):
    """400: what the client has sent cannot be read."""

    code = 400
    description = "The request cannot be read."


class MissingKey(BadRequest, KeyError):
    """400: the query or the form has no value of this name. A KeyError for those who catch one."""

    def __init__(self, name: str = "") -> None:
        super().__init__(f"{name!r} is missing.")
        self.missing = name


class Unauthorized(HTTPException):
    """401: who is it? Give ``headers=[("WWW-Authenticate", …)]``."""

    code = 401
    description = "Say who you are: this is not for everyone."


class Forbidden(HTTPException):
    """403: not for this one."""

    code = 403
    description = "This is not for you."


class NotFound(HTTPException):
    """404: there is nothing here."""

    code = 404
    description = "There is nothing at this address."


class MethodNotAllowed(HTTPException):
    """405: there is something here, but not for this method; `valid_methods` go into Allow."""

    code = 405
    description = "The address does not take this method."

    def __init__(self, valid_methods: Sequence[str] = (), description: str | None = None, **options: Any) -> None:
        super().__init__(description, **options)
        self.valid_methods = sorted(valid_methods)
        # RFC 9110 §15.5.6: the field is a must.
        self.headers.append(("Allow", ", ".join(self.valid_methods)))


class NotAcceptable(HTTPException):
    """406: nothing that the client would take."""

    code = 406
    description = "There is nothing here of a kind that you accept."


class RequestTimeout(HTTPException):
    """408: the client was too slow."""

    code = 408
    description = "The request took too long to arrive."


class Conflict(HTTPException):
    """409: it does not fit what is there now."""

    code = 409
    description = "This does not fit what is there now."


class Gone(HTTPException):
    """410: it was here, and will not come back."""

    code = 410
    description = "This was here, and will not come back."


class LengthRequired(HTTPException):
    """411: say how long it is."""

    code = 411
    description = "The request has to say how long it is."


class PreconditionFailed(HTTPException):
    """412: it is not the one that the request is about."""

    code = 412
    description = "This is not the version that the request is about."


class ContentTooLarge(HTTPException):
    """413: too much."""

    code = 413
    description = "The request is too large."


class UnsupportedMediaType(HTTPException):
    """415: of another type than is wanted."""

    code = 415
    description = "The request is of a type that is not taken here."


class RangeNotSatisfiable(HTTPException):
    """416: there is no such part."""

    code = 416
    description = "There is no such part of it."


class UnprocessableContent(HTTPException):
    """422: it can be read, but is not what is wanted."""

    code = 422
    description = "The request can be read, but is not what is wanted."


class PreconditionRequired(HTTPException):
    """428: say which one it is about."""

    code = 428
    description = "The request has to say which version it is about."


class TooManyRequests(HTTPException):
    """429: later."""

    code = 429
    description = "These are too many requests. Please try again later."


class InternalServerError(HTTPException):
    """500: a fault of the application; `original_exception` is what was raised."""

    code = 500
    description = "The server has a fault. The request is not to blame."

    def __init__(
        self, description: str | None = None, original_exception: BaseException | None = None, **options: Any
    ) -> None:
        super().__init__(description, **options)
        self.original_exception = original_exception


class NotImplementedByServer(HTTPException):
    """501: not here."""

    code = 501
    description = "The server cannot do this."


class BadGateway(HTTPException):
    """502: who was asked in turn answered nonsense."""

    code = 502
    description = "A server behind this one gave no answer that can be read."


class ServiceUnavailable(HTTPException):
    """503: not now."""

    code = 503
    description = "This is not available at the moment. Please try again later."


class GatewayTimeout(HTTPException):
    """504: who was asked in turn did not answer in time."""

    code = 504
    description = "A server behind this one did not answer in time."


BY_CODE: dict[int, type[HTTPException]] = {
    kind.code: kind
    for kind in (
        *(
            one
            for one in globals().values()
            if isinstance(one, type) and issubclass(one, HTTPException) and one not in (HTTPException, MissingKey)
        ),
    )
}


def exception_for(code: int) -> type[HTTPException]:
    """The exception class of a status from 400 to 599; one is made for those that have none of their own.

    Raises ValueError for another number.

    >>> exception_for(404).__name__, exception_for(418).code
    ('NotFound', 418)
    """
    if not 400 <= code <= 599:
        raise ValueError(f"status {code!r}: want a number from 400 to 599; other answers are returned, not raised")
    kind = BY_CODE.get(code)
    if kind is None:
        kind = BY_CODE.setdefault(code, type(f"Error{code}", (HTTPException,), {"code": code, "__module__": __name__}))
    return kind


def class_for(key: object) -> type[BaseException]:
    """The class that an error handler is for: of a status, or that class.

    Raises TypeError for what is neither, ValueError for a status that is no error's.
    """
    if isinstance(key, int):
        return exception_for(key)
    if isinstance(key, type) and issubclass(key, BaseException):
        if key.__module__ == "werkzeug.exceptions":
            code = getattr(key, "code", None)
            ours = "dragoman.web.errors.HTTPException" if code is None else f"errorhandler({code})"
            raise TypeError(f"errorhandler(werkzeug.exceptions.{key.__name__}): other classes are raised here: {ours}")
        return key
    raise TypeError(f"errorhandler({key!r}): want a status such as 404, or a class of exceptions")


def abort(code: int | Response, description: str | None = None, **options: Any) -> NoReturn:
    """Answer with an error now.

    code          400 to 599, or a response to send as it is
    description   what was wrong; clients see it
    options       those of the exception: ``headers=``, ``extensions=``, ``valid_methods=`` for 405
    Raises the `HTTPException` of that code; ValueError for another number, TypeError for what is neither.
    """
    if isinstance(code, int):
        if code == 405:
            raise MethodNotAllowed(options.pop("valid_methods", ()), description, **options)
        raise exception_for(code)(description, **options)
    if not hasattr(code, "status_code"):
        raise TypeError(f"abort: want a status from 400 to 599, or a Response, got {code!r}")
    raise ResponseRaised(code)


class ResponseRaised(HTTPException):
    """Any response, sent as it is."""

    def __init__(self, response: Response) -> None:
        super().__init__(None, response)
        self.code = response.status_code  # type: ignore[misc]
