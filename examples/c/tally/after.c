/* tally BILL...: the program after. Its parser is behind the boundary, and what comes back from
 * it is not trusted. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct parser {
    pid_t process;
    FILE *questions;
    FILE *answers;
};

static int parser_start(struct parser *parser)
{
    int down[2], up[2];
    if (pipe(down) != 0 || pipe(up) != 0)
        return -1;
    parser->process = fork();
    if (parser->process == 0) {
        dup2(down[0], 0);
        dup2(up[1], 1);
        close(down[0]), close(down[1]), close(up[0]), close(up[1]);
        execlp("doorward", "doorward", "run", "--policy", "tally.toml", "--audit", "audit", "--quiet", "--",
               "./inside", (char *)NULL);
        perror("tally: doorward");
        _exit(127);
    }
    close(down[0]), close(up[1]);
    parser->questions = fdopen(down[1], "w");
    parser->answers = fdopen(up[0], "r");
    return parser->process < 0 || parser->questions == NULL || parser->answers == NULL ? -1 : 0;
}

static int parser_end(struct parser *parser)
{
    int status;
    fclose(parser->questions);
    fclose(parser->answers);
    return waitpid(parser->process, &status, 0) == parser->process && status == 0 ? 0 : -1;
}

/* Asks for one bill. What the parser says is held to what a bill of that size can be. */
static int ask(struct parser *parser, const char *path, unsigned long *lines, long long *sum)
{
    struct stat status;
    char answer[64];
    int error = 0, used = 0;
    if (strchr(path, '\n') != NULL || stat(path, &status) != 0)
        return ENOENT;
    fprintf(parser->questions, "%s\n", path);
    fflush(parser->questions);
    if (fgets(answer, sizeof answer, parser->answers) == NULL)
        return EPIPE;
    if (sscanf(answer, "failed %d\n%n", &error, &used) == 1 && answer[used] == '\0' && error > 0)
        return error;
    if (sscanf(answer, "%lu %lld\n%n", lines, sum, &used) != 2 || answer[used] != '\0')
        return EPROTO;
    /* A line has a name, a digit and an end at least. */
    return *lines <= (unsigned long)status.st_size ? 0 : EPROTO;
}

int main(int count, char **words)
{
    struct parser parser;
    int failed = 0;
    if (parser_start(&parser) != 0) {
        perror("tally: the parser cannot be started");
        return 2;
    }
    for (int i = 1; i < count; ++i) {
        unsigned long lines;
        long long sum;
        int error = ask(&parser, words[i], &lines, &sum);
        if (error != 0) {
            fprintf(stderr, "%s: %s\n", words[i], strerror(error));
            failed = 1;
            continue;
        }
        printf("%s: %lu lines, %lld\n", words[i], lines, sum);
    }
    return parser_end(&parser) != 0 ? 2 : failed;
}
