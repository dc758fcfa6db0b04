// The working directory, in all the ways programs come to one.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char top[4096];

// The working directory's name below the top.
static const char *here(void) {
    static char text[4096];
    char name[4096];
    if (syscall(SYS_getcwd, name, sizeof name) < 0) return strerrorname_np(errno);
    size_t length = strlen(top);
    if (strncmp(name, top, length) != 0) return "elsewhere";
    snprintf(text, sizeof text, "%s", name + length);
    return text;
}

static const char *opened(const char *name) {
    int file = open(name, O_RDONLY);
    if (file < 0) return strerrorname_np(errno);
    static char text[64];
    ssize_t count = read(file, text, sizeof text - 1);
    text[count > 0 ? count : 0] = 0;
    close(file);
    return text;
}

static void put(const char *name, const char *text) {
    int file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (file < 0 || write(file, text, strlen(text)) < 0) printf("cannot write %s: %m\n", name);
    close(file);
}

// What a call returned, where the process is now and what it sees there.
static void told(const char *name, int result) {
    printf("%s %s", name, result < 0 ? strerrorname_np(errno) : "ok");
    printf(" at %s", here());
    printf(" sees %s\n", opened("f"));
}

static void *turn(void *unused) {
    (void)unused;
    if (chdir("one") < 0) printf("thread: %m\n");
    return NULL;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!getcwd(top, sizeof top)) return 1;
    mkdir("one", 0755), mkdir("two", 0755), mkdir("one/deep", 0755);
    put("f", "top"), put("one/f", "one"), put("two/f", "two"), put("one/deep/f", "deep");
    if (symlink("one/deep", "link") < 0) return 1;

    told("chdir", chdir("one"));
    told("up", chdir(".."));
    told("link", chdir("link"));
    printf("above %s\n", opened("../f"));
    told("back", chdir(top));
    int two = open("two", O_RDONLY | O_DIRECTORY);
    told("fchdir", fchdir(two));
    told("missing", chdir("nowhere"));
    told("to a file", chdir("f"));
    int file = open("f", O_RDONLY);
    told("fchdir to a file", fchdir(file));
    told("fchdir to none", fchdir(999));
    if (chdir(top) < 0) return 1;

    // A child reads its directory after the parent has changed its own.
    int wrong = 0;
    for (int i = 0; i < 200; i++) {
        int line[2];
        if (pipe(line) < 0) return 1;
        pid_t child = fork();
        if (child == 0) {
            char byte;
            close(line[1]);
            if (read(line[0], &byte, 1) < 0) _exit(1);
            _exit(strcmp(opened("f"), "top") != 0 || strcmp(here(), "") != 0);
        }
        close(line[0]);
        if (chdir("one") < 0) return 1;
        close(line[1]);
        int status;
        waitpid(child, &status, 0);
        wrong += status != 0;
        if (chdir(top) < 0) return 1;
    }
    printf("children wrong %d\n", wrong);

    // A grandchild whose parent is gone.
    int line[2];
    if (pipe(line) < 0) return 1;
    if (fork() == 0) {
        if (chdir("two") < 0) _exit(1);
        if (fork() == 0) {
            setsid();
            usleep(50000);
            char place[4096];
            strcpy(place, here());
            dprintf(line[1], "daemon %s %s", place, opened("f"));
        }
        _exit(0);
    }
    wait(NULL);
    close(line[1]);
    char text[256];
    ssize_t count = read(line[0], text, sizeof text - 1);
    text[count > 0 ? count : 0] = 0;
    printf("%s\n", text);

    // Threads share one directory.
    pthread_t thread;
    pthread_create(&thread, NULL, turn, NULL);
    pthread_join(thread, NULL);
    told("after thread", 0);

    // It is renamed while it is the working directory.
    told("renamed", rename("../one", "../three"));
    printf("relative %s\n", opened("deep/../f"));
    printf("relative above %s\n", opened("../two/f"));
    told("renamed back", rename("../three", "../one"));
    // It is removed.
    mkdir("gone", 0755);
    told("into", chdir("gone"));
    told("removed", rmdir("../gone"));
    told("create", open("x", O_WRONLY | O_CREAT, 0644));
    told("out", chdir(top));

    // Relative to a descriptor.
    int base = open("one", O_RDONLY | O_DIRECTORY);
    struct stat status;
    printf("openat %d", openat(base, "deep/f", O_RDONLY) >= 0);
    printf(" fstatat %d", fstatat(base, "../two/f", &status, 0));
    printf(" mkdirat %d", mkdirat(base, "made", 0755));
    printf(" renameat %d", renameat(base, "made", two, "made"));
    printf(" unlinkat %d\n", unlinkat(two, "made", AT_REMOVEDIR));
    printf("file as base %d", openat(file, "x", O_RDONLY));
    printf(" %s", strerrorname_np(errno));
    printf(" none %d", openat(999, "x", O_RDONLY));
    printf(" %s", strerrorname_np(errno));
    printf(" unused %d\n", openat(999, top, O_RDONLY) >= 0);
    return 0;
}
