/*
 * Makes the disk slow under one file, and tells how far its writer has come. Loaded before the C library (LD_PRELOAD) into
 * a daemon under test; see slow_disk.rs.
 *
 * Whenever the database is written or synced, a mark is appended to the file that SLOW_DISK_MARKS names: 'w' before a
 * write, 's' before a sync, 'e' after one. Marks are whole system calls, so they outlive a kill -9 of the process, which
 * leaves the page cache as it is. SLOW_DISK_WRITE and SLOW_DISK_SYNC say for how many microseconds each waits first.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static const char DATABASE[] = "/betwixt.redb";

static int is_database(int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    size_t name = sizeof DATABASE - 1;
    return length >= (ssize_t)name && memcmp(path + length - name, DATABASE, name) == 0;
}

static void mark(char what) {
    static int marks = -2;
    if (marks == -2) {
        const char *path = getenv("SLOW_DISK_MARKS");
        marks = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    }
    if (marks >= 0 && write(marks, &what, 1) != 1) {
        abort();
    }
}

static void pause_for(const char *variable) {
    const char *text = getenv(variable);
    long microseconds = text ? atol(text) : 0;
    struct timespec time = {microseconds / 1000000, microseconds % 1000000 * 1000};
    nanosleep(&time, NULL);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t at) {
    if (is_database(file)) {
        mark('w');
        pause_for("SLOW_DISK_WRITE");
    }
    return NEXT(pwrite64)(file, bytes, length, at);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t at) {
    if (is_database(file)) {
        mark('w');
        pause_for("SLOW_DISK_WRITE");
    }
    return NEXT(pwrite)(file, bytes, length, at);
}

int fdatasync(int file) {
    if (!is_database(file)) {
        return NEXT(fdatasync)(file);
    }
    mark('s');
    pause_for("SLOW_DISK_SYNC");
    int outcome = NEXT(fdatasync)(file);
    mark('e');
    return outcome;
}

int fsync(int file) {
    if (!is_database(file)) {
        return NEXT(fsync)(file);
    }
    mark('s');
    pause_for("SLOW_DISK_SYNC");
    int outcome = NEXT(fsync)(file);
    mark('e');
    return outcome;
}
