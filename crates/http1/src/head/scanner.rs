//! Finds the end of a request head as its bytes arrive, and whatever spoils it, at the first byte that shows it.

use super::request_line::{MAX_EMPTY_LINES, request_line};
use crate::{Limits, Reject, RejectKind};
use memchr::memchr3;

/// Finds the end of a head as bytes arrive: constant work per byte however they are split.
///
/// Refuses bare LF, bare CR, NUL, a bad request line and every size of the head that is above its limit as soon as the
/// bytes show it. So the whole head and its split deliveries meet the same refusal, in the order of the bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scanner {
    section: Section,
    /// Everything before this offset has been looked at and is never looked at again.
    examined: usize,
    /// Where the current line begins.
    line_start: usize,
    /// Empty lines skipped before the request line.
    empty_lines: usize,
    /// Field lines that are complete.
    fields: usize,
    /// Bytes searched in total: the tests hold it against the bytes given.
    #[cfg(test)]
    work: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    RequestLine,
    Fields,
    End,
}

impl Scanner {
    /// A scanner at the first byte of a message.
    pub const fn new() -> Self {
        Self::at(Section::RequestLine)
    }

    /// A scanner at the first byte of a field section without a request line before it: trailers.
    pub(crate) const fn of_fields() -> Self {
        Self::at(Section::Fields)
    }

    const fn at(section: Section) -> Self {
        Self {
            section,
            examined: 0,
            line_start: 0,
            empty_lines: 0,
            fields: 0,
            #[cfg(test)]
            work: 0,
        }
    }

    /// `buffer` is everything received of this message so far. `Some(n)`: the head is `buffer[..n]`,
    /// skipped empty lines and the final empty line included. `None`: more bytes are needed.
    pub fn scan(&mut self, buffer: &[u8], limits: &Limits) -> Result<Option<usize>, Reject> {
        if self.section == Section::RequestLine {
            if !self.scan_request_line(buffer, limits)? {
                return Ok(None);
            }
            // A bad line is refused before the fields come.
            request_line(buffer, limits)?;
            self.section = Section::Fields;
        }
        if self.section == Section::Fields && !self.scan_fields(buffer, limits)? {
            return Ok(None);
        }
        Ok(Some(self.examined))
    }

    /// The first fault of line ends, NUL or size within the request line at the start of `buffer`, if there is one.
    pub(crate) fn request_line_fault(buffer: &[u8], limits: &Limits) -> Option<Reject> {
        Self::new().scan_request_line(buffer, limits).err()
    }

    /// Whether the request line is complete; the empty lines before it are skipped.
    fn scan_request_line(&mut self, buffer: &[u8], limits: &Limits) -> Result<bool, Reject> {
        // RFC 8446 §5.1: a TLS handshake record begins with 22, which begins no method.
        if let Some(0x16) = buffer.first() {
            return Err(Reject::new(RejectKind::TlsOnClearText, 0));
        }
        while let Some(len) = self.next_line(buffer, limits.request_line, RejectKind::RequestLineTooLong)? {
            if len > 0 {
                return Ok(true);
            }
            self.empty_lines += 1;
            if self.empty_lines > MAX_EMPTY_LINES {
                return Err(Reject::new(RejectKind::EmptyLines, self.examined - 2));
            }
        }
        Ok(false)
    }

    /// Whether the final empty line has come.
    fn scan_fields(&mut self, buffer: &[u8], limits: &Limits) -> Result<bool, Reject> {
        // What lies behind the limit is not looked at, so that one piece is judged like many.
        let within = buffer.get(..limits.head).unwrap_or(buffer);
        loop {
            if self.fields >= limits.fields
                && self.examined == self.line_start
                && within.get(self.line_start).is_some_and(|&byte| byte != b'\r')
            {
                return Err(Reject::new(RejectKind::TooManyFields, self.line_start));
            }
            match self.next_line(within, limits.field, RejectKind::FieldTooLarge)? {
                Some(0) => {
                    self.section = Section::End;
                    return Ok(true);
                }
                Some(_) => self.fields += 1,
                None if buffer.len() >= limits.head => {
                    return Err(Reject::new(RejectKind::HeadTooLarge, limits.head));
                }
                None => return Ok(false),
            }
        }
    }

    /// Goes past the next line end; gives the length of the line without CR LF, `None` while it is incomplete.
    fn next_line(&mut self, buffer: &[u8], limit: usize, too_long: RejectKind) -> Result<Option<usize>, Reject> {
        // One byte beyond the limit, for that is where the CR of a longest line stands.
        let window_end = self.line_start.saturating_add(limit).saturating_add(1);
        let window = buffer.get(..window_end).unwrap_or(buffer);
        let unseen = window.get(self.examined..).unwrap_or_default();
        let found = memchr3(b'\r', b'\n', 0, unseen);
        #[cfg(test)]
        {
            self.work += found.map_or(unseen.len(), |offset| offset + 1);
        }
        let Some(offset) = found else {
            self.examined = self.examined.max(window.len());
            if window.len() == window_end {
                return Err(Reject::new(too_long, window_end - 1));
            }
            return Ok(None);
        };
        let at = self.examined + offset;
        self.examined = at;
        match (buffer.get(at), buffer.get(at + 1)) {
            (Some(b'\r'), Some(b'\n')) => {
                let len = at - self.line_start;
                self.examined = at + 2;
                self.line_start = at + 2;
                Ok(Some(len))
            }
            (Some(b'\r'), Some(_)) => Err(Reject::new(RejectKind::BareCr, at)),
            (Some(b'\r'), None) => Ok(None),
            (Some(b'\n'), _) => Err(Reject::new(RejectKind::BareLf, at)),
            _ => Err(Reject::new(RejectKind::Nul, at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// The largest head that the limits let through, near enough: 62 KiB.
    fn long_head() -> Vec<u8> {
        let mut head = Vec::from(&b"GET / HTTP/1.1\r\nHost: a\r\n"[..]);
        while head.len() < 62 * 1024 {
            head.extend_from_slice(b"Cookie: ");
            head.extend(core::iter::repeat_n(b'c', 1000));
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    fn work_of(head: &[u8], piece: usize) -> usize {
        let limits = Limits::default();
        let mut scanner = Scanner::new();
        let mut end = 0;
        loop {
            end = (end + piece).min(head.len());
            if scanner.scan(&head[..end], &limits).unwrap().is_some() {
                assert_eq!(end, head.len());
                return scanner.work;
            }
        }
    }

    #[test]
    fn a_head_delivered_byte_by_byte_costs_constant_work_per_byte() {
        let head = long_head();
        for piece in [1, 2, 3, 7, 1460, head.len()] {
            let work = work_of(&head, piece);
            // A CR that ends a piece is looked at once more with the next one.
            assert!(work <= head.len() + 2 * 64, "pieces of {piece}: {work} bytes searched of {}", head.len());
        }
    }

    #[test]
    fn scanning_again_after_the_end_finds_the_same_end() {
        let limits = Limits::default();
        let mut scanner = Scanner::new();
        let head = b"GET / HTTP/1.0\r\n\r\nGET";
        assert_eq!(scanner.scan(head, &limits), Ok(Some(18)));
        assert_eq!(scanner.scan(head, &limits), Ok(Some(18)));
    }
}
