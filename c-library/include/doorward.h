/* doorward: the sandboxee's side, for C. docs/C.md says how to use it.
 *
 * Made of c-library/src/sys by cbindgen; do not edit.
 *
 * By the conventions of C: what gives a number gives -1 where it fails, what gives a pointer
 * NULL, and errno says why. EACCES is a denial, whose rule is in the audit log. Besides what
 * the calls of the same name meet, each may set EFAULT for a NULL where none may be, EPIPE when
 * the broker is gone, EPROTO when it does not keep to the protocol, ENOSYS for what it does not
 * offer, and ENOTRECOVERABLE for a defect of this library.
 *
 * `at` is a directory of doorward_opendir(), in which the path starts; with NULL the path has
 * to be absolute, since a lane has no working directory. Descriptors are closed on exec. A client
 * is used by one thread at a time. None of these functions may be called by a signal's handler.
 */

#ifndef DOORWARD_H
#define DOORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <time.h>

/*
 A call that is served, as long as its method has not returned.
 */
typedef struct doorward_call doorward_call;

/*
 A lane to the broker, of one thread at a time.
 */
typedef struct doorward_client doorward_client;

/*
 A directory that was granted, of the client that opened it.
 */
typedef struct doorward_directory doorward_directory;

/*
 An entry of a directory: its name, its type as in DT_ of dirent.h, and its inode number.
 Returns 0 to go on. It may not call longjmp(3).
 */
typedef int (*doorward_each)(void *context, const char *name, unsigned char kind, uint64_t inode);

/*
 A method. `number` is its place in the interface of the host, from 0; what it returns is the
 result, an `i32` there. It may not call longjmp(3) out of itself.
 */
typedef int32_t (*doorward_method)(void *context, doorward_call *call, uint16_t number);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 mkdirat(2). The umask is 022.
 */
int doorward_mkdir(doorward_client *client,
                   const doorward_directory *at,
                   const char* path,
                   mode_t mode);

/*
 rmdir(2).
 */
int doorward_rmdir(doorward_client *client, const doorward_directory *at, const char* path);

/*
 unlink(2).
 */
int doorward_unlink(doorward_client *client, const doorward_directory *at, const char* path);

/*
 renameat2(2); `flags` are 0 or its RENAME_ ones.
 */
int doorward_rename(doorward_client *client,
                    const doorward_directory *old_at,
                    const char* old_path,
                    const doorward_directory *new_at,
                    const char* new_path,
                    unsigned int flags);

/*
 linkat(2): a further name for a file.
 */
int doorward_link(doorward_client *client,
                  const doorward_directory *old_at,
                  const char* old_path,
                  const doorward_directory *new_at,
                  const char* new_path);

/*
 symlinkat(2): a link that says `target`.
 */
int doorward_symlink(doorward_client *client,
                     const char* target,
                     const doorward_directory *at,
                     const char* path);

/*
 chmod(2). Set-id bits are never set.
 */
int doorward_chmod(doorward_client *client,
                   const doorward_directory *at,
                   const char* path,
                   mode_t mode);

/*
 fchownat(2); -1 leaves an id as it is, `flags` are 0 or AT_SYMLINK_NOFOLLOW.
 */
int doorward_chown(doorward_client *client,
                   const doorward_directory *at,
                   const char* path,
                   uid_t user,
                   gid_t group,
                   int flags);

/*
 utimensat(2): the times of access and of modification, or NULL for now; `flags` are 0 or
 AT_SYMLINK_NOFOLLOW.
 */
int doorward_utimens(doorward_client *client,
                     const doorward_directory *at,
                     const char* path,
                     const struct timespec* times,
                     int flags);

/*
 truncate(2).
 */
int doorward_truncate(doorward_client *client,
                      const doorward_directory *at,
                      const char* path,
                      off_t length);

/*
 From now on the system calls of this thread by which files and names are opened, looked at
 and changed, and connections made, are asked of the broker: fopen(3), stat(2) and all the
 others go on as they are. The same holds in the threads that it makes from now on, and in
 what any of these forks; threads that are there already go on as before. So it is to be
 called first in main, before there are any.

 The handler of SIGSYS is the library's from now on, and exec(3) fails with EACCES.

 Returns 0, or -1 with errno: ENOTCONN where no lane was left for this program, EALREADY
 when it was tried with a lane before, ENOSYS on other machines than x86-64.
 */
int doorward_enter(void);

/*
 A lane to the broker, by the one that was left for this program. Each thread has its own.
 To be given up by doorward_end().

 Returns NULL with errno: ENOTCONN where no lane was left for this program, EMFILE when the
 sandbox has as many lanes as it may, ECHILD in a process that was forked after the first
 was taken (see doorward_lane()).
 */
doorward_client *doorward_begin(void);

/*
 A lane by a descriptor on which nothing was said yet, such as one of doorward_lane(). The
 descriptor is the client's from now on, closed also where this fails.
 */
doorward_client *doorward_begin_on(int lane);

/*
 The descriptor of a further lane, for a process that will be forked, which calls
 doorward_begin_on(). It is closed on exec.
 */
int doorward_lane(doorward_client *client);

/*
 Gives up a lane, and with it what the broker kept for its directories.
 */
void doorward_end(doorward_client *client);

/*
 Narrows the sandbox by a document in the words of a policy, at most 16 KiB: from now on
 what is allowed is what the policy and this allow. It holds for all lanes, threads and
 processes of the sandbox and is never taken back. What was granted before stays granted.

 Returns 0, or -1 with errno, and the sandbox is as it was: EINVAL for a document that is
 wrong (the audit log says where), E2BIG for one that is too long, ENOSPC after 16
 restrictions, ETIMEDOUT while a request is stuck. Of a worker it holds for that alone.
 */
int doorward_restrict(doorward_client *client, const char* document);

/*
 A connected stream socket: TCP, or UNIX by path or abstract name. The address is that of
 connect(2). It is closed on exec.
 */
int doorward_connect(doorward_client *client, const struct sockaddr* address, socklen_t length);

/*
 openat(2). The descriptor is closed on exec. One of a directory can be listed, by
 fdopendir(3) too; names in it are asked for by doorward_opendir().
 */
int doorward_open(doorward_client *client,
                  const doorward_directory *at,
                  const char* path,
                  int flags,
                  mode_t mode);

/*
 A directory, so that names in it can be asked for by this client: the `at` of other calls.
 To be given up by doorward_forget().

 Returns NULL with errno; EMFILE when the lane has as many directories as it may.
 */
doorward_directory *doorward_opendir(doorward_client *client,
                                     const doorward_directory *at,
                                     const char* path);

/*
 The descriptor of a directory, which stays the directory's.
 */
int doorward_descriptor(const doorward_directory *directory);

/*
 Gives up a directory: its memory, its descriptor and what the broker kept for it. EBADF when
 another client opened it.
 */
int doorward_forget(doorward_client *client, doorward_directory *directory);

/*
 Calls `each` for each entry of a directory but `.` and `..`, until it returns another value
 than 0. That is returned, 0 after the last, or -1 with errno.
 */
int doorward_list(doorward_client *client,
                  const doorward_directory *at,
                  const char* path,
                  doorward_each each,
                  void *context);

/*
 fstatat(2); `flags` are 0 or AT_SYMLINK_NOFOLLOW.
 */
int doorward_stat(doorward_client *client,
                  const doorward_directory *at,
                  const char* path,
                  struct stat *status,
                  int flags);

/*
 faccessat(2); `mode` is F_OK, or R_OK, W_OK and X_OK together.
 */
int doorward_access(doorward_client *client,
                    const doorward_directory *at,
                    const char* path,
                    int mode);

/*
 readlinkat(2): how many bytes were written, without a zero at the end.
 */
ssize_t doorward_readlink(doorward_client *client,
                          const doorward_directory *at,
                          const char* path,
                          char* buffer,
                          size_t size);

/*
 statfs(2); f_fsid and f_flags are 0.
 */
int doorward_statfs(doorward_client *client,
                    const doorward_directory *at,
                    const char* path,
                    struct statfs *status);

/*
 Starts a program that the policy names, with these arguments after its name: a list with
 NULL at its end, or NULL. Returns its number, which is 0 or more.
 */
int doorward_spawn(doorward_client *client,
                   const doorward_directory *at,
                   const char* path,
                   const char *const* arguments);

/*
 Waits for a program to end, so many milliseconds and at most ten seconds. Returns 1 when it
 has ended, with how in `status`, as wait(2) has it; 0 when it goes on.
 */
int doorward_wait(doorward_client *client, int program, int milliseconds, int *status);

/*
 Serves the calls of a host until that is gone: the whole life of a worker. `socket` and
 `arena` are what the host was made of (`Host::into_descriptors`) and are closed.

 Returns 0 when the host is gone, -1 with errno when it does not keep to the protocol (EPROTO).
 */
int doorward_serve(int socket, int arena, doorward_method method, void *context);

/*
 The input of a call: a copy, valid until the method returns. NULL with errno where the host
 states what is none.
 */
const uint8_t *doorward_input(doorward_call *call, size_t *length);

/*
 The arguments of a call as the protocol has them, valid until the method returns: numbers
 little-endian without padding, texts behind their length of 8 bytes.
 */
const uint8_t *doorward_arguments(doorward_call *call, size_t *length);

/*
 How many bytes of output fit; 0 for NULL.
 */
size_t doorward_room(doorward_call *call);

/*
 Puts these bytes out, in place of what was put out before. ENOSPC where they do not fit.
 */
int doorward_output(doorward_call *call, const void* bytes, size_t length);

/*
 Whether the host has given the call up. What takes long looks now and then, and returns.
 */
bool doorward_is_cancelled(doorward_call *call);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* DOORWARD_H */
