/* Never ends, and uses no processor. */
#include <unistd.h>

int main(void) {
    for (;;)
        pause();
}
