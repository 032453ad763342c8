//! Listening sockets: bound by somebody else, inherited by descriptor, accepted from without blocking.

use crate::gateway::Peer;
use crate::sys;
use crate::unsent::NARROW_BYTES;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, acceptfrom_with, sockopt};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Unacknowledged output is given up after this: a vanished client is noticed.
const USER_TIMEOUT_MS: u32 = 60_000;
/// Idle time before the kernel probes whether the client is still there.
const PROBE_IDLE: Duration = Duration::from_secs(60);

/// One listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
}

/// What an attempt to accept came to.
#[derive(Debug)]
pub enum Accepted {
    /// A connection.
    Connection(OwnedFd, Peer),
    /// Nobody waits.
    None,
    /// The client was gone before we came.
    Again,
    /// No descriptor or memory is left: pause.
    Exhausted(Errno),
    /// The socket does not listen any more.
    Broken(Errno),
}

impl Listener {
    /// Takes a copy of a bound and listening socket. Options that accepted sockets inherit are set on it once.
    pub fn new(socket: BorrowedFd<'_>) -> io::Result<Self> {
        if !sockopt::socket_acceptconn(socket)? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the descriptor is not a listening socket"));
        }
        let socket = rustix::io::fcntl_dupfd_cloexec(socket, 3)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        if sockopt::socket_domain(&socket)? != AddressFamily::UNIX {
            sockopt::set_tcp_nodelay(&socket, true)?;
            sockopt::set_socket_keepalive(&socket, true)?;
            sockopt::set_tcp_keepidle(&socket, PROBE_IDLE)?;
            sockopt::set_tcp_user_timeout(&socket, USER_TIMEOUT_MS)?;
            sys::limit_unsent(socket.as_fd(), NARROW_BYTES)?;
        }
        Ok(Self { socket })
    }

    /// Whether a client waits to be accepted.
    pub fn has_waiting(&self) -> bool {
        !sys::wait_for(self.socket.as_fd(), PollFlags::IN, 0).is_empty()
    }

    /// Accepts one connection.
    pub fn accept(&self) -> Accepted {
        match acceptfrom_with(&self.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok((stream, address)) => {
                let peer = address.and_then(|address| SocketAddr::try_from(address).ok()).map_or(Peer::Unix, Peer::Tcp);
                Accepted::Connection(stream, peer)
            }
            Err(Errno::AGAIN) => Accepted::None,
            Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS)) => Accepted::Exhausted(error),
            Err(error @ (Errno::INVAL | Errno::BADF | Errno::NOTSOCK | Errno::OPNOTSUPP)) => Accepted::Broken(error),
            // accept(2): errors of the new connection itself are to be treated like a try-again.
            Err(_) => Accepted::Again,
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
