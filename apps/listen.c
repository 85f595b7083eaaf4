/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "apps/units.h"
#include "shm/control.h"

#define LISTEN_BACKLOG 16

/* The run directory is made if need be, and nobody else's: who owns it can replace what lies there.
 */
static int
listen_folder(const char *folder, char *why, size_t why_bytes)
{
	struct stat status;

	if ((mkdir(folder, 0700) != 0 && errno != EEXIST) || lstat(folder, &status) != 0) {
		(void)snprintf(why, why_bytes, "run directory %s: %s", folder, strerror(errno));
		return -errno;
	}
	if (geteuid() == 0 || (S_ISDIR(status.st_mode) && status.st_uid == geteuid()))
		return 0;
	(void)snprintf(why, why_bytes, "run directory %s is not a folder of user %u's own", folder,
	               geteuid());
	return -EPERM;
}

/* A path, ready to be bound. */
static int
listen_path(struct tsr_listener *listener, const char *address, const char *name, char *why,
            size_t why_bytes)
{
	char folder[sizeof(listener->path)] = "";
	int error = 0, length;

	if (address == NULL)
		error = tsr_run_dir(folder, sizeof(folder));
	if (address == NULL && error == 0)
		error = listen_folder(folder, why, why_bytes);
	if (error != 0)
		return error;
	length = address != NULL
	                 ? snprintf(listener->path, sizeof(listener->path), "%s", address)
	                 : snprintf(listener->path, sizeof(listener->path), "%s/%s", folder, name);
	if (length >= (int)sizeof(listener->path)) {
		(void)snprintf(why, why_bytes, "the path of the socket is longer than %zu bytes",
		               sizeof(listener->path) - 1);
		return -ENAMETOOLONG;
	}
	(void)snprintf(listener->shown, sizeof(listener->shown), "%s", listener->path);
	return 0;
}

/* Remove what a dead process left. Return: 0, or the path is nobody's to take. */
static int
listen_clear(struct sockaddr_un const *address, char *why, size_t why_bytes)
{
	struct stat status;
	int error = 0, fd;

	if (lstat(address->sun_path, &status) != 0)
		return 0;
	if (!S_ISSOCK(status.st_mode)) {
		(void)snprintf(why, why_bytes, "%s is there and is no socket: it is not replaced",
		               address->sun_path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr const *)address, sizeof(*address)) == 0 ||
	    errno != ECONNREFUSED) {
		(void)snprintf(why, why_bytes, "a living process already serves %s",
		               address->sun_path);
		error = -EADDRINUSE;
	}
	(void)close(fd);
	return error == 0 && unlink(address->sun_path) != 0 ? -errno : error;
}

/* Return: a bound socket; a negative errno. */
static int
listen_bind(int family, struct sockaddr const *address, socklen_t bytes)
{
	int const on = 1;
	int const fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;

	if (fd < 0)
		return -errno;
	if ((family != AF_UNIX && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) ||
	    bind(fd, address, bytes) != 0 || listen(fd, LISTEN_BACKLOG) != 0)
		error = -errno;
	if (error == 0)
		return fd;
	(void)close(fd);
	return error;
}

static int
listen_unix(struct tsr_listener *listener, char *why, size_t why_bytes)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int error;

	memcpy(address.sun_path, listener->path, sizeof(address.sun_path));
	error = listen_clear(&address, why, why_bytes);
	if (error != 0)
		return error;
	mask = umask(0117);
	listener->fd = listen_bind(AF_UNIX, (struct sockaddr const *)&address, sizeof(address));
	(void)umask(mask);
	return listener->fd < 0 ? listener->fd : 0;
}

/* HOST:PORT of the loopback. Return: the bytes of the address; 0 it is something else. */
static socklen_t
listen_parse(const char *text, struct sockaddr_storage *out)
{
	struct sockaddr_in *const four = (struct sockaddr_in *)out;
	struct sockaddr_in6 *const six = (struct sockaddr_in6 *)out;
	const char *const colon = strrchr(text, ':');
	char host[64] = "";
	uint64_t port;
	size_t length;

	memset(out, 0, sizeof(*out));
	if (colon == NULL || tsr_count_parse(colon + 1, 0, UINT16_MAX, &port) != 0)
		return 0;
	length = (size_t)(colon - text);
	if (length >= sizeof(host))
		return 0;
	memcpy(host, text, length);
	if (strcmp(host, "[::1]") == 0) {
		*six = (struct sockaddr_in6){.sin6_family = AF_INET6,
		                             .sin6_addr = in6addr_loopback,
		                             .sin6_port = htons((uint16_t)port)};
		return sizeof(*six);
	}
	four->sin_family = AF_INET;
	four->sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host,
	              &four->sin_addr) != 1 ||
	    ntohl(four->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
		return 0;
	return sizeof(*four);
}

bool
tsr_host_is_local(const char *host)
{
	struct sockaddr_storage address;
	char with_port[80];

	if (host == NULL)
		return false;
	if (listen_parse(host, &address) != 0)
		return true;
	(void)snprintf(with_port, sizeof(with_port), "%s:80", host);
	return listen_parse(with_port, &address) != 0;
}

static int
listen_tcp(struct tsr_listener *listener, const char *text, char *why, size_t why_bytes)
{
	struct sockaddr_storage address;
	socklen_t bytes = listen_parse(text, &address);
	uint16_t port;

	if (bytes == 0) {
		(void)snprintf(why, why_bytes,
		               "--listen %s is neither a path nor on the loopback, expected "
		               "/PATH, 127.0.0.1:PORT, [::1]:PORT or localhost:PORT: what is told "
		               "here is not for the network",
		               text);
		return -EINVAL;
	}
	listener->fd = listen_bind(address.ss_family, (struct sockaddr *)&address, bytes);
	if (listener->fd < 0)
		return listener->fd;
	(void)getsockname(listener->fd, (struct sockaddr *)&address, &bytes);
	/* The port lies at the same place in both. */
	port = ntohs(((struct sockaddr_in const *)&address)->sin_port);
	(void)snprintf(listener->shown, sizeof(listener->shown), "http://%.*s:%u/metrics",
	               (int)(strrchr(text, ':') - text), text, port);
	return 0;
}

int
tsr_listener_open(struct tsr_listener *listener, const char *address, const char *name, char *why,
                  size_t why_bytes)
{
	int error;

	*listener = (struct tsr_listener){.fd = -1};
	why[0] = '\0';
	if (address != NULL && strchr(address, '/') == NULL) {
		error = listen_tcp(listener, address, why, why_bytes);
	} else {
		error = listen_path(listener, address, name, why, why_bytes);
		if (error == 0)
			error = listen_unix(listener, why, why_bytes);
	}
	if (error != 0 && why[0] == '\0')
		(void)snprintf(why, why_bytes, "%s: %s", address != NULL ? address : name,
		               strerror(-error));
	return error;
}

void
tsr_listener_close(struct tsr_listener *listener)
{
	if (listener->path[0] != '\0')
		(void)unlink(listener->path);
	(void)close(listener->fd);
}
