//! Listening sockets: bound by somebody else, inherited by descriptor, accepted from without blocking.

use crate::gateway::Peer;
use crate::sys;
use crate::unsent::NARROW_BYTES;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, acceptfrom_with, sockopt};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// One in so many parts of the time after which a client is given up lies between two probes.
const PROBES: u32 = 6;

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
            // RFC 6093 §4: urgent data stays in its place, as for whoever looks at the bytes on their way.
            sockopt::set_socket_oobinline(&socket, true)?;
            sys::limit_unsent(socket.as_fd(), NARROW_BYTES)?;
        }
        Ok(Self { socket })
    }

    /// Lets the kernel give up a client that has acknowledged nothing for so long, and ask one that was silent for so long
    /// whether it is there (tcp(7), TCP_USER_TIMEOUT and TCP_KEEPIDLE). Accepted sockets inherit it.
    pub(crate) fn give_up_after(&self, time: Duration) -> io::Result<()> {
        if sockopt::socket_domain(&self.socket)? == AddressFamily::UNIX {
            return Ok(());
        }
        // Whole seconds are what it takes here.
        let idle = Duration::from_secs(time.as_secs_f64().ceil().max(1.0) as u64);
        sockopt::set_tcp_keepidle(&self.socket, idle)?;
        sockopt::set_tcp_keepintvl(&self.socket, (idle / PROBES).max(Duration::from_secs(1)))?;
        Ok(sockopt::set_tcp_user_timeout(&self.socket, u32::try_from(time.as_millis()).unwrap_or(u32::MAX))?)
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

/// Its address.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(address) = rustix::net::getsockname(&self.socket) else { return f.write_str("of no address") };
        match (SocketAddr::try_from(address.clone()), SocketAddrUnix::try_from(address)) {
            (Ok(address), _) => address.fmt(f),
            (_, Ok(address)) => write!(f, "unix:{}", String::from_utf8_lossy(address.path_bytes().unwrap_or_default())),
            _ => f.write_str("of another kind"),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
