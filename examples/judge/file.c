/* One file that only grows. */
#include <stdio.h>

int main(void) {
    FILE *file = fopen("/tmp/large", "w");
    while (file != NULL)
        fputs("more and more", file);
    return 1;
}
