// Pointers that lead nowhere, to the kernel, to the edge of a mapping or to read-only memory.
// One line a call: what it returned. The same natively and sandboxed.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096

static char *pages;  // three pages: readable and writable, without access, read-only
static char *gap;
static char *fixed;

static void show(const char *name, const char *where, long result) {
    const char *error = result < 0 ? strerrorname_np(errno) : "ok";
    printf("%s %s %s\n", name, where, error);
}

// Every call that takes a path, with this one.
static void paths(const char *where, const char *path) {
    struct stat status;
    char buffer[PAGE];
    show("open", where, open(path, O_RDONLY));
    show("openat", where, syscall(SYS_openat, AT_FDCWD, path, O_WRONLY, 0));
    show("stat", where, syscall(SYS_newfstatat, AT_FDCWD, path, &status, 0));
    show("access", where, access(path, R_OK));
    show("readlink", where, readlink(path, buffer, sizeof buffer));
    show("statfs", where, statfs(path, (struct statfs *)buffer));
    show("chdir", where, chdir(path));
    show("truncate", where, truncate(path, 4));
    show("chmod", where, chmod(path, 0644));
    show("mkdir", where, mkdir(path, 0700));
    show("rename", where, rename(path, path));
    show("rename to", where, rename("file", path) < 0 && errno == EFAULT ? -1 : 0);
    if (strcmp(where, "edge") != 0) {
        show("execve", where, execve(path, (char *[]){"x", NULL}, (char *[]){NULL}));
        show("unlink", where, unlink(path));
    }
}

static void outputs(const char *where, char *at) {
    char before[PAGE];
    int readable = at == fixed;
    if (readable) memcpy(before, at, PAGE);
    show("stat to", where, syscall(SYS_newfstatat, AT_FDCWD, "file", at, 0));
    show("lstat to", where, syscall(SYS_lstat, "link", at));
    show("statfs to", where, syscall(SYS_statfs, "file", at));
    show("readlink to", where, syscall(SYS_readlink, "link", at, 64));
    show("getcwd to", where, syscall(SYS_getcwd, at, PAGE));
    if (readable) printf("untouched %d\n", memcmp(before, at, PAGE) == 0);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    gap = pages + PAGE;
    fixed = pages + 2 * PAGE;
    memset(fixed, 'x', PAGE);
    mprotect(gap, PAGE, PROT_NONE);
    mprotect(fixed, PAGE, PROT_READ);
    close(open("file", O_WRONLY | O_CREAT, 0644));
    if (symlink("file", "link") < 0) return 1;

    paths("null", NULL);
    paths("kernel", (char *)0xffffffff81000000);
    paths("noncanonical", (char *)0x0000900000000000);
    paths("none", gap);
    paths("last", (char *)-1);
    // No NUL before the page without access.
    memset(gap - 8, 'a', 8);
    paths("crossing", gap - 8);
    // A NUL as the very last byte.
    strcpy(gap - 5, "file");
    paths("edge", gap - 5);
    // An empty path.
    paths("empty", "");

    char *text = malloc(2 * PAGE);
    for (size_t length = 4094; length <= 4097; length++) {
        char where[16];
        snprintf(where, sizeof where, "%zu", length);
        memset(text, '/', length);
        memcpy(text, "./", 2);
        memcpy(text + length - 4, "file", 5);
        show("open long", where, open(text, O_RDONLY));
    }
    char *half = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(half + PAGE - 3, "./link");
    show("open over two pages", "", open(half + PAGE - 3, O_RDONLY));

    outputs("null", NULL);
    outputs("kernel", (char *)0xffffffff81000000);
    outputs("none", gap);
    outputs("last", (char *)-1);
    outputs("fixed", fixed);
    outputs("fine", half);
    // A result over the edge: EFAULT.
    show("stat to", "edge", syscall(SYS_newfstatat, AT_FDCWD, "file", gap - 100, 0));
    show("getcwd to", "small", syscall(SYS_getcwd, half, 3));
    show("getcwd to", "zero", syscall(SYS_getcwd, half, 0));
    show("readlink to", "zero", syscall(SYS_readlink, "link", half, 0));
    show("readlink to", "negative", syscall(SYS_readlink, "link", half, -1));
    memset(half, 0, 16);
    show("readlink to", "two", syscall(SYS_readlink, "link", half, 2));
    printf("cut %s\n", half);

    struct { unsigned long flags, mode, resolve, more; } how = {O_RDONLY, 0, 0, 0};
    show("openat2", "short", syscall(SYS_openat2, AT_FDCWD, "file", &how, 8));
    show("openat2", "null", syscall(SYS_openat2, AT_FDCWD, "file", NULL, 24));
    show("openat2", "longer", syscall(SYS_openat2, AT_FDCWD, "file", &how, 32));
    how.more = 1;
    show("openat2", "tail", syscall(SYS_openat2, AT_FDCWD, "file", &how, 32));
    show("openat2", "huge", syscall(SYS_openat2, AT_FDCWD, "file", &how, 1 << 20));
    show("utimensat", "times", syscall(SYS_utimensat, AT_FDCWD, "file", gap, 0));
    show("utimensat", "null", syscall(SYS_utimensat, AT_FDCWD, "file", NULL, 0));
    int file = open("file", O_RDWR);
    show("fcntl", "lock", fcntl(file, F_SETLK, gap));
    show("symlink", "target", symlink(gap, "other"));
    show("symlink", "name", symlink("file", gap));
    show("link", "old", link(gap, "other"));
    show("link", "new", link("file", gap));
    return 0;
}
