//! Output of a call that must not wait: with one permit (`--threads 1`) a slow reader would hold the only call.
//!
//! What would make the producer wait goes to an unlinked file instead, and from there to the socket. The file is bounded:
//! past its bound, when the quota is used up or the disk has no room, the producer waits after all.

use crate::output::{Output, Piece, Source};
use crate::spool::{SpoolFile, SpoolPlan};
use std::io;
use std::sync::Arc;

/// Most bytes that one response puts into its file.
const MOST: u64 = 256 * 1024 * 1024;

/// One response's file.
#[derive(Debug, Default)]
pub struct Spill {
    file: Option<Arc<SpoolFile>>,
    len: u64,
    has_failed: bool,
}

impl Spill {
    /// Whether more may be put in.
    pub fn has_room(&self) -> bool {
        !self.has_failed && self.len < MOST
    }

    /// Turns the bytes of `output` into a range of the file. On an error the bytes stay as they are.
    pub fn take(&mut self, output: &mut Output, plan: SpoolPlan<'_>) {
        let written = self.write(output, plan);
        self.has_failed = written.is_err();
    }

    fn write(&mut self, output: &mut Output, plan: SpoolPlan<'_>) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(Arc::new(SpoolFile::new(plan)?)),
        };
        let offset = self.len;
        for run in output.runs() {
            file.write(run)?;
            self.len += run.len() as u64;
        }
        let left = self.len - offset;
        output.replace_bytes(Piece::File { file: Source::Spooled(Arc::clone(file)), offset, left });
        Ok(())
    }
}
