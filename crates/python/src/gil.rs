//! The GIL as the engine's lock, and references that are given back later by whoever holds it.

use dragoman_engine::{Held, Unlock};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Proof that the calling thread holds the GIL, which `Unlock` gives back for a wait.
pub struct Gil(());

impl Gil {
    /// The token of a thread that is attached to the interpreter.
    pub fn held(_py: Python<'_>) -> Self {
        Self(())
    }
}

impl Unlock for Gil {
    fn unlocked<R>(&mut self, wait: impl FnOnce() -> R) -> R {
        /// Takes the GIL again, also when `wait` unwinds.
        struct Retake(*mut ffi::PyThreadState);
        impl Drop for Retake {
            fn drop(&mut self) {
                // SAFETY: the state is the one that this thread saved below, and it holds no GIL now.
                unsafe { ffi::PyEval_RestoreThread(self.0) }
            }
        }
        // SAFETY: a `Gil` exists only where the thread is attached.
        let _retake = Retake(unsafe { ffi::PyEval_SaveThread() });
        wait()
    }
}

/// The interpreter's state of one serving thread, by which it takes and gives the GIL between batches.
pub struct ThreadState(*mut ffi::PyThreadState);

impl ThreadState {
    /// The state of the calling thread, which Python has started and which holds no GIL at the moment.
    pub fn of_this_thread() -> Self {
        // SAFETY: needs no GIL; not null for a thread that Python knows.
        Self(unsafe { ffi::PyGILState_GetThisThreadState() })
    }

    /// Takes the GIL; may block.
    pub fn take(&self) {
        // SAFETY: this thread's own state, detached (the engine pairs `resume` and `suspend`).
        unsafe { ffi::PyEval_RestoreThread(self.0) }
    }

    /// Gives the GIL back.
    pub fn give(&self) {
        // SAFETY: the thread holds the GIL (as above).
        let state = unsafe { ffi::PyEval_SaveThread() };
        debug_assert_eq!(state, self.0);
    }
}

/// A strong reference that may be dropped on any thread, with or without the GIL: it is given back at the next hold.
pub struct Kept(NonNull<ffi::PyObject>);

// SAFETY: the pointer is only ever used with the GIL held; `Drop` puts it on a list and touches no Python.
unsafe impl Send for Kept {}

impl Kept {
    /// Keeps `object` alive.
    pub fn new<T>(object: Bound<'_, T>) -> Self {
        // SAFETY: a `Bound` is never null.
        Self(unsafe { NonNull::new_unchecked(object.into_ptr()) })
    }

    /// The object's identity.
    pub fn identity(&self) -> usize {
        self.0.as_ptr() as usize
    }

    /// The object, for the holder of the GIL.
    pub fn bind<'a, 'py>(&'a self, py: Python<'py>) -> Borrowed<'a, 'py, PyAny> {
        // SAFETY: `self` owns a reference for at least `'a`.
        unsafe { Borrowed::from_ptr(py, self.0.as_ptr()) }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        give_back(self.0);
    }
}

/// A `bytes` object (or one of a subclass) as a body that the engine sends by reference.
pub fn held_bytes(data: Bound<'_, PyBytes>) -> Held {
    let bytes = data.as_bytes();
    let (start, len) = (NonNull::from(bytes).cast::<u8>(), bytes.len());
    let owner = Kept::new(data);
    let pointer = owner.0.cast::<()>();
    std::mem::forget(owner);
    // SAFETY: `bytes` objects never change, and the reference that is forgotten above keeps this one alive until
    // `release_held`, which any thread may call.
    unsafe { Held::new(start, len, pointer, release_held) }
}

fn release_held(owner: NonNull<()>) {
    give_back(owner.cast());
}

/// References whose owners are gone, until someone holds the GIL.
static RELEASED: Mutex<Vec<Released>> = Mutex::new(Vec::new());
static HAS_RELEASED: AtomicBool = AtomicBool::new(false);

struct Released(NonNull<ffi::PyObject>);

// SAFETY: only moved between threads; decremented with the GIL held.
unsafe impl Send for Released {}

fn give_back(object: NonNull<ffi::PyObject>) {
    RELEASED.lock().unwrap_or_else(PoisonError::into_inner).push(Released(object));
    HAS_RELEASED.store(true, Ordering::Release);
}

/// Drops every reference that was given back without the GIL.
pub fn drop_released(py: Python<'_>) {
    if HAS_RELEASED.load(Ordering::Relaxed) && HAS_RELEASED.swap(false, Ordering::Acquire) {
        // Taken out before the first is dropped: a finalizer may give back more.
        let released = std::mem::take(&mut *RELEASED.lock().unwrap_or_else(PoisonError::into_inner));
        for Released(object) in released {
            // SAFETY: each entry is one owned reference.
            drop(unsafe { Bound::from_owned_ptr(py, object.as_ptr()) });
        }
    }
}
