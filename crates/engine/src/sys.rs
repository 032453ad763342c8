//! The system calls of the engine, with interrupted calls repeated and "would block" as a value.

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::{DupFlags, Errno};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};
use std::io::IoSlice;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// What a non-blocking transfer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// So many bytes; 0 from a read is the end of the stream.
    Bytes(usize),
    /// Nothing can be moved now.
    WouldBlock,
    /// The connection is broken.
    Gone,
}

fn transfer(mut call: impl FnMut() -> rustix::io::Result<usize>) -> Transfer {
    loop {
        return match call() {
            Ok(count) => Transfer::Bytes(count),
            Err(Errno::INTR) => continue,
            // ENOBUFS is the kernel's passing shortage of memory; the retry comes with the next event or the stall timer.
            Err(Errno::AGAIN | Errno::NOBUFS) => Transfer::WouldBlock,
            Err(_) => Transfer::Gone,
        };
    }
}

/// Reads what is there.
pub fn receive(stream: impl AsFd, buffer: &mut [u8]) -> Transfer {
    transfer(|| rustix::net::recv(&stream, &mut *buffer, RecvFlags::DONTWAIT).map(|(read, _)| read))
}

/// As `receive`, into memory that need not be initialised: so much of its front is, afterwards.
pub fn receive_into(stream: impl AsFd, memory: &mut [MaybeUninit<u8>]) -> Transfer {
    transfer(|| rustix::net::recv(&stream, &mut *memory, RecvFlags::DONTWAIT).map(|((read, _), _)| read.len()))
}

/// Sends what fits.
pub fn send(stream: impl AsFd, data: &[u8], more_follows: bool) -> Transfer {
    let more = if more_follows { SendFlags::MORE } else { SendFlags::empty() };
    transfer(|| rustix::net::send(&stream, data, SendFlags::NOSIGNAL | SendFlags::DONTWAIT | more))
}

/// Sends what fits of several runs.
pub fn send_all(stream: impl AsFd, runs: &[IoSlice<'_>], more_follows: bool) -> Transfer {
    let more = if more_follows { SendFlags::MORE } else { SendFlags::empty() };
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT | more;
    transfer(|| rustix::net::sendmsg(&stream, runs, &mut SendAncillaryBuffer::default(), flags))
}

/// Sends at most `count` bytes of a file from `offset`, which moves on. `Bytes(0)`: the file is shorter than it was.
pub fn send_file(stream: impl AsFd, file: impl AsFd, offset: &mut u64, count: usize) -> Transfer {
    transfer(|| rustix::fs::sendfile(&stream, &file, Some(offset), count))
}

/// Waits for `flags` (errors and hang-ups always count) for at most `timeout_ms`; the events, empty at the timeout.
pub fn wait_for(stream: BorrowedFd<'_>, flags: PollFlags, timeout_ms: u64) -> PollFlags {
    let mut polled = [PollFd::from_borrowed_fd(stream, flags)];
    if poll(&mut polled, timeout_ms) { polled[0].revents() } else { PollFlags::ERR }
}

/// The same, but for no longer than until `alarm` has something to read.
pub fn wait_for_until(stream: BorrowedFd<'_>, flags: PollFlags, alarm: BorrowedFd<'_>, timeout_ms: u64) -> PollFlags {
    let mut polled = [PollFd::from_borrowed_fd(stream, flags), PollFd::from_borrowed_fd(alarm, PollFlags::IN)];
    if poll(&mut polled, timeout_ms) { polled[0].revents() } else { PollFlags::ERR }
}

/// `false`: the call itself failed.
fn poll(polled: &mut [PollFd<'_>], timeout_ms: u64) -> bool {
    let deadline_ms = crate::clock::monotonic_us() / 1000 + timeout_ms;
    loop {
        let left_ms = deadline_ms.saturating_sub(crate::clock::monotonic_us() / 1000);
        let timeout = Timespec { tv_sec: (left_ms / 1000) as i64, tv_nsec: (left_ms % 1000 * 1_000_000) as _ };
        match rustix::event::poll(polled, Some(&timeout)) {
            Ok(_) => return true,
            Err(Errno::INTR) => continue,
            Err(_) => return false,
        }
    }
}

/// Whether the peer has closed its side or the connection is broken. Does not wait.
pub fn is_peer_gone(stream: BorrowedFd<'_>) -> bool {
    !wait_for(stream, PollFlags::RDHUP, 0).is_empty()
}

/// Whether the connection is broken, by a reset for example: a peer that has only closed its side may still read.
pub fn is_broken(stream: BorrowedFd<'_>) -> bool {
    wait_for(stream, PollFlags::empty(), 0).intersects(PollFlags::ERR | PollFlags::HUP)
}

/// Bytes sent that the peer has not acknowledged yet.
pub fn unacknowledged(stream: BorrowedFd<'_>) -> u64 {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for the borrow's life, and TIOCOUTQ (SIOCOUTQ on a socket) writes one int.
    let asked = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &mut bytes) };
    if asked == 0 { u64::try_from(bytes).unwrap_or(0) } else { 0 }
}

/// Whether closing now loses nothing: the peer has everything that was sent, and nothing of its own is unread.
pub fn is_settled(stream: BorrowedFd<'_>) -> bool {
    unacknowledged(stream) == 0 && !has_unread(stream)
}

/// Whether bytes of the peer's wait to be read.
pub fn has_unread(stream: BorrowedFd<'_>) -> bool {
    rustix::io::ioctl_fionread(stream) != Ok(0)
}

/// Bounds the output that a TCP socket holds and has not sent yet (tcp(7), TCP_NOTSENT_LOWAT); accepted sockets inherit it.
pub fn limit_unsent(socket: BorrowedFd<'_>, bytes: u32) -> std::io::Result<()> {
    // SAFETY: the value is a u32 of the length given, which lives across the call; the descriptor is borrowed.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            (&raw const bytes).cast(),
            size_of::<u32>() as libc::socklen_t,
        )
    };
    if set == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Ends our side; what is already sent still arrives.
pub fn shut_down_writing(stream: impl AsFd) {
    // A peer that is gone already makes this fail, and nothing is lost.
    let _ = rustix::net::shutdown(stream, Shutdown::Write);
}

/// Ends both sides, also for copies of the descriptor that a forked child holds.
pub fn shut_down(stream: impl AsFd) {
    let _ = rustix::net::shutdown(stream, Shutdown::Both);
}

/// Puts `null` (/dev/null) in the place of what `descriptor` stands for: the number stays taken, and its owner may close it later.
///
/// For descriptors whose owner cannot give them up yet: a listener that other threads may look at, or everything that a
/// forked child has inherited.
pub fn let_go(descriptor: RawFd, null: &OwnedFd) {
    // SAFETY: the number is open, and `ManuallyDrop` keeps it open; only what it stands for changes.
    let mut target = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(descriptor) });
    // Nothing better can be done where even this fails.
    let _ = rustix::io::dup3(null, &mut target, DupFlags::CLOEXEC);
}

/// Ends the process without running anything of it: no destructor, no `atexit` function, no flushing of shared streams.
pub fn exit_now() -> ! {
    // SAFETY: touches no memory of this process.
    unsafe { libc::_exit(0) }
}
