//! From the serving threads' buffer to the descriptor: one thread, which alone may wait for the output.

use super::line::{Buffer, Line};
use super::stamp::Stamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::{Errno, write};
use std::mem;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Lines that wait for the writer, at most.
pub(super) const BUFFER_BYTES: usize = 1 << 20;
/// From here on the writer is in a hurry.
const HASTE_BYTES: usize = BUFFER_BYTES / 2;
/// Kept free for the note about dropped lines.
const NOTE_BYTES: usize = 128;
/// How long lines are collected before they are written, so that a wake and a system call serve many of them.
const COLLECT: Duration = Duration::from_millis(20);
/// How soon an output that failed is tried again.
const RETRY: Duration = Duration::from_millis(100);
/// `RETRY` for poll.
const RETRY_POLL: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// How long the last lines may take.
const CLOSE: Duration = Duration::from_secs(1);
/// POSIX `PIPE_BUF` on Linux (pipe(7)): writes of up to so many bytes are not mixed with those of other workers, and
/// do not block when poll has said that there is room.
const PIPE_BUF: usize = 4096;

/// What the serving threads and the writer share.
pub(super) struct Shared {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    /// Only the writer waits for it.
    wake: Condvar,
    /// Only `close` waits for it.
    ended: Condvar,
    dropped: AtomicU64,
    note: fn(&mut Line<'_>, u64),
}

struct State {
    /// Whole lines, swapped with the writer's own buffer.
    front: Buffer,
    stamp: Stamp,
    pid: u32,
    /// `None` before the first line, and again once `close` has joined it.
    thread: Option<JoinHandle<()>>,
    /// The writer waits for the next line, without a deadline.
    is_idle: bool,
    stage: Stage,
    /// What the writer is to write to from now on.
    next: Option<OwnedFd>,
    /// Dropped lines that no note has told of.
    unreported: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Open,
    /// No more lines are taken, the rest is written.
    Closing,
    /// The rest is given up.
    Abandoned,
    /// The writer touches nothing any more.
    Ended,
}

impl Shared {
    /// Nothing runs yet. `note` writes the line that tells how many lines were dropped, in at most `NOTE_BYTES`.
    pub(super) fn new(descriptor: OwnedFd, note: fn(&mut Line<'_>, u64)) -> Self {
        let state = State {
            front: Buffer::new(BUFFER_BYTES),
            stamp: Stamp::new(),
            pid: 0,
            thread: None,
            is_idle: false,
            stage: Stage::Open,
            next: Some(descriptor),
            unreported: 0,
        };
        let inner = Inner {
            state: Mutex::new(state),
            wake: Condvar::new(),
            ended: Condvar::new(),
            dropped: AtomicU64::new(0),
            note,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Adds the line that `write` writes, or counts it as dropped.
    #[inline]
    pub(super) fn line(&self, write: impl FnOnce(&mut Line<'_>, &mut Stamp, u32)) {
        let mut guard = self.inner.lock();
        let state = &mut *guard;
        if state.stage != Stage::Open {
            self.inner.dropped.fetch_add(1, Relaxed);
            return;
        }
        if state.thread.is_none() {
            self.start(state);
        }
        let bytes_before = state.front.len();
        let State { front, stamp, pid, .. } = state;
        if !front.line(NOTE_BYTES, |line| write(line, stamp, *pid)) {
            state.unreported += 1;
            self.inner.dropped.fetch_add(1, Relaxed);
        }
        let is_in_haste = bytes_before < HASTE_BYTES && state.front.len() >= HASTE_BYTES;
        let wakes = mem::take(&mut state.is_idle) || is_in_haste;
        drop(guard);
        if wakes {
            self.inner.wake.notify_one();
        }
    }

    /// Lines that were not written.
    pub(super) fn dropped(&self) -> u64 {
        self.inner.dropped.load(Relaxed)
    }

    /// Makes the writer go on with `descriptor`.
    pub(super) fn reopen(&self, descriptor: OwnedFd) {
        let _before = self.inner.lock().next.replace(descriptor);
        self.inner.wake.notify_one();
    }

    /// Ends the writer, at the latest after `CLOSE`. One that hangs inside a write call is left behind.
    pub(super) fn close(&self) {
        let mut state = self.inner.lock();
        state.stage = state.stage.max(Stage::Closing);
        if state.thread.is_none() {
            self.inner.end(&mut state, 0);
            return;
        }
        self.inner.wake.notify_one();
        state = self.inner.until_ended(state, CLOSE);
        if state.stage < Stage::Abandoned {
            state.stage = Stage::Abandoned;
            self.inner.wake.notify_one();
            state = self.inner.until_ended(state, RETRY * 2);
        }
        if state.stage == Stage::Ended {
            let thread = state.thread.take();
            drop(state);
            // Its last act was to say `Ended`: this does not wait. It has no result, and no line is lost if it panicked.
            drop(thread.map(JoinHandle::join));
        }
    }

    /// Starts the writer. When the system has no thread to give, the next line tries again and the buffer waits.
    #[cold]
    fn start(&self, state: &mut State) {
        let inner = Arc::clone(&self.inner);
        let back = Buffer::new(BUFFER_BYTES);
        let writer = Writer { inner, output: None, back, written: 0, has_note: false };
        state.pid = std::process::id();
        state.thread = Builder::new().name("dragoman-log".to_owned()).spawn(|| writer.run()).ok();
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn until_ended<'s>(&self, state: MutexGuard<'s, State>, at_most: Duration) -> MutexGuard<'s, State> {
        let wait = self.ended.wait_timeout_while(state, at_most, |state| state.stage != Stage::Ended);
        wait.unwrap_or_else(PoisonError::into_inner).0
    }

    /// The end: what is still unwritten, `rest` lines and the buffer, counts as dropped.
    fn end(&self, state: &mut State, rest: usize) {
        self.dropped.fetch_add((rest + count_lines(state.front.bytes())) as u64, Relaxed);
        state.front.clear();
        state.stage = Stage::Ended;
        self.ended.notify_all();
    }
}

/// The thread's own side.
struct Writer {
    inner: Arc<Inner>,
    output: Option<Output>,
    /// The lines being written.
    back: Buffer,
    /// How many bytes of them are.
    written: usize,
    /// The last of them tells of dropped lines.
    has_note: bool,
}

struct Output {
    descriptor: OwnedFd,
    is_file: bool,
}

/// What became of one write.
enum Attempt {
    Wrote(usize),
    /// The output has no room; poll has waited for it.
    Full,
    Failed,
}

impl Writer {
    fn run(mut self) {
        while self.collect() {
            if !self.deliver() {
                break;
            }
        }
        let rest = count_lines(self.back.bytes().get(self.written..).unwrap_or_default());
        // A note is the last line, and no request's.
        self.inner.end(&mut self.inner.lock(), rest.saturating_sub(usize::from(self.has_note)));
    }

    /// Waits for lines and takes them; `false`: there will be none.
    fn collect(&mut self) -> bool {
        self.back.clear();
        self.written = 0;
        let inner = Arc::clone(&self.inner);
        let mut state = inner.lock();
        state.is_idle = true;
        state = inner.wake.wait_while(state, |state| state.is_quiet()).unwrap_or_else(PoisonError::into_inner);
        state.is_idle = false;
        let is_early = |state: &mut State| state.stage == Stage::Open && state.front.len() < HASTE_BYTES;
        state = inner.wake.wait_timeout_while(state, COLLECT, is_early).unwrap_or_else(PoisonError::into_inner).0;
        let unreported = mem::take(&mut state.unreported);
        self.has_note = unreported > 0;
        if self.has_note {
            state.front.line(0, |line| (inner.note)(line, unreported));
        }
        mem::swap(&mut state.front, &mut self.back);
        let is_last = state.stage != Stage::Open && self.back.len() == 0;
        let next = state.next.take();
        drop(state);
        self.adopt(next);
        !is_last
    }

    /// Writes what was taken, however long the output makes it wait; `false`: it was given up.
    fn deliver(&mut self) -> bool {
        let mut wait = Duration::ZERO;
        while self.written < self.back.len() {
            if !self.goes_on(wait) {
                return false;
            }
            wait = Duration::ZERO;
            match self.attempt() {
                Attempt::Wrote(bytes) => self.written += bytes,
                Attempt::Full => (),
                Attempt::Failed => wait = RETRY,
            }
        }
        true
    }

    /// Waits, unless there is news from the other side, and takes the news; `false`: give up.
    fn goes_on(&mut self, wait: Duration) -> bool {
        let inner = Arc::clone(&self.inner);
        let mut state = inner.lock();
        if !wait.is_zero() {
            let is_unchanged = |state: &mut State| state.next.is_none() && state.stage < Stage::Abandoned;
            state = inner.wake.wait_timeout_while(state, wait, is_unchanged).unwrap_or_else(PoisonError::into_inner).0;
        }
        let is_abandoned = state.stage == Stage::Abandoned;
        let next = state.next.take();
        drop(state);
        self.adopt(next);
        !is_abandoned
    }

    fn adopt(&mut self, next: Option<OwnedFd>) {
        let Some(descriptor) = next else { return };
        let is_file = fstat(&descriptor).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file());
        self.output = Some(Output { descriptor, is_file });
        // The new file gets the line whole of which the old one has a part.
        let lines = self.back.bytes().get(..self.written).unwrap_or_default();
        self.written = lines.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    }

    fn attempt(&self) -> Attempt {
        let Some(output) = &self.output else { return Attempt::Failed };
        let rest = self.back.bytes().get(self.written..).unwrap_or_default();
        let piece = if output.is_file { rest } else { whole_lines(rest, PIPE_BUF) };
        match poll(&mut [PollFd::new(&output.descriptor, PollFlags::OUT)], Some(&RETRY_POLL)) {
            Ok(1..) => (),
            Ok(0) | Err(Errno::INTR) => return Attempt::Full,
            Err(_) => return Attempt::Failed,
        }
        match write(&output.descriptor, piece) {
            Ok(bytes @ 1..) => Attempt::Wrote(bytes),
            Err(Errno::INTR) => Attempt::Full,
            // Also EAGAIN, in spite of poll: trying again at once would spin.
            Ok(0) | Err(_) => Attempt::Failed,
        }
    }
}

impl State {
    /// Whether the writer has nothing to do.
    fn is_quiet(&self) -> bool {
        self.front.len() == 0 && self.unreported == 0 && self.next.is_none() && self.stage == Stage::Open
    }
}

fn count_lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}

/// As many whole lines as fit in `at_most` bytes; of a line that is longer, so many bytes.
fn whole_lines(lines: &[u8], at_most: usize) -> &[u8] {
    let piece = lines.get(..at_most).unwrap_or(lines);
    match piece.iter().rposition(|&byte| byte == b'\n') {
        Some(end) => piece.get(..=end).unwrap_or(piece),
        None => piece,
    }
}
