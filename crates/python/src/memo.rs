//! Environ parts of field blocks that were seen before: on a kept connection most requests repeat a block byte for byte.

use crate::raw::latin1;
use dragoman_http1::{RequestLine, Version};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

/// What an environ part is derived from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key<'b> {
    /// Index of the listener, for its constants.
    pub listener: usize,
    /// Version, for SERVER_PROTOCOL and because equal blocks mean equal facts only in one version.
    pub version: Version,
    /// The exact field block.
    pub block: &'b [u8],
}

/// A ready environ, never given out itself: each request gets a copy. It also carries method, target and peer of the
/// request that used it last, and the functions of the thread's lease, so that what has not changed need not be set again.
pub struct Memo {
    listener: usize,
    version: Version,
    hash: u64,
    block: Box<[u8]>,
    /// The environ.
    pub environ: Py<PyDict>,
    method: Vec<u8>,
    target: Vec<u8>,
    peer: (usize, usize),
    lease: usize,
}

impl Memo {
    fn is_for(&self, key: &Key<'_>) -> bool {
        *self.block == *key.block && self.listener == key.listener && self.version == key.version
    }

    /// Whether method and target differ from the last request's; they are the last ones from now on.
    pub fn changes_target(&mut self, line: &RequestLine<'_>) -> bool {
        let is_same = self.target == line.target && self.method == line.method;
        if !is_same {
            for (last, now) in [(&mut self.method, line.method), (&mut self.target, line.target)] {
                last.clear();
                last.extend_from_slice(now);
            }
        }
        !is_same
    }

    /// The same for the str objects of the peer's address and port: which of the two differ. (Those that `environ` holds
    /// are alive, so that no others have their identities.)
    pub fn changes_peer(&mut self, address: usize, port: usize) -> (bool, bool) {
        let last = std::mem::replace(&mut self.peer, (address, port));
        (last.0 != address, last.1 != port)
    }

    /// Makes the next request set everything, because setting failed half-way.
    pub fn forget(&mut self) {
        self.method.clear();
        self.target.clear();
        self.peer = (0, 0);
    }
}

/// The memos of one thread: bounded, and open only to blocks that come a second time.
pub struct Memos {
    memos: Vec<Memo>,
    next: usize,
    seen: [u64; Self::SEEN],
    hasher: RandomState,
    lease: usize,
    holders: isize,
    address: Option<(IpAddr, Py<PyString>)>,
}

impl Memos {
    const MEMOS: usize = 64;
    const SEEN: usize = 128;
    /// Longer blocks are parsed each time, which bounds the memory.
    const BLOCK_BYTES: usize = 4096;

    /// No memos.
    pub fn new() -> Self {
        Self {
            memos: Vec::new(),
            next: 0,
            seen: [0; Self::SEEN],
            hasher: RandomState::new(),
            lease: 0,
            holders: 0,
            address: None,
        }
    }

    /// The memo at `index`, which `find` or `insert` gave.
    pub fn get(&mut self, index: usize) -> &mut Memo {
        &mut self.memos[index]
    }

    /// The index of the memo for `key`; `hint` is where it was for the connection's last request.
    pub fn find(&self, hint: usize, key: &Key<'_>) -> Result<usize, Absent> {
        if self.memos.get(hint).is_some_and(|memo| memo.is_for(key)) {
            return Ok(hint);
        }
        // Keyed by a random state: a peer cannot choose blocks that collide.
        let hash = self.hasher.hash_one((key.listener, key.version == Version::Http10, key.block));
        self.memos.iter().position(|memo| memo.hash == hash && memo.is_for(key)).ok_or(Absent { hash })
    }

    /// Whether a block that has no memo is worth one: it was seen before.
    pub fn admits(&mut self, absent: &Absent, key: &Key<'_>) -> bool {
        let seen = &mut self.seen[absent.hash as usize % Self::SEEN];
        std::mem::replace(seen, absent.hash) == absent.hash && key.block.len() <= Self::BLOCK_BYTES
    }

    /// Adds a memo, in place of the oldest when there are enough; its index.
    pub fn insert(&mut self, absent: Absent, key: &Key<'_>, environ: Bound<'_, PyDict>) -> usize {
        let memo = Memo {
            listener: key.listener,
            version: key.version,
            hash: absent.hash,
            block: key.block.into(),
            environ: environ.unbind(),
            method: Vec::new(),
            target: Vec::new(),
            peer: (0, 0),
            lease: 0,
        };
        if self.memos.len() < Self::MEMOS {
            self.memos.push(memo);
            return self.memos.len() - 1;
        }
        let index = self.next;
        self.next = (index + 1) % Self::MEMOS;
        if std::mem::replace(&mut self.memos[index], memo).lease == self.lease {
            self.holders -= 1;
        }
        index
    }

    /// The text of an address. Behind a balancer all connections have one, and then share the object.
    pub fn address<'py>(&mut self, py: Python<'py>, address: IpAddr) -> PyResult<Bound<'py, PyString>> {
        if let Some((last, text)) = &self.address
            && *last == address
        {
            return Ok(text.bind(py).clone());
        }
        let text = latin1(py, address.to_string().as_bytes())?;
        self.address = Some((address, text.clone().unbind()));
        Ok(text)
    }

    /// Whether the memo at `index` does not hold the functions of the lease of this identity yet; it does from now on.
    /// (What a memo holds is alive, so that no other lease has its identity.)
    pub fn changes_lease(&mut self, index: usize, identity: usize) -> bool {
        if std::mem::replace(&mut self.lease, identity) != identity {
            self.holders = 0;
        }
        let is_changed = std::mem::replace(&mut self.memos[index].lease, identity) != identity;
        self.holders += isize::from(is_changed);
        is_changed
    }

    /// How many memos hold the functions of the lease of this identity.
    pub fn holders(&self, identity: usize) -> isize {
        if self.lease == identity { self.holders } else { 0 }
    }
}

/// There is no memo for a key of this hash.
pub struct Absent {
    hash: u64,
}
