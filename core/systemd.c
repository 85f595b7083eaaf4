/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/systemd.h"

#include <errno.h>
#include <fcntl.h>
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

#define SYSTEMD_TEXT_BYTES 512
#define SYSTEMD_WAIT_US    20000
#define SYSTEMD_TRIES      3

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

/* Return: 0; what the system gave. */
static int
systemd_send(struct sockaddr_un const *address, socklen_t bytes, const char *text)
{
	struct timeval const wait = {.tv_usec = SYSTEMD_WAIT_US};
	int const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error = 0;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr const *)address, bytes) <
	    0)
		error = -errno;
	(void)close(fd);
	return error;
}

/* sd_notify(3) waits for ever for a supervisor that does not read, and the daemon with it. */
void
tsr_systemd_notify(const char *format, ...)
{
	const char *const name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;
	char text[SYSTEMD_TEXT_BYTES];
	socklen_t bytes;
	va_list args;
	int error = -ENOBUFS;

	bytes = name == NULL ? 0 : systemd_address(name, &address);
	if (bytes == 0)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* What has no memory or descriptor for it now may have one then: a supervisor that is not
	 * told that we are ready ends us. */
	for (unsigned i = 0; i < SYSTEMD_TRIES && error != 0 && error != -EAGAIN; i++)
		error = systemd_send(&address, bytes, text);
	if (error != 0)
		tsr_log(TSR_LOG_DEBUG, "the supervisor was not told: %s", strerror(-error));
}

#ifdef TSR_HAVE_SYSTEMD

bool
tsr_systemd_has_socket(void)
{
	return sd_listen_fds(0) > 0;
}

int
tsr_systemd_take_socket(void)
{
	int const count = sd_listen_fds(1);
	int const fd = SD_LISTEN_FDS_START;
	int flags;

	if (count == 0)
		return -ENOENT;
	if (count != 1 || sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, NULL, 0) <= 0)
		return -EPROTOTYPE;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return -errno;
	return fd;
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
