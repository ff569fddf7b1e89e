#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Loaded before the C library (LD_PRELOAD): below the folder FULL_DISK_FOLDER, calls that need room
   on the disk fail with ENOSPC once as many had it as was said: by full_disk_arm in the process, or
   by two numbers in the file FULL_DISK_CONTROL, which another process may write and read. */
static long own[2] = {-1, 0};
static long *left = &own[0];   /* calls that still have room; -1: all have */
static long *asked = &own[1];  /* calls so far */
void full_disk_arm(long n) { *left = n; *asked = 0; }
long full_disk_asked(void) { return *asked; }

__attribute__((constructor)) static void control(void) {
    const char *path = getenv("FULL_DISK_CONTROL");
    int fd = path ? open(path, O_RDWR) : -1;
    if (fd < 0) return;
    void *both = mmap(0, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (both != MAP_FAILED) { left = both; asked = left + 1; }
    close(fd);
}
static int is_full(void) {
    __sync_fetch_and_add(asked, 1);
    for (;;) {
        long now = *left;
        if (now < 0) return 0;
        if (now == 0) { errno = ENOSPC; return 1; }
        if (__sync_bool_compare_and_swap(left, now, now - 1)) return 0;
    }
}
static int below(const char *path) {
    const char *folder = getenv("FULL_DISK_FOLDER");
    if (!folder || !path) return 0;
    char whole[4096];
    if (path[0] != '/') {
        if (!getcwd(whole, 2000)) return 0;
        strcat(whole, "/"); strncat(whole, path, 2000);
    } else { strncpy(whole, path, 4095); whole[4095] = 0; }
    return strncmp(whole, folder, strlen(folder)) == 0;
}
static int is_below(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return below(path);
}
#define REAL(name) static __typeof__(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t n)
    { REAL(write); return is_below(fd) && is_full() ? -1 : real(fd, data, n); }
ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
    { REAL(pwrite); return is_below(fd) && is_full() ? -1 : real(fd, data, n, at); }
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
    { REAL(pwrite64); return is_below(fd) && is_full() ? -1 : real(fd, data, n, at); }
ssize_t writev(int fd, const struct iovec *data, int n)
    { REAL(writev); return is_below(fd) && is_full() ? -1 : real(fd, data, n); }
int fsync(int fd) { REAL(fsync); return is_below(fd) && is_full() ? -1 : real(fd); }
int fdatasync(int fd) { REAL(fdatasync); return is_below(fd) && is_full() ? -1 : real(fd); }
int rename(const char *a, const char *b)
    { REAL(rename); return below(b) && is_full() ? -1 : real(a, b); }
int renameat(int x, const char *a, int y, const char *b)
    { REAL(renameat); return below(b) && is_full() ? -1 : real(x, a, y, b); }
int mkdir(const char *path, mode_t mode)
    { REAL(mkdir); return below(path) && is_full() ? -1 : real(path, mode); }
int open(const char *path, int flags, ...) {
    REAL(open); va_list more; va_start(more, flags); int mode = va_arg(more, int); va_end(more);
    if ((flags & O_CREAT) && below(path) && access(path, F_OK) && is_full()) return -1;
    return real(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    REAL(open64); va_list more; va_start(more, flags); int mode = va_arg(more, int); va_end(more);
    if ((flags & O_CREAT) && below(path) && access(path, F_OK) && is_full()) return -1;
    return real(path, flags, mode);
}
