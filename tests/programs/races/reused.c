// reused CASE DECOY PRECIOUS: a process asks for a change below the directory DECOY, and is killed
// while the broker holds its request; then processes that ask for nothing take all numbers there
// are. The same place of their memory, their directory and a descriptor of theirs lead to PRECIOUS.
// What is done when, a byte on standard input says; what came of it, standard output.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NUMBER = 50, STRANGERS = 150 };
static char *name, *answer;

static void await(int from, char what) {
    char byte;
    if (read(from, &byte, 1) != 1 || byte != what) exit(4);
}

static void tell(char what, int number) {
    char line[32];
    int length = snprintf(line, sizeof line, "%c %d\n", what, number);
    if (write(1, line, length) != length) exit(4);
}

static void ask(const char *which) {
    struct stat *status = (struct stat *)answer;
    if (!strcmp(which, "name")) unlink(name);
    else if (!strcmp(which, "directory")) unlink("file");
    else if (!strcmp(which, "descriptor")) unlinkat(NUMBER, "file", 0);
    else if (!strcmp(which, "answer")) stat(name, status);
    else _exit(4);
}

static void attempt(const char *which, const char *decoy, const char *precious) {
    int go[2], ready[2], end[2];
    if (pipe(go) || pipe(ready) || pipe(end)) exit(4);
    snprintf(name, 4096, "%s/file", decoy);
    memset(answer, 0x55, 4096);
    pid_t asker = fork();
    if (asker < 0) exit(4);
    if (asker == 0) {
        dup2(NUMBER + 1, NUMBER);
        if (chdir(decoy)) _exit(4);
        if (write(ready[1], "r", 1) != 1) _exit(4);
        await(go[0], 'g');
        ask(which);
        _exit(0);
    }
    await(ready[0], 'r');
    tell('r', 0);
    await(0, 'g');
    if (write(go[1], "g", 1) != 1) exit(4);
    await(0, 'h');
    kill(asker, SIGKILL);
    waitpid(asker, NULL, 0);
    snprintf(name, 4096, "%s/file", precious);
    pid_t strangers[STRANGERS];
    int count = 0, changed = 0;
    for (; count < STRANGERS; count++) {
        strangers[count] = fork();
        if (strangers[count] < 0) break;
        if (strangers[count] == 0) {
            char byte;
            close(end[1]);
            if (read(end[0], &byte, 1) != 0) _exit(4);
            for (int i = 0; i < 4096; i++) if (answer[i] != 0x55) _exit(1);
            _exit(0);
        }
    }
    tell('n', count);
    await(0, 'o');
    close(end[1]);
    for (int i = 0; i < count; i++) {
        int ending;
        waitpid(strangers[i], &ending, 0);
        changed += ending != 0;
    }
    tell('c', changed);
    for (int i = 0; i < 2; i++) close(go[i]), close(ready[i]);
    close(end[0]);
}

int main(int words, char **word) {
    if (words < 4) return 2;
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return 3;
    name = page;
    answer = page + 4096;
    int decoy = open(word[2], O_RDONLY | O_DIRECTORY), precious = open(word[3], O_RDONLY | O_DIRECTORY);
    if (decoy < 0 || precious < 0 || chdir(word[3])) return 3;
    dup2(decoy, NUMBER + 1);
    dup2(precious, NUMBER);
    char byte;
    while (read(0, &byte, 1) == 1 && byte == 'a') attempt(word[1], word[2], word[3]);
    return 0;
}
