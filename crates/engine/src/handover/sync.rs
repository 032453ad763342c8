//! The primitives that the hand-over is made of: std's, or loom's where its models are explored (`--cfg loom`).

#[cfg(loom)]
use loom::sync as std_or_loom;
pub use primitives::*;
#[cfg(not(loom))]
use std::sync as std_or_loom;

pub use std_or_loom::{Arc, Condvar, Mutex, MutexGuard};

use std::sync::PoisonError;

/// Locks; whoever panicked with the lock has left a state that is whole.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(not(loom))]
mod primitives {
    use super::{Condvar, MutexGuard, PoisonError};
    use std::time::Duration;

    pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};

    /// `std::cell::UnsafeCell`, reached through a closure as loom's is.
    #[derive(Debug)]
    pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        /// Gives the pointer, to be written through by the cell's only user.
        #[inline]
        pub fn with_mut<R>(&self, use_it: impl FnOnce(*mut T) -> R) -> R {
            use_it(self.0.get())
        }
    }

    /// Waits until something is there, and takes it.
    pub fn wait_for<T>(wake: &Condvar, guard: MutexGuard<'_, Option<T>>) -> Option<T> {
        wake.wait_while(guard, |slot| slot.is_none()).unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The same, for at most `timeout`.
    pub fn wait_for_at_most<T>(wake: &Condvar, guard: MutexGuard<'_, Option<T>>, timeout: Duration) -> Option<T> {
        let waited = wake.wait_timeout_while(guard, timeout, |slot| slot.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.take()
    }
}

#[cfg(loom)]
mod primitives {
    use super::{Condvar, MutexGuard, PoisonError};
    use std::sync::atomic::Ordering::{self, Release, SeqCst};
    use std::time::Duration;

    pub use loom::cell::UnsafeCell;

    pub fn wait_for<T>(wake: &Condvar, mut guard: MutexGuard<'_, Option<T>>) -> Option<T> {
        while guard.is_none() {
            guard = wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        guard.take()
    }

    /// Models know no time: a timeout of zero has passed at once, any other never does.
    pub fn wait_for_at_most<T>(wake: &Condvar, mut guard: MutexGuard<'_, Option<T>>, timeout: Duration) -> Option<T> {
        if !timeout.is_zero() {
            return wait_for(wake, guard);
        }
        let taken = guard.take();
        drop(guard);
        if taken.is_none() {
            loom::thread::yield_now();
        }
        taken
    }

    /// loom takes a sequentially consistent access for an acquire or release, but knows sequentially consistent fences: an
    /// access of that kind gets one on each side. And it leaves open which of two stores came last even where an exchange
    /// between them decides it: a store of that kind is an exchange (as it is in x86's instructions). Both order
    /// slightly more than the access alone does: of two that need each other, models do not find the weaker one out.
    fn fence_if(order: Ordering) {
        if order == SeqCst {
            loom::sync::atomic::fence(SeqCst);
        }
    }

    fn fenced<R>(order: Ordering, access: impl FnOnce() -> R) -> R {
        fence_if(order);
        let result = access();
        fence_if(order);
        result
    }

    macro_rules! atomic {
        ($name:ident, $value:ty) => {
            #[derive(Debug, Default)]
            pub struct $name(loom::sync::atomic::$name);

            #[allow(dead_code, reason = "each type has the operations of all")]
            impl $name {
                pub fn new(value: $value) -> Self {
                    Self(loom::sync::atomic::$name::new(value))
                }

                pub fn load(&self, order: Ordering) -> $value {
                    fenced(order, || self.0.load(order))
                }

                pub fn store(&self, value: $value, order: Ordering) {
                    match order {
                        SeqCst => _ = fenced(SeqCst, || self.0.swap(value, Release)),
                        _ => self.0.store(value, order),
                    }
                }

                pub fn swap(&self, value: $value, order: Ordering) -> $value {
                    fenced(order, || self.0.swap(value, order))
                }

                pub fn compare_exchange(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    fenced(success, || self.0.compare_exchange(current, new, success, failure))
                }
            }
        };
        ($name:ident, $value:ty, counts) => {
            atomic!($name, $value);

            #[allow(dead_code, reason = "each type has the operations of all")]
            impl $name {
                pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                    fenced(order, || self.0.fetch_add(value, order))
                }

                pub fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                    fenced(order, || self.0.fetch_sub(value, order))
                }

                pub fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                    fenced(order, || self.0.fetch_or(value, order))
                }

                pub fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                    fenced(order, || self.0.fetch_and(value, order))
                }

                pub fn fetch_update(
                    &self,
                    set: Ordering,
                    fetch: Ordering,
                    update: impl FnMut($value) -> Option<$value>,
                ) -> Result<$value, $value> {
                    fenced(set, || self.0.fetch_update(set, fetch, update))
                }
            }
        };
    }

    atomic!(AtomicBool, bool);
    atomic!(AtomicU32, u32, counts);
    atomic!(AtomicU64, u64, counts);
    atomic!(AtomicUsize, usize, counts);
}
