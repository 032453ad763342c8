//! Output of a call that must not wait: with one permit (`--threads 1`) a slow reader would hold the only call.
//!
//! What would make the producer wait goes to an unlinked file instead, and from there to the socket. Where the disk fails or
//! the quota is used up, the producer waits a little after all: `relief.rs` says for how long.

use crate::output::{Output, Piece, Source};
use crate::spool::{SpoolFile, SpoolPlan};
use std::io;
use std::sync::Arc;

/// One response's file.
#[derive(Debug, Default)]
pub struct Spill {
    file: Option<Arc<SpoolFile>>,
    len: u64,
    is_short: bool,
    has_failed: bool,
}

impl Spill {
    /// Whether more may be put in, as far as is known.
    pub fn has_room(&self) -> bool {
        !self.has_failed && !self.is_short
    }

    /// Whether it is worth to try: room may have come since the last time.
    pub fn may_have_room(&self) -> bool {
        !self.has_failed
    }

    /// Turns the bytes of `output` into a range of the file. Without room, and on an error, the bytes stay as they are.
    pub fn take(&mut self, output: &mut Output, plan: SpoolPlan<'_>) {
        let written = self.write(output, plan);
        self.has_failed = written.is_err();
    }

    fn write(&mut self, output: &mut Output, plan: SpoolPlan<'_>) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => match SpoolFile::new(plan)? {
                Some(file) => self.file.insert(Arc::new(file)),
                None => {
                    self.is_short = true;
                    plan.quota.want();
                    return Ok(());
                }
            },
        };
        let (offset, left) = (self.len, output.runs().map(|run| run.len() as u64).sum());
        if left == 0 {
            return Ok(());
        }
        self.is_short = file.make_room(left).is_err();
        if self.is_short {
            plan.quota.want();
            return Ok(());
        }
        for run in output.runs() {
            file.write(run)?;
        }
        self.len += left;
        output.replace_bytes(Piece::File { file: Source::Spooled(Arc::clone(file)), offset, left });
        Ok(())
    }
}
