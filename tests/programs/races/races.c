// races CASE ATTEMPTS naive|plain NAME: something changes while a call uses it. Prints what came
// of it; what must not happen is seen from outside. `naive` looks first and then calls, as a
// broker without copies and pins would; it is run without doorward.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int ended;
static int attempts, naive, done, refused;
static const char *given;
static char own_name[4096], *name = own_name;
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

// Who writes: a thread, another process of the same memory, or one that shares a page of it.
static int process_flips(void *unused) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    flip_name(unused);
    return 0;
}

static pid_t start_process(int shares_all) {
    static char stack[65536] __attribute__((aligned(16)));
    pid_t child;
    if (shares_all) child = clone(process_flips, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
    else {
        char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) exit(3);
        strcpy(page, name);
        name = page;
        child = fork();
        if (child == 0) _exit(process_flips(NULL));
    }
    if (child < 0) exit(3);
    return child;
}

static void stop_process(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
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

static void shared(const char *with) {
    pid_t writer = start_process(!strcmp(with, "all"));
    int had = 0;
    for (int i = 0; i < attempts; i++) {
        while (naive && strstr(name, "secret")) continue;
        if (naive) linger(200);
        char content[8] = {0};
        int file = open(name, O_RDONLY);
        count(file);
        if (file >= 0 && read(file, content, 6) == 6) had += !memcmp(content, "secret", 6);
        if (file >= 0) close(file);
    }
    stop_process(writer);
    printf("had %d\n", had);
}

// The name of a program, and its first argument, by turns allowed and not.
static void started(void) {
    pid_t writer = start_process(0);
    int had = 0;
    for (int i = 0; i < attempts; i++) {
        while (naive && strstr(name, "secret")) continue;
        if (naive) linger(200);
        pid_t child = vfork();
        if (child == 0) {
            char *words[] = {name, "interpret", name, NULL};
            execv(name, words);
            _exit(3);
        }
        int ending;
        waitpid(child, &ending, 0);
        int code = WIFEXITED(ending) ? WEXITSTATUS(ending) : -1;
        had += code == 9;
        count(code == 7 || code == 9 ? 0 : -1);
    }
    stop_process(writer);
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

// One name that several make, remove and rename. What is told is counted: of those who make the
// same name at once one has made it, and what was made and not removed is left.
enum { CROWD = 4, NAMES = 3 };
static struct tally {
    int ready, made[CROWD], removed[CROWD], odd[CROWD];
} *tally;

static void meet(int turn) {
    __atomic_add_fetch(&tally->ready, 1, __ATOMIC_SEQ_CST);
    for (int looks = 0; __atomic_load_n(&tally->ready, __ATOMIC_SEQ_CST) < (turn + 1) * CROWD; looks++)
        if (looks > 20) usleep(1);
        else sched_yield();
}

static int make(const char *path) {
    struct stat status;
    if (naive) {
        if (!lstat(path, &status)) return -1;
        sched_yield();
    }
    int file = open(path, naive ? O_CREAT | O_WRONLY : O_CREAT | O_EXCL | O_WRONLY, 0640);
    if (file < 0) return -1;
    int odd = fstat(file, &status) || (status.st_mode & 07777) != 0640 || status.st_uid != geteuid();
    close(file);
    return odd;
}

static void storm(int who) {
    char path[NAMES][4096];
    unsigned random = who * 7919 + 1;
    umask(0);
    for (int i = 0; i < NAMES; i++) snprintf(path[i], sizeof path[i], "%s%d", given, i);
    for (int turn = 0; turn < attempts; turn++) {
        random = random * 1103515245 + 12345;
        int one = (random >> 16) % NAMES, other = (random >> 20) % NAMES;
        switch ((random >> 24) % 3) {
        case 0: {
            int odd = make(path[one]);
            tally->made[who] += odd >= 0;
            tally->odd[who] += odd > 0;
            break;
        }
        case 1: tally->removed[who] += !unlink(path[one]); break;
        default: syscall(SYS_renameat2, AT_FDCWD, path[one], AT_FDCWD, path[other], 1);
        }
    }
}

static void at_once(int who) {
    char path[4096];
    for (int turn = 0; turn < attempts / 20; turn++) {
        snprintf(path, sizeof path, "%s-%d", given, turn % 2);
        meet(turn * 2);
        tally->made[who] += make(path) >= 0;
        meet(turn * 2 + 1);
        if (who == 0) tally->removed[who] += !unlink(path);
    }
}

static void crowd(void (*act)(int)) {
    tally = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int made = 0, removed = 0, odd = 0;
    for (int who = 0; who < CROWD; who++) {
        pid_t child = fork();
        if (child < 0) exit(3);
        if (child == 0) {
            act(who);
            _exit(0);
        }
    }
    while (wait(NULL) > 0) continue;
    for (int who = 0; who < CROWD; who++) {
        made += tally->made[who];
        removed += tally->removed[who];
        odd += tally->odd[who];
    }
    printf("made %d removed %d odd %d\n", made, removed, odd);
}

// A service that is reached by a name which is exchanged for a link to another.
static void connected(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", given);
    for (int i = 0; i < attempts; i++) {
        struct stat status;
        while (naive && (lstat(given, &status) || !S_ISSOCK(status.st_mode))) continue;
        int service = socket(AF_UNIX, SOCK_STREAM, 0);
        if (service < 0) exit(3);
        count(connect(service, (struct sockaddr *)&address, sizeof address));
        close(service);
    }
}

int main(int words, char **word) {
    if (words == 3 && !strcmp(word[1], "interpret")) return interpret(word[2]);
    if (words < 5) return 2;
    attempts = atoi(word[2]);
    naive = !strcmp(word[3], "naive");
    given = word[4];
    snprintf(own_name, sizeof own_name, "%s", given);
    if (!strncmp(word[1], "string-", 7)) string(word[1] + 7);
    else if (!strcmp(word[1], "struct")) structure();
    else if (!strncmp(word[1], "shared-", 7)) shared(word[1] + 7);
    else if (!strcmp(word[1], "started")) started();
    else if (!strcmp(word[1], "storm")) crowd(storm);
    else if (!strcmp(word[1], "at-once")) crowd(at_once);
    else if (!strcmp(word[1], "connected")) connected();
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
