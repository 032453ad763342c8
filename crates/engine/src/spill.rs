//! Output of a call that must not wait: with one permit (`--threads 1`) a slow reader would hold the only call.
//!
//! What would make the producer wait goes to an unlinked file instead, and from there to the socket. The file is bounded:
//! past its bound, or when the disk has no room, the producer waits after all.

use crate::output::{Output, Piece};
use crate::spool::unlinked;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Most bytes that one response puts into its file.
const MOST: u64 = 256 * 1024 * 1024;

/// One response's file.
#[derive(Debug, Default)]
pub struct Spill {
    file: Option<File>,
    len: u64,
    has_failed: bool,
}

impl Spill {
    /// Whether more may be put in.
    pub fn has_room(&self) -> bool {
        !self.has_failed && self.len < MOST
    }

    /// Turns the bytes of `output` into a range of the file. On an error the bytes stay as they are.
    pub fn take(&mut self, output: &mut Output, directory: &Path) {
        let written = self.write(output, directory);
        self.has_failed = written.is_err();
    }

    fn write(&mut self, output: &mut Output, directory: &Path) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(unlinked(directory)?),
        };
        // What fails half-way lies beyond `len`: the next attempt writes over it.
        io::Seek::seek(file, io::SeekFrom::Start(self.len))?;
        let mut written = 0;
        for run in output.runs() {
            file.write_all(run)?;
            written += run.len() as u64;
        }
        let range = Piece::File { file: file.try_clone()?.into(), offset: self.len, left: written };
        output.replace_bytes(range);
        self.len += written;
        Ok(())
    }
}
