//! Where something rests that has one owner at a time: one atomic word says who that is, and what came meanwhile.
//!
//! Word: generation (32 bits) | output (1) | mark (1) | state (2). Only the leader moves IDLE to OUT. The
//! owner of what is OUT gives it back by a compare-and-swap to IDLE that fails when a mark came: an event that
//! the leader saw while it was away, and that edge-triggered polling will not report again.

use super::sync::{AtomicU64, UnsafeCell};
use super::{Lead, edge};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

const STATE: u64 = 3;
const FREE: u64 = 0;
const IDLE: u64 = 1;
const OUT: u64 = 2;
const MARK: u64 = 1 << 2;
const OUTPUT: u64 = 1 << 4;
const GENERATION: u64 = 1 << 32;

/// A place for one `T` after another; each that takes it has a generation of its own.
#[derive(Debug)]
pub struct Berth<T> {
    word: AtomicU64,
    resting: UnsafeCell<Option<T>>,
}

// SAFETY: `resting` is touched only by the one owner that `word` names: the thread that holds the `T` while OUT (before its
// release to IDLE), the leader while IDLE (after an acquire of the word).
unsafe impl<T: Send> Sync for Berth<T> {}

/// What the leader found at a berth.
#[derive(Debug)]
pub enum Found<T> {
    /// What rested there, now owned by the caller.
    Resting(T),
    /// Somebody else has it; a mark was left. `has_output`: output waits for the socket.
    Out { has_output: bool },
    /// Nothing of that generation is there.
    Stale,
}

impl<T> Berth<T> {
    /// A free berth.
    pub fn new() -> Self {
        Self { word: AtomicU64::new(FREE), resting: UnsafeCell::new(None) }
    }

    /// Something new takes the berth; it begins in the caller's hands. Returns its generation.
    pub fn open(&self, _lead: &Lead) -> u32 {
        // Generation 0 is never used: it would be taken for another kind of epoll entry.
        let generation = ((self.word.load(Relaxed) >> 32) as u32).wrapping_add(1).max(1);
        self.word.store(u64::from(generation) << 32 | OUT, Release);
        generation
    }

    /// The leader asks for what rests here because of an event; when it is away, a mark is left instead.
    pub fn find(&self, _lead: &Lead, generation: u32) -> Found<T> {
        loop {
            edge();
            let word = self.word.load(Acquire);
            if (word >> 32) as u32 != generation {
                return Found::Stale;
            }
            edge();
            match word & STATE {
                IDLE => return self.take(word).map_or(Found::Stale, Found::Resting),
                OUT if self.word.compare_exchange(word, word | MARK, AcqRel, Acquire).is_ok() => {
                    return Found::Out { has_output: word & OUTPUT != 0 };
                }
                // It came back, or changed, in this very moment: look again.
                OUT => {}
                _ => return Found::Stale,
            }
        }
    }

    /// The leader takes what rests for another reason than an event (a timer, a drain).
    pub fn take_idle(&self, _lead: &Lead) -> Option<T> {
        let word = self.word.load(Acquire);
        if word & STATE == IDLE { self.take(word) } else { None }
    }

    /// Whether something is there, resting or away.
    pub fn is_used(&self) -> bool {
        self.word.load(Relaxed) & STATE != FREE
    }

    fn take(&self, word: u64) -> Option<T> {
        self.word.store(word & !STATE | OUT, Relaxed);
        // SAFETY: the word was IDLE and only the leader, who calls this, moves it from there.
        self.resting.with_mut(|resting| unsafe { (*resting).take() })
    }

    /// Gives it back. `Err`: something came meanwhile, the caller still owns it and must look.
    pub fn put(&self, owned: T) -> Result<(), T> {
        edge();
        let word = self.word.load(Acquire);
        debug_assert_eq!(word & STATE, OUT);
        if word & MARK == 0 {
            // SAFETY: the word is OUT and the caller is the owner until the exchange below succeeds.
            self.resting.with_mut(|resting| unsafe { *resting = Some(owned) });
            edge();
            let Err(_) = self.word.compare_exchange(word, word & !STATE | IDLE, AcqRel, Acquire) else {
                return Ok(());
            };
            // SAFETY: the exchange failed, so the caller is still the owner.
            return match self.resting.with_mut(|resting| unsafe { (*resting).take() }) {
                Some(owned) => self.missed(owned),
                None => Ok(()),
            };
        }
        self.missed(owned)
    }

    fn missed(&self, owned: T) -> Result<(), T> {
        edge();
        let before = self.word.fetch_and(!MARK, AcqRel);
        if before & MARK == 0 {
            // The exchange failed for another reason than a mark (the output flag changed): give back again.
            return self.put(owned);
        }
        Err(owned)
    }

    /// The owner ends it: the berth is free from now on, and is opened again only after the owner has let its number go.
    pub fn free(&self) {
        let word = self.word.load(Relaxed) & !(GENERATION - 1);
        edge();
        self.word.store(word | FREE, Release);
        edge();
    }

    /// Whether output waits beside it.
    #[inline]
    pub fn has_output(&self) -> bool {
        self.word.load(Relaxed) & OUTPUT != 0
    }

    /// Says whether output waits. Called with the output locked.
    pub fn set_has_output(&self, has_output: bool) {
        edge();
        if has_output {
            self.word.fetch_or(OUTPUT, AcqRel);
        } else {
            self.word.fetch_and(!OUTPUT, AcqRel);
        }
        edge();
    }
}
