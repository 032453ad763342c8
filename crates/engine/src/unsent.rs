//! How much output the kernel may hold unsent for a reader: little for everybody, more for a few who take it.

use crate::sys;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Output that the kernel takes beyond what the client's window allows to send. Without a bound it takes megabytes for
/// each slow reader, and the copy of that holds up everybody else.
pub(crate) const NARROW_BYTES: u32 = 512 * 1024;
/// The same for a reader with a wide queue: a body of 1 MiB leaves in one piece.
const WIDE_BYTES: u32 = 2 * 1024 * 1024;
/// Connections with a wide queue at one time. All of them together are copied for in one turn of the reactor.
const WIDE_CONNECTIONS: u32 = 32;
/// Bytes that a reader has to make room for before its queue is widened.
const PROVEN_BYTES: u64 = 128 * 1024;

/// The wide queues of one engine.
#[derive(Debug, Default)]
pub(crate) struct WideQueues(Arc<AtomicU32>);

/// One of them: it is there for another connection when this one is gone.
#[derive(Debug)]
pub(crate) struct WideQueue(Arc<AtomicU32>);

impl WideQueues {
    /// A wide queue for a TCP socket whose reader has made room for `moved` bytes: `None` for one that has not shown yet that
    /// it reads, and while too many have one.
    pub fn widen(&self, socket: BorrowedFd<'_>, moved: u64) -> Option<WideQueue> {
        if moved < PROVEN_BYTES {
            return None;
        }
        let one_more = |count: u32| (count < WIDE_CONNECTIONS).then_some(count + 1);
        self.0.fetch_update(Relaxed, Relaxed, one_more).ok()?;
        let queue = WideQueue(Arc::clone(&self.0));
        // Setting it tells the reactor that the socket takes more now.
        sys::limit_unsent(socket, WIDE_BYTES).ok().map(|()| queue)
    }
}

impl Drop for WideQueue {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{PROVEN_BYTES, WIDE_BYTES, WIDE_CONNECTIONS, WideQueues};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::{AsFd, AsRawFd};

    fn unsent_limit(socket: &TcpStream) -> u32 {
        let mut bytes: u32 = 0;
        let mut len = size_of::<u32>() as libc::socklen_t;
        // SAFETY: the value is a u32 of the length given, which lives across the call; the descriptor is open.
        let got = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_NOTSENT_LOWAT,
                (&raw mut bytes).cast(),
                &mut len,
            )
        };
        assert_eq!(got, 0);
        bytes
    }

    fn socket() -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection")
    }

    #[test]
    fn who_reads_gets_a_wide_queue_and_who_does_not_gets_none() {
        let queues = WideQueues::default();
        let socket = socket();
        let before = unsent_limit(&socket);
        assert!(queues.widen(socket.as_fd(), PROVEN_BYTES - 1).is_none());
        assert_eq!(unsent_limit(&socket), before);
        let queue = queues.widen(socket.as_fd(), PROVEN_BYTES);
        assert!(queue.is_some());
        assert_eq!(unsent_limit(&socket), WIDE_BYTES);
    }

    #[test]
    fn there_are_so_many_and_one_that_is_let_go_serves_another() {
        let queues = WideQueues::default();
        let socket = socket();
        let mut taken: Vec<_> = (0..WIDE_CONNECTIONS).map(|_| queues.widen(socket.as_fd(), u64::MAX)).collect();
        assert!(taken.iter().all(Option::is_some));
        assert!(queues.widen(socket.as_fd(), u64::MAX).is_none());
        taken.pop();
        assert!(queues.widen(socket.as_fd(), u64::MAX).is_some());
    }

    #[test]
    fn a_socket_that_has_no_such_limit_takes_no_place() {
        let queues = WideQueues::default();
        let (socket, _peer) = std::os::unix::net::UnixStream::pair().expect("a pair");
        for _ in 0..=WIDE_CONNECTIONS {
            assert!(queues.widen(socket.as_fd(), u64::MAX).is_none());
        }
        assert!(queues.widen(self::socket().as_fd(), u64::MAX).is_some());
    }
}
