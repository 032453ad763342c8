//! What glibc's allocator keeps: how many heaps, and what they give back.

use std::env;

/// The gateway's lock lets one thread allocate at a time, so that a second heap is for those that send and receive beside it.
const HEAPS: i32 = 2;

/// Bounds the heaps of the process (mallopt(3), `M_ARENA_MAX`), unless the operator has chosen a number. To be called
/// before threads serve: a heap that a thread has is never taken away.
///
/// Left alone, glibc makes up to eight heaps for each core, and each keeps what its busiest moment needed: freed memory is
/// given back only above a threshold that grows with the largest block ever freed. Calls move from thread to thread, so
/// every heap has its busiest moment in time, and a process that holds 7 MiB of live data settles at 200.
pub fn bound_heaps() {
    let is_chosen = env::var_os("MALLOC_ARENA_MAX").is_some()
        || env::var("GLIBC_TUNABLES").is_ok_and(|tunables| tunables.contains("glibc.malloc.arena_max"));
    if !is_chosen {
        limit(HEAPS);
    }
}

#[cfg(target_env = "gnu")]
fn limit(heaps: i32) {
    // SAFETY: sets a number of the allocator under the allocator's own lock. It cannot fail for this parameter.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, heaps) };
}

/// Gives the memory back that the heaps hold free (malloc_trim(3)): what a rush needed is not needed for ever.
#[cfg(target_env = "gnu")]
pub fn give_back() {
    // SAFETY: takes the allocator's own locks; no pointer is handed over.
    unsafe { libc::malloc_trim(0) };
}

/// They do so by themselves.
#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}

/// Other C libraries have one heap, or manage them by themselves.
#[cfg(not(target_env = "gnu"))]
fn limit(_heaps: i32) {}
