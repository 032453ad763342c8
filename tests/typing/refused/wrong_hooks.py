"""Hooks and handlers of exceptions that do not fit, and wrong uses of what is given. Each such line says so."""

from typing import Any

from dragoman.web import App, Blueprint, Request, Response

app = App(__name__)
part = Blueprint("part", __name__)


@app.before_request  # refused: type-var, reportArgumentType
def gives_a_number() -> int:
    return 1


@app.before_request  # refused: type-var, reportArgumentType
def wants_the_request(request: Request) -> None:
    pass


@part.before_app_request  # refused: type-var, reportArgumentType
async def gives_a_set() -> set[str]:
    return set()


@app.after_request  # refused: type-var, reportArgumentType
def gives_nothing(response: Response) -> None:
    pass


@app.after_request  # refused: type-var, reportArgumentType
def gives_text(response: Response) -> str:
    return ""


@part.after_app_request  # refused: type-var, reportArgumentType
def takes_nothing() -> Response:
    return Response()


@app.teardown_request  # refused: type-var, reportArgumentType
def takes_no_error() -> None:
    pass


@app.teardown_request  # refused: type-var, reportArgumentType
def takes_some_errors(error: ValueError) -> None:
    pass


@app.url_value_preprocessor  # refused: type-var, reportArgumentType
def takes_values_alone(values: dict[str, Any]) -> None:
    pass


@app.context_processor  # refused: type-var, reportArgumentType
def gives_a_list() -> list[str]:
    return []


@app.errorhandler(404)  # refused: type-var, reportArgumentType
def gives_no_answer(error: Exception) -> None:
    pass


@app.errorhandler(404)  # refused: type-var, reportArgumentType
def takes_no_exception() -> str:
    return ""


@app.errorhandler("404")  # refused: arg-type, reportArgumentType
def of_text(error: Exception) -> str:
    return ""


@app.errorhandler(int)  # refused: arg-type, reportArgumentType
def of_int(error: Exception) -> str:
    return ""


app.register_error_handler(404, gives_nothing)  # refused: arg-type, reportArgumentType


def test_site() -> None:
    client = app.test_client()
    client.get("/", jsn={"a": 1})  # refused: call-arg, reportCallIssue
    client.get("/", auth=7)  # refused: arg-type, reportArgumentType
    client.get("/").status_code.upper()  # refused: attr-defined, reportAttributeAccessIssue
    client.post("/", data=7)  # refused: arg-type, reportArgumentType
    app.test_client(threads=1)  # refused: call-overload, reportCallIssue


def reading(request: Request) -> int:
    request.args.get("page", type=int) + 1  # refused: operator, reportOptionalOperand
    return request.args["page"]  # refused: return-value, reportReturnType
