/* Kills its own process at one exact call of the C library: loaded with LD_PRELOAD into a gateway under test.
 *
 * crash_arm names the call; it counts for the calling thread alone, so that what another thread writes meanwhile
 * passes. The files are QuickFIX's store (.body, .header, .seqnums) and SQLite's write-ahead log (-wal). What is sent
 * goes to a venue, or, in the thread that commits, to PostgreSQL. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

enum { NOWHERE, BODY_STORED, HEADER_STORED, BEFORE_SEQNUMS, BEFORE_SEND, AFTER_SEND, WAL_WRITE, WAL_SYNC, HALF_SEND };

static __thread int armed = NOWHERE;
static __thread int passages = 0;

void crash_arm(int point, int passage)
{
    armed = point;
    passages = passage;
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static int passes(int point)
{
    return armed == point && --passages == 0;
}

static int names(int fd, const char *ending)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    size_t wanted = strlen(ending);
    return size >= (ssize_t)wanted && memcmp(path + size - wanted, ending, wanted) == 0;
}

int fflush(FILE *file)
{
    static int (*real)(FILE *);
    if (!real)
        real = (int (*)(FILE *))dlsym(RTLD_NEXT, "fflush");
    if (armed == NOWHERE || !file)
        return real(file);
    int fd = fileno(file);
    if (names(fd, ".seqnums") && passes(BEFORE_SEQNUMS))
        die();
    int result = real(file);
    if ((names(fd, ".body") && passes(BODY_STORED)) || (names(fd, ".header") && passes(HEADER_STORED)))
        die();
    return result;
}

ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
    static ssize_t (*real)(int, const void *, size_t, int);
    if (!real)
        real = (ssize_t (*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
    if (armed == NOWHERE)
        return real(fd, bytes, size, flags);
    if (passes(BEFORE_SEND))
        die();
    if (passes(HALF_SEND)) {
        real(fd, bytes, size / 2, flags);
        die();
    }
    ssize_t result = real(fd, bytes, size, flags);
    if (passes(AFTER_SEND))
        die();
    return result;
}

/* Half of what should be written is written: a torn page, or a torn header of one. */
ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real)
        real = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    if (armed == WAL_WRITE && names(fd, "-wal") && passes(WAL_WRITE)) {
        real(fd, bytes, size / 2, offset);
        die();
    }
    return real(fd, bytes, size, offset);
}

int fdatasync(int fd)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    if (armed == WAL_SYNC && names(fd, "-wal") && passes(WAL_SYNC))
        die();
    return real(fd);
}
