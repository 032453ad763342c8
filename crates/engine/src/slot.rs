//! Where connections rest: one slot per descriptor; one atomic word says who owns the connection and what came meanwhile.
//!
//! Word: generation (32 bits) | output (1) | mark (1) | state (2). Only the leader moves IDLE to OUT. The
//! owner of a connection that is OUT gives it back by a compare-and-swap to IDLE that fails when a mark came: an event that
//! the leader saw while the connection was away, and that edge-triggered polling will not report again.

use crate::connection::Connection;
use crate::leadership::Lead;
use crate::output::{Flushed, Output};
use std::cell::UnsafeCell;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

const STATE: u64 = 3;
const FREE: u64 = 0;
const IDLE: u64 = 1;
const OUT: u64 = 2;
const MARK: u64 = 1 << 2;
const OUTPUT: u64 = 1 << 4;
const GENERATION: u64 = 1 << 32;

const CHUNK: usize = 256;

type Chunk<M> = OnceLock<Box<[Slot<M>]>>;

/// All slots, indexed by descriptor number; memory is taken in chunks as descriptors come into use.
pub struct Slots<M> {
    chunks: Box<[Chunk<M>]>,
}

/// One descriptor's place.
pub struct Slot<M> {
    word: AtomicU64,
    connection: UnsafeCell<Option<Box<Connection<M>>>>,
    output: Mutex<Option<Box<Output>>>,
    /// Tick of the live entry in the timer wheel; 0 is none.
    pub timer: AtomicU32,
}

// SAFETY: `connection` is touched only by the one owner that `word` names: the thread that holds the connection while
// OUT (before its release to IDLE), the leader while IDLE (after an acquire of the word).
unsafe impl<M: Send> Sync for Slot<M> {}

/// What the leader found at a slot.
pub enum Found<M> {
    /// The connection, now owned by the caller.
    Connection(Box<Connection<M>>),
    /// Somebody else has it; a mark was left. `has_output`: output waits for the socket.
    Out { has_output: bool },
    /// Nothing of that generation is there.
    Stale,
}

impl<M> Slots<M> {
    /// Room for descriptors below `limit`.
    pub fn new(limit: usize) -> Self {
        Self { chunks: (0..limit.div_ceil(CHUNK)).map(|_| OnceLock::new()).collect() }
    }

    /// The slot of a descriptor that has been in use.
    pub fn get(&self, descriptor: u32) -> Option<&Slot<M>> {
        self.chunks.get(descriptor as usize / CHUNK)?.get()?.get(descriptor as usize % CHUNK)
    }

    /// The slot of a descriptor that comes into use; `None` above the limit.
    pub fn get_or_make(&self, descriptor: u32) -> Option<&Slot<M>> {
        let chunk = self.chunks.get(descriptor as usize / CHUNK)?;
        let slots = chunk.get_or_init(|| (0..CHUNK).map(|_| Slot::new()).collect());
        slots.get(descriptor as usize % CHUNK)
    }

    /// Every slot made so far, with its descriptor.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Slot<M>)> {
        self.chunks
            .iter()
            .enumerate()
            .filter_map(|(n, chunk)| Some((n, chunk.get()?)))
            .flat_map(|(n, slots)| slots.iter().enumerate().map(move |(m, slot)| ((n * CHUNK + m) as u32, slot)))
    }
}

impl<M> Slot<M> {
    fn new() -> Self {
        Self {
            word: AtomicU64::new(FREE),
            connection: UnsafeCell::new(None),
            output: Mutex::new(None),
            timer: AtomicU32::new(0),
        }
    }

    /// A new connection takes the slot; it begins in the caller's hands. Returns its generation.
    pub fn open(&self, _lead: &Lead) -> u32 {
        // Generation 0 is never used: it would be taken for another kind of epoll entry.
        let generation = ((self.word.load(Relaxed) >> 32) as u32).wrapping_add(1).max(1);
        self.word.store(u64::from(generation) << 32 | OUT, Release);
        generation
    }

    /// The leader asks for the connection because of an event; when it is away, a mark is left instead.
    pub fn find(&self, _lead: &Lead, generation: u32) -> Found<M> {
        loop {
            let word = self.word.load(Acquire);
            if (word >> 32) as u32 != generation {
                return Found::Stale;
            }
            match word & STATE {
                IDLE => return self.take(word),
                OUT if self.word.compare_exchange(word, word | MARK, AcqRel, Acquire).is_ok() => {
                    return Found::Out { has_output: word & OUTPUT != 0 };
                }
                // It came back, or changed, in this very moment: look again.
                OUT => {}
                _ => return Found::Stale,
            }
        }
    }

    /// The leader takes a resting connection for another reason than an event (a timer, a drain).
    pub fn take_idle(&self, _lead: &Lead) -> Option<Box<Connection<M>>> {
        let word = self.word.load(Acquire);
        if word & STATE != IDLE {
            return None;
        }
        match self.take(word) {
            Found::Connection(connection) => Some(connection),
            _ => None,
        }
    }

    /// Whether a connection is there, resting or away.
    pub fn is_used(&self) -> bool {
        self.word.load(Relaxed) & STATE != FREE
    }

    fn take(&self, word: u64) -> Found<M> {
        self.word.store(word & !STATE | OUT, Relaxed);
        // SAFETY: the word was IDLE and only the leader, who calls this, moves it from there.
        match unsafe { (*self.connection.get()).take() } {
            Some(connection) => Found::Connection(connection),
            None => Found::Stale,
        }
    }

    /// Gives the connection back. `Err`: something came meanwhile, the caller still owns it and must look.
    pub fn put(&self, connection: Box<Connection<M>>) -> Result<(), Box<Connection<M>>> {
        let word = self.word.load(Acquire);
        debug_assert_eq!(word & STATE, OUT);
        if word & MARK == 0 {
            // SAFETY: the word is OUT and the caller is the owner until the exchange below succeeds.
            unsafe { *self.connection.get() = Some(connection) };
            let Err(_) = self.word.compare_exchange(word, word & !STATE | IDLE, AcqRel, Acquire) else {
                return Ok(());
            };
            // SAFETY: the exchange failed, so the caller is still the owner.
            let connection = unsafe { (*self.connection.get()).take() };
            return match connection {
                Some(connection) => self.missed(connection),
                None => Ok(()),
            };
        }
        self.missed(connection)
    }

    fn missed(&self, connection: Box<Connection<M>>) -> Result<(), Box<Connection<M>>> {
        let before = self.word.fetch_and(!MARK, AcqRel);
        if before & MARK == 0 {
            // The exchange failed for another reason than a mark (the output flag changed): give back again.
            return self.put(connection);
        }
        Err(connection)
    }

    /// The connection ends: the slot is free before its descriptor is closed, so that the number can come again at once.
    pub fn free(&self) -> Option<Box<Output>> {
        let output = self.lock_output().take();
        let word = self.word.load(Relaxed) & !(GENERATION - 1);
        self.word.store(word | FREE, Release);
        output
    }

    /// Whether output waits in the slot.
    pub fn has_output(&self) -> bool {
        self.word.load(Relaxed) & OUTPUT != 0
    }

    /// The output that waits, for adding and flushing. Held only across non-blocking calls.
    pub fn lock_output(&self) -> MutexGuard<'_, Option<Box<Output>>> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what waits, as far as the socket takes it; the second value says how many bytes have moved.
    pub fn flush(&self, stream: BorrowedFd<'_>, may_read_files: bool) -> (Flushed, u64) {
        let mut waiting = self.lock_output();
        let Some(output) = waiting.as_mut() else { return (Flushed::All, 0) };
        let left_before = output.left();
        let flushed = output.flush(stream, may_read_files);
        let moved = left_before.saturating_sub(output.left());
        if flushed == Flushed::All {
            *waiting = None;
            self.set_has_output(false);
        }
        (flushed, moved)
    }

    /// Says whether output waits. Called with the output locked.
    pub fn set_has_output(&self, has_output: bool) {
        if has_output {
            self.word.fetch_or(OUTPUT, AcqRel);
        } else {
            self.word.fetch_and(!OUTPUT, AcqRel);
        }
    }
}
