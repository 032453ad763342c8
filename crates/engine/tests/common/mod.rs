//! A plain Rust gateway with a lock like the interpreter's: for the engine's tests and benches.
#![allow(dead_code, reason = "each test program uses its part")]

pub mod client;
pub mod mixture;

use dragoman_engine::{Engine, Event, Exchange, Gateway, Held, Listener, Options, PaceRule, RequestBody, Room, Unlock};
use dragoman_http1::ResponseHead;
use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A lock that is held by a thread, not by a scope, as the interpreter lock is; whoever came first has it first.
#[derive(Default)]
pub struct ThreadLock {
    tickets: Mutex<Tickets>,
    wake: Condvar,
}

#[derive(Default)]
struct Tickets {
    next: u64,
    served: u64,
}

impl ThreadLock {
    fn acquire(&self) {
        let mut tickets = locked(&self.tickets);
        let mine = tickets.next;
        tickets.next += 1;
        drop(self.wake.wait_while(tickets, |tickets| tickets.served != mine).unwrap_or_else(PoisonError::into_inner));
    }

    fn release(&self) {
        locked(&self.tickets).served += 1;
        self.wake.notify_all();
    }
}

/// A rule that asks for no rate.
pub fn patient(idle_ms: u64) -> PaceRule {
    PaceRule { idle_ms, rate: 0, grace_ms: 0 }
}

pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Routes: `/` hello · `/sleep/MS` · `/spin/MS` with the lock held · `/echo` · `/big/BYTES` by reference ·
/// `/shared/BYTES` by reference to one that all have · `/copy/BYTES` by copying ·
/// `/stream/CHUNKS/BYTES` flushed one by one · `/mark/N` puts N down ·
/// `/pulse/BYTES/MS` four blocks so far apart · `/late/BYTES/MS` one after so long, and so long after it ·
/// `/file/BYTES` · `/none` answers nothing · `/panic`.
#[derive(Default)]
pub struct Hello {
    pub lock: ThreadLock,
    /// Calls that are running now, and the most that ever were.
    pub running: AtomicU32,
    pub most_running: AtomicU32,
    shared: Mutex<Option<Arc<Vec<u8>>>>,
    /// What `/mark/N` has put down, in the order of the calls.
    pub marks: Mutex<Vec<u64>>,
}

/// What the engine waits with: a call that waits for its peer has no permit and does not count as running.
struct Unlocked<'g>(&'g Hello);

impl Unlock for Unlocked<'_> {
    fn unlocked<R>(&mut self, wait: impl FnOnce() -> R) -> R {
        self.0.running.fetch_sub(1, SeqCst);
        self.0.lock.release();
        let result = wait();
        self.0.lock.acquire();
        self.0.enter_call();
        result
    }
}

impl Gateway for Hello {
    type Thread = ResponseHead;
    type Memory = ();

    fn enter(&self) -> ResponseHead {
        ResponseHead::new()
    }

    fn resume(&self, _thread: &mut ResponseHead) {
        self.lock.acquire();
    }

    fn suspend(&self, _thread: &mut ResponseHead) {
        self.lock.release();
    }

    fn call(&self, head: &mut ResponseHead, exchange: &mut Exchange<'_, Self>) {
        self.enter_call();
        self.answer(head, exchange);
        self.running.fetch_sub(1, SeqCst);
    }

    fn response_head<'t>(&self, head: &'t ResponseHead) -> Option<&'t ResponseHead> {
        Some(head)
    }

    fn leave(&self, _thread: ResponseHead) {}
}

impl Hello {
    fn enter_call(&self) {
        let running = self.running.fetch_add(1, SeqCst) + 1;
        self.most_running.fetch_max(running, SeqCst);
    }

    fn answer(&self, head: &mut ResponseHead, exchange: &mut Exchange<'_, Self>) {
        let path = String::from_utf8_lossy(exchange.request().line.path).into_owned();
        let mut parts = path.trim_start_matches('/').split('/');
        let (route, first, second) = (parts.next().unwrap_or(""), number(parts.next()), number(parts.next()));
        let mut lock = Unlocked(self);
        let lock = &mut lock;
        head.clear();
        head.start(b"200 OK").expect("a valid status");
        head.field(b"Content-Type", b"text/plain").expect("a valid field");
        match route {
            "none" => return,
            "panic" => panic!("asked for"),
            "sleep" => {
                self.lock.release();
                std::thread::sleep(Duration::from_millis(first));
                self.lock.acquire();
            }
            "spin" => {
                let until = Instant::now() + Duration::from_millis(first);
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
            }
            "echo" => {
                let Some(body) = read_all(exchange, lock) else { return exchange.abort() };
                exchange.send_head(head, Some(body.len() as u64));
                exchange.send(&body);
                exchange.finish();
                return;
            }
            "big" => {
                exchange.send_head(head, Some(first));
                exchange.send_held(held(vec![b'b'; first as usize]));
                exchange.finish();
                return;
            }
            "shared" => {
                let shared =
                    Arc::clone(locked(&self.shared).get_or_insert_with(|| Arc::new(vec![b's'; first as usize])));
                exchange.send_head(head, Some(first));
                exchange.send_held(held_shared(&shared));
                exchange.finish();
                return;
            }
            "copy" => {
                exchange.send_head(head, Some(first));
                exchange.send(&vec![b'c'; first as usize]);
                exchange.finish();
                return;
            }
            "mark" => locked(&self.marks).push(first),
            "stream" => {
                exchange.send_head(head, None);
                for chunk in 0..first {
                    exchange.send(&vec![b'a' + (chunk % 26) as u8; second as usize]);
                    if exchange.flush(lock).is_err() {
                        return;
                    }
                }
                exchange.finish();
                return;
            }
            "pulse" => {
                exchange.send_head(head, None);
                for _ in 0..4 {
                    exchange.send_held(held(vec![b'x'; first as usize]));
                    if exchange.flush(lock).is_err() {
                        return;
                    }
                    self.lock.release();
                    std::thread::sleep(Duration::from_millis(second));
                    self.lock.acquire();
                }
                exchange.finish();
                return;
            }
            "late" => {
                let pause = |lock: &ThreadLock| {
                    lock.release();
                    std::thread::sleep(Duration::from_millis(second));
                    lock.acquire();
                };
                pause(&self.lock);
                exchange.send_head(head, None);
                exchange.send_held(held(vec![b'l'; first as usize]));
                let is_sent = exchange.flush(lock).is_ok();
                pause(&self.lock);
                if is_sent {
                    exchange.finish();
                }
                return;
            }
            "file" => {
                let path = std::env::temp_dir().join(format!("dragoman-file-{first}-{}", std::process::id()));
                if !path.exists() {
                    let part = path.with_extension(format!("{:?}", std::thread::current().id()));
                    std::fs::write(&part, vec![b'f'; first as usize]).expect("a temporary file");
                    std::fs::rename(&part, &path).expect("renaming it");
                }
                exchange.send_head(head, Some(first));
                exchange.send_file(std::fs::File::open(&path).expect("the file").into(), 0, first);
                exchange.finish();
                return;
            }
            _ => {}
        }
        exchange.send_head(head, Some(13));
        exchange.send(b"Hello, World!");
        exchange.finish();
    }
}

fn number(part: Option<&str>) -> u64 {
    part.and_then(|part| part.parse().ok()).unwrap_or(0)
}

fn read_all(exchange: &mut Exchange<'_, Hello>, lock: &mut Unlocked<'_>) -> Option<Vec<u8>> {
    match exchange.take_body() {
        RequestBody::Empty => Some(Vec::new()),
        RequestBody::Memory { bytes, .. } => Some(bytes),
        RequestBody::File { file, .. } => {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut file.file(), &mut bytes).ok()?;
            Some(bytes)
        }
        RequestBody::Stream { len } => {
            let mut bytes = Vec::new();
            while (bytes.len() as u64) < len {
                Room::behind(&mut bytes, 65536, |room| exchange.read_body(room, lock)).ok()?;
            }
            Some(bytes)
        }
    }
}

/// Bytes by reference, owned by a box.
fn held(bytes: Vec<u8>) -> Held {
    let owner = Box::new(bytes);
    let data = NonNull::from(owner.as_slice()).cast::<u8>();
    let len = owner.len();
    let owner = NonNull::from(Box::leak(owner)).cast::<()>();
    // SAFETY: called once by `Held`, with the owner that was leaked above.
    let release = |owner: NonNull<()>| unsafe { drop(Box::from_raw(owner.cast::<Vec<u8>>().as_ptr())) };
    // SAFETY: the vector is not touched until `release`, and may be dropped on any thread.
    unsafe { Held::new(data, len, owner, release) }
}

/// Bytes by reference, which others have, too.
fn held_shared(bytes: &Arc<Vec<u8>>) -> Held {
    let data = NonNull::from(bytes.as_slice()).cast::<u8>();
    let owner = NonNull::from(Box::leak(Box::new(Arc::clone(bytes)))).cast::<()>();
    // SAFETY: called once by `Held`, with the owner that was leaked above.
    let release = |owner: NonNull<()>| unsafe { drop(Box::from_raw(owner.cast::<Arc<Vec<u8>>>().as_ptr())) };
    // SAFETY: nobody writes to the vector, which lives until `release` and may be dropped on any thread.
    unsafe { Held::new(data, bytes.len(), owner, release) }
}

/// A running engine with a main thread that starts its serving threads.
pub struct Running {
    pub engine: Arc<Engine<Hello>>,
    pub address: SocketAddr,
    pub drained: Arc<AtomicBool>,
    /// How often the limit of requests was told.
    pub limits: Arc<AtomicU32>,
    /// How often memory was given back.
    pub tidied: Arc<AtomicU32>,
    main: Option<JoinHandle<()>>,
}

/// Starts an engine on a free loopback port.
pub fn start(options: Options) -> Running {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    start_on(&socket, options)
}

/// Starts an engine on a bound socket.
pub fn start_on(socket: &TcpListener, options: Options) -> Running {
    let address = socket.local_addr().expect("an address");
    let listener = Listener::new(socket.as_fd()).expect("a listener");
    let engine = Engine::new(Hello::default(), vec![listener], options, None).expect("an engine");
    let (drained, limits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (watched, is_drained, told) = (Arc::clone(&engine), Arc::clone(&drained), Arc::clone(&limits));
    let tidied = Arc::new(AtomicU32::new(0));
    let has_tidied = Arc::clone(&tidied);
    let main = std::thread::spawn(move || {
        let mut threads = VecDeque::new();
        loop {
            // Asked before the events are taken, so that the last ones are seen.
            let is_over = watched.is_stopped();
            for event in watched.wait(Some(Duration::from_millis(20))) {
                match event {
                    Event::Thread => {
                        let engine = Arc::clone(&watched);
                        threads.push_back(std::thread::spawn(move || engine.serve()));
                    }
                    Event::Log(level, text) => eprintln!("{level:?}: {text}"),
                    Event::Drained(account) => {
                        eprintln!("{account}");
                        is_drained.store(true, SeqCst);
                    }
                    Event::Limit => {
                        told.fetch_add(1, SeqCst);
                    }
                    Event::Tidy => {
                        watched.tidy();
                        has_tidied.fetch_add(1, SeqCst);
                    }
                    Event::Signal => {}
                }
            }
            if is_over {
                threads.into_iter().for_each(|thread| thread.join().expect("no serving thread panics"));
                return;
            }
        }
    });
    Running { engine, address, drained, limits, tidied, main: Some(main) }
}

impl Running {
    /// Waits until every serving thread has ended.
    pub fn join(&mut self) {
        if let Some(main) = self.main.take() {
            main.join().expect("the main thread does not panic");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.engine.stop();
        self.join();
    }
}
