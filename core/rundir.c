/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "core/systemd.h"
#include "shm/control.h"

#define RUNDIR_LOCK_TRIES   200
#define RUNDIR_LOCK_WAIT_NS 5000000
#define RUNDIR_BACKLOG      128

static int rundir_refuse(int error, char *why, size_t why_bytes, const char *format, ...)
	TSR_PRINTF(4, 5);

static int
rundir_refuse(int error, char *why, size_t why_bytes, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, why_bytes, format, args);
	va_end(args);
	return error;
}

/* The run directory itself: made if need be, and nobody else's. */
static int
rundir_folder(struct tsr_rundir *rundir, const char *folder, char *why, size_t why_bytes)
{
	bool const system = geteuid() == 0 && strcmp(folder, "/run/tessera") == 0;
	struct stat status;

	if (mkdir(folder, system ? 0755 : 0700) == 0) {
		rundir->made_folder = true;
		return chmod(folder, system ? 0755 : 0700) == 0 ? 0 : -errno;
	}
	if (errno != EEXIST)
		return rundir_refuse(-errno, why, why_bytes, "run directory %s cannot be made: %s",
		                     folder, strerror(errno));
	if (lstat(folder, &status) != 0)
		return rundir_refuse(-errno, why, why_bytes, "run directory %s: %s", folder,
		                     strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return rundir_refuse(
			-ENOTDIR, why, why_bytes,
			"run directory %s is a symbolic link or a file, expected a directory",
			folder);
	if (status.st_uid != geteuid())
		return rundir_refuse(-EPERM, why, why_bytes,
		                     "run directory %s belongs to user %u, expected user %u",
		                     folder, status.st_uid, geteuid());
	if ((status.st_mode & S_IWOTH) != 0)
		return rundir_refuse(
			-EPERM, why, why_bytes,
			"run directory %s can be written by anyone (mode %04o), expected 0700",
			folder, status.st_mode & 07777);
	return 0;
}

/* Names of everything, from the socket's path. */
static int
rundir_name(struct tsr_rundir *rundir, const char *socket, char *folder, size_t folder_bytes,
            char *why, size_t why_bytes)
{
	int length;

	if (socket == NULL) {
		if (tsr_run_dir(folder, folder_bytes) != 0)
			return rundir_refuse(-ENAMETOOLONG, why, why_bytes,
			                     "the path of the run directory is too long");
		length = snprintf(rundir->socket, sizeof(rundir->socket), "%s/" TSR_SOCKET_NAME,
		                  folder);
	} else {
		folder[0] = '\0';
		length = snprintf(rundir->socket, sizeof(rundir->socket), "%s", socket);
	}
	if (length < 0 || (size_t)length >= sizeof(rundir->socket))
		return rundir_refuse(-ENAMETOOLONG, why, why_bytes,
		                     "the path of the socket has %d bytes, expected at most %zu",
		                     length, sizeof(rundir->socket) - 1);
	(void)snprintf(rundir->lock_path, sizeof(rundir->lock_path), "%s.lock", rundir->socket);
	(void)snprintf(rundir->eal_folder, sizeof(rundir->eal_folder), "%s.eal", rundir->socket);
	return 0;
}

static pid_t
rundir_lock_holder(int lock)
{
	char text[24] = "";
	ssize_t const bytes = pread(lock, text, sizeof(text) - 1, 0);

	return bytes > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

/* One attempt at the lock. Return: 0; -EAGAIN try again; or an error with its sentence. */
static int
rundir_lock_try(struct tsr_rundir *rundir, bool last, char *why, size_t why_bytes)
{
	struct stat held, named;
	pid_t holder;
	int const lock = open(rundir->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (lock < 0)
		return rundir_refuse(-errno, why, why_bytes, "lock file %s cannot be made: %s",
		                     rundir->lock_path, strerror(errno));
	if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
		holder = rundir_lock_holder(lock);
		(void)close(lock);
		/* One that is just dying gives the lock up in a moment. */
		if (!last && (holder <= 0 || (kill(holder, 0) != 0 && errno == ESRCH)))
			return -EAGAIN;
		return rundir_refuse(-EADDRINUSE, why, why_bytes,
		                     "a living tesserad (pid %d) already serves %s", (int)holder,
		                     rundir->socket);
	}
	/* Whoever had it before may have removed the file: then the lock is on nothing. */
	if (fstat(lock, &held) != 0 || stat(rundir->lock_path, &named) != 0 ||
	    held.st_ino != named.st_ino || held.st_dev != named.st_dev) {
		(void)close(lock);
		return -EAGAIN;
	}
	rundir->lock = lock;
	return 0;
}

static int
rundir_lock(struct tsr_rundir *rundir, char *why, size_t why_bytes)
{
	struct timespec const wait = {.tv_nsec = RUNDIR_LOCK_WAIT_NS};
	char text[24];
	int length;
	int error;

	for (unsigned tries = 0;; tries++) {
		error = rundir_lock_try(rundir, tries == RUNDIR_LOCK_TRIES, why, why_bytes);
		if (error != -EAGAIN)
			break;
		if (tries > RUNDIR_LOCK_TRIES)
			return rundir_refuse(-EADDRINUSE, why, why_bytes,
			                     "lock file %s keeps being replaced",
			                     rundir->lock_path);
		(void)nanosleep(&wait, NULL);
	}
	if (error != 0)
		return error;
	length = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(rundir->lock, 0) != 0 ||
	    pwrite(rundir->lock, text, (size_t)length, 0) != length)
		return rundir_refuse(errno == 0 ? -ENOSPC : -errno, why, why_bytes,
		                     "lock file %s cannot be written: %s", rundir->lock_path,
		                     strerror(errno));
	return 0;
}

/* With the lock in hand: is what stands at the socket's path a dead daemon's? */
static int
rundir_clear_socket(struct tsr_rundir const *rundir, char *why, size_t why_bytes)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ucred peer = {.pid = 0};
	socklen_t peer_bytes = sizeof(peer);
	struct stat status;
	int fd;
	int refused;

	if (lstat(rundir->socket, &status) != 0)
		return errno == ENOENT ? 0
		                       : rundir_refuse(-errno, why, why_bytes, "%s: %s",
		                                       rundir->socket, strerror(errno));
	if (!S_ISSOCK(status.st_mode))
		return rundir_refuse(-EEXIST, why, why_bytes,
		                     "%s is there and is no socket: it is not replaced",
		                     rundir->socket);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return rundir_refuse(-errno, why, why_bytes, "socket: %s", strerror(errno));
	memcpy(address.sun_path, rundir->socket, sizeof(address.sun_path));
	refused = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : errno;
	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_bytes);
	(void)close(fd);
	if (refused != ECONNREFUSED)
		return rundir_refuse(-EADDRINUSE, why, why_bytes,
		                     "a living process (pid %d) already serves %s", (int)peer.pid,
		                     rundir->socket);
	return unlink(rundir->socket) == 0 ? 0
	                                   : rundir_refuse(-errno, why, why_bytes,
	                                                   "stale socket %s cannot be removed: %s",
	                                                   rundir->socket, strerror(errno));
}

static void
rundir_remove_eal(struct tsr_rundir const *rundir)
{
	static const char *const made[] = {"/dpdk/tessera/dpdk_telemetry.v2", "/dpdk/tessera",
	                                   "/dpdk", ""};
	char path[TSR_PATH_BYTES + sizeof("/dpdk/tessera/dpdk_telemetry.v2")];

	if (tsr_tree_remove(rundir->eal_folder) == 0)
		return;
	/* Without a descriptor or memory to look: what EAL makes has names that are known. */
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", rundir->eal_folder, made[i]);
		(void)remove(path);
	}
}

/* A fresh private folder for EAL. */
static int
rundir_make_eal(struct tsr_rundir const *rundir, char *why, size_t why_bytes)
{
	struct stat status;

	if (lstat(rundir->eal_folder, &status) == 0 && status.st_uid == geteuid())
		rundir_remove_eal(rundir);
	if (mkdir(rundir->eal_folder, 0700) != 0)
		return rundir_refuse(-errno, why, why_bytes, "folder %s cannot be made: %s",
		                     rundir->eal_folder, strerror(errno));
	return 0;
}

int
tsr_rundir_make(struct tsr_rundir *rundir, const char *socket, char *why, size_t why_bytes)
{
	char folder[TSR_PATH_BYTES];
	int error;

	*rundir = (struct tsr_rundir){.lock = -1, .listener = -1};
	error = rundir_name(rundir, socket, folder, sizeof(folder), why, why_bytes);
	if (error == 0 && folder[0] != '\0')
		error = rundir_folder(rundir, folder, why, why_bytes);
	return error;
}

int
tsr_rundir_open(struct tsr_rundir *rundir, const char *socket, char *why, size_t why_bytes)
{
	int error = tsr_rundir_make(rundir, socket, why, why_bytes);

	if (error == 0)
		error = rundir_lock(rundir, why, why_bytes);
	if (error == 0)
		error = rundir_make_eal(rundir, why, why_bytes);
	if (error != 0)
		tsr_rundir_close(rundir);
	return error;
}

int
tsr_rundir_clear(struct tsr_rundir const *rundir, char *why, size_t why_bytes)
{
	if (rundir->listener >= 0 || tsr_systemd_has_socket())
		return 0;
	return rundir_clear_socket(rundir, why, why_bytes);
}

/* Does it listen, and where our socket is to be? */
static bool
rundir_is_ours(struct tsr_rundir const *rundir, int fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNSPEC};
	socklen_t address_bytes = sizeof(address), bytes = sizeof(int);
	struct stat status;
	int listens = 0, type = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &bytes) == 0 && listens != 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 && type == SOCK_SEQPACKET &&
	       getsockname(fd, (struct sockaddr *)&address, &address_bytes) == 0 &&
	       address.sun_family == AF_UNIX &&
	       strncmp(address.sun_path, rundir->socket, sizeof(address.sun_path)) == 0 &&
	       lstat(rundir->socket, &status) == 0 && S_ISSOCK(status.st_mode);
}

void
tsr_rundir_adopt(struct tsr_rundir *rundir, int fd)
{
	if (rundir->listener >= 0 || !rundir_is_ours(rundir, fd))
		return;
	rundir->listener = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	rundir->bound = rundir->listener >= 0;
}

void
tsr_rundir_leave(struct tsr_rundir *rundir)
{
	rundir->bound = false;
}

static int
rundir_bind(struct tsr_rundir *rundir, mode_t mode, gid_t group, char *why, size_t why_bytes)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memcpy(address.sun_path, rundir->socket, sizeof(address.sun_path));
	rundir->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (rundir->listener < 0)
		return rundir_refuse(-errno, why, why_bytes, "socket: %s", strerror(errno));
	if (bind(rundir->listener, (struct sockaddr *)&address, sizeof(address)) != 0)
		return rundir_refuse(-errno, why, why_bytes, "socket %s cannot be made: %s",
		                     rundir->socket, strerror(errno));
	rundir->bound = true;
	/* Nobody can connect before listen(2), so nobody slips in before the mode is right. */
	if (group != (gid_t)-1 && chown(rundir->socket, (uid_t)-1, group) != 0)
		return rundir_refuse(-errno, why, why_bytes,
		                     "socket %s cannot be given to group %u: %s", rundir->socket,
		                     group, strerror(errno));
	if (chmod(rundir->socket, mode) != 0 || listen(rundir->listener, RUNDIR_BACKLOG) != 0)
		return rundir_refuse(-errno, why, why_bytes, "socket %s: %s", rundir->socket,
		                     strerror(errno));
	return 0;
}

int
tsr_rundir_listen(struct tsr_rundir *rundir, mode_t mode, gid_t group, char *why, size_t why_bytes)
{
	int handed;

	/* As the configuration is now. */
	if (rundir->listener >= 0)
		return tsr_rundir_permit(rundir, mode, group, why, why_bytes);
	handed = tsr_systemd_take_socket();
	if (handed == -ENOENT)
		return rundir_bind(rundir, mode, group, why, why_bytes);
	if (handed < 0)
		return rundir_refuse(
			handed, why, why_bytes,
			"systemd handed over something else than one listening socket of "
			"type SOCK_SEQPACKET: see ListenSequentialPacket=");
	rundir->listener = handed;
	rundir->from_systemd = true;
	return 0;
}

int
tsr_rundir_permit(struct tsr_rundir const *rundir, mode_t mode, gid_t group, char *why,
                  size_t why_bytes)
{
	struct stat before;

	if (rundir->from_systemd)
		return rundir_refuse(-EPERM, why, why_bytes,
		                     "the socket %s is systemd's: its mode and group stand in "
		                     "tesserad.socket",
		                     rundir->socket);
	if (stat(rundir->socket, &before) != 0)
		return rundir_refuse(-errno, why, why_bytes, "socket %s: %s", rundir->socket,
		                     strerror(errno));
	/* Without rights for the group while it changes hands. */
	if (chmod(rundir->socket, before.st_mode & mode & 07700) != 0 ||
	    chown(rundir->socket, (uid_t)-1, group) != 0 || chmod(rundir->socket, mode) != 0) {
		int const error = -errno;

		(void)chmod(rundir->socket, before.st_mode & 07777);
		return rundir_refuse(error, why, why_bytes,
		                     "socket %s cannot get mode %04o and group %d: %s",
		                     rundir->socket, mode, (int)group, strerror(-error));
	}
	return 0;
}

void
tsr_rundir_unlisten(struct tsr_rundir *rundir)
{
	if (rundir->bound)
		(void)unlink(rundir->socket);
	rundir->bound = false;
	if (rundir->listener >= 0)
		(void)close(rundir->listener);
	rundir->listener = -1;
}

void
tsr_rundir_close(struct tsr_rundir *rundir)
{
	char *slash;

	tsr_rundir_unlisten(rundir);
	if (rundir->lock >= 0) {
		rundir_remove_eal(rundir);
		(void)unlink(rundir->lock_path);
		(void)close(rundir->lock);
		rundir->lock = -1;
	}
	slash = strrchr(rundir->socket, '/');
	if (rundir->made_folder && slash != NULL) {
		*slash = '\0';
		(void)rmdir(rundir->socket);
		*slash = '/';
		rundir->made_folder = false;
	}
}
