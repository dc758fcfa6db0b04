// A thread flips the name between one that may be opened and one that may not, while others open it.
// Prints how often the content of the forbidden one was had.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char *name, *part;
static int own_process;
static volatile int *ended;

static void linger(void) {
    for (volatile int i = 0; i < 1000; i++) continue;
    __asm__ volatile("" ::: "memory");
}

static void *flip(void *unused) {
    (void)unused;
    while (!*ended) {
        memcpy(part, "allowed", 7);
        linger();
        memcpy(part, "secret/", 7);
        linger();
    }
    return NULL;
}

int main(int count, char **words) {
    if (count < 4) return 2;
    int attempts = atoi(words[1]);
    own_process = !strcmp(words[2], "process");
    name = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ended = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    // ".../in/allowed/file" may be read, ".../in/secret//file" may not.
    strcpy(name, words[3]);
    part = strstr(name, "allowed");
    if (!part) return 2;
    pthread_t thread;
    pid_t child = 0;
    if (own_process) {
        child = fork();
        if (child == 0) {
            flip(NULL);
            _exit(0);
        }
    } else {
        pthread_create(&thread, NULL, flip, NULL);
    }
    int had = 0, allowed = 0, refused = 0;
    for (int i = 0; i < attempts; i++) {
        int file = open(name, O_RDONLY);
        if (file < 0) {
            refused++;
            continue;
        }
        char text[8] = {0};
        if (read(file, text, 6) < 0) refused++;
        if (!strcmp(text, "secret")) had++;
        else allowed++;
        close(file);
    }
    *ended = 1;
    if (own_process) waitpid(child, NULL, 0);
    else pthread_join(thread, NULL);
    printf("had %d allowed %d refused %d\n", had, allowed > attempts / 100, refused > attempts / 100);
    return 0;
}
