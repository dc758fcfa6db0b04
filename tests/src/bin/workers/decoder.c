/* A worker in C: its methods, in the order of the interface `Decoder` in c.rs. */
#include <doorward.h>

#include <errno.h>
#include <stdlib.h>

int decoder(int socket, int arena);

enum { CHANGE, NUMBER, FLOOD, MISUSE, SPIN };

/* The input, each byte one more; how many. */
static int change(doorward_call *call)
{
    size_t length;
    const uint8_t *input = doorward_input(call, &length);
    uint8_t *output = malloc(length + 1);
    if (input == NULL || output == NULL)
        return -errno;
    for (size_t at = 0; at < length; ++at)
        output[at] = (uint8_t)(input[at] + 1);
    int put = doorward_output(call, output, length);
    free(output);
    return put == 0 ? (int)length : -errno;
}

/* The argument, a u32. */
static int number(doorward_call *call)
{
    size_t length;
    const uint8_t *bytes = doorward_arguments(call, &length);
    if (bytes == NULL || length != 4)
        return -1;
    return (int)(bytes[0] | bytes[1] << 8 | bytes[2] << 16 | (unsigned)bytes[3] << 24);
}

/* The errno of putting out one byte more than there is room for; then as much as there is. */
static int flood(doorward_call *call)
{
    size_t room = doorward_room(call);
    uint8_t *output = calloc(room + 1, 1);
    if (output == NULL)
        return -1;
    errno = 0;
    int refused = doorward_output(call, output, room + 1) == -1 ? errno : 0;
    int put = doorward_output(call, output, room);
    free(output);
    return put == 0 ? refused : -1;
}

/* How many calls with a NULL where none may be are EFAULT. */
static int misuse(doorward_call *call)
{
    int refused = 0;
    errno = 0;
    refused += doorward_input(NULL, NULL) == NULL && errno == EFAULT;
    errno = 0;
    refused += doorward_arguments(NULL, NULL) == NULL && errno == EFAULT;
    errno = 0;
    refused += doorward_output(NULL, "x", 1) == -1 && errno == EFAULT;
    errno = 0;
    refused += doorward_output(call, NULL, 1) == -1 && errno == EFAULT;
    return refused;
}

/* Until the host gives the call up. */
static int spin(doorward_call *call)
{
    while (!doorward_is_cancelled(call))
        ;
    return 0;
}

static int32_t method(void *context, doorward_call *call, uint16_t which)
{
    ++*(int *)context;
    switch (which) {
    case CHANGE:
        return change(call);
    case NUMBER:
        return number(call);
    case FLOOD:
        return flood(call);
    case MISUSE:
        return misuse(call);
    case SPIN:
        return spin(call);
    default: /* How many calls there were. */
        return *(int *)context;
    }
}

int decoder(int socket, int arena)
{
    int calls = 0;
    return doorward_serve(socket, arena, method, &calls) == 0 ? 0 : errno;
}
