/* No dynamic loader: standard input and output, files, a fork, threads of nobody. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **words)
{
    char line[256];
    struct stat status;
    FILE *in = fopen("in", "r"), *out = fopen("out", "wx");
    if (in == NULL || out == NULL)
        return 1;
    while (fgets(line, sizeof line, in) != NULL)
        fprintf(out, "%zu %s", strlen(line), line);
    fclose(in);
    fclose(out);
    if (stat("out", &status) != 0)
        return 2;
    printf("%d words, %lld bytes, mode %o\n", count, (long long)status.st_size, status.st_mode);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        execl(words[0], words[0], (char *)NULL);
    int code = 0;
    waitpid(child, &code, 0);
    /* The child finds "out" made already. */
    printf("child %d\n", WEXITSTATUS(code));
    if (open("missing", O_RDONLY) == -1)
        printf("missing: %d\n", errno == ENOENT);
    return 42;
}
