//! Where connections rest: one slot per descriptor, a berth for the connection and the output that waits for its socket.

use crate::connection::Connection;
use crate::handover::{Berth, Lead};
use crate::output::{Flushed, Output};
use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicU32;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

const CHUNK: usize = 256;

type Chunk<M> = OnceLock<Box<[Slot<M>]>>;

/// All slots, indexed by descriptor number; memory is taken in chunks as descriptors come into use.
pub struct Slots<M> {
    chunks: Box<[Chunk<M>]>,
}

/// One descriptor's place.
pub struct Slot<M> {
    berth: Berth<Box<Connection<M>>>,
    output: Mutex<Option<Box<Output>>>,
    /// Tick of the live entry in the timer wheel; 0 is none.
    pub timer: AtomicU32,
}

/// What the leader found at a slot.
pub type Found<M> = crate::handover::Found<Box<Connection<M>>>;

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
        Self { berth: Berth::new(), output: Mutex::new(None), timer: AtomicU32::new(0) }
    }

    /// A new connection takes the slot; it begins in the caller's hands. Returns its generation.
    pub fn open(&self, lead: &Lead) -> u32 {
        self.berth.open(lead)
    }

    /// The leader asks for the connection because of an event; when it is away, a mark is left instead.
    pub fn find(&self, lead: &Lead, generation: u32) -> Found<M> {
        self.berth.find(lead, generation)
    }

    /// The leader takes a resting connection for another reason than an event (a timer, a drain).
    pub fn take_idle(&self, lead: &Lead) -> Option<Box<Connection<M>>> {
        self.berth.take_idle(lead)
    }

    /// Whether a connection is there, resting or away.
    pub fn is_used(&self) -> bool {
        self.berth.is_used()
    }

    /// Gives the connection back. `Err`: something came meanwhile, the caller still owns it and must look.
    pub fn put(&self, connection: Box<Connection<M>>) -> Result<(), Box<Connection<M>>> {
        self.berth.put(connection)
    }

    /// The connection ends: the slot is free before its descriptor is closed, so that the number can come again at once.
    pub fn free(&self) -> Option<Box<Output>> {
        let output = self.lock_output().take();
        self.berth.free();
        output
    }

    /// Whether output waits in the slot.
    pub fn has_output(&self) -> bool {
        self.berth.has_output()
    }

    /// Says whether output waits. Called with the output locked.
    pub fn set_has_output(&self, has_output: bool) {
        self.berth.set_has_output(has_output);
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
}
