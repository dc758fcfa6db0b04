/* The parser's own program: it is told a bill a line, and answers with a line. */
#include "parser.h"

#include <doorward.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* From here on only bills can be read; what was read before stays read. */
static int narrow(void)
{
    char here[PATH_MAX], document[PATH_MAX + 64];
    doorward_client *client = doorward_begin();
    if (client == NULL || getcwd(here, sizeof here) == NULL)
        return -1;
    snprintf(document, sizeof document, "version = 1\n[fs]\nread = ['%s/bills/**']\n", here);
    int narrowed = doorward_restrict(client, document);
    doorward_end(client);
    return narrowed;
}

int main(void)
{
    char line[PATH_MAX + 2];
    if (doorward_enter() != 0 || units_load("units.txt") != 0 || narrow() != 0) {
        perror("tally: the parser cannot begin");
        return 2;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        struct tally tally;
        line[strcspn(line, "\n")] = '\0';
        if (bill_parse(line, &tally) == 0)
            printf("%lu %lld\n", tally.lines, tally.sum);
        else
            printf("failed %d\n", errno);
        fflush(stdout);
    }
    return 0;
}
