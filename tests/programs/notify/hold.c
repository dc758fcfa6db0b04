// Whether a program sees, or hands on, that it was kept on one CPU while it opened a file.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static cpu_set_t all, one;

static int differs(const cpu_set_t *from) {
    cpu_set_t now;
    CPU_ZERO(&now);
    sched_getaffinity(0, sizeof now, &now);
    return !CPU_EQUAL(&now, from);
}

static int inherited(void) {
    pid_t child = fork();
    if (child == 0) _exit(differs(&all));
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status);
}

static int undone(void) {
    sched_setaffinity(0, sizeof one, &one);
    usleep(200);
    int is_undone = differs(&one);
    sched_setaffinity(0, sizeof all, &all);
    return is_undone;
}

// What is looked at, how often, and how many seconds it may be tried until it is seen.
int main(int count, char **words) {
    if (count < 4) return 2;
    int rounds = atoi(words[2]), found = 0;
    time_t until = time(NULL) + atoi(words[3]);
    // The loader opened files too: what is allowed at all is asked for anew.
    usleep(5000);
    memset(&all, 0xff, sizeof all);
    if (sched_setaffinity(0, sizeof all, &all)) return 5;
    sched_getaffinity(0, sizeof all, &all);
    CPU_SET(sched_getcpu(), &one);
    if (CPU_COUNT(&all) < 2) return 3;
    for (int i = 0; i < rounds || (time(NULL) < until && !found); i++) {
        int file = open(words[0], O_RDONLY);
        if (file < 0) return 4;
        if (!strcmp(words[1], "seen")) found += differs(&all);
        else if (!strcmp(words[1], "inherited")) found += inherited();
        else found += undone();
        close(file);
        // Now and then long enough for the broker to look again whether a CPU is idle.
        if (i % 8 == 0) usleep(3000);
    }
    printf("narrowed %d\n", found);
    return 0;
}
