// Starting programs that have no name here: by descriptor, from memory. Refused in a sandbox.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <sys/wait.h>

static void told(const char *name, int descriptor, int by_name) {
    char path[64], *words[] = {"x", NULL}, *none[] = {NULL};
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (by_name) execve(path, words, none);
        else syscall(SYS_execveat, descriptor, "", words, none, AT_EMPTY_PATH);
        _exit(errno);
    }
    int status;
    waitpid(child, &status, 0);
    int code = WEXITSTATUS(status);
    printf("%s %s\n", name, code == 7 ? "ran" : strerrorname_np(code) ? strerrorname_np(code) : "?");
}

int main(void) {
    char bytes[1 << 16];
    int file = open("seven", O_RDONLY);
    ssize_t length = read(file, bytes, sizeof bytes);
    told("execveat file", file, 0);
    told("name of file", file, 1);
    int memory = syscall(SYS_memfd_create, "m", MFD_CLOEXEC);
    if (memory < 0) printf("memfd %s\n", strerrorname_np(errno));
    else {
        if (write(memory, bytes, length) != length) return 1;
        told("execveat memfd", memory, 0);
        told("name of memfd", memory, 1);
    }
    memory = syscall(SYS_memfd_create, "m", MFD_CLOEXEC | 8U);
    if (memory < 0) printf("sealed %s\n", strerrorname_np(errno));
    else {
        if (write(memory, bytes, length) != length) return 1;
        told("execveat sealed", memory, 0);
        told("name of sealed", memory, 1);
    }
    return 0;
}
