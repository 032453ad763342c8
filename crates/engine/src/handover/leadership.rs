//! Leadership of the reactor: one word says who may touch it; it is lost only in the middle of an application call.
//!
//! Word: epoch (32 bits) | call number (31 bits) | busy (1 bit). The leader owns the `Lead` of the current epoch. While
//! the word is not busy nobody but the leader writes it. `call_begins` sets busy: from then on the reactor lies in its
//! cell without an owner, and either the leader takes it back (`call_ends`) or somebody deposes the leader (`depose`):
//! both are one compare-and-swap on the same word, so exactly one of them succeeds.

use super::edge;
use super::sync::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

const BUSY: u64 = 1;
const CALL: u64 = 2;
const EPOCH: u64 = 1 << 32;

/// The right to touch the reactor. There is one at a time; it moves, it is never copied.
#[derive(Debug)]
pub struct Lead(u64);

/// What the leader keeps of its `Lead` across an application call.
#[derive(Debug)]
pub struct Calling(u64);

/// The leadership word.
#[derive(Debug, Default)]
pub struct Leadership {
    word: AtomicU64,
}

impl Leadership {
    /// A fresh word and its first `Lead`.
    pub fn new() -> (Self, Lead) {
        (Self::default(), Lead(0))
    }

    /// The leader enters an application call; the reactor is put back into its cell.
    pub fn call_begins(&self, lead: Lead) -> Calling {
        let epoch = lead.0 & !(EPOCH - 1);
        let call = (lead.0 + CALL) & (EPOCH - 1) & !BUSY;
        let word = epoch | call | BUSY;
        edge();
        self.word.store(word, Release);
        edge();
        Calling(word)
    }

    /// The call is over. `None`: the caller was deposed meanwhile and owns nothing of the reactor any more.
    pub fn call_ends(&self, calling: Calling) -> Option<Lead> {
        let lead = calling.0 & !BUSY;
        edge();
        self.word.compare_exchange(calling.0, lead, Acquire, Relaxed).ok().map(|_| Lead(lead))
    }

    /// The word now, for the sentinel: equal and busy in two ticks means that one call outlived a tick.
    pub fn observe(&self) -> u64 {
        self.word.load(Relaxed)
    }

    /// Whether an observed word was in a call.
    pub fn is_busy(word: u64) -> bool {
        word & BUSY != 0
    }

    /// Takes the leadership away in the middle of the call that was observed.
    pub fn depose(&self, observed: u64) -> Option<Lead> {
        debug_assert!(Self::is_busy(observed));
        edge();
        let next = (observed & !(EPOCH - 1)).wrapping_add(EPOCH);
        self.word.compare_exchange(observed, next, AcqRel, Relaxed).ok().map(|_| Lead(next))
    }

    /// The thread inside the call gives the leadership away by itself, because it is about to wait.
    pub fn resign(&self, calling: &Calling) -> Option<Lead> {
        self.depose(calling.0)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Leadership;

    #[test]
    fn a_call_that_nobody_deposed_gives_the_lead_back() {
        let (word, lead) = Leadership::new();
        let calling = word.call_begins(lead);
        assert!(word.call_ends(calling).is_some());
    }

    #[test]
    fn exactly_one_of_the_leader_and_the_deposer_gets_the_lead() {
        let (word, lead) = Leadership::new();
        let calling = word.call_begins(lead);
        let observed = word.observe();
        assert!(word.depose(observed).is_some());
        assert!(word.depose(observed).is_none());
        assert!(word.call_ends(calling).is_none());
    }

    #[test]
    fn an_observation_of_an_earlier_call_deposes_nobody() {
        let (word, lead) = Leadership::new();
        let calling = word.call_begins(lead);
        let observed = word.observe();
        let lead = word.call_ends(calling).expect("not deposed");
        let calling = word.call_begins(lead);
        assert!(word.depose(observed).is_none());
        assert!(word.call_ends(calling).is_some());
    }

    #[test]
    fn the_call_number_wraps_without_touching_the_epoch() {
        let (word, mut lead) = Leadership::new();
        lead.0 = super::EPOCH - 2;
        word.word.store(lead.0, std::sync::atomic::Ordering::Relaxed);
        let calling = word.call_begins(lead);
        assert_eq!(word.observe() >> 32, 0);
        assert!(word.call_ends(calling).is_some());
    }
}
