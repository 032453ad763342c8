//! Log lines about peers: one per reason and minute with a sample, however many events there are.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

const MINUTE_MS: u64 = 60_000;

#[derive(Debug)]
struct Reason {
    said_ms: u64,
    silent: u64,
}

/// What has been said, by reason.
#[derive(Debug, Default)]
pub struct Notices {
    reasons: Mutex<HashMap<&'static str, Reason>>,
}

impl Notices {
    /// One more event. `Some(n)`: say it now; `n` earlier ones of the same reason were not said.
    pub fn count(&self, reason: &'static str, now_ms: u64) -> Option<u64> {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        match reasons.get_mut(reason) {
            Some(known) if now_ms.saturating_sub(known.said_ms) < MINUTE_MS => {
                known.silent += 1;
                None
            }
            Some(known) => {
                known.said_ms = now_ms;
                Some(std::mem::take(&mut known.silent))
            }
            None => {
                reasons.insert(reason, Reason { said_ms: now_ms, silent: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Notices;

    #[test]
    fn a_reason_is_said_once_a_minute_with_the_number_left_out() {
        let notices = Notices::default();
        assert_eq!(notices.count("bare-lf", 1_000), Some(0));
        assert_eq!(notices.count("bare-lf", 2_000), None);
        assert_eq!(notices.count("bare-cr", 2_000), Some(0));
        assert_eq!(notices.count("bare-lf", 60_999), None);
        assert_eq!(notices.count("bare-lf", 61_000), Some(2));
        assert_eq!(notices.count("bare-lf", 121_000), Some(0));
    }
}
