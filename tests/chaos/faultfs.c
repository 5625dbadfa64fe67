/* A disk that fails on demand: preloaded into a process, it counts the operations that change files below one folder
 * and at the chosen one kills the process, fails, writes short, or waits to be told to go on.
 *
 * faultfs_arm(folder, kinds, part, at, action, file) starts counting; the environment variables
 * FAULTFS_{FOLDER,KINDS,PART,AT,ACTION,FILE} arm it when the process starts.
 *   kinds   letters of the operations that count (see below); "" is all
 *   part    counts only operations whose path holds this text; "" is all
 *   at      the number, from 1, of the operation that it happens to; 0 is none
 *   action  kill, tear (write the first half, then kill), eio, full (no space from then on, until disarmed), short
 *           (write the first half and say so), hold (see hold())
 *   file    where hold() meets the test, or the trace: each counted operation that is done is a line "<kind>\t<path below the folder>\t<path that
 *           it was renamed or linked from, or nothing>"
 * Kinds: c create, w write, t truncate, s sync, r rename, l link, u unlink, m mkdir, o open for reading.
 * Opening for reading is only counted when it is asked for by its letter.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[4096], kinds[32], part[256], action[16], file[4096];
static long at, count;
static int armed, full;
static __thread const char *from = "";
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((noreturn)) static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

/* Two named pipes, FILE.reached and FILE.go: opening one end waits for the other, so neither side waits for time. */
static void hold(void) {
    char path[4200];
    snprintf(path, sizeof path, "%s.reached", file);
    close(syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0));
    snprintf(path, sizeof path, "%s.go", file);
    close(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0));
}

static void trace(char kind, const char *path) {
    char line[9000];
    const char *old = strncmp(from, folder, strlen(folder)) ? "" : from + strlen(folder);
    int size = snprintf(line, sizeof line, "%c\t%s\t%s\n", kind, path + strlen(folder), old);
    int fd = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    syscall(SYS_write, fd, line, size);
    syscall(SYS_close, fd);
}

enum verdict { PASS, FAIL, SHORT, TEAR };

/* What happens to operation `number`; errno is set when it fails. */
static enum verdict decide(char kind, long number) {
    int takes_space = strchr("cwlmr", kind) != NULL;
    if (full && takes_space) {
        errno = ENOSPC;
        return FAIL;
    }
    if (number != at) return PASS;
    if (!strcmp(action, "kill")) die();
    if (!strcmp(action, "hold")) hold();
    if (!strcmp(action, "tear")) {
        if (kind == 'w') return TEAR;
        die();
    }
    if (!strcmp(action, "short") && kind == 'w') return SHORT;
    if (!strcmp(action, "eio")) {
        errno = EIO;
        return FAIL;
    }
    if (!strcmp(action, "full") && takes_space) {
        full = 1;
        errno = ENOSPC;
        return FAIL;
    }
    return PASS;
}

/* Counts an operation, says what happens to it, and traces it unless it fails or the process dies of it. */
static enum verdict judge(char kind, const char *path) {
    if (!armed || strncmp(path, folder, strlen(folder)) != 0) return PASS;
    if (kinds[0] ? !strchr(kinds, kind) : kind == 'o') return PASS;
    if (part[0] && !strstr(path, part)) return PASS;
    pthread_mutex_lock(&lock);
    long number = ++count;
    pthread_mutex_unlock(&lock);
    enum verdict verdict = decide(kind, number);
    if (verdict != FAIL && file[0] && strcmp(action, "hold") != 0) trace(kind, path);
    return verdict;
}

static enum verdict judge_fd(char kind, int fd) {
    if (!armed) return PASS;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (size <= 0) return PASS;
    path[size] = 0;
    return judge(kind, path);
}

/* Paths here are absolute or below the working directory; a directory's fd is resolved. */
static enum verdict judge_at(char kind, int dir, const char *path) {
    if (!armed) return PASS;
    char whole[8300], base[4096] = "";
    if (path[0] == '/') return judge(kind, path);
    if (dir == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) return PASS;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
        ssize_t size = syscall(SYS_readlinkat, AT_FDCWD, link, base, sizeof base - 1);
        if (size <= 0) return PASS;
        base[size] = 0;
    }
    snprintf(whole, sizeof whole, "%s/%s", base, path);
    return judge(kind, whole);
}

static void set(char *target, size_t size, const char *value) { snprintf(target, size, "%s", value ? value : ""); }

void faultfs_arm(const char *folder_, const char *kinds_, const char *part_, long at_, const char *action_,
                 const char *file_) {
    set(folder, sizeof folder, folder_);
    set(kinds, sizeof kinds, kinds_);
    set(part, sizeof part, part_);
    set(action, sizeof action, action_);
    set(file, sizeof file, file_);
    at = at_;
    count = full = 0;
    armed = folder[0] != 0;
}

/* Stops counting; returns how many operations were counted. */
long faultfs_disarm(void) {
    armed = full = 0;
    return count;
}

__attribute__((constructor)) static void begin(void) {
    const char *where = getenv("FAULTFS_FOLDER"), *number = getenv("FAULTFS_AT");
    if (where)
        faultfs_arm(where, getenv("FAULTFS_KINDS"), getenv("FAULTFS_PART"), number ? atol(number) : 0,
                    getenv("FAULTFS_ACTION"), getenv("FAULTFS_FILE"));
}

#define CREATES(flags) ((flags) & (O_CREAT | O_TRUNC) || ((flags) & O_TMPFILE) == O_TMPFILE)

#define OPEN(name)                                                                     \
    int name(const char *path, int flags, ...) {                                       \
        REAL(name);                                                                    \
        mode_t mode = 0;                                                               \
        if (flags & (O_CREAT | O_TMPFILE)) {                                           \
            va_list more;                                                              \
            va_start(more, flags);                                                     \
            mode = va_arg(more, mode_t);                                               \
            va_end(more);                                                              \
        }                                                                              \
        char kind = CREATES(flags) ? 'c' : 'o';                                         \
        if (judge_at(kind, AT_FDCWD, path) == FAIL) return -1;                         \
        return real(path, flags, mode);                                                \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                   \
    int name(int dir, const char *path, int flags, ...) {                              \
        REAL(name);                                                                    \
        mode_t mode = 0;                                                               \
        if (flags & (O_CREAT | O_TMPFILE)) {                                           \
            va_list more;                                                              \
            va_start(more, flags);                                                     \
            mode = va_arg(more, mode_t);                                               \
            va_end(more);                                                              \
        }                                                                              \
        char kind = CREATES(flags) ? 'c' : 'o';                                         \
        if (judge_at(kind, dir, path) == FAIL) return -1;                              \
        return real(dir, path, flags, mode);                                           \
    }
OPENAT(openat)
OPENAT(openat64)

DIR *opendir(const char *path) {
    REAL(opendir);
    if (judge_at('o', AT_FDCWD, path) == FAIL) return NULL;
    return real(path);
}

int creat(const char *path, mode_t mode) {
    REAL(creat);
    if (judge_at('c', AT_FDCWD, path) == FAIL) return -1;
    return real(path, mode);
}

#define HALVES(verdict, whole, half)                     \
    switch (verdict) {                                   \
    case FAIL: return -1;                                \
    case SHORT: return half;                             \
    case TEAR: (void)!(half); die();                     \
    default: return whole;                               \
    }

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    if (!armed) return real(fd, data, size);
    HALVES(judge_fd('w', fd), real(fd, data, size), real(fd, data, (size + 1) / 2))
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    REAL(pwrite);
    HALVES(judge_fd('w', fd), real(fd, data, size, offset), real(fd, data, (size + 1) / 2, offset))
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    REAL(pwrite64);
    HALVES(judge_fd('w', fd), real(fd, data, size, offset), real(fd, data, (size + 1) / 2, offset))
}

ssize_t writev(int fd, const struct iovec *parts, int n) {
    REAL(writev);
    if (!armed) return real(fd, parts, n);
    HALVES(judge_fd('w', fd), real(fd, parts, n), write(fd, parts[0].iov_base, (parts[0].iov_len + 1) / 2))
}

#define ON_FD(kind, name, parameters, arguments)         \
    int name parameters {                                \
        REAL(name);                                      \
        if (judge_fd(kind, fd) == FAIL) return -1;       \
        return real arguments;                           \
    }
ON_FD('t', ftruncate, (int fd, off_t size), (fd, size))
ON_FD('t', ftruncate64, (int fd, off64_t size), (fd, size))
ON_FD('s', fsync, (int fd), (fd))
ON_FD('s', fdatasync, (int fd), (fd))

ssize_t copy_file_range(int from, off64_t *a, int fd, off64_t *b, size_t size, unsigned flags) {
    REAL(copy_file_range);
    if (judge_fd('w', fd) == FAIL) return -1;
    return real(from, a, fd, b, size, flags);
}

ssize_t sendfile(int fd, int from, off_t *offset, size_t size) {
    ssize_t (*real)(int, int, off_t *, size_t) = dlsym(RTLD_NEXT, "sendfile");
    if (judge_fd('w', fd) == FAIL) return -1;
    return real(fd, from, offset, size);
}

#define ON_PATH(kind, name, parameters, dir, path, arguments)      \
    int name parameters {                                          \
        REAL(name);                                                \
        if (judge_at(kind, dir, path) == FAIL) return -1;          \
        return real arguments;                                     \
    }
ON_PATH('u', unlink, (const char *path), AT_FDCWD, path, (path))
ON_PATH('u', unlinkat, (int dir, const char *path, int flags), dir, path, (dir, path, flags))
ON_PATH('u', rmdir, (const char *path), AT_FDCWD, path, (path))
ON_PATH('u', remove, (const char *path), AT_FDCWD, path, (path))
ON_PATH('m', mkdir, (const char *path, mode_t mode), AT_FDCWD, path, (path, mode))
ON_PATH('m', mkdirat, (int dir, const char *path, mode_t mode), dir, path, (dir, path, mode))

/* The old path is only traced, and those seen here are absolute. */
#define ON_TWO(kind, name, parameters, dir, arguments)             \
    int name parameters {                                          \
        REAL(name);                                                \
        from = old;                                                \
        enum verdict verdict = judge_at(kind, dir, new);           \
        from = "";                                                 \
        return verdict == FAIL ? -1 : real arguments;              \
    }
ON_TWO('r', rename, (const char *old, const char *new), AT_FDCWD, (old, new))
ON_TWO('r', renameat, (int a, const char *old, int b, const char *new), b, (a, old, b, new))
ON_TWO('r', renameat2, (int a, const char *old, int b, const char *new, unsigned f), b, (a, old, b, new, f))
ON_TWO('l', link, (const char *old, const char *new), AT_FDCWD, (old, new))
ON_TWO('l', linkat, (int a, const char *old, int b, const char *new, int f), b, (a, old, b, new, f))
ON_TWO('l', symlink, (const char *old, const char *new), AT_FDCWD, (old, new))
