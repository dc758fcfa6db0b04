// Signals that arrive while a call waits for its answer. Prints what the program saw.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t handled;
static void handler(int signal) { (void)signal; handled++; }

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void on(int signal, int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(signal, &action, NULL);
}

static void timer(long first, long every) {
    struct itimerval value = {{0, every}, {first / 1000000, first % 1000000}};
    setitimer(ITIMER_REAL, &value, NULL);
}

// A blocking open of a FIFO nobody writes, with an alarm.
static int interrupted(const char *fifo) {
    on(SIGALRM, 0);
    timer(300000, 0);
    double started = now();
    int result = open(fifo, O_RDONLY);
    double took = now() - started;
    printf("%d %s handled %d in time %d\n", result, strerrorname_np(errno), handled,
           took > 0.25 && took < 1.0);
    return 0;
}

// The same with SA_RESTART: the writer comes after some alarms.
static int restarted(const char *fifo) {
    on(SIGALRM, SA_RESTART);
    pid_t writer = fork();
    if (writer == 0) {
        usleep(600000);
        int end = open(fifo, O_WRONLY);
        _exit(write(end, "x", 1) != 1);
    }
    timer(100000, 100000);
    int result = open(fifo, O_RDONLY);
    int error = errno;
    timer(0, 0);
    char byte = 0;
    long count = result >= 0 ? read(result, &byte, 1) : -1;
    printf("open %s read %ld %c handled %d\n", result >= 0 ? "ok" : strerrorname_np(error), count,
           byte, handled >= 3);
    waitpid(writer, NULL, 0);
    return 0;
}

// A process that is stopped, continued and killed while its call waits.
static int stopped(const char *fifo) {
    int status = 0;
    pid_t reader = fork();
    if (reader == 0) _exit(open(fifo, O_RDONLY) < 0);
    usleep(200000);
    double started = now();
    kill(reader, SIGSTOP);
    waitpid(reader, &status, WUNTRACED);
    printf("stopped %d in time %d\n", WIFSTOPPED(status), now() - started < 0.5);
    kill(reader, SIGCONT);
    int end = open(fifo, O_WRONLY);
    waitpid(reader, &status, 0);
    printf("went on %d status %d\n", end >= 0, status);
    close(end);
    reader = fork();
    if (reader == 0) _exit(open(fifo, O_RDONLY) < 0);
    usleep(200000);
    started = now();
    kill(reader, SIGKILL);
    waitpid(reader, &status, 0);
    printf("killed %d in time %d\n", WIFSIGNALED(status), now() - started < 0.5);
    return 0;
}

static const char *shared;
static int odd;
static void *opens(void *unused) {
    (void)unused;
    for (int i = 0; i < 10; i++) {
        int result = open(shared, O_RDONLY);
        if (result < 0 && errno != EINTR) __atomic_add_fetch(&odd, 1, __ATOMIC_SEQ_CST);
        if (result >= 0) close(result);
    }
    return NULL;
}

// Threads blocked in open while signals hit the process: EINTR, and never another number.
static int threads(const char *fifo) {
    on(SIGUSR1, 0);
    shared = fifo;
    pid_t parent = getpid();
    pid_t sender = fork();
    if (sender == 0) {
        while (kill(parent, SIGUSR1) == 0) usleep(15000);
        _exit(0);
    }
    pthread_t all[6];
    for (int i = 0; i < 6; i++) pthread_create(&all[i], NULL, opens, NULL);
    // The leader blocks the signal, so the others are chosen.
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 6; i++) pthread_join(all[i], NULL);
    kill(sender, SIGKILL);
    waitpid(sender, NULL, 0);
    printf("odd %d\n", odd);
    return 0;
}

// A timer every 200 µs over quick calls. What fails with EINTR has not happened.
static int storm(const char *directory, int flags, int rounds) {
    int interruptions = 0, twice = 0, done = 0, other = 0;
    struct stat status;
    char name[4096];
    on(SIGALRM, flags);
    timer(200, 200);
    for (int i = 0; i < rounds; i++) {
        snprintf(name, sizeof name, "%s/storm%d", directory, i);
        int file = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
        while (file < 0 && errno == EINTR) {
            interruptions++;
            file = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
        }
        if (file >= 0) done++, close(file);
        else if (errno == EEXIST) twice++;
        else other++;
        while (stat(name, &status) < 0) {
            if (errno != EINTR) { other++; break; }
            interruptions++;
        }
        while (unlink(name) < 0) {
            if (errno != EINTR) { other++; break; }
            interruptions++;
        }
    }
    timer(0, 0);
    printf("done %d twice %d other %d handled %d\n", done, twice, other, handled > 0);
    if (flags & SA_RESTART) printf("interruptions %d\n", interruptions);
    fprintf(stderr, "%d of %d calls interrupted\n", interruptions, rounds * 3);
    return 0;
}

int main(int count, char **words) {
    if (count < 3) return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(words[1], "interrupted")) return interrupted(words[2]);
    if (!strcmp(words[1], "restarted")) return restarted(words[2]);
    if (!strcmp(words[1], "stopped")) return stopped(words[2]);
    if (!strcmp(words[1], "threads")) return threads(words[2]);
    if (!strcmp(words[1], "storm")) return storm(words[2], 0, 4000);
    if (!strcmp(words[1], "storm-restart")) return storm(words[2], SA_RESTART, 4000);
    return 2;
}
