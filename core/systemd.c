/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#ifdef TSR_HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "core/log.h"
#include "core/passing.h"
#include "core/store.h"

#define SYSTEMD_TEXT_BYTES 512
#define SYSTEMD_WAIT_US    20000
#define SYSTEMD_TRIES      3
#define SYSTEMD_STORE_MS   1000 /* how long the store may take to answer */

/* A path, or @ and a name outside of the file system. Return: its length; 0: it is neither. */
static socklen_t
systemd_address(const char *name, struct sockaddr_un *address)
{
	size_t const length = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || length >= sizeof(address->sun_path))
		return 0;
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(address->sun_path, name, length);
	if (name[0] == '@')
		address->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

/* A socket to whoever supervises us. Return: a descriptor; -EOPNOTSUPP nobody does. */
static int
systemd_connect(void)
{
	const char *const name = getenv("NOTIFY_SOCKET");
	struct timeval const wait = {.tv_usec = SYSTEMD_WAIT_US};
	struct sockaddr_un address;
	socklen_t const bytes = name == NULL ? 0 : systemd_address(name, &address);
	int error, fd;

	if (bytes == 0)
		return -EOPNOTSUPP;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (connect(fd, (struct sockaddr *)&address, bytes) == 0)
		return fd;
	error = -errno;
	(void)close(fd);
	return error;
}

/* One message, with a descriptor or (-1) without. */
static int
systemd_send(const char *text, int fd)
{
	int const to = systemd_connect();
	int error;

	if (to < 0)
		return to;
	error = tsr_passing_send(to, text, strlen(text), fd);
	(void)close(to);
	return error;
}

/* sd_notify(3) waits for ever for a supervisor that does not read, and the daemon with it. */
void
tsr_systemd_notify(const char *format, ...)
{
	char text[SYSTEMD_TEXT_BYTES];
	va_list args;
	int error = -ENOBUFS;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* What has no memory or descriptor for it now may have one then: a supervisor that is not
	 * told that we are ready ends us. */
	for (unsigned i = 0; i < SYSTEMD_TRIES && error != 0 && error != -ETIMEDOUT; i++)
		error = systemd_send(text, -1);
	if (error != 0 && error != -EOPNOTSUPP)
		tsr_log(TSR_LOG_DEBUG, "the supervisor was not told: %s", strerror(-error));
}

uint32_t
tsr_systemd_store_limit(void)
{
	const char *const limit = getenv("FDSTORE");
	unsigned long const count = limit == NULL ? 0 : strtoul(limit, NULL, 10);

	if (getenv("NOTIFY_SOCKET") == NULL)
		return 0;
	return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
}

/* Wait until all that was sent before has been looked at: then the supervisor closes what it was
 * sent with this. */
static int
systemd_barrier(void)
{
	struct pollfd closed = {.events = 0};
	int pair[2];
	int error;

	if (pipe2(pair, O_CLOEXEC) != 0)
		return -errno;
	error = systemd_send("BARRIER=1", pair[1]);
	(void)close(pair[1]);
	closed.fd = pair[0];
	if (error == 0 && poll(&closed, 1, SYSTEMD_STORE_MS) <= 0)
		error = -ETIMEDOUT;
	(void)close(pair[0]);
	return error;
}

int
tsr_systemd_store(const char *name, int fd)
{
	char text[SYSTEMD_TEXT_BYTES];
	int error;

	/* A process descriptor is readable once its process is dead: not a reason to close it. */
	(void)snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	error = systemd_send(text, fd);
	return error == 0 ? systemd_barrier() : error;
}

int
tsr_systemd_unstore(const char *name)
{
	char text[SYSTEMD_TEXT_BYTES];

	(void)snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	return systemd_send(text, -1);
}

#ifdef TSR_HAVE_SYSTEMD

/* What was handed over: descriptors with names. */
struct systemd_handed {
	int count;
	char **names; /* [count] */
};

/* Return: 0; a negative errno. @last: nobody asks after this. */
static int
systemd_handed_open(struct systemd_handed *handed, bool last)
{
	*handed = (struct systemd_handed){.names = NULL};
	handed->count = sd_listen_fds_with_names(last, &handed->names);
	return handed->count < 0 ? handed->count : 0;
}

static void
systemd_handed_close(struct systemd_handed *handed)
{
	for (int i = 0; i < handed->count; i++)
		free(handed->names[i]);
	free((void *)handed->names);
}

/* Is the @i-th one that a daemon had stored? */
static bool
systemd_is_stored(struct systemd_handed const *handed, int i)
{
	return strncmp(handed->names[i], TSR_STORE_PREFIX, strlen(TSR_STORE_PREFIX)) == 0;
}

/* How many are no stored ones; *fd: the last of them. */
static int
systemd_sockets(struct systemd_handed const *handed, int *fd)
{
	int sockets = 0;

	for (int i = 0; i < handed->count; i++) {
		if (systemd_is_stored(handed, i))
			continue;
		*fd = SD_LISTEN_FDS_START + i;
		sockets++;
	}
	return sockets;
}

bool
tsr_systemd_has_socket(void)
{
	struct systemd_handed handed;
	int fd;
	bool has;

	if (systemd_handed_open(&handed, false) != 0)
		return false;
	has = systemd_sockets(&handed, &fd) > 0;
	systemd_handed_close(&handed);
	return has;
}

int
tsr_systemd_take_socket(void)
{
	struct systemd_handed handed;
	int fd = -1, flags, sockets;

	if (systemd_handed_open(&handed, true) != 0)
		return -ENOENT;
	sockets = systemd_sockets(&handed, &fd);
	systemd_handed_close(&handed);
	if (sockets == 0)
		return -ENOENT;
	if (sockets != 1 || sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, NULL, 0) <= 0)
		return -EPROTOTYPE;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return -errno;
	return fd;
}

int
tsr_systemd_take_stored(int (*found)(void *argument, const char *name, int fd), void *argument)
{
	struct systemd_handed handed;
	int error = systemd_handed_open(&handed, false);

	for (int i = 0; error == 0 && i < handed.count; i++) {
		if (systemd_is_stored(&handed, i))
			error = found(argument, handed.names[i], SD_LISTEN_FDS_START + i);
	}
	systemd_handed_close(&handed);
	return error;
}

uint64_t
tsr_systemd_watchdog_ns(void)
{
	uint64_t limit_us;

	return sd_watchdog_enabled(0, &limit_us) > 0 ? limit_us * 1000 : 0;
}

bool
tsr_systemd_booted(void)
{
	return getenv("INVOCATION_ID") != NULL && sd_booted() > 0;
}

#else

bool
tsr_systemd_has_socket(void)
{
	return false;
}

int
tsr_systemd_take_socket(void)
{
	return -ENOENT;
}

int
tsr_systemd_take_stored(int (*found)(void *argument, const char *name, int fd), void *argument)
{
	(void)found, (void)argument;
	return 0;
}

uint64_t
tsr_systemd_watchdog_ns(void)
{
	return 0;
}

bool
tsr_systemd_booted(void)
{
	return false;
}

#endif
