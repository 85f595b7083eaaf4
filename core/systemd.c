/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#ifdef TSR_HAVE_SYSTEMD

#include <systemd/sd-daemon.h>

#define SYSTEMD_TEXT_BYTES 256

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

void
tsr_systemd_notify(const char *format, ...)
{
	char text[SYSTEMD_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)sd_notify(0, text);
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

void
tsr_systemd_notify(const char *format, ...)
{
	(void)format;
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
