/* Knows nothing of doorward. It opens what it is told to, as it always did. */
#include "parser.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static long long units[256];

static int line_parse(char *line, long long *amount)
{
    char *end = line;
    while (*end != '\0' && !isspace((unsigned char)*end))
        ++end;
    char *digits = end;
    errno = 0;
    *amount = strtoll(digits, &end, 10);
    if (errno != 0 || end == digits)
        return -1;
    long long unit = units[(unsigned char)*end];
    if (unit != 0 && __builtin_mul_overflow(*amount, unit, amount))
        return -1;
    return 0;
}

int units_load(const char *path)
{
    FILE *file = fopen(path, "r");
    char name;
    long long unit;
    if (file == NULL)
        return -1;
    while (fscanf(file, " %c %lld", &name, &unit) == 2)
        units[(unsigned char)name] = unit;
    return fclose(file);
}

int bill_parse(const char *path, struct tally *tally)
{
    FILE *file = fopen(path, "r");
    char line[256];
    if (file == NULL)
        return -1;
    tally->lines = 0;
    tally->sum = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        long long amount;
        if (line_parse(line, &amount) != 0 || __builtin_add_overflow(tally->sum, amount, &tally->sum)) {
            fclose(file);
            errno = EINVAL;
            return -1;
        }
        ++tally->lines;
    }
    return fclose(file);
}
