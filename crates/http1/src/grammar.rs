//! Byte classes of the grammar as one table: what may stand where in a message.

/// A set of byte values: one bit in the table.
#[derive(Clone, Copy)]
pub(crate) struct Class(u8);

/// RFC 9110 §5.6.2: `tchar`, the bytes of methods, field names and codings.
pub(crate) const TCHAR: Class = Class(1);
/// Bytes of a request target: visible ASCII without `#`, for a target has no fragment (RFC 9112 §3.2).
pub(crate) const TARGET: Class = Class(2);
/// `TARGET` without `%` and `?`: what needs no second look inside a path.
pub(crate) const PATH_PLAIN: Class = Class(4);
/// RFC 9110 §5.5: bytes of a field value: HTAB, SP, VCHAR and obs-text.
pub(crate) const VALUE: Class = Class(8);
/// RFC 3986 §3.2.2: `unreserved` and `sub-delims` but the comma, which joins lists: a Host with one may be two.
pub(crate) const REG_NAME: Class = Class(16);

static CLASSES: [u8; 256] = classes();

impl Class {
    /// Whether `byte` is in the class.
    #[inline]
    pub(crate) fn has(self, byte: u8) -> bool {
        classes_of(byte) & self.0 != 0
    }

    /// Offset of the first byte outside the class.
    #[inline]
    pub(crate) fn first_outside(self, bytes: &[u8]) -> Option<usize> {
        bytes.iter().position(|&byte| !self.has(byte))
    }

    /// Whether `bytes` is one or more bytes of the class. Meant for short runs: it looks at every byte, without a branch.
    #[inline]
    pub(crate) fn is_run(self, bytes: &[u8]) -> bool {
        let common = bytes.iter().fold(self.0, |common, &byte| common & classes_of(byte));
        !bytes.is_empty() && common != 0
    }
}

#[inline]
fn classes_of(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(0)
}

/// Whether the token `name` is `known`, whose letters are small, in any case.
///
/// Bit 5 makes capitals small; besides, it turns only bytes that stand in no token into letters or a dash.
#[inline]
pub(crate) fn is_name<const N: usize>(name: &[u8], known: &[u8; N]) -> bool {
    match name.first_chunk::<N>() {
        Some(bytes) if name.len() == N => {
            bytes.iter().zip(known).fold(0, |difference, (byte, known)| difference | ((byte | 0x20) ^ known)) == 0
        }
        _ => false,
    }
}

/// RFC 9110 §5.6.3: the bytes of optional whitespace; nothing else is ever trimmed.
pub(crate) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// `bytes` without SP and HTAB at both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The first byte that no field value and no reason phrase may hold: a control other than HTAB.
#[inline]
pub(crate) fn first_control(bytes: &[u8]) -> Option<u8> {
    let slowly = || bytes.iter().copied().find(|&byte| !VALUE.has(byte));
    // The last eight bytes are a word, too, that overlaps the one before it.
    let Some(last) = bytes.last_chunk::<8>() else { return slowly() };
    let mut is_suspect = holds_control(u64::from_ne_bytes(*last));
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        is_suspect |= holds_control(u64::from_ne_bytes(*word));
        rest = after;
    }
    // A word with HTAB is suspect, too: one byte after the other then.
    if is_suspect { slowly() } else { None }
}

/// Whether one of the eight bytes is below 0x20 or 0x7f; see "hasless" and "haszero" in Bit Twiddling Hacks.
const fn holds_control(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 255;
    let delete = word ^ (ONES * 0x7f);
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let is_delete = delete.wrapping_sub(ONES) & !delete;
    (below_space | is_delete) & (ONES * 0x80) != 0
}

/// Value of a `HEXDIG` (RFC 5234 appendix B.1) in either case.
pub(crate) const fn hex_value(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// RFC 9112 §6.2 and RFC 9110 §8.6: `1*DIGIT`, at most 2^63-1, which every reader on the way can hold.
pub(crate) fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    let mut length: u64 = 0;
    for &byte in value {
        if !byte.is_ascii_digit() {
            return None;
        }
        length = length.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    (length <= MAX_LENGTH).then_some(length)
}

/// The greatest body or chunk length that is read: 2^63-1.
pub(crate) const MAX_LENGTH: u64 = u64::MAX >> 1;

#[allow(clippy::indexing_slicing, reason = "evaluated at compile time, where an index out of bounds is a build error")]
const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let byte = index as u8;
        let is_alnum = byte.is_ascii_alphanumeric();
        let mut classes = 0;
        if is_alnum || is_one_of(byte, b"!#$%&'*+-.^_`|~") {
            classes |= TCHAR.0;
        }
        if byte.is_ascii_graphic() && byte != b'#' {
            classes |= TARGET.0;
            if byte != b'%' && byte != b'?' {
                classes |= PATH_PLAIN.0;
            }
        }
        if byte == b'\t' || (byte >= b' ' && byte != 0x7f) {
            classes |= VALUE.0;
        }
        if is_alnum || is_one_of(byte, b"-._~!$&'()*+;=") {
            classes |= REG_NAME.0;
        }
        table[index] = classes;
        index += 1;
    }
    table
}

#[allow(clippy::indexing_slicing, reason = "evaluated at compile time, where an index out of bounds is a build error")]
const fn is_one_of(byte: u8, set: &[u8]) -> bool {
    let mut index = 0;
    while index < set.len() {
        if set[index] == byte {
            return true;
        }
        index += 1;
    }
    false
}
