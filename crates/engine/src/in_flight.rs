//! What each serving thread is running, readable by others without a lock: for the name of a request that is stuck.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

const WORDS: usize = 16;

/// The begin of "METHOD target" of the running request; empty between requests.
#[derive(Debug, Default)]
pub struct InFlight {
    len: AtomicU32,
    words: [AtomicU64; WORDS],
}

impl InFlight {
    /// A request begins.
    pub fn begin(&self, method: &[u8], target: &[u8]) {
        let mut text = [0u8; WORDS * 8];
        let method = &method[..method.len().min(32)];
        text[..method.len()].copy_from_slice(method);
        text[method.len()] = b' ';
        let start = method.len() + 1;
        let count = target.len().min(text.len() - start);
        text[start..start + count].copy_from_slice(&target[..count]);
        let len = start + count;
        for (word, bytes) in self.words.iter().zip(text[..len.next_multiple_of(8)].chunks_exact(8)) {
            word.store(u64::from_le_bytes(bytes.try_into().unwrap_or([0; 8])), Relaxed);
        }
        self.len.store(len as u32, Relaxed);
    }

    /// It is over.
    pub fn end(&self) {
        self.len.store(0, Relaxed);
    }

    /// What is running, if anything. Torn when read in the moment of a change; exact for a request that is stuck.
    pub fn text(&self) -> Option<String> {
        let len = (self.len.load(Relaxed) as usize).min(WORDS * 8);
        let bytes: Vec<u8> = self.words.iter().flat_map(|word| word.load(Relaxed).to_le_bytes()).take(len).collect();
        (len > 0).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::InFlight;

    #[test]
    fn a_long_target_is_cut_and_the_end_clears() {
        let in_flight = InFlight::default();
        assert_eq!(in_flight.text(), None);
        in_flight.begin(b"GET", b"/reports/7?full=1");
        assert_eq!(in_flight.text().as_deref(), Some("GET /reports/7?full=1"));
        in_flight.begin(b"GET", &[b'a'; 500]);
        assert_eq!(in_flight.text().map(|text| text.len()), Some(128));
        in_flight.end();
        assert_eq!(in_flight.text(), None);
    }
}
