//! The bounded buffer that log lines are written into: a line is there whole or not at all, and nothing allocates.

use std::fmt;
use std::mem;

/// Whole lines in a fixed piece of memory.
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    len: usize,
}

impl Buffer {
    /// An empty buffer. Its pages are zeroed by the kernel when first touched: unused ones cost nothing.
    pub(super) fn new(capacity: usize) -> Self {
        Self { bytes: vec![0; capacity].into_boxed_slice(), len: 0 }
    }

    /// Bytes written so far.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The lines.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Forgets the lines, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Adds what `write` writes and a line end, leaving `spare` bytes free; `false`: it does not fit and is not there.
    pub(super) fn line(&mut self, spare: usize, write: impl FnOnce(&mut Line<'_>)) -> bool {
        let end = self.bytes.len().saturating_sub(spare).max(self.len);
        let mut line = Line { room: &mut self.bytes[self.len..end], is_cut: false };
        write(&mut line);
        line.raw(b"\n");
        let Line { room, is_cut } = line;
        if !is_cut {
            self.len = end - room.len();
        }
        !is_cut
    }
}

/// One line under way. What does not fit leaves it cut and without room: `Buffer::line` then drops it.
pub(super) struct Line<'b> {
    /// What follows the bytes written so far.
    room: &'b mut [u8],
    is_cut: bool,
}

/// Bytes that are moved at a time: moves of a constant size need no call, and the compiler uses vector instructions.
pub(super) const BLOCK: usize = 16;

impl Line<'_> {
    /// Bytes that the server itself chose.
    #[inline]
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        if let Some(room) = self.take(bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }

    /// The first `len` bytes of `block`, which the server itself chose. Those behind are overwritten by what follows.
    #[inline]
    pub(super) fn block<const N: usize>(&mut self, block: &[u8; N], len: usize) {
        let len = len.min(N);
        match self.room.first_chunk_mut() {
            Some(room) => {
                *room = *block;
                self.take(len);
            }
            None => self.raw(&block[..len]),
        }
    }

    /// Bytes that somebody else chose, in a text line: controls, `"`, `\` and bytes from 0x7f on become `\xNN`, so that
    /// they cannot end a line, leave their quotes or steer a terminal. As nginx and Apache httpd write them.
    #[inline]
    pub(super) fn text(&mut self, bytes: &[u8]) {
        if is_clean(bytes) {
            return self.raw(bytes);
        }
        self.escaped(bytes, |line, byte| {
            line.raw(b"\\x");
            line.hex(byte);
        });
    }

    /// Bytes that somebody else chose, inside a JSON string (RFC 8259 §7), in ASCII; they are latin-1 code points.
    #[inline]
    pub(super) fn json(&mut self, bytes: &[u8]) {
        if is_clean(bytes) {
            return self.raw(bytes);
        }
        self.escaped(bytes, |line, byte| match byte {
            b'"' => line.raw(b"\\\""),
            b'\\' => line.raw(b"\\\\"),
            _ => {
                line.raw(b"\\u00");
                line.hex(byte);
            }
        });
    }

    /// A whole number.
    #[inline]
    pub(super) fn number(&mut self, value: u64) {
        match NUMBERS.get(value as usize) {
            Some([digits @ .., len]) if value < NUMBERS.len() as u64 => self.block(digits, usize::from(*len)),
            _ => self.digits(value, 1),
        }
    }

    /// A whole number with leading zeros to at least `width` (at most 20) digits.
    pub(super) fn digits(&mut self, mut value: u64, width: usize) {
        // u64::MAX has 20 digits.
        let mut digits = [b'0'; 20];
        let mut start = digits.len();
        while value > 0 && start > 0 {
            start -= 1;
            digits[start] = b'0' + (value % 10) as u8;
            value /= 10;
        }
        self.raw(&digits[start.min(digits.len() - width)..]);
    }

    /// An octet of an address and the dot behind it.
    #[inline]
    pub(super) fn octet_and_dot(&mut self, octet: u8) {
        let [a, b, c, len] = NUMBERS[usize::from(octet)];
        let digits = match len {
            1 => [a, b'.', 0, 0],
            2 => [a, b, b'.', 0],
            _ => [a, b, c, b'.'],
        };
        self.block(&digits, usize::from(len) + 1);
    }

    /// Takes `len` bytes of room.
    #[inline]
    fn take(&mut self, len: usize) -> Option<&mut [u8]> {
        match mem::take(&mut self.room).split_at_mut_checked(len) {
            Some((taken, room)) => {
                self.room = room;
                Some(taken)
            }
            None => {
                self.is_cut = true;
                None
            }
        }
    }

    #[cold]
    fn escaped(&mut self, bytes: &[u8], escape: impl Fn(&mut Self, u8)) {
        for &byte in bytes {
            if is_special(byte) { escape(self, byte) } else { self.raw(&[byte]) }
        }
    }

    fn hex(&mut self, byte: u8) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.raw(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// For addresses, which the standard library writes. Never fails: a line that is cut says so itself.
impl fmt::Write for Line<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.raw(text.as_bytes());
        Ok(())
    }
}

/// Whether a byte cannot stand in a line as it is.
const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte >= 0x7f || byte == b'"' || byte == b'\\'
}

/// Whether all bytes can stand in a line as they are, a word at a time.
#[inline]
fn is_clean(bytes: &[u8]) -> bool {
    let (Some(&first), Some(&last)) = (bytes.first_chunk(), bytes.last_chunk()) else {
        return !bytes.iter().any(|&byte| is_special(byte));
    };
    // The last word overlaps the one before it, so that no shorter rest remains.
    let mut found = special(first) | special(last);
    let mut rest = &bytes[first.len()..];
    while let Some((&word, more)) = rest.split_first_chunk() {
        found |= special(word);
        rest = more;
    }
    found == 0
}

/// Not 0 exactly when a byte of the word is special. Each term raises the high bit of such a byte; a carry into the next
/// byte can only come from one.
#[inline]
fn special(word: [u8; 8]) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let word = u64::from_ne_bytes(word);
    let is_control = word.wrapping_sub(ONES * 0x20);
    let is_from_7f = word | word.wrapping_add(ONES);
    let is_quote = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let is_backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (is_control | is_from_7f | is_quote | is_backslash) & (ONES * 0x80)
}

/// The numbers that nearly every line has (address octets, status, small sizes): digits from the left, then how many.
static NUMBERS: [[u8; 4]; 1000] = {
    let mut table = [[0; 4]; 1000];
    let mut value = 0;
    while value < 1000 {
        let [h, t, o] = [b'0' + (value / 100) as u8, b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8];
        table[value] = match value {
            0..10 => [o, 0, 0, 1],
            10..100 => [t, o, 0, 2],
            _ => [h, t, o, 3],
        };
        value += 1;
    }
    table
};
