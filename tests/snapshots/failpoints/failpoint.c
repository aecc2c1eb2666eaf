/* Counts every call that changes files below a folder, and at the n-th of them kills, fails, or writes half and kills.

   LD_PRELOAD this; FAILPOINT names a file that all processes map: who counts, at which call what is to happen, and the
   folder. With a log in place each call is noted as "number operation path". */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NOTHING, KILL, FAIL_EIO, FAIL_ENOSPC, HALF_THEN_KILL };

struct control {
    int count;
    int target;
    int action;
    int log;
    char folder[1000];
    char log_path[1000];
};

static struct control *control;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAILPOINT");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (at != MAP_FAILED) control = at;
}

/* Return what is to happen at this call on this path. */
static int point(const char *operation, const char *path)
{
    if (!control || !control->folder[0] || !path) return NOTHING;
    size_t length = strlen(control->folder);
    if (strncmp(path, control->folder, length) != 0) return NOTHING;
    int number = __atomic_add_fetch(&control->count, 1, __ATOMIC_SEQ_CST);
    if (control->log) {
        char line[PATH_MAX + 64];
        int size = snprintf(line, sizeof line, "%d %s %s\n", number, operation, path + length + 1);
        int fd = (int)syscall(SYS_openat, AT_FDCWD, control->log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        syscall(SYS_write, fd, line, size);
        syscall(SYS_close, fd);
    }
    if (number != control->target) return NOTHING;
    if (control->action == KILL) {
        kill(0, SIGKILL);
        for (;;) pause();
    }
    if (control->action == FAIL_EIO) errno = EIO;
    if (control->action == FAIL_ENOSPC) errno = ENOSPC;
    return control->action;
}

static int point_at(const char *operation, int folder, const char *name)
{
    char base[PATH_MAX], path[2 * PATH_MAX + 2], link[64];
    if (!control || !name) return NOTHING;
    if (name[0] == '/') return point(operation, name);
    if (folder == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) return NOTHING;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t size = readlink(link, base, sizeof base - 1);
        if (size < 0) return NOTHING;
        base[size] = 0;
    }
    while (strncmp(name, "./", 2) == 0) name += 2;
    snprintf(path, sizeof path, "%s/%s", base, name);
    return point(operation, path);
}

static int point_fd(const char *operation, int fd)
{
    char link[64], path[PATH_MAX];
    if (!control || !control->folder[0]) return NOTHING;
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    errno = before;
    if (size < 0) return NOTHING;
    path[size] = 0;
    return point(operation, path);
}

static void die(void)
{
    kill(0, SIGKILL);
    for (;;) pause();
}

static int refused(int action) { return action == FAIL_EIO || action == FAIL_ENOSPC; }

/* The same for calls that cannot be half done. */
static int refused_whole(int action)
{
    if (action == HALF_THEN_KILL) die();
    return refused(action);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))

#define OPEN(name)                                                                 \
    int name(const char *path, int flags, ...)                                     \
    {                                                                              \
        va_list given;                                                             \
        va_start(given, flags);                                                    \
        int mode = (flags & O_CREAT) ? va_arg(given, int) : 0;                     \
        va_end(given);                                                             \
        if (WRITES(flags) && refused_whole(point_at("open", AT_FDCWD, path))) return -1; \
        return REAL(name)(path, flags, mode);                                      \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                               \
    int name(int folder, const char *path, int flags, ...)                         \
    {                                                                              \
        va_list given;                                                             \
        va_start(given, flags);                                                    \
        int mode = (flags & O_CREAT) ? va_arg(given, int) : 0;                     \
        va_end(given);                                                             \
        if (WRITES(flags) && refused_whole(point_at("open", folder, path))) return -1; \
        return REAL(name)(folder, path, flags, mode);                              \
    }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *data, size_t size)
{
    int action = point_fd("write", fd);
    if (refused(action)) return -1;
    ssize_t done = REAL(write)(fd, data, action == HALF_THEN_KILL ? size / 2 : size);
    if (action == HALF_THEN_KILL) die();
    return done;
}

#define PWRITE(name)                                                                      \
    ssize_t name(int fd, const void *data, size_t size, off_t offset)                     \
    {                                                                                     \
        int action = point_fd("pwrite", fd);                                              \
        if (refused(action)) return -1;                                                   \
        ssize_t done = REAL(name)(fd, data, action == HALF_THEN_KILL ? size / 2 : size, offset); \
        if (action == HALF_THEN_KILL) die();                                              \
        return done;                                                                      \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    int action = point_fd("write", fd);
    if (refused(action)) return -1;
    ssize_t done = REAL(writev)(fd, parts, action == HALF_THEN_KILL ? count / 2 : count);
    if (action == HALF_THEN_KILL) die();
    return done;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    int action = point_fd("pwrite", fd);
    if (refused(action)) return -1;
    ssize_t done = REAL(pwritev)(fd, parts, action == HALF_THEN_KILL ? count / 2 : count, offset);
    if (action == HALF_THEN_KILL) die();
    return done;
}

int fsync(int fd) { return refused_whole(point_fd("fsync", fd)) ? -1 : REAL(fsync)(fd); }

int fdatasync(int fd) { return refused_whole(point_fd("fsync", fd)) ? -1 : REAL(fdatasync)(fd); }

int ftruncate(int fd, off_t size) { return refused_whole(point_fd("truncate", fd)) ? -1 : REAL(ftruncate)(fd, size); }

int ftruncate64(int fd, off_t size) { return refused_whole(point_fd("truncate", fd)) ? -1 : REAL(ftruncate64)(fd, size); }

int rename(const char *from, const char *to)
{
    return refused_whole(point_at("rename", AT_FDCWD, to)) ? -1 : REAL(rename)(from, to);
}

int renameat(int from_folder, const char *from, int folder, const char *to)
{
    return refused_whole(point_at("rename", folder, to)) ? -1 : REAL(renameat)(from_folder, from, folder, to);
}

int link(const char *from, const char *to)
{
    return refused_whole(point_at("link", AT_FDCWD, to)) ? -1 : REAL(link)(from, to);
}

int linkat(int from_folder, const char *from, int folder, const char *to, int flags)
{
    return refused_whole(point_at("link", folder, to)) ? -1 : REAL(linkat)(from_folder, from, folder, to, flags);
}

int unlink(const char *path) { return refused_whole(point_at("unlink", AT_FDCWD, path)) ? -1 : REAL(unlink)(path); }

int unlinkat(int folder, const char *path, int flags)
{
    return refused_whole(point_at("unlink", folder, path)) ? -1 : REAL(unlinkat)(folder, path, flags);
}
