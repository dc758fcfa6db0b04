/* Right: the sum of its input. It works for a while, so that neighbours could be felt. */
#include <stdio.h>

int main(void) {
    long sum = 0, number;
    volatile long idle = 0;
    while (scanf("%ld", &number) == 1)
        sum += number;
    for (long turn = 0; turn < 500000000; turn++)
        idle += turn;
    printf("%ld\n", sum);
    return 0;
}
