"""Holds the layout: directions of imports, file sizes, first lines, the public surface, and reasons for `unsafe`."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "python" / "dragoman"
LINES_AT_MOST = 600
SKIPPED = {"target", ".venv", "node_modules", "out", "artifacts", "__pycache__"}

# From the top to the bottom; a module imports from the rows below its own. A package stands for what is in it.
ROWS: tuple[frozenset[str], ...] = (
    frozenset({"__main__"}),
    # What other programs load: Django and Flask, pytest, gunicorn; and applications, whose test client has a server.
    frozenset({"contrib", "pytest_plugin", "gunicorn", "web"}),
    frozenset({"cli", "testing"}),
    frozenset({"tools"}),
    frozenset({"embedded"}),
    frozenset({"run", "remote", "gunicorn_import", "gunicorn_file", "config_report", "flags"}),
    frozenset({"readiness", "renewal", "layers"}),
    frozenset({"supervisor", "worker", "development"}),
    frozenset({"check"}),
    frozenset({"contract", "forking", "hooks", "leftover", "middleware"}),
    frozenset({"http", "loader", "log", "config_file"}),
    frozenset({"settings", "signature"}),
    # What the table of settings is made with; `cpus` is asked by one of its rows.
    frozenset({"origins"}),
    frozenset({"row", "memory"}),
    frozenset({"values", "types", "errors", "cpus", "gunicorn_options"}),
    frozenset({"_native"}),
)
# `contract` judges servers, ours too, and may know nothing of them.
CONTRACT_MAY_IMPORT = {"contract", "errors", "types", "values"}
# Of a server there is nothing in it: it is one.
CHECK_MAY_IMPORT = {"check", "contract", "errors", "loader", "types", "values"}
# Values that any program may use: of the server, or of this process, they know nothing.
HTTP_MAY_IMPORT = {"http", "errors", "types"}
HTTP_MODULES = tuple(f"dragoman.http.{path.stem}" for path in sorted(PACKAGE.glob("http/[a-z]*.py")))
PUBLIC_MODULES = (
    "dragoman",
    "dragoman.errors",
    *HTTP_MODULES,
    "dragoman.middleware",
    "dragoman.testing",
    "dragoman.types",
    "dragoman.web",
    "dragoman.web.testing",
    "dragoman.web.typing",
)
NATIVE_USERS = {"worker"}


def python_modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "dragoman" and len(parts) > 1 and is_room(parts[1]):
                yield parts[1]


def is_room(name: str) -> bool:
    return any(name in row for row in ROWS)


def rank_of(room: str) -> int:
    return next(rank for rank, row in enumerate(ROWS) if room in row)


def sources() -> list[Path]:
    kinds = {".py", ".pyi", ".rs", ".toml", ".md", ".sh"}
    found = []
    for path in ROOT.rglob("*"):
        inner = path.relative_to(ROOT).parts
        is_ours = not SKIPPED.intersection(inner) and not (inner[0].startswith(".") and inner[0] != ".ci")
        if is_ours and path.is_file() and path.suffix in kinds:
            found.append(path)
    return sorted(found)


@pytest.mark.parametrize("path", python_modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_the_rows_below_it(path: Path) -> None:
    room = room_of(path)
    for other in imported_rooms(path):
        allowed = room in ("__init__", other) or rank_of(other) > rank_of(room)
        assert allowed, f"{room} imports {other}"
        assert other != "_native" or room in NATIVE_USERS, f"{room} imports the native module"
        assert room != "contract" or other in CONTRACT_MAY_IMPORT, f"contract imports {other}"
        assert room != "http" or other in HTTP_MAY_IMPORT, f"http imports {other}"
        assert room != "check" or other in CHECK_MAY_IMPORT, f"check imports {other}"


def test_the_package_itself_is_imported_without_the_server() -> None:
    assert set(imported_rooms(PACKAGE / "__init__.py")) <= {"errors", "types", "embedded"}
    assert modules_after("import dragoman") == {"dragoman", "dragoman.errors"}


def test_what_pytest_loads_at_every_start_is_without_the_server() -> None:
    assert modules_after("import dragoman.pytest_plugin") == {"dragoman", "dragoman.errors", "dragoman.pytest_plugin"}


def test_what_flask_loads_at_every_start_is_without_the_engine() -> None:
    assert not {"dragoman._native", "dragoman.run"} & modules_after("import dragoman.contrib.flask")


def modules_after(code: str) -> set[str]:
    """Which modules of the package a new interpreter has after `code`."""
    program = f"{code}; import sys; print(*(name for name in sys.modules if name.partition('.')[0] == 'dragoman'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_every_module_has_its_place_in_the_rows() -> None:
    rooms = {room_of(path) for path in python_modules()} - {"__init__"}
    assert rooms == set().union(*ROWS) - {"_native"}


@pytest.mark.parametrize(
    ("crate", "allowed"),
    [
        ("http1", set()),
        ("engine", {"dragoman-http1"}),
        ("python", {"dragoman-engine", "dragoman-http1"}),
    ],
)
def test_crates_depend_in_one_direction(crate: str, allowed: set[str]) -> None:
    manifest = (ROOT / "crates" / crate / "Cargo.toml").read_text()
    assert set(re.findall(r"^(dragoman-[a-z0-9-]+)[. ]", manifest, re.MULTILINE)) <= allowed


def test_no_file_is_too_long() -> None:
    too_long = {str(path.relative_to(ROOT)): count for path in sources() if (count := line_count(path)) > LINES_AT_MOST}
    assert too_long == {}


def line_count(path: Path) -> int:
    text = path.read_text(encoding="utf-8")
    # A page that is written from a table is as long as its table, and looked up by its headings.
    return 0 if "<!-- Written by " in text[:200] else text.count("\n")


def test_every_code_file_begins_with_a_sentence_of_purpose() -> None:
    without = []
    for path in sources():
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        begins = {".py": ('"""',), ".pyi": ('"""',), ".rs": ("//! ",)}.get(path.suffix)
        if begins and not (first.startswith(begins) and first.rstrip('"').endswith((".", ":", "?"))):
            without.append(str(path.relative_to(ROOT)))
    assert without == []


def test_every_unsafe_block_says_why_it_is_safe() -> None:
    unreasoned = []
    for path in sources():
        if path.suffix != ".rs":
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            code = line.split("//")[0]
            if re.search(r"\bunsafe\s*(\{|impl\b)", code) and not is_reasoned(lines, number):
                unreasoned.append(f"{path.relative_to(ROOT)}:{number + 1}")
    assert unreasoned == []


def is_reasoned(lines: list[str], number: int) -> bool:
    """True when the comment that stands directly above the statement of the line holds ``SAFETY:``."""
    if "SAFETY:" in lines[number]:
        return True
    above = number - 1
    # The block may be the end of a statement that began on the lines before.
    while above >= 0 and not lines[above].strip().startswith("//") and not ends_statement(lines[above]):
        above -= 1
    comment = []
    while above >= 0 and lines[above].strip().startswith(("//", "#[")):
        comment.append(lines[above])
        above -= 1
    return any("SAFETY:" in line for line in comment)


def ends_statement(line: str) -> bool:
    return line.strip() == "" or line.rstrip().endswith((";", "}"))


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_every_public_name_exists(module: str) -> None:
    imported = importlib.import_module(module)
    assert all(hasattr(imported, name) for name in imported.__all__)


def test_the_public_surface_is_the_one_that_was_agreed_on() -> None:
    agreed = (ROOT / "tests" / "surface.txt").read_text().splitlines()
    assert surface() == agreed, "a public name came, went or changed: change tests/surface.txt on purpose"


def surface() -> list[str]:
    """The names that users may import, with the signatures of the callable ones, one a line."""
    lines = []
    for module in PUBLIC_MODULES:
        imported = importlib.import_module(module)
        for name in sorted(imported.__all__):
            value = getattr(imported, name)
            arguments = ""
            if inspect.isfunction(value):
                parameters = inspect.signature(value).parameters.values()
                arguments = f"({', '.join(str(one).split(':')[0] for one in parameters)})"
            lines.append(f"{module}.{name}{arguments}")
    return lines
