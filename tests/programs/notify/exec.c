// Starting programs in all the ways a program can.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int status_of(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

// The errno of execve in a child, or the program's exit status plus 10000.
static int started(const char *name) {
    int line[2];
    if (pipe2(line, O_CLOEXEC) < 0) return -1;
    pid_t child = fork();
    if (child == 0) {
        execl(name, name, NULL);
        int error = errno;
        if (write(line[1], &error, sizeof error) < 0) _exit(1);
        _exit(1);
    }
    close(line[1]);
    int error = 0;
    ssize_t got = read(line[0], &error, sizeof error);
    close(line[0]);
    int status = status_of(child);
    return got > 0 ? error : 10000 + status;
}

static void show(const char *name) {
    int result = started(name);
    printf("%s: ", name);
    if (result >= 10000) printf("status %d", result - 10000);
    else printf("%s", strerrorname_np(result));
    printf(" access %s", access(name, X_OK) == 0 ? "ok" : strerrorname_np(errno));
    struct stat status;
    printf(" stat %s\n", stat(name, &status) == 0 ? "ok" : strerrorname_np(errno));
}

static void *execs(void *name) {
    usleep(50000);
    execl(name, name, NULL);
    return NULL;
}

static void *asks(void *unused) {
    (void)unused;
    struct stat status;
    for (;;) stat("seven", &status);
    return NULL;
}

static void *waits(void *fifo) {
    if (open(fifo, O_RDONLY) >= 0) _exit(98);
    return NULL;
}

// A thread replaces the process while others wait for answers.
static int replaced(const char *fifo, int leader) {
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        for (int i = 0; i < 3; i++) pthread_create(&thread, NULL, asks, NULL);
        if (fifo) pthread_create(&thread, NULL, waits, (void *)fifo);
        if (leader) execs("./seven");
        pthread_create(&thread, NULL, execs, "./seven");
        if (fifo) waits((void *)fifo);
        for (;;) pause();
    }
    return status_of(child);
}

int main(int count, char **words) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 2; i < count; i++) show(words[i]);
    char *arguments[] = {"seven", NULL};
    pid_t child;
    int result = posix_spawn(&child, "./seven", NULL, NULL, arguments, environ);
    printf("posix_spawn %d status %d\n", result, result ? 0 : status_of(child));
    printf("posix_spawn missing %s\n",
           strerrorname_np(posix_spawn(&child, "./missing", NULL, NULL, arguments, environ)));
    child = vfork();
    if (child == 0) {
        execve("./seven", arguments, environ);
        _exit(1);
    }
    printf("vfork status %d\n", status_of(child));
    printf("system %d\n", WEXITSTATUS(system("./seven")));
    // A thread starts programs while others ask.
    int bad = 0;
    for (int i = 0; i < 10; i++) bad += replaced(NULL, i & 1) != 7;
    printf("replaced bad %d\n", bad);
    bad = 0;
    for (int i = 0; i < 5; i++) bad += replaced(words[1], 0) != 7;
    printf("replaced while waiting bad %d\n", bad);
    return 0;
}
