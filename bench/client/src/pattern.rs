//! The body bytes that client and applications agree on: every byte tells its own offset.

use std::sync::{Arc, OnceLock};

/// Length of the pattern, and so the largest `start + length` of a slice.
pub const PATTERN_BYTES: usize = 10 << 20;

/// The whole pattern: lines of eight bytes, each holding its offset in hexadecimal (`0000008\n`).
///
/// `apps/pattern.py` builds the same. A slice in the wrong place, of the wrong length or from another
/// request differs in its first line.
pub fn pattern() -> Arc<[u8]> {
    static PATTERN: OnceLock<Arc<[u8]>> = OnceLock::new();
    Arc::clone(PATTERN.get_or_init(|| {
        (0..PATTERN_BYTES).step_by(8).flat_map(|offset| format!("{offset:07x}\n").into_bytes()).collect()
    }))
}

/// A body as a slice of shared bytes: what was sent, or what must come back.
#[derive(Clone, Debug)]
pub struct Body {
    bytes: Arc<[u8]>,
    start: usize,
    length: usize,
}

impl Body {
    /// No bytes at all.
    pub fn empty() -> Self {
        Self::literal(b"")
    }

    /// Exactly these bytes.
    pub fn literal(bytes: &[u8]) -> Self {
        Self { bytes: bytes.into(), start: 0, length: bytes.len() }
    }

    /// The `length` bytes of the pattern from `start`; both within [`PATTERN_BYTES`].
    pub fn slice(start: usize, length: usize) -> Self {
        assert!(start + length <= PATTERN_BYTES, "a slice of {length} from {start} leaves the pattern");
        Self { bytes: pattern(), start, length }
    }

    /// The bytes of this body.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.length]
    }
}

/// CRC-32 as zlib computes it, so that an application can answer for a body that it does not send back.
pub fn crc32(bytes: &[u8]) -> u32 {
    static TABLE: OnceLock<[u32; 256]> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        std::array::from_fn(|index| {
            (0..8).fold(index as u32, |crc, _| if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 })
        })
    });
    !bytes.iter().fold(!0, |crc, &byte| table[((crc ^ u32::from(byte)) & 0xFF) as usize] ^ (crc >> 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_pattern_tells_its_offset() {
        assert_eq!(Body::slice(8, 9).bytes(), b"0000008\n0");
        assert_eq!(Body::slice(PATTERN_BYTES - 8, 8).bytes(), b"09ffff8\n");
        assert_eq!(pattern().len(), PATTERN_BYTES);
    }

    #[test]
    fn crc32_has_the_check_value_of_zlib() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }
}
