//! The access log: one line per finished request, written without Python and without ever holding up a request.
//!
//! `AccessLog::record` formats into a bounded buffer under a short lock; a thread of its own writes it out. A blocked
//! pipe or a full disk therefore costs lines, which are counted, and never a request. Invariants:
//!
//! - The thread is started by the first record: none exists before the worker was forked.
//! - A line is in the buffer whole or not at all, and the buffer holds whole lines.
//! - Nothing that peer or application chose can end a line or a quoted value.

mod atoms;
mod format;
mod line;
mod stamp;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_writer;
mod writer;

pub use format::{FormatError, FormatErrorKind};

use crate::record::Record;
use format::Format;
use line::Line;
use std::os::fd::OwnedFd;
use writer::Shared;

/// The access log of one process, shared by its serving threads.
pub struct AccessLog {
    format: Format,
    wants_duration: bool,
    shared: Shared,
}

impl AccessLog {
    /// A log on `descriptor`, which a file's owner has opened for appending (several workers write to it).
    ///
    /// `format` is `common`, `combined`, `json` or a text with gunicorn's atoms, as in
    /// `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`. The time is in UTC; a value that is absent is `-`
    /// (`null` in JSON); a request field that was sent several times is joined by commas. `%(U)s` is the path as
    /// sent, still percent-encoded. Values show controls, `"`, `\` and bytes from 0x7f on as `\xNN`.
    pub fn new(descriptor: OwnedFd, format: &str) -> Result<Self, FormatError> {
        let format = Format::new(format)?;
        let note = if format.is_json { note_as_json } else { note_as_text };
        Ok(Self { wants_duration: format.wants_duration(), format, shared: Shared::new(descriptor, note) })
    }

    /// Logs a finished request. Never waits for the output; from the second line on it does not allocate.
    pub fn record(&self, record: &Record<'_>) {
        self.shared.line(|line, stamp, pid| {
            self.format.write(record, stamp.at(record.unix_us / 1_000_000), pid, line);
        });
    }

    /// Whether `Record::duration_us` is looked at: otherwise the clock need not be read for it.
    pub fn wants_duration(&self) -> bool {
        self.wants_duration
    }

    /// How many lines were not written, since the output did not take them in time.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped()
    }

    /// Goes on writing to `descriptor` and closes the one before. A line that was half written is written again whole.
    pub fn reopen(&self, descriptor: OwnedFd) {
        self.shared.reopen(descriptor);
    }

    /// Writes what is left, within a second, and ends the thread. Lines recorded later are dropped and counted.
    pub fn close(&self) {
        self.shared.close();
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.close();
    }
}

fn note_as_text(line: &mut Line<'_>, dropped: u64) {
    line.raw(b"dragoman: access log: ");
    line.number(dropped);
    line.raw(b" lines dropped, the output did not take them in time");
}

fn note_as_json(line: &mut Line<'_>, dropped: u64) {
    line.raw(b"{\"dropped_lines\":");
    line.number(dropped);
    line.raw(b"}");
}
