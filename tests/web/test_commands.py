"""Commands of applications and blueprints, what they have in hand, and the runner of tests."""

from __future__ import annotations

import click
import pytest

from dragoman.web import App, Blueprint, current_app, g, has_request_context


def shop() -> App:
    app = App("shop", static_folder=None)

    @app.cli.command("init-db")
    @click.option("--force", is_flag=True)
    @click.argument("name", default="main")
    def init_db(force: bool, name: str) -> None:
        """Make the tables."""
        g.made = name
        click.echo(f"{current_app.name} {g.made} {force} {has_request_context()}")

    @app.cli.command()
    def fail() -> None:
        raise ZeroDivisionError

    return app


def test_a_command_runs_with_the_application_in_hand() -> None:
    result = shop().test_cli_runner().invoke(args=["init-db", "--force"])
    assert (result.exit_code, result.output) == (0, "shop main True False\n")


def test_without_a_name_the_commands_are_listed() -> None:
    output = shop().test_cli_runner().invoke(args=["--help"]).output
    assert "fail" in output and "init-db  Make the tables." in output


def test_an_exception_of_a_command_is_in_the_result() -> None:
    assert isinstance(shop().test_cli_runner().invoke(args=["fail"]).exception, ZeroDivisionError)
    assert shop().test_cli_runner().invoke(args=["none"]).exit_code == 2


def test_a_command_that_is_given_runs_with_the_application_in_hand_too() -> None:
    @click.command()
    def alone() -> None:
        click.echo(current_app.name)

    app = shop()
    assert app.test_cli_runner().invoke(alone).output == "shop\n"
    app.cli.add_command(alone)
    assert app.test_cli_runner().invoke(args=["alone"]).output == "shop\n"
    assert app.test_cli_runner().invoke(app.cli, ["alone"]).output == "shop\n"


def with_commands(name: str, **options: str | None) -> Blueprint:
    part = Blueprint(name, "shop", **options)  # type: ignore[arg-type]

    @part.cli.command(f"clean-{name}")
    def clean() -> None:
        click.echo(f"{name} of {current_app.name}")

    return part


def test_the_commands_of_a_blueprint_are_a_group_of_its_name() -> None:
    app = shop()
    app.register_blueprint(with_commands("admin"))
    app.register_blueprint(Blueprint("without", "shop"))
    runner = app.test_cli_runner()
    assert runner.invoke(args=["admin", "clean-admin"]).output == "admin of shop\n"
    listed = app.cli.list_commands(click.Context(app.cli))
    assert listed == ["admin", "fail", "init-db"]


def test_the_commands_of_a_blueprint_may_have_another_group_or_stand_beside_the_applications() -> None:
    app = shop()
    app.register_blueprint(with_commands("admin", cli_group="manage"))
    app.register_blueprint(with_commands("users", cli_group=None))
    runner = app.test_cli_runner()
    assert runner.invoke(args=["manage", "clean-admin"]).output == "admin of shop\n"
    assert runner.invoke(args=["clean-users"]).output == "users of shop\n"


def test_who_puts_a_blueprint_in_may_say_the_group_of_its_commands() -> None:
    app, outer = shop(), Blueprint("outer", "shop")
    app.register_blueprint(with_commands("admin", cli_group=None), cli_group="manage")
    outer.register_blueprint(with_commands("users", cli_group="people"), cli_group=None)
    app.register_blueprint(outer)
    runner = app.test_cli_runner()
    assert runner.invoke(args=["manage", "clean-admin"]).output == "admin of shop\n"
    assert runner.invoke(args=["clean-users"]).output == "users of shop\n"


def test_the_commands_of_a_blueprint_within_another_and_under_another_name_are_there() -> None:
    app, outer = shop(), Blueprint("outer", "shop")
    outer.register_blueprint(with_commands("inner"))
    app.register_blueprint(outer, name="renamed")
    assert app.test_cli_runner().invoke(args=["renamed.inner", "clean-inner"]).output == "inner of shop\n"


def test_a_command_that_comes_after_the_first_request_is_there() -> None:
    app = shop()
    app.test_client().get("/")

    @app.cli.command()
    def late() -> None:
        click.echo("late")

    assert app.test_cli_runner().invoke(args=["late"]).output == "late\n"


def test_the_shell_has_the_application_and_what_processors_give() -> None:
    app = shop()

    @app.shell_context_processor
    def names() -> dict[str, object]:
        return {"answer": 42, "app": "another"}

    made = app.make_shell_context()
    assert {"app", "g", "request", "session", "answer"} <= made.keys()
    assert (made["answer"], made["app"]) == (42, "another")


@pytest.mark.parametrize("options", [{}, {"env": {"X": "1"}}])
def test_the_runner_takes_what_clicks_own_takes(options: dict[str, dict[str, str]]) -> None:
    assert shop().test_cli_runner(**options).invoke(args=["init-db", "x"], catch_exceptions=False).exit_code == 0
