//! Memory that is filled from its front: what is filled is initialised, the rest need not be.

use crate::sys::{self, Transfer};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

/// Room for bytes. A body of a megabyte is not worth a megabyte of zeros first.
#[derive(Debug)]
pub struct Room<'m> {
    memory: &'m mut [MaybeUninit<u8>],
    filled: usize,
}

impl<'m> Room<'m> {
    /// All of `memory`, none of it filled.
    pub fn new(memory: &'m mut [MaybeUninit<u8>]) -> Self {
        Self { memory, filled: 0 }
    }

    /// Appends to `bytes` what `fill` puts into room for `most`.
    pub fn behind<T>(bytes: &mut Vec<u8>, most: usize, fill: impl FnOnce(&mut Room<'_>) -> T) -> T {
        bytes.reserve(most);
        let memory = &mut bytes.spare_capacity_mut()[..most];
        let place = memory.as_ptr();
        let mut room = Room::new(memory);
        let outcome = fill(&mut room);
        let len = room.filled_at(place) + bytes.len();
        // SAFETY: within the capacity, and initialised, as `filled_at` says.
        unsafe { bytes.set_len(len) };
        outcome
    }

    /// How many bytes have been filled.
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// How many bytes have been filled of the memory at `place`: none, if whoever filled has put another room in this one's
    /// place. So many are initialised.
    pub fn filled_at(&self, place: *const MaybeUninit<u8>) -> usize {
        if std::ptr::eq(self.memory.as_ptr(), place) { self.filled } else { 0 }
    }

    /// How many bytes there is room for.
    pub fn left(&self) -> usize {
        self.memory.len() - self.filled
    }

    /// Takes as much of `bytes` as there is room for; returns how many that were.
    pub fn put(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.left());
        for (place, byte) in self.memory[self.filled..].iter_mut().zip(bytes) {
            place.write(*byte);
        }
        self.filled += count;
        count
    }

    /// Takes at most `most` bytes that `file` has from `offset` on; 0 at its end.
    pub fn read_at(&mut self, file: impl AsFd, offset: u64, most: usize) -> std::io::Result<usize> {
        let (read, _) = rustix::io::pread(file, self.rest(most), offset)?;
        let count = read.len();
        self.filled += count;
        Ok(count)
    }

    /// Takes at most `most` bytes that have arrived at `stream`.
    pub(crate) fn receive(&mut self, stream: impl AsFd, most: usize) -> Transfer {
        let transfer = sys::receive_into(stream, self.rest(most));
        if let Transfer::Bytes(count) = transfer {
            self.filled += count;
        }
        transfer
    }

    fn rest(&mut self, most: usize) -> &mut [MaybeUninit<u8>] {
        let count = most.min(self.left());
        &mut self.memory[self.filled..][..count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_stands_behind_what_was_there() {
        let mut bytes = b"ab".to_vec();
        let counts =
            Room::behind(&mut bytes, 4, |room| (room.put(b"cd"), room.put(b"efgh"), room.put(b"i"), room.left()));
        assert_eq!((counts, bytes.as_slice()), ((2, 2, 0, 0), &b"abcdef"[..]));
    }

    #[test]
    fn another_room_in_the_place_of_this_one_has_filled_nothing_of_it() {
        let mut bytes = b"ab".to_vec();
        Room::behind(&mut bytes, 4, |room| {
            *room = Room::new(Box::leak(vec![MaybeUninit::uninit(); 4096].into_boxed_slice()));
            room.put(&[b'x'; 4096])
        });
        assert_eq!(bytes, b"ab");
    }

    #[test]
    fn what_is_not_filled_is_not_there() {
        let mut bytes = Vec::new();
        Room::behind(&mut bytes, 100, |room| assert_eq!((room.put(b"x"), room.filled(), room.left()), (1, 1, 99)));
        assert_eq!(bytes, b"x");
    }
}
