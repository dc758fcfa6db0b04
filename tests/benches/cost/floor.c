/*
 * The least that a design of each shape can do: the same calls, no policy.
 *
 *   floor ask                a client: "open COUNT PATH" or "stat COUNT PATH" on a line of its
 *                            input, the nanoseconds that took on a line of its output
 *   floor notify             the same client behind a bare notification loop, both on one CPU
 *   floor lane [N]           "open" over a SEQPACKET lane with SCM_RIGHTS, both on one CPU; or
 *                            N such pairs at once, all on that CPU
 *   floor worker             "fork COUNT", "exec COUNT" or "round COUNT" on a line of its input: a
 *                            child that exits, one that executes /bin/true, and a record to a
 *                            child and back
 *   floor start DIR... -- P  makes the namespaces and the view of a sandbox, and starts P
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND (1UL << 1)
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, uint64_t)
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

static void need(int held, const char *what)
{
	if (held)
		return;
	perror(what);
	exit(1);
}

static void on_one_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	need(sched_setaffinity(0, sizeof(one), &one) == 0, "sched_setaffinity");
}

static int64_t now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000000LL + at.tv_nsec;
}

/* The socket and the buffers of a message that may carry one descriptor. */
struct message {
	struct iovec vector;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr header;
};

static void prepare(struct message *m, void *bytes, size_t length)
{
	memset(m, 0, sizeof(*m));
	m->vector.iov_base = bytes;
	m->vector.iov_len = length;
	m->header.msg_iov = &m->vector;
	m->header.msg_iovlen = 1;
	m->header.msg_control = m->control.bytes;
	m->header.msg_controllen = sizeof(m->control.bytes);
}

static void send_descriptor(int socket, int descriptor)
{
	struct message m;
	struct cmsghdr *head;
	char byte = 0;

	prepare(&m, &byte, 1);
	head = CMSG_FIRSTHDR(&m.header);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &descriptor, sizeof(int));
	need(sendmsg(socket, &m.header, MSG_NOSIGNAL) == 1, "sendmsg");
}

static int receive_descriptor(int socket)
{
	struct message m;
	struct cmsghdr *head;
	char byte;
	int descriptor;

	prepare(&m, &byte, 1);
	need(recvmsg(socket, &m.header, MSG_CMSG_CLOEXEC) == 1, "recvmsg");
	head = CMSG_FIRSTHDR(&m.header);
	need(head && head->cmsg_type == SCM_RIGHTS, "a descriptor");
	memcpy(&descriptor, CMSG_DATA(head), sizeof(int));
	return descriptor;
}

/* One open and close, or one stat; by the lane if there is one. */
static void once(int lane, int status, const char *path)
{
	struct stat st;
	int descriptor;

	if (status) {
		need(syscall(SYS_newfstatat, AT_FDCWD, path, &st, 0) == 0, path);
		return;
	}
	if (lane < 0) {
		descriptor = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	} else {
		need(send(lane, path, strlen(path) + 1, MSG_NOSIGNAL) > 0, "send");
		descriptor = receive_descriptor(lane);
	}
	need(descriptor >= 0, path);
	close(descriptor);
}

static void repeat(int lane, int status, long count, const char *path)
{
	for (long i = 0; i < count; i++)
		once(lane, status, path);
}

/* By the first lane, and by each of the others in a process of its own meanwhile. */
static int ask(int count_lanes, const int *lanes)
{
	char line[8192], path[4096], answer[32];
	long count;
	size_t have = 0;

	for (;;) {
		ssize_t got = read(0, line + have, sizeof(line) - 1 - have);
		int status;
		int64_t begun;

		if (got <= 0)
			return 0;
		have += got;
		line[have] = 0;
		if (!strchr(line, '\n'))
			continue;
		have = 0;
		status = strncmp(line, "stat", 4) == 0;
		need(sscanf(line, "%*s %ld %4095s", &count, path) == 2, "a line");
		begun = now();
		for (int i = 1; i < count_lanes; i++) {
			if (fork() == 0) {
				repeat(lanes[i], status, count, path);
				_exit(0);
			}
		}
		repeat(count_lanes > 0 ? lanes[0] : -1, status, count, path);
		while (wait(NULL) > 0)
			;
		got = snprintf(answer, sizeof(answer), "%lld\n", (long long)(now() - begun));
		need(write(1, answer, got) == got, "write");
	}
}

static int filtered(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_newfstatat, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	struct sock_fprog program = { .len = 5, .filter = code };
	int listener;

	need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
	listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			   SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
			   &program);
	need(listener >= 0, "seccomp");
	return listener;
}

/* Receives, copies, validates, performs, answers; nothing else. */
static void serve_one(int listener, struct seccomp_notif *notification)
{
	struct seccomp_notif_resp response = { 0 };
	char path[256];
	struct iovec to = { path, sizeof(path) };
	struct iovec from = { (void *)notification->data.args[1], sizeof(path) };

	from.iov_len = to.iov_len = 4096 - notification->data.args[1] % 4096 < sizeof(path)
		? 4096 - notification->data.args[1] % 4096 : sizeof(path);
	need(process_vm_readv(notification->pid, &to, 1, &from, 1, 0) > 0, "process_vm_readv");
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &notification->id))
		return;
	if (notification->data.nr == SYS_openat) {
		struct seccomp_notif_addfd addition = { .id = notification->id,
							.flags = SECCOMP_ADDFD_FLAG_SEND,
							.newfd_flags = O_CLOEXEC };
		int file = openat(AT_FDCWD, path, notification->data.args[2] | O_CLOEXEC);

		need(file >= 0, path);
		addition.srcfd = file;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &addition);
		close(file);
	} else {
		struct stat st;
		struct iovec ours = { &st, sizeof(st) };
		struct iovec theirs = { (void *)notification->data.args[2], sizeof(st) };

		need(fstatat(AT_FDCWD, path, &st, notification->data.args[3]) == 0, path);
		process_vm_writev(notification->pid, &ours, 1, &theirs, 1, 0);
		response.id = notification->id;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
	}
}

static int notify(void)
{
	struct seccomp_notif notification;
	int pair[2], listener;

	on_one_cpu();
	need(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		send_descriptor(pair[1], filtered());
		exit(ask(0, NULL));
	}
	listener = receive_descriptor(pair[0]);
	close(0);
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1UL);
	for (;;) {
		memset(&notification, 0, sizeof(notification));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notification) == 0) {
			serve_one(listener, &notification);
			continue;
		}
		if (waitpid(-1, NULL, WNOHANG) != 0)
			return 0;
	}
}

static void serve_lane(int lane)
{
	char path[4096];

	while (recv(lane, path, sizeof(path), 0) > 0) {
		int file = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);

		need(file >= 0, path);
		send_descriptor(lane, file);
		close(file);
	}
}

/* Each lane has a server of its own: the least that several can cost. */
static int lane(int count)
{
	int pair[2], lanes[8];

	need(count > 0 && count <= 8, "1 to 8 lanes");
	on_one_cpu();
	for (int i = 0; i < count; i++) {
		need(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
			close(pair[0]);
			serve_lane(pair[1]);
			exit(0);
		}
		close(pair[1]);
		lanes[i] = pair[0];
	}
	/* The servers are not to be waited for by whoever asks. */
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		exit(ask(count, lanes));
	}
	for (int i = 0; i < count; i++)
		close(lanes[i]);
	close(0);
	while (wait(NULL) > 0)
		;
	return 0;
}

static void make_above(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(path, 0755);
		*slash = '/';
	}
}

static void bind_into(const char *base, const char *from)
{
	char target[4096];
	struct stat st;

	if (stat(from, &st))
		return;
	snprintf(target, sizeof(target), "%s%s", base, from);
	make_above(target);
	if (S_ISDIR(st.st_mode))
		mkdir(target, 0755);
	else
		close(open(target, O_CREAT | O_WRONLY, 0644));
	need(mount(from, target, NULL, MS_BIND | MS_REC, NULL) == 0, target);
	need(mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID, NULL) == 0, target);
}

static int start(char **words)
{
	const int kinds = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP;
	int status;

	need(unshare(kinds) == 0, "unshare");
	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private mounts");
	need(mount("floor", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=4m") == 0, "tmpfs");
	for (; *words && strcmp(*words, "--"); words++)
		bind_into("/tmp", *words);
	need(*words && words[1], "a program");
	need(chdir("/tmp") == 0, "chdir");
	need(syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root");
	need(umount2(".", MNT_DETACH) == 0, "umount");
	if (fork() == 0) {
		execv(words[1], words + 1);
		need(0, words[1]);
	}
	need(wait(&status) > 0, "wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}

static void fork_once(char *const *program)
{
	pid_t child = fork();

	need(child >= 0, "fork");
	if (child == 0) {
		if (program)
			execv(program[0], program);
		_exit(program != NULL);
	}
	need(waitpid(child, NULL, 0) == child, "waitpid");
}

static void echo(int socket)
{
	char record[256];
	ssize_t length;

	while ((length = recv(socket, record, sizeof(record), 0)) > 0)
		if (send(socket, record, length, MSG_NOSIGNAL) != length)
			break;
	_exit(0);
}

static int worker(void)
{
	char *const program[] = { "/bin/true", NULL };
	char line[128], what[32], record[40] = "record";
	int ends[2];
	long count;

	on_one_cpu();
	need(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0, "socketpair");
	if (fork() == 0) {
		close(ends[0]);
		echo(ends[1]);
	}
	close(ends[1]);
	while (fgets(line, sizeof(line), stdin) && sscanf(line, "%31s %ld", what, &count) == 2) {
		int64_t begun = now();

		for (long done = 0; done < count; done++) {
			if (strcmp(what, "round") == 0) {
				need(send(ends[0], record, sizeof(record), 0) > 0, "send");
				need(recv(ends[0], record, sizeof(record), 0) > 0, "recv");
			} else {
				fork_once(strcmp(what, "exec") == 0 ? program : NULL);
			}
		}
		printf("%lld\n", (long long)(now() - begun));
		fflush(stdout);
	}
	return 0;
}

int main(int count, char **words)
{
	const char *part = count > 1 ? words[1] : "";

	if (strcmp(part, "ask") == 0)
		return ask(0, NULL);
	if (strcmp(part, "notify") == 0)
		return notify();
	if (strcmp(part, "lane") == 0)
		return lane(count > 2 ? atoi(words[2]) : 1);
	if (strcmp(part, "worker") == 0)
		return worker();
	if (strcmp(part, "start") == 0)
		return start(words + 2);
	fprintf(stderr, "floor: ask, notify, lane, worker or start\n");
	return 2;
}
