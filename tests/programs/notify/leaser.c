// Holds a read lease on a file again and again, and gives it up half a millisecond after somebody
// wants to write: whoever opens it for writing has to wait.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

int main(int count, char **words) {
    if (count < 2) return 2;
    signal(SIGIO, SIG_IGN);
    int file = open(words[1], O_RDONLY | O_CLOEXEC);
    for (;;) {
        fcntl(file, F_SETLEASE, F_RDLCK);
        usleep(500);
        if (fcntl(file, F_GETLEASE) == F_UNLCK) {
            fcntl(file, F_SETLEASE, F_UNLCK);
            usleep(20000);
        }
    }
}
