/* Laid under a real process with LD_PRELOAD: while the file FAULT_SWITCH exists, its first letter makes what the system
 * offers fail. E: the first fsync or fdatasync of SQLite's log gives EIO, and those after it none, as with a kernel that
 * tells of a lost page once. S: they take two seconds. T: no thread can be started. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char fault(void)
{
    const char *path = getenv("FAULT_SWITCH");
    char letter = 0;
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        if (read(file, &letter, 1) != 1)
            letter = 0;
        close(file);
    }
    return letter;
}

static int is_log(int file)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof path);
    return size > 4 && memcmp(path + size - 4, "-wal", 4) == 0;
}

static int synced(const char *name, int file)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    static int told;
    char letter = fault();
    if (letter == 'E' && !told && is_log(file)) {
        told = 1;
        errno = EIO;
        return -1;
    }
    if (letter == 'S')
        sleep(2);
    return real(file);
}

int fsync(int file) { return synced("fsync", file); }

int fdatasync(int file) { return synced("fdatasync", file); }

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
        (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(RTLD_NEXT, "pthread_create");
    return fault() == 'T' ? EAGAIN : real(thread, attributes, run, argument);
}
