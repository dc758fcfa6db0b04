// Exit status: 1 for the first number being open, 2 for the second, added.
#include <fcntl.h>
#include <stdlib.h>

int main(int count, char **words) {
    int found = 0;
    for (int i = 1; i < count; i++)
        if (fcntl(atoi(words[i]), F_GETFD) >= 0) found |= i;
    return found;
}
