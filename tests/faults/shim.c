/* Preloaded into a server under test: moves its wall clock, and lets its accept() fail, as a mapped file says. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The layout is that of tests/faults/shim.py. */
struct control {
    volatile int64_t clock_offset_s;
    volatile int64_t accept_errno;
    volatile int64_t refused_accepts;
};

static struct control *control(void) {
    static struct control *mapped;
    static struct control nothing;
    if (mapped == NULL) {
        const char *path = getenv("DRAGOMAN_TEST_SHIM");
        int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
        void *memory = file < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (file >= 0) close(file);
        mapped = memory == MAP_FAILED ? &nothing : memory;
    }
    return mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    /* Only the wall clock jumps; the monotonic ones have their name from not doing so. */
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += control()->clock_offset_s;
    return result;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) *out = now.tv_sec;
    return now.tv_sec;
}

int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags) {
    static int (*real)(int, struct sockaddr *, socklen_t *, int);
    if (real == NULL) real = (int (*)(int, struct sockaddr *, socklen_t *, int))dlsym(RTLD_NEXT, "accept4");
    if (control()->accept_errno != 0) {
        __atomic_add_fetch(&control()->refused_accepts, 1, __ATOMIC_SEQ_CST);
        errno = (int)control()->accept_errno;
        return -1;
    }
    return real(listener, address, length, flags);
}
