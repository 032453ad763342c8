//! The give-back mark: what comes while a connection is away is never lost, and an event of an earlier one never told.

use super::explore;
use crate::handover::sync::{Arc, AtomicBool, AtomicU32, Mutex, lock};
use crate::handover::{Berth, Found, Lead, Leadership};
use loom::thread;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// A connection and what the models know of its socket: bytes to read, room to write.
struct World {
    berth: Berth<Connection>,
    arrived: AtomicU32,
    has_room: AtomicBool,
    output: Mutex<Option<&'static str>>,
}

struct Connection {
    read: u32,
    /// It waits for its output before anything else.
    is_flushing: bool,
}

impl World {
    /// A connection that is away, in the caller's hands.
    fn new(lead: &Lead) -> (Arc<Self>, u32, Connection) {
        let world = Self {
            berth: Berth::new(),
            arrived: AtomicU32::new(0),
            has_room: AtomicBool::new(false),
            output: Mutex::new(None),
        };
        let generation = world.berth.open(lead);
        (Arc::new(world), generation, Connection { read: 0, is_flushing: false })
    }

    /// Bytes come, and the kernel tells the leader.
    fn bytes_come(&self, lead: &Lead, generation: u32) {
        self.arrived.fetch_add(1, Release);
        self.event(lead, generation);
    }

    /// The socket takes more, and the kernel tells the leader.
    fn room_comes(&self, lead: &Lead, generation: u32) {
        self.has_room.store(true, Release);
        self.event(lead, generation);
    }

    fn event(&self, lead: &Lead, generation: u32) {
        match self.berth.find(lead, generation) {
            Found::Resting(connection) => self.attend(connection),
            Found::Out { has_output: true } => self.flush(),
            Found::Out { has_output: false } | Found::Stale => {}
        }
    }

    /// Reads and flushes until giving back succeeds, as the engine's `attend` does.
    fn attend(&self, mut connection: Connection) {
        loop {
            if connection.is_flushing {
                self.flush();
                connection.is_flushing = self.berth.has_output();
            }
            connection.read = self.arrived.load(Acquire);
            match self.berth.put(connection) {
                Ok(()) => return,
                Err(owned) => connection = owned,
            }
        }
    }

    /// Lays output down and tries to send it, as `outgoing::push` does.
    fn push(&self, connection: &mut Connection) {
        let mut output = lock(&self.output);
        *output = Some("answer");
        self.berth.set_has_output(true);
        if self.has_room.load(Acquire) {
            *output = None;
            self.berth.set_has_output(false);
        }
        connection.is_flushing = output.is_some();
    }

    fn flush(&self) {
        let mut output = lock(&self.output);
        if output.is_some() && self.has_room.load(Acquire) {
            *output = None;
            self.berth.set_has_output(false);
        }
    }

    /// Everybody is done: what does the connection know?
    fn at_rest(&self, lead: &Lead) -> Connection {
        self.berth.take_idle(lead).expect("the connection rests")
    }
}

#[test]
fn bytes_that_come_while_a_connection_is_away_are_read_by_somebody() {
    explore(|| {
        let (_, lead) = Leadership::new();
        let (world, generation, connection) = World::new(&lead);
        let owner = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.attend(connection))
        };
        world.bytes_come(&lead, generation);
        world.bytes_come(&lead, generation);
        owner.join().expect("the owner");
        assert_eq!(world.at_rest(&lead).read, 2);
    });
}

#[test]
fn output_that_waits_leaves_when_the_socket_takes_it() {
    explore(|| {
        let (_, lead) = Leadership::new();
        let (world, generation, mut connection) = World::new(&lead);
        let owner = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                world.push(&mut connection);
                world.attend(connection);
            })
        };
        world.room_comes(&lead, generation);
        world.bytes_come(&lead, generation);
        owner.join().expect("the owner");
        assert_eq!(*lock(&world.output), None);
        assert!(!world.berth.has_output());
        assert_eq!(world.at_rest(&lead).read, 1);
    });
}

#[test]
fn a_flag_that_changes_while_a_connection_is_given_back_is_no_event() {
    explore(|| {
        let (_, lead) = Leadership::new();
        let (world, _, mut connection) = World::new(&lead);
        // Room from the begin, but for the moment of the owner's own attempt: the successor of a leader sends it.
        world.push(&mut connection);
        world.has_room.store(true, Relaxed);
        let owner = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                connection.is_flushing = false;
                assert!(world.berth.put(connection).is_ok(), "nothing came");
            })
        };
        world.flush();
        owner.join().expect("the owner");
        assert!(!world.berth.has_output());
        world.at_rest(&lead);
    });
}

#[test]
fn an_event_of_an_earlier_connection_is_never_told_to_a_later_one() {
    explore(|| {
        let (_, lead) = Leadership::new();
        let (world, first, connection) = World::new(&lead);
        // The process's table of descriptors, whose lock orders a close before the accept that gets the number again.
        let is_open = Arc::new(Mutex::new(true));
        let owner = {
            let (world, is_open) = (Arc::clone(&world), Arc::clone(&is_open));
            thread::spawn(move || {
                world.berth.free();
                drop(connection);
                *lock(&is_open) = false;
            })
        };
        assert!(!matches!(world.berth.find(&lead, first), Found::Resting(_)));
        let is_closed = !*lock(&is_open);
        if is_closed {
            let second = world.berth.open(&lead);
            assert_ne!(first, second);
            let put = world.berth.put(Connection { read: 7, is_flushing: false });
            assert!(put.is_ok(), "a mark of the first one would show here");
            assert!(matches!(world.berth.find(&lead, first), Found::Stale));
            assert!(matches!(world.berth.find(&lead, second), Found::Resting(Connection { read: 7, .. })));
        }
        owner.join().expect("the owner");
    });
}
