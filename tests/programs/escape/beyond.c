/* What lies outside, asked for from a granted directory by newfstatat with a path and
 * AT_EMPTY_PATH: beyond NAME. Prints what was found. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void look(const char *how, int at, const char *name)
{
	struct stat found;
	memset(&found, 0, sizeof found);
	if (syscall(SYS_newfstatat, at, name, &found, AT_EMPTY_PATH) == 0)
		printf("%s: inode %lu\n", how, (unsigned long)found.st_ino);
	else
		printf("%s: refused\n", how);
}

int main(int count, char **words)
{
	int granted = open("granted", O_RDONLY | O_DIRECTORY);
	if (count != 2 || granted < 0)
		return 1;
	look("the directory itself", granted, "");
	look("from the directory", granted, words[1]);
	if (fchdir(granted) < 0)
		return 2;
	look("from here", AT_FDCWD, words[1]);
	return 0;
}
