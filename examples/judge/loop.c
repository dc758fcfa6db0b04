/* Never ends. */
int main(void) {
    for (volatile int turn = 0;; turn = 0)
        ;
}
