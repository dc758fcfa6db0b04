// Ends at once, without a C library.
void _start(void) { __asm__ volatile("mov $60, %eax; xor %edi, %edi; syscall"); }
