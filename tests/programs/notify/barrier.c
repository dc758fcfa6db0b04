// What a program does right after it closed what it was granted: exec it, lock it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

static void *content;
static size_t length;

static void load(const char *name) {
    int file = open(name, O_RDONLY);
    content = malloc(1 << 20);
    ssize_t got = read(file, content, 1 << 20);
    length = got > 0 ? (size_t)got : 0;
    close(file);
}

// Starts it in a child that shares memory; the errno of exec, or 0.
static int start(const char *name) {
    char *words[] = {(char *)name, NULL}, *environment[] = {NULL};
    volatile int failed = 0;
    pid_t child = vfork();
    if (child == 0) {
        execve(name, words, environment);
        failed = errno;
        _exit(1);
    }
    int status;
    waitpid(child, &status, 0);
    return failed;
}

int main(int count, char **words) {
    if (count < 4) return 2;
    int rounds = atoi(words[2]), busy = 0, other = 0;
    const char *name = words[3];
    if (!strcmp(words[1], "written")) load(words[4]);
    for (int i = 0; i < rounds; i++) {
        int failed = 0;
        if (!strcmp(words[1], "written")) {
            int file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);
            if (file < 0 || write(file, content, length) != (ssize_t)length) other++;
            close(file);
            failed = start(name);
        } else if (!strcmp(words[1], "opened")) {
            int file = open(name, O_WRONLY);
            if (file < 0) other++;
            close(file);
            failed = start(name);
        } else {
            int file = open(name, O_RDWR | O_CREAT, 0644);
            if (file < 0) other++;
            if (flock(file, LOCK_EX | LOCK_NB) < 0) failed = errno;
            close(file);
        }
        if (failed == ETXTBSY || failed == EWOULDBLOCK) busy++;
        else if (failed) other++;
    }
    printf("busy %d other %d\n", busy, other);
    return 0;
}
