"""Sockets of the service manager: which are taken, whose they are, and what is wrong with the variables."""

import os
import socket

import pytest

from dragoman.errors import OperatorError
from dragoman.supervisor import open_all, take_passed
from dragoman.values import PassedAddress

ME = 4711


def test_the_sockets_are_numbered_from_3_and_have_the_names_of_their_unit() -> None:
    environment = {"LISTEN_FDS": "2", "LISTEN_PID": str(ME), "LISTEN_FDNAMES": "http:admin"}
    assert take_passed(environment, ME) == ((PassedAddress(3, "http"), PassedAddress(4, "admin")), "")


def test_names_may_be_missing() -> None:
    assert take_passed({"LISTEN_FDS": "1", "LISTEN_PID": str(ME)}, ME)[0] == (PassedAddress(3),)


def test_the_variables_are_taken_away_from_children() -> None:
    variables = {"LISTEN_FDS": "1", "LISTEN_PID": "1", "LISTEN_FDNAMES": "a", "LISTEN_PIDFDID": "7"}
    environment = {**variables, "PATH": "/bin"}
    take_passed(environment, ME)
    assert environment == {"PATH": "/bin"}


def test_the_descriptors_are_taken_away_from_children(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr("dragoman.supervisor.activation.FIRST_FD", listener.fileno())
        os.set_inheritable(listener.fileno(), True)
        take_passed({"LISTEN_FDS": "1", "LISTEN_PID": str(ME)}, ME)
        assert not os.get_inheritable(listener.fileno())


@pytest.mark.parametrize("environment", [{}, {"LISTEN_FDS": "1"}, {"LISTEN_PID": "1"}, {"LISTEN_FDS": ""}])
def test_without_both_variables_nothing_was_passed(environment: dict[str, str]) -> None:
    assert take_passed(dict(environment), ME) == ((), "")


def test_no_sockets_are_no_sockets() -> None:
    assert take_passed({"LISTEN_FDS": "0", "LISTEN_PID": str(ME)}, ME) == ((), "")


def test_those_of_another_process_are_left_to_it_with_a_warning() -> None:
    passed, warning = take_passed({"LISTEN_FDS": "2", "LISTEN_PID": "1"}, ME)
    assert passed == ()
    assert "2 sockets were passed to process 1" in warning and f"process {ME}" in warning and "exec" in warning


@pytest.mark.parametrize(
    ("count", "owner"), [("two", str(ME)), ("-1", str(ME)), ("9999", str(ME)), ("1", "me"), ("9" * 5000, "1")]
)
def test_variables_that_cannot_be_meant_are_refused(count: str, owner: str) -> None:
    with pytest.raises(OperatorError, match=r"LISTEN_FDS .* want a number of sockets up to 4096 and a process id"):
        take_passed({"LISTEN_FDS": count, "LISTEN_PID": owner}, ME)


def test_a_wrong_descriptor_is_refused_by_its_number_and_name() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        address = PassedAddress(datagrams.fileno(), "http")
        with pytest.raises(OperatorError) as caught:
            open_all([address], backlog=16, umask=0)
    assert str(caught.value) == (
        f'LISTEN_FDS: the socket that was passed as descriptor {address.fd} ("http"):'
        " the descriptor is not a stream socket of TCP or unix kind"
    )
