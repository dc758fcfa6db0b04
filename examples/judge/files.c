/* More and more files, whatever the system says. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    static char block[1 << 16];
    for (long number = 0;; number++) {
        char name[64];
        snprintf(name, sizeof name, "/tmp/%ld", number);
        int file = open(name, O_CREAT | O_WRONLY, 0600);
        if (file >= 0 && write(file, block, sizeof block) < 0)
            return 1;
        close(file);
    }
}
