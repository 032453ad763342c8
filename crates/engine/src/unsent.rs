//! How much output the kernel may hold unsent for a reader: little for everybody, more for a few who take it.

use crate::sys;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Relaxed},
};
use std::sync::{Arc, Mutex, PoisonError};

/// Output that the kernel takes beyond what the client's window allows to send. Without a bound it takes megabytes for
/// each slow reader, and the copy of that holds up everybody else.
pub(crate) const NARROW_BYTES: u32 = 512 * 1024;
/// The same for a reader with a wide queue: a body of 1 MiB leaves in one piece.
const WIDE_BYTES: u32 = 2 * 1024 * 1024;
/// Connections with a wide queue at one time. All of them together are copied for in one turn of the reactor.
const WIDE_CONNECTIONS: usize = 32;
/// Bytes that a reader has to acknowledge before its queue is widened: more than the receive buffer holds of one that has
/// asked for a large response and does not read it (128 KiB by default, 416 KiB at most where nobody has raised that).
pub(crate) const PROVEN_BYTES: u64 = 768 * 1024;

/// A request of the holder's, or its output, is under way.
const IN_USE: u64 = 0;
/// Another connection has it.
const LOST: u64 = u64::MAX;

/// One of the places.
#[derive(Debug)]
struct Place {
    /// In use, idle since a time (monotonic milliseconds), or lost.
    state: AtomicU64,
    /// Its holder's socket, open for as long as the place is among the others.
    socket: RawFd,
}

/// The wide queues of one engine.
#[derive(Debug, Default)]
pub(crate) struct WideQueues(Arc<Mutex<Vec<Arc<Place>>>>);

/// One of them: it is there for another connection when this one rests, or is gone. It must be dropped before the socket.
#[derive(Debug)]
pub(crate) struct WideQueue {
    place: Arc<Place>,
    places: Arc<Mutex<Vec<Arc<Place>>>>,
}

impl WideQueues {
    /// A wide queue, in use, for a TCP socket whose reader has acknowledged `PROVEN_BYTES`: a free one, or that of the holder
    /// that has been idle longest. `None` while all are in use, if only by what the kernel still holds.
    pub fn widen(&self, socket: BorrowedFd<'_>) -> Option<WideQueue> {
        let place = self.place(socket)?;
        let queue = WideQueue { place, places: Arc::clone(&self.0) };
        // Setting it tells the reactor that the socket takes more now.
        sys::limit_unsent(socket, WIDE_BYTES).ok().map(|()| queue)
    }

    fn place(&self, socket: BorrowedFd<'_>) -> Option<Arc<Place>> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= WIDE_CONNECTIONS {
            let idle = places.iter().enumerate().map(|(n, place)| (place.state.load(Relaxed), n));
            let (since, n) = idle.filter(|(since, n)| *since != IN_USE && places[*n].is_narrow_enough()).min()?;
            // Its holder may begin a request in this very moment.
            places[n].state.compare_exchange(since, LOST, AcqRel, Relaxed).ok()?;
            let _ = sys::limit_unsent(places[n].socket(), NARROW_BYTES);
            places.swap_remove(n);
        }
        let place = Arc::new(Place { state: AtomicU64::new(IN_USE), socket: socket.as_raw_fd() });
        places.push(Arc::clone(&place));
        Some(place)
    }
}

impl Place {
    /// To be called with the places locked, of a place among them.
    fn socket(&self) -> BorrowedFd<'_> {
        // SAFETY: a holder takes its place out, under the lock that the caller has, before its socket is closed.
        unsafe { BorrowedFd::borrow_raw(self.socket) }
    }

    /// Whether the kernel holds no more for the holder than for everybody.
    fn is_narrow_enough(&self) -> bool {
        sys::unacknowledged(self.socket()) <= NARROW_BYTES.into()
    }
}

impl WideQueue {
    /// The connection rests until its next request.
    pub fn rests(&self, now_ms: u64) {
        // What is lost stays so.
        let _ = self.place.state.compare_exchange(IN_USE, now_ms.max(1), AcqRel, Relaxed);
    }

    /// Its next request has come. `false`: another connection has the queue now, and this one's is narrow.
    pub fn goes_on(&self) -> bool {
        self.place.state.swap(IN_USE, AcqRel) != LOST
    }
}

impl Drop for WideQueue {
    fn drop(&mut self) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|place| !Arc::ptr_eq(place, &self.place));
    }
}

#[cfg(test)]
mod tests {
    use super::{WIDE_BYTES, WIDE_CONNECTIONS, WideQueues};
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
    fn there_are_so_many_and_one_that_is_let_go_serves_another() {
        let queues = WideQueues::default();
        let socket = socket();
        let mut taken: Vec<_> = (0..WIDE_CONNECTIONS).map(|_| queues.widen(socket.as_fd())).collect();
        assert!(taken.iter().all(Option::is_some));
        assert_eq!(unsent_limit(&socket), WIDE_BYTES);
        assert!(queues.widen(socket.as_fd()).is_none());
        taken.pop();
        assert!(queues.widen(socket.as_fd()).is_some());
    }

    #[test]
    fn the_one_that_has_been_idle_longest_is_lost_to_another_that_needs_it() {
        let queues = WideQueues::default();
        let socket = socket();
        let taken: Vec<_> = (0..WIDE_CONNECTIONS).filter_map(|_| queues.widen(socket.as_fd())).collect();
        taken[3].rests(2_000);
        taken[7].rests(1_000);
        let (first, second) = (queues.widen(socket.as_fd()), queues.widen(socket.as_fd()));
        assert!(first.is_some() && second.is_some() && queues.widen(socket.as_fd()).is_none());
        taken[3].rests(3_000);
        assert!(!taken[3].goes_on() && !taken[7].goes_on() && taken[8].goes_on());
        // To let go what was lost frees nothing.
        drop(taken);
        let free = std::iter::from_fn(|| queues.widen(socket.as_fd())).take(WIDE_CONNECTIONS).map(std::mem::forget);
        assert_eq!(free.count(), WIDE_CONNECTIONS - 2);
    }

    #[test]
    fn one_for_which_the_kernel_still_holds_much_is_in_use_though_its_connection_rests() {
        let queues = WideQueues::default();
        // Nobody reads at the other end, which stays in the backlog.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let socket = TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection");
        let taken: Vec<_> = (0..WIDE_CONNECTIONS).filter_map(|_| queues.widen(socket.as_fd())).collect();
        socket.set_nonblocking(true).expect("a socket that does not wait");
        while std::io::Write::write(&mut &socket, &[0; 65536]).is_ok() {}
        taken[0].rests(1_000);
        assert!(queues.widen(socket.as_fd()).is_none());
        assert!(taken[0].goes_on());
    }

    #[test]
    fn one_that_goes_on_in_time_keeps_it() {
        let queues = WideQueues::default();
        let socket = socket();
        let taken: Vec<_> = (0..WIDE_CONNECTIONS).filter_map(|_| queues.widen(socket.as_fd())).collect();
        taken[0].rests(1_000);
        assert!(taken[0].goes_on());
        assert!(queues.widen(socket.as_fd()).is_none());
    }

    #[test]
    fn a_socket_that_has_no_such_limit_takes_no_place() {
        let queues = WideQueues::default();
        let (socket, _peer) = std::os::unix::net::UnixStream::pair().expect("a pair");
        for _ in 0..=WIDE_CONNECTIONS {
            assert!(queues.widen(socket.as_fd()).is_none());
        }
        assert!(queues.widen(self::socket().as_fd()).is_some());
    }
}
