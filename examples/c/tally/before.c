/* tally BILL...: the program before, with its parser in its own process. */
#include "parser.h"

#include <stdio.h>

int main(int count, char **words)
{
    int failed = 0;
    if (units_load("units.txt") != 0) {
        perror("tally: units.txt");
        return 2;
    }
    for (int i = 1; i < count; ++i) {
        struct tally tally;
        if (bill_parse(words[i], &tally) != 0) {
            perror(words[i]);
            failed = 1;
            continue;
        }
        printf("%s: %lu lines, %lld\n", words[i], tally.lines, tally.sum);
    }
    return failed;
}
