"""Parts of a request as the types that a handler wants, or a 422 that says of each field what is wrong with it."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, NoReturn, TypeVar, overload

import msgspec

from dragoman.web.collisions import SMALL_BYTES, Collisions
from dragoman.web.context import Context, request_of
from dragoman.web.errors import BadRequest, HTTPException, UnprocessableContent, UnsupportedMediaType
from dragoman.web.finite import has_fractions, is_suspect, unfinite_in
from dragoman.web.flat import fields_of_record, flat_values, is_file, parts_of
from dragoman.web.inputs import UNIONS, Input, Source, plain
from dragoman.web.leaves import REFUSALS
from dragoman.web.misfits import MOST_TOLD, Found, Misfit, misfits_in, misfits_of
from dragoman.web.readable import refuse_unreadable
from dragoman.web.request import FORMS, Request

__all__ = ["Reader", "ValidationFailed", "reader_for", "together", "validated"]

T = TypeVar("T")
Values = dict[str, list[Any]]

# Of longer bodies the first fault alone is told: to find the others each value is looked at again.
MOST_SEARCHED_BYTES = 1 << 20
WHOLE = {Source.BODY: "the body", Source.QUERY: "the query", Source.HEADERS: "the header"}


class ValidationFailed(UnprocessableContent):
    """422: a part of the request is not as the handler's annotation wants it.

    errors   what is wrong, at most 20, each a dict: ``in`` (body, query or header), ``field`` (``items[2].price``),
             ``pointer`` (``#/items/2/price``, RFC 6901), ``code``, ``wanted`` and ``detail``, which is a sentence.
             No value that has come is in there.

    Its page has them too: as the member ``errors`` of the problem details, and as a list in HTML and text.
    """

    def __init__(self, errors: Sequence[dict[str, str]] = (), *, is_all: bool = True) -> None:
        self.errors = list(errors[:MOST_TOLD])
        self.is_all = is_all and len(errors) <= MOST_TOLD
        count = f"{'' if self.is_all else 'at least '}{len(self.errors)} error{'s' if len(self.errors) != 1 else ''}"
        places = list(dict.fromkeys(WHOLE[Source(one["in"])] for one in self.errors))
        where = places[0] if len(places) == 1 else "the request"
        super().__init__(f"{where[:1].upper()}{where[1:]} has {count}.", extensions={"errors": self.errors})

    @property
    def lines(self) -> list[str]:
        """The sentences."""
        return [one["detail"] for one in self.errors]


def failure(found: Found, source: Source) -> ValidationFailed:
    return ValidationFailed([told(one, source) for one in found.misfits], is_all=found.is_all)


def told(misfit: Misfit, source: Source) -> dict[str, str]:
    shown = misfit
    if source is Source.HEADERS and misfit.path:
        # Names of fields are told as HTTP writes them.
        shown = misfit._replace(path=(header_name(str(misfit.path[0])), *misfit.path[1:]))
    members = {"in": source.value, "field": shown.field, "pointer": misfit.pointer, "code": misfit.code}
    if misfit.wanted:
        members["wanted"] = misfit.wanted
    return members | {"detail": shown.told(WHOLE[source])}


@overload
def validated(value: object, wanted: type[T], *, strict: bool = True) -> T: ...
@overload
def validated(value: object, wanted: Any, *, strict: bool = True) -> Any: ...
def validated(value: object, wanted: Any, *, strict: bool = True) -> Any:
    """`value`, of dicts and lists, as `wanted`: for what no annotation of a handler reads.

    strict   texts are no numbers; not so for forms and queries, where everything is text
    Raises ValidationFailed, which says all that is wrong.

    >>> validated({"n": "7"}, dict[str, int], strict=False)
    {'n': 7}
    """
    made = converted(value, wanted, Source.BODY, strict)
    node = msgspec.inspect.type_info(wanted)
    if has_fractions(node, strict=strict):
        refuse_unfinite(value, node, Source.BODY, strict)
    return made


def converted(value: object, wanted: Any, source: Source, strict: bool = False) -> Any:
    try:
        return msgspec.convert(value, wanted, strict=strict, str_keys=True)
    except REFUSALS as error:
        node = msgspec.inspect.type_info(wanted)
        if isinstance(error, TypeError) and not has_fractions(node, strict=True):
            raise
        raise failure(misfits_in(value, node, strict=strict, error=error), source) from error


def refuse_unfinite(value: Any, node: Any, source: Source, strict: bool = False) -> None:
    """Raises ValidationFailed for NaN and infinity, in a value that is right else."""
    found = unfinite_in(value, node, strict=strict)
    if found:
        raise failure(Found(found, len(found) < MOST_TOLD), source)


class Reader:
    """Reads one part of requests as one type.

    wanted        as `msgspec` knows types
    name          of the handler's parameter
    default       of that; `MISSING` without one
    Calling it with a context gives the value. Raises what is the answer.
    """

    source: Source

    def __init__(self, wanted: Any, name: str, default: Any) -> None:
        self.wanted = wanted
        self.name = name
        self.default = default
        self.is_copied = default is not MISSING and is_copied(default)
        self.node = msgspec.inspect.type_info(wanted)
        self.takes_none = type(None) in typing.get_args(wanted) and typing.get_origin(plain(wanted)) in UNIONS
        self.has_fractions = has_fractions(self.node, strict=False)

    def of_flat(self, given: Mapping[str, Any]) -> Any:
        """The value of names with texts, as forms and queries have them."""
        made = converted(given, self.wanted, self.source)
        if self.has_fractions and is_suspect(given.values()):
            refuse_unfinite(given, self.node, self.source)
        return made

    def __call__(self, context: Context) -> Any:
        raise NotImplementedError

    def absent(self) -> Any:
        """The value of a request that has no such part; `MISSING` where there has to be one."""
        if self.default is not MISSING:
            # A handler may change it, and the next request is another visitor's.
            return deepcopy(self.default) if self.is_copied else self.default
        return None if self.takes_none else MISSING


def is_copied(default: Any) -> bool:
    """Whether a default is another object when it is copied; not so what cannot be changed, or cannot be copied."""
    try:
        return deepcopy(default) is not default
    except Exception:  # whatever a class of the application has to say of copies
        return False


MISSING: Any = object()


class BodyReader(Reader):
    """The body, of JSON or a form."""

    source = Source.BODY

    def __init__(self, wanted: Any, name: str, default: Any) -> None:
        super().__init__(wanted, name, default)
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(wanted).decode
        self.fields = fields_of_record(self.node)
        self.has_decimals = has_fractions(self.node, strict=True)
        collisions = Collisions(self.node)
        self.collisions = collisions if collisions.leading else None
        self.wants_files = any(
            is_file(field.type) for one in parts_of(self.node) for field in getattr(one, "fields", ())
        )

    def __call__(self, context: Context) -> Any:
        request = request_of(context)
        if request.mimetype in FORMS:
            return self.of_flat(flat_values(form_values(request), self.fields))
        if not request.is_json or self.wants_files:
            return self.of_another_type(request)
        data = request.body_bytes
        try:
            if self.collisions is not None and len(data) > SMALL_BYTES:
                self.refuse_collisions(data, self.collisions)
            made = self.decode(data)
            if self.has_decimals and is_suspect(data):
                refuse_unfinite(msgspec.json.decode(data), self.node, Source.BODY, strict=True)
        except msgspec.ValidationError as error:
            self.refuse(data, error)
        except TypeError as error:
            if not (self.has_decimals and is_suspect(data)):
                raise
            self.refuse(data, error)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if not data and (absent := self.absent()) is not MISSING:
                return absent
            raise BadRequest(f"The body is no JSON: {error}.") from error
        return made

    def of_another_type(self, request: Request) -> Any:
        if not request.mimetype and not request.data and (absent := self.absent()) is not MISSING:
            return absent
        wanted = "multipart/form-data" if self.wants_files else "application/json, or a form"
        raise UnsupportedMediaType(f"Want Content-Type: {wanted}, not {request.mimetype or 'nothing'}.")

    def refuse_collisions(self, data: bytes, collisions: Collisions) -> None:
        alike = collisions.find(data)
        if alike is not None:
            raise failure(Found([alike], False), Source.BODY)

    def refuse(self, data: bytes, error: Exception) -> NoReturn:
        found = misfits_of(error)
        if len(data) <= MOST_SEARCHED_BYTES:
            try:
                value = msgspec.json.decode(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                # It is broken behind the part that is wrong.
                pass
            else:
                found = misfits_in(value, self.node, error=error)
        raise failure(found, Source.BODY) from error


class RecordReader(Reader):
    """All values of the query or of the header as a record."""

    def __init__(self, wanted: Any, name: str, default: Any, source: Source) -> None:
        super().__init__(wanted, name, default)
        self.source = source
        self.fields = fields_of_record(self.node)

    def __call__(self, context: Context) -> Any:
        given = self.given(request_of(context))
        if not given and (absent := self.absent()) is not MISSING:
            return absent
        return self.of_flat(flat_values(given, self.fields))

    def given(self, request: Request) -> Values:
        if self.source is Source.QUERY:
            return dict(request.args.lists())
        return field_values(request, self.fields)


class ValueReader(RecordReader):
    """One value, or a list, of the parameter's own name."""

    def __init__(self, wanted: Any, name: str, default: Any, source: Source) -> None:
        record = msgspec.defstruct("Value", [(name, wanted)])
        super().__init__(record, name, default, source)
        self.takes_none = type(None) in typing.get_args(wanted)

    def __call__(self, context: Context) -> Any:
        given = self.given(request_of(context))
        values = flat_values({name: values for name, values in given.items() if name == self.name}, self.fields)
        if not values and (absent := self.absent()) is not MISSING:
            return absent
        return getattr(self.of_flat(values), self.name)


def reader_for(given: Input, name: str, default: Any = MISSING) -> Reader:
    """What reads a parameter.

    Raises TypeError for a type that msgspec does not know, or that no request can fill.
    """
    try:
        node = msgspec.inspect.type_info(given.wanted)
    except NameError as error:
        raise TypeError(f"{error}; want it where the module of the class can see it") from error
    refuse_unreadable(node, is_flat=given.source is not Source.BODY)
    if given.source is Source.BODY:
        return BodyReader(given.wanted, name, default)
    return (RecordReader if fields_of_record(node) else ValueReader)(given.wanted, name, default, given.source)


def together(readers: Iterable[Reader], context: Context) -> ValidationFailed:
    """What is wrong with all parts of a request, once it is known that one of them is."""
    errors: list[dict[str, str]] = []
    is_all = True
    for reader in readers:
        try:
            reader(context)
        except ValidationFailed as error:
            errors += error.errors
            is_all = is_all and error.is_all
        except HTTPException:
            # That one is told when it comes first.
            is_all = False
    return ValidationFailed(errors, is_all=is_all)


def form_values(request: Request) -> Values:
    """The fields of a form, and its files, by name."""
    found: Values = dict(request.form.lists())
    for name, files in request.files.lists():
        found.setdefault(name, []).extend(files)
    return found


def field_values(request: Request, names: Iterable[str]) -> Values:
    """The header fields that a record has; one that came twice is one value, as WSGI has it."""
    found: Values = {}
    for name in names:
        variable = name.upper().replace("-", "_")
        key = variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}"
        value = request.environ.get(key)
        if value is not None:
            found[name] = [value]
    return found


def header_name(name: str) -> str:
    """``api_key`` as HTTP writes it: ``Api-Key``.

    >>> header_name("api_key"), header_name("X-Request-ID")
    ('Api-Key', 'X-Request-ID')
    """
    return name if "-" in name else "-".join(part.capitalize() for part in name.split("_"))
