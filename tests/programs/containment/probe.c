// What a hostile program tries, by its first word. Says what it got; the tests look from outside.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void read_each(char **names) {
    static char content[1 << 16];
    for (; *names; names++) {
        int file = open(*names, O_RDONLY | O_NONBLOCK);
        if (file < 0) {
            printf("%s errno %d\n", *names, errno);
            continue;
        }
        ssize_t length = read(file, content, sizeof content);
        printf("%s read %zd\n", *names, length);
        fwrite(content, 1, length > 0 ? length : 0, stdout);
        printf("\n");
        close(file);
    }
}

// Opens for reading, then tries to get more of the same object.
static void widen(const char *name) {
    int file = open(name, O_RDONLY);
    if (file < 0) {
        printf("open errno %d\n", errno);
        return;
    }
    char own[64];
    snprintf(own, sizeof own, "/proc/self/fd/%d", file);
    printf("write %d\n", write(file, "changed", 7) < 0 ? errno : 0);
    int again = open(own, O_RDWR);
    printf("reopen %d\n", again < 0 ? errno : 0);
    if (again >= 0 && write(again, "changed", 7) < 0) printf("write again %d\n", errno);
    printf("fchmod %d\n", fchmod(file, 0777) ? errno : 0);
    printf("ftruncate %d\n", ftruncate(file, 0) ? errno : 0);
    printf("fallocate %d\n", fallocate(file, 0, 0, 4096) ? errno : 0);
    printf("lease %d\n", fcntl(file, F_SETLEASE, F_RDLCK) ? errno : 0);
}

// Opens a name whose parent others exchange for a link, `naive`ly after a look at the parent.
static void race(int attempts, const char *name, int naive) {
    char parent[4096], content[16];
    snprintf(parent, sizeof parent, "%s", name);
    *strrchr(parent, '/') = 0;
    int had = 0, fine = 0, refused = 0;
    for (int i = 0; i < attempts; i++) {
        struct stat status;
        if (naive && (lstat(parent, &status) || S_ISLNK(status.st_mode))) {
            refused++;
            continue;
        }
        int file = open(name, O_RDONLY);
        if (file < 0) {
            refused++;
            continue;
        }
        ssize_t length = read(file, content, sizeof content);
        if (length >= 6 && !memcmp(content, "secret", 6)) had++;
        else fine++;
        close(file);
    }
    printf("had %d fine %d refused %d\n", had, fine, refused);
}

static long plain(long number) {
    long result;
    register long d __asm__("r10") = -1, e __asm__("r8") = -1, f __asm__("r9") = -1;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(-1L), "S"(-1L), "d"(-1L), "r"(d), "r"(e), "r"(f)
                     : "rcx", "r11", "memory");
    return result;
}

// Each system call in a process of its own, all arguments -1: number, result, wait status.
static void surface(long from, long to) {
    long *result = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (long number = from; number < to; number++) {
        *result = 1 << 20;
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            alarm(1);
            long got = plain(number);
            // Another process that was made says nothing.
            if (got == 0 && (number == SYS_fork || number == SYS_vfork)) _exit(0);
            *result = got;
            _exit(0);
        }
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) != child) exit(3);
        printf("%ld %ld %d\n", number, *result, status);
    }
}

static void signals(void) {
    signal(SIGTERM, SIG_IGN);
    printf("group %d\n", kill(0, SIGTERM) ? errno : 0);
    printf("all %d\n", kill(-1, SIGTERM) ? errno : 0);
    printf("parent %d\n", kill(getppid(), SIGTERM) ? errno : 0);
    fflush(stdout);
}

int main(int count, char **words) {
    if (count < 2) return 2;
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    if (!strcmp(words[1], "read")) read_each(words + 2);
    else if (!strcmp(words[1], "widen")) widen(words[2]);
    else if (!strcmp(words[1], "race")) race(atoi(words[2]), words[3], 0);
    else if (!strcmp(words[1], "naive")) race(atoi(words[2]), words[3], 1);
    else if (!strcmp(words[1], "surface")) surface(atol(words[2]), atol(words[3]));
    else if (!strcmp(words[1], "signals")) signals();
    else if (!strcmp(words[1], "wait")) {
        printf("ready\n");
        fflush(stdout);
        char byte;
        while (read(0, &byte, 1) > 0) continue;
    } else return 2;
    return 0;
}
