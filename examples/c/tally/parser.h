/* Bills: lines of a name and an amount, which may end in a unit of units.txt ("rent 2k"). */
#ifndef PARSER_H
#define PARSER_H

struct tally {
    unsigned long lines;
    long long sum;
};

/* Reads the units. 0, or -1 with errno. */
int units_load(const char *path);

/* Adds up a bill. 0, or -1 with errno: EINVAL where it is none. */
int bill_parse(const char *path, struct tally *tally);

#endif
