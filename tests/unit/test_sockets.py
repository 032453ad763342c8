"""Listening sockets: what is opened, what is refused with which reason, and what is left behind."""

import os
import socket
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dragoman.errors import OperatorError
from dragoman.supervisor import Identity, Listener, close_all, open_all
from dragoman.supervisor.sockets import give_socket
from dragoman.values import Address, InheritedAddress, TcpAddress, UnixAddress

LOOPBACK = TcpAddress("127.0.0.1", 0)


@pytest.fixture
def opened() -> Iterator[list[Listener]]:
    listeners: list[Listener] = []
    yield listeners
    close_all(listeners)


def listen(opened: list[Listener], *addresses: Address) -> Sequence[Listener]:
    opened.extend(open_all(addresses, backlog=16, umask=0))
    return opened


def refusal(*addresses: Address) -> str:
    with pytest.raises(OperatorError) as caught:
        open_all(addresses, backlog=16, umask=0)
    assert caught.value.exit_status == 1
    return str(caught.value)


def test_port_0_takes_a_free_port_and_says_which(opened: list[Listener]) -> None:
    (listener,) = listen(opened, LOOPBACK)
    port = listener.socket.getsockname()[1]
    assert port > 0
    assert listener.url == f"http://127.0.0.1:{port}"
    assert listener.info == {
        "fd": listener.socket.fileno(),
        "kind": "tcp",
        "server_name": "127.0.0.1",
        "server_port": str(port),
    }
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


def test_listeners_are_non_blocking_and_not_inherited_by_other_programs(opened: list[Listener]) -> None:
    (listener,) = listen(opened, LOOPBACK)
    assert not os.get_blocking(listener.socket.fileno())
    assert not os.get_inheritable(listener.socket.fileno())


def test_an_ipv6_address_stands_in_brackets_in_its_url(opened: list[Listener]) -> None:
    (listener,) = listen(opened, TcpAddress("::1", 0))
    assert listener.url == f"http://[::1]:{listener.server_port}"


def test_both_wildcards_share_a_port(opened: list[Listener]) -> None:
    free = listen(opened, LOOPBACK)[0].socket.getsockname()[1]
    close_all(opened)
    opened.clear()
    listen(opened, TcpAddress("0.0.0.0", free), TcpAddress("::", free))
    assert [listener.server_name for listener in opened] == ["0.0.0.0", "::"]


def test_an_address_in_use_is_refused_with_what_to_do(opened: list[Listener]) -> None:
    port = listen(opened, LOOPBACK)[0].socket.getsockname()[1]
    assert refusal(TcpAddress("127.0.0.1", port)) == (
        f'--bind "127.0.0.1:{port}": address in use: another process listens there; stop it, or choose another port'
    )


def test_an_address_of_another_machine_is_refused() -> None:
    assert refusal(TcpAddress("192.0.2.1", 0)).endswith("this machine has no such address")


def test_when_one_address_is_refused_those_before_it_are_closed(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    refusal(UnixAddress(str(path)), TcpAddress("192.0.2.1", 0))
    assert not path.exists()


def test_a_unix_socket_is_made_open_to_all_and_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    (listener,) = open_all([UnixAddress(str(path))], backlog=16, umask=0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o777
    assert (listener.url, listener.info["kind"]) == (f"unix:{path}", "unix")
    close_all([listener])
    assert not path.exists()


def test_the_umask_takes_permissions_from_a_unix_socket_and_is_put_back(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        (listener,) = open_all([UnixAddress(str(tmp_path / "socket"))], backlog=16, umask=0o117)
        assert stat.S_IMODE((tmp_path / "socket").stat().st_mode) == 0o660
        close_all([listener])
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_a_port_is_shared_by_those_who_all_ask_for_it(opened: list[Listener]) -> None:
    opened.extend(open_all([LOOPBACK], backlog=16, umask=0, reuse_port=True))
    address = TcpAddress("127.0.0.1", int(opened[0].server_port))
    assert "address in use" in refusal(address)
    opened.extend(open_all([address], backlog=16, umask=0, reuse_port=True))
    assert opened[1].server_port == opened[0].server_port


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away: run the tests as root to see it")
def test_a_unix_socket_is_given_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    (listener,) = open_all([UnixAddress(str(path))], backlog=16, umask=0o007, owner=Identity(54321, 12345, ()))
    status = path.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o770, 54321, 12345)
    close_all([listener])
    assert not path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away: run the tests as root to see it")
def test_what_is_no_socket_is_given_to_nobody(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    (tmp_path / "socket").symlink_to("precious")
    with pytest.raises(OSError):
        give_socket(str(tmp_path / "missing"), Identity(54321, 12345, ()))
    for name in ("precious", "socket"):
        give_socket(str(tmp_path / name), Identity(54321, 12345, ()))
        assert (tmp_path / name).lstat().st_uid == 0
    assert (tmp_path / "precious").stat().st_uid == 0


def test_the_socket_file_of_a_server_that_is_gone_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(path)
        gone.listen()
    (listener,) = open_all([UnixAddress(path)], backlog=16, umask=0)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    close_all([listener])


def test_the_socket_of_a_living_server_is_left_and_refused(tmp_path: Path, opened: list[Listener]) -> None:
    address = UnixAddress(str(tmp_path / "socket"))
    listen(opened, address)
    assert refusal(address).endswith("address in use: another process listens there; stop it, or choose another path")
    assert (tmp_path / "socket").exists()


def test_a_file_that_is_no_socket_is_left_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    assert refusal(UnixAddress(str(path))).endswith("there is a file of that name that is not a socket")
    assert path.read_text() == "data"


def test_the_socket_file_of_a_successor_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    (old,) = open_all([UnixAddress(str(path))], backlog=16, umask=0)
    path.unlink()
    (new,) = open_all([UnixAddress(str(path))], backlog=16, umask=0)
    close_all([old])
    assert path.exists()
    close_all([new])


def test_a_missing_directory_is_named_as_the_reason(tmp_path: Path) -> None:
    assert refusal(UnixAddress(str(tmp_path / "none" / "socket"))).endswith(
        f'socket": there is no directory "{tmp_path / "none"}"'
    )


def test_an_inherited_socket_is_taken_as_it_is(tmp_path: Path, opened: list[Listener]) -> None:
    given = socket.create_server(("127.0.0.1", 0))
    (listener,) = listen(opened, InheritedAddress(given.detach()))
    assert listener.url.startswith("http://127.0.0.1:")
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "socket"))
    listen(opened, InheritedAddress(unix.detach()))
    assert (opened[1].kind, opened[1].made) == ("unix", None)


def test_descriptors_that_are_no_listening_sockets_are_refused(tmp_path: Path) -> None:
    assert "nothing is open there" in refusal(InheritedAddress(987_654))
    with (tmp_path / "file").open("w") as file:
        assert refusal(InheritedAddress(file.fileno())).endswith("the descriptor is not a socket")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        assert "not a stream socket" in refusal(InheritedAddress(datagrams.fileno()))
        assert datagrams.fileno() >= 0
    left, right = socket.socketpair()
    with left, right:
        assert "the socket cannot listen" in refusal(InheritedAddress(left.fileno()))


def test_an_address_that_is_asked_for_twice_is_not_blamed_on_another_process(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    twice = "address in use: by another --bind of this server; leave one of them out"
    assert refusal(TcpAddress("127.0.0.1", port), TcpAddress("127.0.0.1", port)).endswith(twice)
    assert refusal(TcpAddress("0.0.0.0", port), TcpAddress("127.0.0.1", port)).endswith(twice)
    path = UnixAddress(str(tmp_path / "socket"))
    assert refusal(path, path) == f'--bind "{path}": {twice}'


def test_a_host_that_has_no_address_is_named() -> None:
    # Longer than a name in DNS may be, so that nobody is asked.
    assert f"no address is found for the host {'a' * 64} (" in refusal(TcpAddress("a" * 64, 0))
