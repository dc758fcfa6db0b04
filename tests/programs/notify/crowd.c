// Many threads that ask at once, and what the slow ones do to the quick ones.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 1024

static int counts[MOST], failures, wrong;
static volatile int ended;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void *asks(void *index) {
    long self = (long)index;
    char name[32];
    snprintf(name, sizeof name, "own%ld", self);
    while (!ended) {
        struct stat status;
        int file = open(name, O_RDWR | O_CREAT, 0644);
        if (file < 0 || fstat(file, &status) < 0) __atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST);
        struct stat by_name;
        if (stat(name, &by_name) < 0 || by_name.st_ino != status.st_ino)
            __atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
        close(file);
        counts[self]++;
    }
    return NULL;
}

// Everybody gets on, nobody gets another's answer.
static int flood(int threads, double seconds) {
    static pthread_t all[MOST];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * 1024);
    for (long i = 0; i < threads; i++) pthread_create(&all[i], &small, asks, (void *)i);
    usleep(seconds * 1e6);
    ended = 1;
    long sum = 0;
    int least = 1 << 30;
    for (int i = 0; i < threads; i++) {
        pthread_join(all[i], NULL);
        sum += counts[i];
        if (counts[i] < least) least = counts[i];
    }
    printf("failures %d wrong %d fair %d\n", failures, wrong, least * 10L >= sum / threads);
    fprintf(stderr, "%ld in all, least %d\n", sum, least);
    return 0;
}

static const char *fifo;
static void *blocks(void *unused) {
    (void)unused;
    int file = open(fifo, O_RDONLY);
    if (file < 0) __atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

// Threads that wait for the other end of a FIFO, more than the broker has workers; the others
// still get quick and slow answers, and then a writer frees them all.
static int waiting(const char *path, int threads) {
    static pthread_t all[MOST];
    fifo = path;
    for (int i = 0; i < threads; i++) pthread_create(&all[i], NULL, blocks, NULL);
    usleep(300000);
    double started = now();
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof name, "new%d", i);
        close(open(name, O_WRONLY | O_CREAT | O_EXCL, 0644));
        if (unlink(name) < 0) failures++;
    }
    printf("quick %d", now() - started < 2);
    started = now();
    int end = open(path, O_WRONLY);
    printf(" writer %d", end >= 0 && now() - started < 2);
    for (int i = 0; i < threads; i++) pthread_join(all[i], NULL);
    printf(" freed %d failures %d\n", now() - started < 5, failures);
    return 0;
}

int main(int count, char **words) {
    if (count < 3) return 2;
    if (!strcmp(words[1], "flood")) return flood(atoi(words[2]), 1.0);
    return waiting(words[3], atoi(words[2]));
}
