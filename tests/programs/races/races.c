// races CASE ATTEMPTS naive|plain NAME: something changes while a call uses it. Prints what came
// of it; what must not happen is seen from outside. `naive` looks first and then calls, as a
// broker without copies and pins would; it is run without doorward.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int ended;
static int attempts, naive, done, refused;
static const char *given;
static char name[4096];
static struct open_how how;

static void linger(int turns) {
    for (volatile int i = 0; i < turns; i++) continue;
    __asm__ volatile("" ::: "memory");
}

static void count(long result) {
    if (result < 0) refused++;
    else done++;
}

static pthread_t start(void *(*act)(void *)) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, act, NULL)) exit(3);
    return thread;
}

static void stop(pthread_t thread) {
    ended = 1;
    pthread_join(thread, NULL);
}

// A name: ".../allowed/file" and ".../secret//file" by turns.
static void *flip_name(void *unused) {
    char *part = strstr(name, "allowed");
    while (!ended) {
        memcpy(part, "secret/", 7);
        linger(1000);
        memcpy(part, "allowed", 7);
        linger(1000);
    }
    return unused;
}

static void string(const char *call) {
    pthread_t thread = start(flip_name);
    int had = 0;
    for (int i = 0; i < attempts; i++) {
        while (naive && strstr(name, "secret")) continue;
        if (naive) linger(200);
        if (!strcmp(call, "chmod")) count(chmod(name, 0600));
        else if (!strcmp(call, "truncate")) count(truncate(name, 1));
        else if (!strcmp(call, "unlink")) {
            count(unlink(name));
            close(open(given, O_CREAT | O_WRONLY, 0644));
        } else {
            char content[8] = {0};
            int file = open(name, O_RDONLY);
            count(file);
            if (file >= 0 && read(file, content, 6) == 6) had += !memcmp(content, "secret", 6);
            if (file >= 0) close(file);
        }
    }
    stop(thread);
    printf("had %d\n", had);
}

// A struct: flags that only read, and flags that empty the file.
static void *flip_flags(void *unused) {
    while (!ended) {
        how.flags = O_WRONLY | O_TRUNC;
        linger(1000);
        how.flags = O_RDONLY;
        linger(1000);
    }
    return unused;
}

static void structure(void) {
    pthread_t thread = start(flip_flags);
    for (int i = 0; i < attempts; i++) {
        while (naive && *(volatile __u64 *)&how.flags != O_RDONLY) continue;
        if (naive) linger(200);
        int file = syscall(SYS_openat2, AT_FDCWD, given, &how, sizeof how);
        count(file);
        if (file >= 0) close(file);
    }
    stop(thread);
}

// A descriptor number: what may be changed and what may only be read, by turns.
enum { NUMBER = 50 };
static int may_change, may_read;

static void *flip_number(void *unused) {
    while (!ended) {
        dup2(may_read, NUMBER);
        linger(300);
        close(NUMBER);
        dup2(may_change, NUMBER);
        linger(300);
    }
    return unused;
}

static void descriptor(const char *call) {
    int directory = !strcmp(call, "openat");
    int flags = directory ? O_RDONLY | O_DIRECTORY : O_RDONLY;
    may_change = open(directory ? "rw" : "rw/file", flags);
    may_read = open(directory ? "in" : "in/file", flags);
    if (may_change < 0 || may_read < 0) exit(3);
    pthread_t thread = start(flip_number);
    for (int i = 0; i < attempts; i++) {
        if (naive) {
            char target[4096] = {0};
            if (readlink("/proc/self/fd/50", target, sizeof target - 1) < 0) continue;
            if (!strstr(target, "/rw")) continue;
        }
        if (!directory) {
            count(fchmod(NUMBER, 0600));
            continue;
        }
        int file = openat(NUMBER, "file", O_WRONLY | O_TRUNC);
        count(file);
        if (file >= 0) close(file);
    }
    stop(thread);
}

// Names that others change meanwhile: read, made, executed.
static int looks_safe(void) {
    char parent[4096];
    struct stat status;
    snprintf(parent, sizeof parent, "%s", given);
    *strrchr(parent, '/') = 0;
    return lstat(parent, &status) == 0 && !S_ISLNK(status.st_mode);
}

static void opened(void) {
    int had = 0;
    for (int i = 0; i < attempts; i++) {
        char content[8] = {0};
        int file = open(given, O_RDONLY);
        count(file);
        if (file >= 0 && read(file, content, 6) == 6) had += !memcmp(content, "secret", 6);
        if (file >= 0) close(file);
    }
    printf("had %d\n", had);
}

static void made(void) {
    for (int i = 0; i < attempts; i++) {
        if (naive && !looks_safe()) continue;
        int file = open(given, O_CREAT | O_EXCL | O_WRONLY, 0600);
        count(file);
        if (file >= 0) close(file);
        if (!naive) unlink(given);
    }
}

static void executed(void) {
    int had = 0;
    for (int i = 0; i < attempts; i++) {
        struct stat status;
        while (naive && (lstat(given, &status) || S_ISLNK(status.st_mode))) continue;
        pid_t child = vfork();
        if (child == 0) {
            execl(given, given, NULL);
            _exit(3);
        }
        int ending;
        waitpid(child, &ending, 0);
        int code = WIFEXITED(ending) ? WEXITSTATUS(ending) : -1;
        had += code == 9;
        count(code == 7 || code == 9 ? 0 : -1);
    }
    printf("had %d\n", had);
}

// As a script's interpreter: ends with the number in its second line.
static int interpret(const char *script) {
    char text[4096] = {0};
    int file = open(script, O_RDONLY);
    if (file < 0 || read(file, text, sizeof text - 1) <= 0) return 3;
    char *line = strchr(text, '\n');
    return line ? atoi(line + 1) : 3;
}

// Processes and threads that end while they ask.
static void *ask(void *unused) {
    for (;;) {
        int file = open(given, O_RDONLY);
        if (file >= 0) close(file);
    }
    return unused;
}

static void dying(void) {
    for (int i = 0; i < attempts; i++) {
        pid_t child = fork();
        if (child == 0) {
            start(ask);
            if (i % 2) {
                linger(i % 5000);
                _exit(0);
            }
            ask(NULL);
        }
        if (child < 0) exit(3);
        linger(i % 20000);
        if (i % 2 == 0) kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        int file = open(given, O_RDONLY);
        count(file);
        if (file >= 0) close(file);
    }
}

// Signals at every point: what was answered is what was done.
static volatile sig_atomic_t handled;

static void on_alarm(int unused) {
    (void)unused;
    handled++;
}

static void interrupted(void) {
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval often = {{0, 70}, {0, 70}};
    int there = 0, odd = 0, ends = 0;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < attempts; i++) {
        int before = handled;
        int result = there ? rmdir(given) : mkdir(given, 0700);
        int error = result ? errno : 0;
        // A broker that looks for signals only after it has acted.
        if (naive && !error && handled != before) error = EINTR;
        if (!error) there = !there;
        else if (error == EINTR) ends++;
        else {
            odd++;
            there = !there;
        }
        count(-error);
    }
    struct itimerval never = {0};
    setitimer(ITIMER_REAL, &never, NULL);
    printf("odd %d handled %d ends %d\n", odd, handled > 0, ends > 0);
}

int main(int words, char **word) {
    if (words == 3 && !strcmp(word[1], "interpret")) return interpret(word[2]);
    if (words < 5) return 2;
    attempts = atoi(word[2]);
    naive = !strcmp(word[3], "naive");
    given = word[4];
    snprintf(name, sizeof name, "%s", given);
    if (!strncmp(word[1], "string-", 7)) string(word[1] + 7);
    else if (!strcmp(word[1], "struct")) structure();
    else if (!strncmp(word[1], "descriptor-", 11)) descriptor(word[1] + 11);
    else if (!strcmp(word[1], "opened")) opened();
    else if (!strcmp(word[1], "made")) made();
    else if (!strcmp(word[1], "executed")) executed();
    else if (!strcmp(word[1], "dying")) dying();
    else if (!strcmp(word[1], "interrupted")) interrupted();
    else return 2;
    printf("done %d refused %d\n", done, refused);
    return 0;
}
