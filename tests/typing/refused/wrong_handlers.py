"""Handlers that give what is no answer. Each line with an error says so, for mypy and for pyright."""

from collections.abc import Iterable
from datetime import date

from dragoman.web import App, Blueprint, Response

app = App(__name__)
part = Blueprint("part", __name__)


@app.get("/int")  # refused: type-var, reportArgumentType
def of_int() -> int:
    return 1


@app.get("/none")  # refused: type-var, reportArgumentType
def of_none() -> None:
    print("and nothing is given back")


@app.get("/set")  # refused: type-var, reportArgumentType
def of_set() -> set[str]:
    return {"a"}


@app.get("/perhaps")  # refused: type-var, reportArgumentType
def perhaps() -> str | None:
    return None


@app.post("/date")  # refused: type-var, reportArgumentType
def of_date() -> date:
    return date.today()


@app.put("/iterable")  # refused: type-var, reportArgumentType
def of_iterable() -> Iterable[int]:
    return [1]


@app.patch("/float")  # refused: type-var, reportArgumentType
def of_float() -> float:
    return 1.0


@app.delete("/object")  # refused: type-var, reportArgumentType
def of_object() -> object:
    return object()


@app.route("/class")  # refused: type-var, reportArgumentType
def of_class() -> type[Response]:
    return Response


@app.route("/tuple/swapped")  # refused: type-var, reportArgumentType
def swapped() -> tuple[int, str]:
    return 404, "none"


@app.route("/tuple/long")  # refused: type-var, reportArgumentType
def long() -> tuple[str, int, dict[str, str], int]:
    return "", 200, {}, 1


@app.route("/tuple/headers")  # refused: type-var, reportArgumentType
def wrong_headers() -> tuple[str, int, dict[str, int]]:
    return "", 200, {"X-Part": 1}


@app.route("/tuple/body")  # refused: type-var, reportArgumentType
def wrong_body() -> tuple[None, int]:
    return None, 204


@app.get("/coroutine")  # refused: type-var, reportArgumentType
async def coroutine() -> int:
    return 1


@part.get("/coroutine")  # refused: type-var, reportArgumentType
async def coroutine_of_none() -> None:
    pass


@app.get("/option", endpint="name")  # refused: call-arg, reportCallIssue
def option() -> str:
    return ""


@app.get("/methods", methods=["POST"])  # refused: call-arg, reportCallIssue
def methods() -> str:
    return ""


@app.route("/one-method", methods=7)  # refused: arg-type, reportArgumentType
def one_method() -> str:
    return ""


@app.get(7)  # refused: arg-type, reportArgumentType
def rule() -> str:
    return ""


app.add_url_rule("/int", "int", of_int)  # refused: arg-type, reportArgumentType
app.mount("/inner", of_int)  # refused: arg-type, reportArgumentType


@app.get("/user/<int:id>")
def user(id: int) -> str:
    return str(id)


# What is decorated is what it was.
user("a")  # refused: arg-type, reportArgumentType
user().upper()  # refused: call-arg, reportCallIssue
user(1).uper()  # refused: attr-defined, reportAttributeAccessIssue
