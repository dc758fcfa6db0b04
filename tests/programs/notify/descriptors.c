// What granted descriptors are like: numbers, flags, modes, locks, and the calls that act on them.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *result(long value) { return value < 0 ? strerrorname_np(errno) : "ok"; }

static void flags(const char *name, int wanted) {
    int file = open("file", wanted, 0644);
    if (file < 0) {
        printf("%s %s\n", name, strerrorname_np(errno));
        return;
    }
    printf("%s number %d getfl %o getfd %d\n", name, file, fcntl(file, F_GETFL), fcntl(file, F_GETFD));
    close(file);
}

static void masked(int mask) {
    struct stat status;
    umask(mask);
    int file = open("masked", O_WRONLY | O_CREAT | O_EXCL, 0777);
    fstat(file, &status);
    printf("umask %03o file %o", mask, status.st_mode);
    close(file);
    unlink("masked");
    mkdir("masked", 0777);
    stat("masked", &status);
    printf(" directory %o", status.st_mode);
    rmdir("masked");
    int temporary = open(".", O_TMPFILE | O_RDWR, 0666);
    fstat(temporary, &status);
    printf(" temporary %o links %ld\n", status.st_mode, (long)status.st_nlink);
    close(temporary);
    umask(022);
}

static int locked(const char *name, int kind) {
    pid_t child = fork();
    if (child == 0) {
        int file = open(name, O_RDWR);
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int failed = kind == 0 ? flock(file, LOCK_EX | LOCK_NB) : fcntl(file, kind, &lock);
        _exit(failed < 0 ? (errno == EAGAIN || errno == EACCES ? 1 : 2) : 0);
    }
    int status;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct stat status;
    close(open("file", O_WRONLY | O_CREAT, 0644));
    flags("read", O_RDONLY);
    flags("write", O_WRONLY);
    flags("both", O_RDWR);
    flags("append", O_WRONLY | O_APPEND);
    flags("nonblock", O_RDONLY | O_NONBLOCK);
    flags("cloexec", O_RDONLY | O_CLOEXEC);
    flags("sync", O_WRONLY | O_SYNC);
    flags("dsync", O_WRONLY | O_DSYNC);
    flags("truncate", O_RDWR | O_TRUNC);
    flags("exclusive", O_WRONLY | O_CREAT | O_EXCL);
    flags("directory", O_RDONLY | O_DIRECTORY);
    // The lowest free number.
    int a = open("file", O_RDONLY), b = open("file", O_RDONLY), c = open("file", O_RDONLY);
    close(b);
    int d = open("file", O_RDONLY);
    printf("numbers %d %d %d again %d\n", a, b, c, d);
    close(a), close(c), close(d);
    // Two opens are two descriptions; a dup is one.
    a = open("file", O_RDWR | O_TRUNC), b = dup(a), c = open("file", O_RDWR);
    printf("write %s", result(write(a, "12345", 5)));
    printf(" dup at %ld other at %ld\n", (long)lseek(b, 0, SEEK_CUR), (long)lseek(c, 0, SEEK_CUR));
    int appended = open("file", O_WRONLY | O_APPEND);
    printf("append %s", result(write(appended, "67", 2)));
    printf(" at %ld\n", (long)lseek(appended, 0, SEEK_CUR));
    close(appended), close(b);

    int masks[] = {0, 022, 027, 077, 0777};
    for (int i = 0; i < 5; i++) masked(masks[i]);

    printf("fchmod %s", result(fchmod(a, 0640)));
    fstat(a, &status);
    printf(" %o\n", status.st_mode);
    struct timespec times[2] = {{1000, 1}, {2000, 2}};
    printf("futimens %s", result(futimens(a, times)));
    fstat(a, &status);
    printf(" %ld %ld\n", status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    printf("futimens now %s\n", result(futimens(a, NULL)));
    printf("ftruncate %s\n", result(ftruncate(a, 3)));
    printf("fchown %s\n", result(fchown(a, -1, -1)));

    printf("flock %s", result(flock(a, LOCK_EX)));
    printf(" other %d", locked("file", 0));
    printf(" unlock %s", result(flock(a, LOCK_UN)));
    printf(" other %d\n", locked("file", 0));
    printf("flock shared %s", result(flock(a, LOCK_SH | LOCK_NB)));
    printf(" again %s\n", result(flock(a, LOCK_SH)));
    flock(a, LOCK_UN);
    printf("flock bad %s", result(flock(a, LOCK_SH | LOCK_EX)));
    printf(" none %s\n", result(flock(999, LOCK_EX)));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    printf("record %s", result(fcntl(a, F_SETLK, &lock)));
    printf(" other %d", locked("file", F_SETLK));
    lock.l_type = F_UNLCK;
    printf(" unlock %s", result(fcntl(a, F_SETLK, &lock)));
    printf(" other %d\n", locked("file", F_SETLK));
    // Somebody waits for a lock and gets it.
    flock(a, LOCK_EX);
    pid_t waiter = fork();
    if (waiter == 0) {
        int file = open("file", O_RDWR);
        _exit(flock(file, LOCK_EX) < 0);
    }
    usleep(100000);
    flock(a, LOCK_UN);
    int ended;
    waitpid(waiter, &ended, 0);
    printf("waiter %d\n", ended);

    int queue = inotify_init1(IN_CLOEXEC);
    int watch = inotify_add_watch(queue, ".", IN_CREATE);
    close(open("created", O_WRONLY | O_CREAT, 0644));
    struct { struct inotify_event event; char name[256]; } event;
    ssize_t got = read(queue, &event, sizeof event);
    printf("watch %d event %d %s\n", watch, got > 0 && event.event.mask == IN_CREATE, event.name);
    printf("watch missing %s\n", result(inotify_add_watch(queue, "missing", IN_CREATE)));

    int temporary = open(".", O_TMPFILE | O_RDWR, 0600);
    printf("temporary %s", result(write(temporary, "x", 1)));
    fstat(temporary, &status);
    printf(" %ld\n", (long)status.st_size);
    int memory = memfd_create("memory", MFD_CLOEXEC | 0x0008U /* MFD_NOEXEC_SEAL */);
    printf("memory %s\n", result(ftruncate(memory, 4096)));
    // CLOEXEC is obeyed.
    a = open("file", O_RDONLY), b = open("file", O_RDONLY | O_CLOEXEC);
    char one[16], two[16];
    snprintf(one, sizeof one, "%d", a), snprintf(two, sizeof two, "%d", b);
    pid_t child = fork();
    if (child == 0) {
        execl("./open-there", "open-there", one, two, NULL);
        _exit(99);
    }
    waitpid(child, &ended, 0);
    printf("after exec %d\n", WEXITSTATUS(ended));
    return 0;
}
