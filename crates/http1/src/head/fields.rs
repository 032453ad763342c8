//! The field block: names and values as spans, every line checked; RFC 9112 §5.

use super::Version;
use crate::framing::Collector;
use crate::grammar::{TCHAR, VALUE, is_blank};
use crate::{FieldFacts, Limits, Reject, RejectKind};
use alloc::vec::Vec;
use httparse::Status;
use memchr::memchr;

/// Names and values of one field block as spans; reusable without allocation.
#[derive(Clone, Debug, Default)]
pub struct FieldTable {
    spans: Vec<Span>,
}

/// Where one field stands in its block. Blocks above 4 GiB are refused, so that 32 bits hold any offset.
#[derive(Clone, Copy, Debug)]
struct Span {
    name_start: u32,
    name_len: u32,
    value_start: u32,
    value_len: u32,
}

impl FieldTable {
    /// An empty table.
    pub const fn new() -> Self {
        Self { spans: Vec::new() }
    }

    /// Number of field lines.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// (name, value) in order, as slices of the block the table was filled from. Values are trimmed of SP and HTAB.
    pub fn iter<'t, 'b: 't>(&'t self, block: &'b [u8]) -> impl DoubleEndedIterator<Item = (&'b [u8], &'b [u8])> + 't {
        self.spans
            .iter()
            .map(|span| (slice(block, span.name_start, span.name_len), slice(block, span.value_start, span.value_len)))
    }
}

/// Parses a field block (all lines after the request line, final empty line included) into `table`.
///
/// Keeps every rule of the fields by itself; only the size of the whole head is left to [`super::Scanner`].
pub fn fields(block: &[u8], version: Version, limits: &Limits, table: &mut FieldTable) -> Result<FieldFacts, Reject> {
    let mut facts = Collector::default();
    table.fill(block, limits, |name, value, at| facts.observe(name, value, at))?;
    facts.conclude(block, version, limits)
}

impl FieldTable {
    /// Fills the table; `observe` is told every name and value with the value's offset.
    pub(crate) fn fill<'b>(
        &mut self,
        block: &'b [u8],
        limits: &Limits,
        mut observe: impl FnMut(&'b [u8], &'b [u8], usize) -> Result<(), Reject>,
    ) -> Result<(), Reject> {
        self.spans.clear();
        if block.len() > limits.head || u32::try_from(block.len()).is_err() {
            return Err(Reject::new(RejectKind::HeadTooLarge, limits.head));
        }
        let mut at = 0;
        loop {
            // Most requests fit into one batch; a larger array would cost them its initialisation.
            let mut batch = [httparse::EMPTY_HEADER; BATCH];
            let rest = block.get(at..).unwrap_or_default();
            let (parsed, is_last) = match httparse::parse_headers(rest, &mut batch) {
                Ok(Status::Complete((_, parsed))) => (parsed.len(), true),
                Err(httparse::Error::TooManyHeaders) => (BATCH, false),
                Ok(Status::Partial) | Err(_) => return Err(fault(block, at)),
            };
            for header in batch.iter().take(parsed) {
                let line = Line::locate(block, at, header).ok_or_else(|| fault(block, at))?;
                if line.end - at > limits.field {
                    return Err(Reject::new(RejectKind::FieldTooLarge, at + limits.field));
                }
                if self.spans.len() >= limits.fields {
                    return Err(Reject::new(RejectKind::TooManyFields, at));
                }
                self.spans.push(Span {
                    name_start: at as u32,
                    name_len: header.name.len() as u32,
                    value_start: line.value_start as u32,
                    value_len: header.value.len() as u32,
                });
                let value = block.get(line.value_start..line.value_start + header.value.len()).unwrap_or_default();
                observe(header.name.as_bytes(), value, line.value_start)?;
                at = line.end + 2;
            }
            if is_last {
                return match block.get(at..) {
                    Some(b"\r\n") => Ok(()),
                    _ => Err(fault(block, at)),
                };
            }
        }
    }
}

/// Field lines that are handed to httparse at once.
const BATCH: usize = 16;

/// Where a line that httparse has read stands: httparse gives texts, not places, and takes a bare LF for a line end.
struct Line {
    value_start: usize,
    /// Offset of the CR.
    end: usize,
}

impl Line {
    /// `None` when the line at `at` does not end in CR LF directly after the value and its trailing blanks.
    #[inline]
    fn locate(block: &[u8], at: usize, header: &httparse::Header<'_>) -> Option<Self> {
        let value_start = skip_blanks(block, at + header.name.len() + 1);
        let end = skip_blanks(block, value_start + header.value.len());
        match block.get(end..) {
            Some([b'\r', b'\n', ..]) => Some(Self { value_start, end }),
            _ => None,
        }
    }
}

#[inline]
fn skip_blanks(block: &[u8], mut at: usize) -> usize {
    while block.get(at).is_some_and(|&byte| is_blank(byte)) {
        at += 1;
    }
    at
}

/// Which rule the block breaks, found line by line from `at` on; asked only once something has been refused.
#[cold]
fn fault(block: &[u8], mut at: usize) -> Reject {
    while let Some(rest) = block.get(at..).filter(|rest| !rest.is_empty() && !rest.starts_with(b"\r\n")) {
        let line_len = memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..line_len).unwrap_or(rest);
        if let Some((kind, offset)) = line_fault(line, at == 0) {
            return Reject::new(kind, at + offset);
        }
        at += line_len + 1;
    }
    // Every line is good: the block goes on after its empty line, or has none.
    Reject::new(RejectKind::FieldColonMissing, at.min(block.len()))
}

/// The rule that a line without its LF breaks, and where.
fn line_fault(line: &[u8], is_first: bool) -> Option<(RejectKind, usize)> {
    let Some((b'\r', content)) = line.split_last() else {
        return Some((RejectKind::BareLf, line.len()));
    };
    if let Some(at) = memchr(b'\r', content) {
        return Some((RejectKind::BareCr, at));
    }
    if content.first().is_some_and(|&byte| is_blank(byte)) {
        return Some((if is_first { RejectKind::FieldsAfterBlank } else { RejectKind::LineFolded }, 0));
    }
    let Some((name, value)) = memchr(b':', content).and_then(|colon| content.split_at_checked(colon)) else {
        return Some((RejectKind::FieldColonMissing, content.len()));
    };
    if name.is_empty() {
        return Some((RejectKind::FieldNameEmpty, 0));
    }
    if let Some(at) = TCHAR.first_outside(name) {
        let is_blank_before_colon = name.iter().skip(at).all(|&byte| is_blank(byte));
        let kind = if is_blank_before_colon { RejectKind::FieldNameBlank } else { RejectKind::FieldNameMalformed };
        return Some((kind, at));
    }
    VALUE.first_outside(value).map(|offset| (RejectKind::FieldValueControl, name.len() + offset))
}

#[inline]
fn slice(block: &[u8], start: u32, len: u32) -> &[u8] {
    block.get(start as usize..).and_then(|rest| rest.get(..len as usize)).unwrap_or_default()
}
