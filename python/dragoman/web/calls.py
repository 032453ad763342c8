"""How a handler is called: where each of its parameters comes from, decided once from its signature."""

from __future__ import annotations

import inspect
import re
import typing
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dragoman.web.background import called_in_loop
from dragoman.web.context import VALUES, Context, request_of
from dragoman.web.inputs import Input, Source, constraints_of, input_of, plain
from dragoman.web.places import name_of, place_of
from dragoman.web.plan import Call, View
from dragoman.web.request import Request

__all__ = [
    "HandlerError",
    "annotated_converters",
    "annotations_of",
    "compiled_call",
    "inputs_of",
    "takes_values",
]

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
ANYTHING = inspect.signature(lambda *args, **kwargs: None)
# An annotation that names a part of the request.
MARK = re.compile(r"\b(?:Query|HeaderFields|Body)\[")
# For a variable whose rule names no converter.
BY_ANNOTATION: Mapping[object, str] = {int: "int", float: "float", uuid.UUID: "uuid", str: "string"}


class HandlerError(TypeError):
    """A handler whose parameters are not those that its rule gives; the text says which."""


def takes_values(view: View, names: Sequence[str]) -> bool:
    """Whether the parameters of `view` are the variables of its rule, in its order, and nothing else."""
    parameters = parameters_of(view)
    is_in_order = all(one.kind in POSITIONAL for one in parameters)
    return is_in_order and [one.name for one in parameters] == list(names) and takes_places(view, len(names))


def parameters_of(view: View) -> list[inspect.Parameter]:
    """The parameters of a handler: those of the innermost function, and what decorators around it take themselves.

    Raises HandlerError for what does not tell them, as some of C do.
    """
    try:
        found = dict(inspect.signature(view).parameters)
    except ValueError as error:
        raise HandlerError(f"{place_of(view)}: {error}; want a function of Python around it") from error
    for signature in decorators_of(view):
        for one in signature.parameters.values():
            if one.kind in NAMED and one.name not in found:
                found[one.name] = one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
    return list(found.values())


def decorators_of(view: View) -> list[inspect.Signature]:
    """What is taken by the functions around a handler that are made with ``functools.wraps``; the outermost first."""
    found = []
    while hasattr(view, "__wrapped__"):
        try:
            found.append(inspect.signature(view, follow_wrapped=False))
        except ValueError:
            # One of C, such as that of functools.cache, passes on what it is given.
            found.append(ANYTHING)
        view = view.__wrapped__
    return found


def takes_places(view: View, count: int) -> bool:
    """Whether `count` values may be given by place: each decorator has to pass them on so."""
    try:
        for signature in decorators_of(view):
            signature.bind(*range(count))
    except TypeError:
        return False
    return True


def compiled_call(
    view: View,
    names: Sequence[str],
    defaults: Mapping[str, Any],
    is_refusing_async: bool,
    *,
    may_lack_names: bool = False,
) -> Call:
    """A function of the context that calls `view`.

    names      of the rule's variables, in the order of its values
    defaults   of the rule, by name
    may_lack_names   whether the handler needs no parameter for each of them
    Raises HandlerError for a parameter that nothing gives, and for a variable that no parameter takes.
    """
    called = called_in_loop(view, is_refusing_async)
    parameters = parameters_of(view)
    annotations = annotations_of(view)
    inputs = check(view, parameters, annotations, names, defaults, may_lack_names)
    try:
        sources = [source_of(one, annotations, inputs, names, defaults) for one in parameters]
    except TypeError as error:
        raise HandlerError(f"{place_of(view)}: {error}") from error
    takes_rest = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters)
    is_in_order = all(one.kind in POSITIONAL for one in parameters)
    if takes_values(view, names):
        return lambda context: called(*context[VALUES])
    request_and_names = sources[:1] == [request_of] and [one.name for one in parameters[1:]] == list(names)
    if is_in_order and request_and_names and takes_places(view, len(parameters)):
        return lambda context: called(request_of(context), *context[VALUES])
    return general(called, parameters, sources, inputs, names, defaults, takes_rest)


def general(
    called: View,
    parameters: Sequence[inspect.Parameter],
    sources: Sequence[Call | None],
    inputs: Mapping[str, Input],
    names: Sequence[str],
    defaults: Mapping[str, Any],
    takes_rest: bool,
) -> Call:
    """Any signature: positional-only parameters by place, others by name."""
    placed = [
        source or of_constant(one.default)
        for one, source in zip(parameters, sources, strict=True)
        if one.kind is inspect.Parameter.POSITIONAL_ONLY
    ]
    named = {
        one.name: source
        for one, source in zip(parameters, sources, strict=True)
        if one.kind in NAMED and source is not None
    }
    if takes_rest:
        taken = {one.name for one in parameters}
        rest = {name: of_value(index) for index, name in enumerate(names) if name not in taken}
        named |= rest | {name: of_constant(value) for name, value in defaults.items() if name not in {*taken, *rest}}
    items = list(named.items())

    def call(context: Context) -> Any:
        return called(*[source(context) for source in placed], **{name: source(context) for name, source in items})

    if len(inputs) < 2:
        return call
    from dragoman.web.validation import Reader, ValidationFailed, together  # noqa: PLC0415

    readers = [one for one in sources if isinstance(one, Reader)]

    def call_read(context: Context) -> Any:
        try:
            positional = [source(context) for source in placed]
            keywords = {name: source(context) for name, source in items}
        except ValidationFailed as error:
            raise together(readers, context) from error
        return called(*positional, **keywords)

    return call_read


def source_of(
    parameter: inspect.Parameter,
    annotations: Mapping[str, Any],
    inputs: Mapping[str, Input],
    names: Sequence[str],
    defaults: Mapping[str, Any],
) -> Call | None:
    """What gives a parameter its value; None for one that keeps its own default."""
    if parameter.name in names:
        return of_value(list(names).index(parameter.name))
    if parameter.name in defaults:
        return of_constant(defaults[parameter.name])
    if is_request(annotations.get(parameter.name)):
        return request_of
    if parameter.name not in inputs:
        return None
    from dragoman.web.validation import MISSING, reader_for  # noqa: PLC0415

    given = inputs[parameter.name]
    return reader_for(given, parameter.name, MISSING if parameter.default is parameter.empty else parameter.default)


def of_value(index: int) -> Call:
    return lambda context: context[VALUES][index]


def of_constant(value: Any) -> Call:
    return lambda context: value


def check(
    view: View,
    parameters: Sequence[inspect.Parameter],
    annotations: Mapping[str, Any],
    names: Sequence[str],
    defaults: Mapping[str, Any],
    may_lack_names: bool,
) -> dict[str, Input]:
    """What parameters take of the request, by their names. Raises HandlerError where handler and rule do not fit."""
    where = place_of(view)
    # What a decorator passes besides, the user that it has found say, is not known.
    is_decorated = bool(decorators_of(view))
    kinds = {one.kind for one in parameters}
    has_rest = inspect.Parameter.VAR_KEYWORD in kinds
    taken = {one.name for one in parameters}
    lost = [name for name in names if name not in taken]
    if lost and not has_rest and not may_lack_names:
        raise HandlerError(
            f"{where}: the rule has the variable {lost[0]!r}, and the handler no parameter of that name;"
            f" want def {name_of(view)}({', '.join(names)})"
        )
    inputs: dict[str, Input] = {}
    for one in parameters:
        if one.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            continue
        annotation = annotations.get(one.name)
        if one.name in names or one.name in defaults:
            check_constraints(where, one.name, annotation)
            continue
        unknown = annotation if isinstance(annotation, str) and not (is_decorated or is_request(annotation)) else None
        if unknown is not None and (one.default is one.empty or MARK.search(unknown)):
            raise HandlerError(
                f"{where}: the annotation of {one.name!r}, {unknown}, names what its module does not have; want"
                " classes of the module itself, that are not imported for type checkers alone"
            )
        given = input_of(annotation)
        if given is not None:
            inputs[one.name] = given
        elif one.default is one.empty and not is_request(annotation) and not is_decorated:
            raise HandlerError(
                f"{where}: nothing gives the parameter {one.name!r}: it is no variable of the rule; want one annotated"
                " as Request, as the dataclass, TypedDict or msgspec.Struct of the body, as Query[…], HeaderFields[…]"
                " or Body[…], or with a default"
            )
    bodies = [name for name, given in inputs.items() if given.source is Source.BODY]
    if len(bodies) > 1:
        raise HandlerError(f"{where}: {' and '.join(bodies)}: a request has one body")
    return inputs


def check_takes(what: str, function: Callable[..., Any], given: Sequence[str]) -> None:
    """Raises HandlerError for a hook or a handler of errors that does not take what it is called with."""
    try:
        # That of the function itself: what a decorator has put around another one decides what can be passed.
        found = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):
        return
    try:
        found.bind(*given)
    except TypeError:
        wanted = ", ".join(given)
        raise HandlerError(
            f"{place_of(function)}: {what} calls it with {wanted or 'nothing'}, and it takes {found};"
            f" want def {name_of(function)}({wanted})"
        ) from None


def check_constraints(where: str, name: str, annotation: Any) -> None:
    said = constraints_of(annotation)
    if said:
        raise HandlerError(
            f"{where}: Meta({', '.join(f'{one}=…' for one in said)}) of {name!r}: what a variable takes is said in the"
            f" rule: <int(min=1):{name}>, <string(maxlength=9):{name}>; Meta may describe it"
        )


def annotated_converters(view: View) -> dict[str, str]:
    """The converters that annotations of parameters stand for, by the parameters' names."""
    kinds = {name: plain(annotation) for name, annotation in annotations_of(view).items()}
    return {
        name: BY_ANNOTATION[kind] for name, kind in kinds.items() if isinstance(kind, type) and kind in BY_ANNOTATION
    }


def annotations_of(view: View) -> dict[str, Any]:
    """The annotations of a handler, with what ``Annotated`` says; what cannot be resolved stays a text."""
    target = inspect.unwrap(view)
    if not inspect.isfunction(target) and not inspect.ismethod(target):
        target = getattr(target, "__call__", target)  # noqa: B004 - of an object with __call__
    try:
        return typing.get_type_hints(target, include_extras=True)
    except Exception:
        # A name that is imported for type checkers alone, say: then one by one.
        found = {}
        for name, annotation in getattr(target, "__annotations__", {}).items():
            found[name] = resolved(annotation, getattr(target, "__globals__", {}))
        return found


def resolved(annotation: Any, names: Mapping[str, Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, dict(names))
    except Exception:
        return annotation


def inputs_of(view: View, names: Sequence[str]) -> dict[str, Input]:
    """What a handler's parameters take of the body, the query and the header, by their names.

    names   of those that the rule gives
    """
    annotations = annotations_of(view)
    listed = [one.name for one in parameters_of(view) if one.name not in names]
    found = {name: input_of(annotations.get(name)) for name in listed}
    return {name: given for name, given in found.items() if given is not None}


def is_request(annotation: Any) -> bool:
    annotation = plain(annotation)
    if isinstance(annotation, str):
        return annotation.rpartition(".")[2] == "Request"
    return isinstance(annotation, type) and issubclass(annotation, Request)
