/* calls GRANTED DENIED: what a C program does with the C library of doorward. It prints a line
 * for each step. What is granted comes first and has to go well, since a denial says nothing
 * where nothing is granted: such a step that fails is the last one.
 *
 *     doorward run --front api --policy POLICY -- ./calls GRANTED DENIED
 *
 * The policy lets GRANTED and its directory be read, and this program be started.
 */
#include <doorward.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is told by a program that was started anew. */
#define AGAIN "again"

static int failures;

static void tell(const char *step, int as_wanted)
{
    printf("%s: %s\n", step, as_wanted ? "yes" : strerror(errno));
    failures += !as_wanted;
}

/* A step that those behind it rest on. */
static void need(const char *step, int done)
{
    tell(step, done);
    if (!done)
        exit(1);
}

static int can_fopen(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    int first = fgetc(file);
    fclose(file);
    return first != EOF;
}

/* Whether a file that is open has the status of its name. Its owner may be one that this user
 * namespace has no number for. */
static int same_status(const char *path)
{
    struct stat named, opened;
    int file = open(path, O_RDONLY);
    if (file < 0)
        return 0;
    int told = stat(path, &named) == 0 && fstat(file, &opened) == 0;
    close(file);
    return told && named.st_ino == opened.st_ino && named.st_size == opened.st_size
        && named.st_mode == opened.st_mode && named.st_uid == opened.st_uid
        && named.st_gid == opened.st_gid;
}

static int can_open(doorward_client *client, const doorward_directory *at, const char *path)
{
    char byte;
    int file = doorward_open(client, at, path, O_RDONLY, 0);
    if (file < 0)
        return 0;
    int done = read(file, &byte, 1) == 1;
    close(file);
    return done;
}

/* Whether a child can start this program anew; else errno is the child's. */
static int can_exec(const char *self)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        execl(self, self, AGAIN, (char *)NULL);
        _exit(errno);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 0;
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
    return status == 0;
}

static int counted(void *context, const char *name, unsigned char kind, uint64_t inode)
{
    (void)name, (void)kind, (void)inode;
    ++*(int *)context;
    return 0;
}

/* The granted file, its directory, and what is found in that. */
static void look(doorward_client *client, char *granted)
{
    struct stat status;
    int entries = 0;
    need("stat says its size", doorward_stat(client, NULL, granted, &status, 0) == 0 && status.st_size > 0);
    char *slash = strrchr(granted, '/');
    *slash = '\0';
    doorward_directory *directory = doorward_opendir(client, NULL, granted);
    need("its directory is listed",
         directory != NULL && doorward_list(client, NULL, granted, counted, &entries) == 0 && entries > 0);
    need("a name in the directory is opened", can_open(client, directory, slash + 1));
    need("the directory is given up", doorward_forget(client, directory) == 0);
    *slash = '/';
}

int main(int count, char **words)
{
    if (count == 2 && strcmp(words[1], AGAIN) == 0)
        return 0;
    if (count != 3) {
        fprintf(stderr, "usage: calls GRANTED DENIED\n");
        return 2;
    }
    char *granted = words[1], *denied = words[2];

    /* Before anything is asked by the library: by notification. */
    need("it can be started anew", can_exec(words[0]));
    need("fopen of what is granted", can_fopen(granted));
    errno = 0;
    tell("fopen of what is not is EACCES", !can_fopen(denied) && errno == EACCES);

    /* By explicit calls: a lane, and operations on it. */
    doorward_client *client = doorward_begin();
    need("there is a lane to the broker", client != NULL);
    need("what is granted is opened", can_open(client, NULL, granted));
    look(client, granted);
    errno = 0;
    tell("what is not is EACCES", !can_open(client, NULL, denied) && errno == EACCES);
    errno = 0;
    tell("NULL is EFAULT", doorward_open(client, NULL, NULL, O_RDONLY, 0) == -1 && errno == EFAULT);
    errno = 0;
    tell("no client is EFAULT", doorward_stat(NULL, NULL, granted, NULL, 0) == -1 && errno == EFAULT);

    /* By the calls that programs make anyway: they trap from here on. */
    need("the trap front is entered", doorward_enter() == 0);
    need("fopen of what is granted goes on", can_fopen(granted));
    need("a file has one status", same_status(granted) && same_status("/etc/ld.so.cache"));
    errno = 0;
    tell("fopen of what is not still is EACCES", !can_fopen(denied) && errno == EACCES);
    tell("to be started anew is EACCES now", !can_exec(words[0]) && errno == EACCES);
    errno = 0;
    tell("to enter twice is EALREADY", doorward_enter() == -1 && errno == EALREADY);

    /* Less from here on, by either way. */
    errno = 0;
    tell("a document that is wrong is EINVAL", doorward_restrict(client, "nonsense") == -1 && errno == EINVAL);
    need("which takes nothing away", can_open(client, NULL, granted) && can_fopen(granted));
    need("the sandbox is narrowed", doorward_restrict(client, "version = 1\n") == 0);
    errno = 0;
    tell("what was granted is EACCES", !can_open(client, NULL, granted) && errno == EACCES);
    errno = 0;
    tell("for fopen too", !can_fopen(granted) && errno == EACCES);
    doorward_end(client);
    return failures != 0;
}
