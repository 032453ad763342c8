"""Binds the listening sockets of a run, and removes at the end what it has made."""

import errno
import os
import socket
import stat
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from dragoman.errors import OperatorError
from dragoman.supervisor.privileges import Identity
from dragoman.types import ListenerInfo
from dragoman.values import Address, InheritedAddress, PassedAddress, TcpAddress, UnixAddress, cause_of, printable

__all__ = ["Listener", "close_all", "has_its_file", "open_all"]


OURS = "address in use: by another --bind of this server; leave one of them out"


class Listener(NamedTuple):
    """A socket that listens. Its owner is the process that opened it; workers use its descriptor."""

    socket: socket.socket
    kind: Literal["tcp", "unix"]
    server_name: str
    server_port: str
    url: str
    # As the settings spell it: by it a successor knows the socket.
    address: str
    # (path, device, inode) of a unix socket that we have made: only that very file is removed at the end.
    made: tuple[str, int, int] | None = None

    @property
    def info(self) -> ListenerInfo:
        """The listener as the engine takes it."""
        return {
            "fd": self.socket.fileno(),
            "kind": self.kind,
            "server_name": self.server_name,
            "server_port": self.server_port,
        }


def open_all(
    addresses: Sequence[Address],
    *,
    backlog: int,
    umask: int,
    reuse_port: bool = False,
    owner: Identity | None = None,
    handed_over: Mapping[str, int] | None = None,
) -> list[Listener]:
    """Listening sockets for `addresses`, in their order. Raises OperatorError for the first that cannot be had.

    umask         permissions that the unix sockets do not get
    reuse_port    other sockets with this option may be bound to the same port (SO_REUSEPORT, socket(7))
    owner         whom the unix sockets are to belong to; without one, the user of this process
    handed_over   descriptors of sockets that listen already, by their address; those that are not wanted are closed
    """
    left, opened = dict(handed_over or {}), list[Listener]()
    # Both wildcards on one port are possible when the IPv6 one does not take IPv4 too.
    ipv4_ports = {one.port for one in addresses if isinstance(one, TcpAddress) and one.host == "0.0.0.0"}
    try:
        for address in addresses:
            is_reachable = not isinstance(address, UnixAddress) or is_socket(address.path)
            if is_reachable and (fd := left.pop(str(address), None)) is not None:
                opened.append(take_over(address, fd, backlog))
            elif isinstance(address, TcpAddress):
                ipv6_only = address.host == "::" and address.port in ipv4_ports
                opened.append(open_tcp(address, backlog, opened, ipv6_only=ipv6_only, reuse_port=reuse_port))
            elif isinstance(address, UnixAddress):
                opened.append(open_unix(address, backlog, opened, umask, owner))
            else:
                opened.append(take_inherited(address, backlog))
    except BaseException:
        close_all(opened)
        raise
    finally:
        for fd in left.values():
            os.close(fd)
    return opened


def take_over(address: Address, fd: int, backlog: int) -> Listener:
    """The socket of a predecessor, with the file of a unix one."""
    listener = inherited_listener(socket.socket(fileno=fd), InheritedAddress(fd), backlog)
    if not isinstance(address, UnixAddress):
        return listener._replace(address=str(address))
    return listener._replace(address=str(address), url=f"unix:{address.path}", made=file_of(address.path))


def is_socket(path: str) -> bool:
    """Whether clients can still find a socket there: cleaners of temporary directories remove its file."""
    try:
        return stat.S_ISSOCK(os.stat(path, follow_symlinks=False).st_mode)
    except OSError:
        return False


def file_of(path: str) -> tuple[str, int, int]:
    status = os.stat(path, follow_symlinks=False)
    return os.path.abspath(path), status.st_dev, status.st_ino


def has_its_file(listener: Listener) -> bool:
    """Whether a unix socket can be reached by the path that the settings say, from this directory; others always."""
    if listener.made is None:
        return True
    try:
        status = os.stat(listener.address.removeprefix("unix:"), follow_symlinks=False)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == listener.made[1:]


def close_all(listeners: Sequence[Listener], *, keep_files: bool = False) -> None:
    """Close `listeners` and remove the files of the unix ones, unless another server has taken their place.

    keep_files   a successor listens there
    """
    for listener in listeners:
        if listener.made is not None and not keep_files:
            path, device, inode = listener.made
            try:
                status = os.stat(path, follow_symlinks=False)
                if (status.st_dev, status.st_ino) == (device, inode):
                    os.unlink(path)
            except OSError:
                pass  # somebody else has removed it, or its directory
        listener.socket.close()


def open_tcp(
    address: TcpAddress, backlog: int, others: Sequence[Listener], *, ipv6_only: bool, reuse_port: bool
) -> Listener:
    # A text is looked up as IDNA, by tables that take a while to load.
    host = address.host.encode() if address.host.isascii() else address.host
    try:
        # IPv4 first: "localhost" means 127.0.0.1 to those who wrote the configuration of a proxy.
        found = sorted(
            socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE),
            key=lambda info: info[0] != socket.AF_INET,
        )
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise refused(address, f"no address is found for the host {printable(address.host)} ({why})") from None
    family, _, _, _, name = found[0]
    sock = new_socket(family, address)
    try:
        # A restarted server takes its port back while connections of the old one are in TIME_WAIT.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if ipv6_only:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(name)
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise refused(address, tcp_reason(error, address, others)) from None
    return tcp_listener(sock, address)


def tcp_listener(sock: socket.socket, address: Address) -> Listener:
    host, port = sock.getsockname()[:2]
    shown = TcpAddress(host, port)
    return Listener(sock, "tcp", host, str(port), f"http://{shown}", str(address))


def tcp_reason(error: OSError, address: TcpAddress, others: Sequence[Listener]) -> str:
    if error.errno == errno.EADDRINUSE:
        # That of all IPv4 addresses takes the port of each of them.
        if any(one.server_port == str(address.port) for one in others if one.kind == "tcp"):
            return OURS
        return "address in use: another process listens there; stop it, or choose another port"
    if error.errno == errno.EACCES:
        return f"no permission: ports below 1024 need the capability CAP_NET_BIND_SERVICE (port {address.port})"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address"
    return error.strerror or str(error)


def open_unix(
    address: UnixAddress, backlog: int, others: Sequence[Listener], umask: int, owner: Identity | None
) -> Listener:
    path = address.path
    if any(one.address == str(address) for one in others):
        raise refused(address, OURS)
    try:
        remove_stale(address)
        sock = new_socket(socket.AF_UNIX, address)
        before = os.umask(umask)
        try:
            sock.bind(path)
        except OSError:
            sock.close()
            raise
        finally:
            os.umask(before)
        if owner is not None:
            give_socket(path, owner)
        sock.listen(backlog)
        made = file_of(path)
    except OSError as error:
        raise refused(address, cause_of(error, path)) from None
    return Listener(sock, "unix", "", "80", f"unix:{path}", str(address), made)


def give_socket(path: str, owner: Identity) -> None:
    """Make the unix socket at `path` that user's. Never another file: whoever may write to the directory can put one
    there meanwhile, and is not to be given that.
    """
    # open(2), O_PATH: stands for the file, whatever has the name afterwards; fchown(2) does not take it, its path does.
    file = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if stat.S_ISSOCK(os.fstat(file).st_mode):
            os.chown(f"/proc/self/fd/{file}", owner.uid, owner.gid)
    finally:
        os.close(file)


def remove_stale(address: UnixAddress) -> None:
    """Remove the socket file of a server that is gone. A live server's, and anything else, is left and refused."""
    try:
        status = os.stat(address.path, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise refused(address, "there is a file of that name that is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # A listener whose backlog is full would let a blocking connect wait.
        probe.setblocking(False)
        code = probe.connect_ex(address.path)
    if code == errno.ECONNREFUSED:
        os.unlink(address.path)
    elif code != errno.ENOENT:
        raise refused(address, "address in use: another process listens there; stop it, or choose another path")


def take_inherited(address: InheritedAddress | PassedAddress, backlog: int) -> Listener:
    try:
        if not stat.S_ISSOCK(os.fstat(address.fd).st_mode):
            raise refused(address, "the descriptor is not a socket")
        sock = socket.socket(fileno=address.fd)
    except OSError as error:
        raise refused(address, f"nothing is open there ({error.strerror})") from None
    try:
        return inherited_listener(sock, address, backlog)
    except BaseException:
        sock.detach()  # it stays the parent's
        raise


def inherited_listener(sock: socket.socket, address: InheritedAddress | PassedAddress, backlog: int) -> Listener:
    is_known = sock.family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
    if not is_known or sock.type != socket.SOCK_STREAM:
        raise refused(address, "the descriptor is not a stream socket of TCP or unix kind")
    try:
        if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.listen(backlog)
        # The processes that we start must not get it by accident; workers are forked and keep it.
        sock.set_inheritable(False)
        sock.setblocking(False)
    except OSError as error:
        raise refused(address, f"the socket cannot listen: {error.strerror}") from None
    if sock.family != socket.AF_UNIX:
        return tcp_listener(sock, address)
    name = sock.getsockname()
    shown = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
    return Listener(sock, "unix", "", "80", f"unix:{printable(shown)}", str(address))


def new_socket(family: int, address: Address) -> socket.socket:
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise refused(address, error.strerror or str(error)) from None
    # Shared with other workers: whoever loses the race for a connection must not wait in accept().
    sock.setblocking(False)
    return sock


def refused(address: Address, reason: str) -> OperatorError:
    if isinstance(address, PassedAddress):
        called = f' ("{printable(address.name)}")' if address.name else ""
        return OperatorError(f"LISTEN_FDS: the socket that was passed as descriptor {address.fd}{called}: {reason}")
    return OperatorError(f'--bind "{printable(str(address))}": {reason}')
