/* Starts itself from a memory file: the name of an allowed program is asked for, and
 * meanwhile replaced by one in the /proc outside, which is found from a granted directory. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char allowed[PATH_MAX], other[PATH_MAX];
static char *name;

static void *flip(void *nothing)
{
	for (;;) {
		strcpy(name, allowed);
		for (volatile int turn = 0; turn < 20000; turn++)
			;
		strcpy(name, other);
		for (volatile int turn = 0; turn < 20000; turn++)
			;
	}
	return nothing;
}

static int start(void)
{
	pthread_t flipper;
	strcpy(name, allowed);
	pthread_create(&flipper, NULL, flip, NULL);
	usleep(rand() % 50);
	char *words[] = {"remembered", "again", NULL}, *none[] = {NULL};
	execve(name, words, none);
	_exit(1);
}

int main(int count, char **words)
{
	static char bytes[65536];
	if (count == 2 && strcmp(words[1], "again") == 0)
		return 42;
	if (count != 2)
		return 2;
	strcpy(allowed, words[1]);
	int granted = open("granted", O_RDONLY | O_DIRECTORY);
	int own = open("remembered", O_RDONLY);
	int memory = syscall(SYS_memfd_create, "copy", 0);
	if (memory < 0)
		memory = syscall(SYS_memfd_create, "copy", 8 /* MFD_NOEXEC_SEAL */);
	ssize_t got;
	while ((got = read(own, bytes, sizeof bytes)) > 0)
		if (write(memory, bytes, got) != got)
			return 3;
	close(own);
	if (granted < 0 || memory < 0 || fchdir(granted) < 0)
		return 4;
	char *end = other;
	for (int up = 0; up < 32; up++)
		end += sprintf(end, "../");
	sprintf(end, "proc/self/fd/%d", memory);
	name = mmap(NULL, PATH_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int tries = 0, right = 0, wrong = 0;
	for (; tries < 300 && !wrong; tries++) {
		int status;
		pid_t child = fork();
		if (child == 0)
			start();
		waitpid(child, &status, 0);
		right += WIFEXITED(status) && WEXITSTATUS(status) == 7;
		wrong += WIFEXITED(status) && WEXITSTATUS(status) == 42;
	}
	printf("allowed: %s\nfrom memory: %s\n", right ? "ran" : "never", wrong ? "ran" : "never");
	return 0;
}
