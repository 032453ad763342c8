//! Which requests are likely to be slow: a small table of counters by path, as a processor predicts branches.
//!
//! A slow call moves its counter up by four, a fast one down by one: a path is handed to a follower when more than about
//! one call in five outlives a tick, so that ten slow calls in a hundred do not cost the other ninety a thread hop. Paths
//! that were never seen go by a counter over all first sightings (an application whose every path is new and slow).

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

const PATHS: usize = 1024;
const UNKNOWN: u8 = 0;
const FAST: u8 = 1;
const SLOW_AT: u8 = 9;
const MOST: u8 = 24;
const STEP_UP: u8 = 4;

/// Counters by path. Races between threads lose a step now and then, which only makes a prediction later.
#[derive(Debug)]
pub struct Predictor {
    paths: Box<[AtomicU8]>,
    first_sightings: AtomicU8,
}

/// Where the counter of a path is.
#[derive(Clone, Copy, Debug)]
pub struct PathKey(u16);

impl Default for Predictor {
    fn default() -> Self {
        Self { paths: (0..PATHS).map(|_| AtomicU8::new(UNKNOWN)).collect(), first_sightings: AtomicU8::new(FAST) }
    }
}

impl Predictor {
    /// The key of a request by method and raw path.
    pub fn key(method: &[u8], path: &[u8]) -> PathKey {
        let mut hash = u64::from(method.first().copied().unwrap_or(0)) ^ path.len() as u64;
        let mut words = path.chunks_exact(8);
        for word in &mut words {
            hash = mix(hash, u64::from_le_bytes(word.try_into().unwrap_or([0; 8])));
        }
        let rest = words.remainder().iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        PathKey((mix(hash, rest) >> 54) as u16)
    }

    /// Whether a call of that path should go to a follower.
    pub fn is_slow(&self, key: PathKey) -> bool {
        match self.counter(key).load(Relaxed) {
            UNKNOWN => self.first_sightings.load(Relaxed) >= SLOW_AT,
            counted => counted >= SLOW_AT,
        }
    }

    /// Takes a finished call into account.
    pub fn learn(&self, key: PathKey, was_slow: bool) {
        let counter = self.counter(key);
        let before = counter.load(Relaxed);
        if before == FAST && !was_slow {
            return;
        }
        if before == UNKNOWN {
            step(&self.first_sightings, was_slow);
        }
        step(counter, was_slow);
    }

    fn counter(&self, key: PathKey) -> &AtomicU8 {
        &self.paths[usize::from(key.0) % PATHS]
    }
}

fn step(counter: &AtomicU8, was_slow: bool) {
    let before = counter.load(Relaxed).max(FAST);
    let after = if was_slow { (before + STEP_UP).min(MOST) } else { (before - 1).max(FAST) };
    counter.store(after, Relaxed);
}

fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95)
}

#[cfg(test)]
mod tests {
    use super::Predictor;

    fn after(calls: &[bool]) -> bool {
        let predictor = Predictor::default();
        let key = Predictor::key(b"GET", b"/report");
        calls.iter().for_each(|slow| predictor.learn(key, *slow));
        predictor.is_slow(key)
    }

    #[test]
    fn a_new_path_is_taken_for_fast() {
        assert!(!after(&[]));
    }

    #[test]
    fn two_slow_calls_in_a_row_make_a_path_slow() {
        assert!(!after(&[true]));
        assert!(after(&[true, true]));
    }

    #[test]
    fn one_slow_call_in_ten_leaves_a_path_fast() {
        let calls: Vec<bool> = (0..1000).map(|n| n % 10 == 0).collect();
        assert!(!after(&calls));
    }

    #[test]
    fn a_slow_path_that_became_fast_is_fast_again() {
        let mut calls = vec![true; 50];
        calls.extend([false; 30]);
        assert!(!after(&calls));
    }

    #[test]
    fn when_first_sightings_are_slow_unseen_paths_are_taken_for_slow() {
        let predictor = Predictor::default();
        for n in 0..8 {
            predictor.learn(Predictor::key(b"GET", format!("/item/{n}").as_bytes()), true);
        }
        let unseen = (0..100).filter(|n| predictor.is_slow(Predictor::key(b"GET", format!("/other/{n}").as_bytes())));
        assert!(unseen.count() > 90);
    }
}
