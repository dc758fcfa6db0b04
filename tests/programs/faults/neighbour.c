/* neighbour honest FILE ROUNDS: opens FILE every 20 ms, prints how long each took in ns.
   neighbour hostile FILE: eight processes that ask without a pause, until killed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int count, char **words) {
    if (count < 3)
        return 2;
    const char *file = words[2];
    if (strcmp(words[1], "hostile") == 0) {
        for (int i = 0; i < 3; i++)
            fork();
        for (;;) {
            int one = open(file, O_RDONLY);
            if (one >= 0)
                close(one);
            else
                access("/nowhere/at/all", F_OK);
        }
    }
    int rounds = count > 3 ? atoi(words[3]) : 50;
    long long *took = calloc(rounds, sizeof *took);
    for (int i = 0; i < rounds; i++) {
        struct timespec pause = {0, 20000000};
        nanosleep(&pause, NULL);
        long long begun = now();
        int one = open(file, O_RDONLY);
        took[i] = now() - begun;
        if (one < 0)
            return 3;
        close(one);
    }
    for (int i = 0; i < rounds; i++)
        printf("%lld\n", took[i]);
    return 0;
}
