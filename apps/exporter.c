/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/*
 * tessera-exporter: what `tessera metrics` prints, over HTTP, for Prometheus. One thread; a scrape
 * is taken for each request.
 */

#include <argp.h>
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "apps/cli.h"
#include "apps/listen.h"
#include "apps/prometheus.h"

#define EXPORTER_SOCKET_NAME   "exporter.sock"
#define EXPORTER_CONNECTIONS   16U
#define EXPORTER_TIMEOUT_S     5U
#define EXPORTER_REQUEST_BYTES ((size_t)16 * 1024)
#define EXPORTER_PATIENCE_NS   UINT64_C(500000000)

/* libc looks for it by name, so it must not be hidden. */
TSR_API const char *argp_program_version = "tessera-exporter " TSR_VERSION; /* NOLINT */

enum {
	EXPORTER_LISTEN = 0x100,
	EXPORTER_SOCKET,
	EXPORTER_REALM,
	EXPORTER_CHANNEL,
	EXPORTER_NO_LATENCY,
};

struct exporter {
	const char *listen; /* NULL: in the run directory */
	struct tsr_listener listener;
	struct tsr_scrape scrape;
	bool was_up; /* at the last scrape */
};

static const struct argp_option exporter_options[] = {
	{"listen", EXPORTER_LISTEN, "ADDRESS", 0,
         "Serve on a socket, /PATH, or on the loopback: 127.0.0.1:PORT, [::1]:PORT (default: "
         "exporter.sock in the run directory)",
         0},
	{"socket", EXPORTER_SOCKET, "PATH", 0, "The daemon's control socket", 0},
	{"realm", EXPORTER_REALM, "PATTERN", 0, "Only realms whose names match", 0},
	{"channel", EXPORTER_CHANNEL, "PATTERN", 0, "Only channels whose names match", 0},
	{"no-latency", EXPORTER_NO_LATENCY, NULL, 0, "Leave out the histograms", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static error_t
exporter_parse(int key, char *arg, struct argp_state *state)
{
	struct exporter *const exporter = state->input;

	switch (key) {
	case EXPORTER_LISTEN:
		exporter->listen = arg;
		return 0;
	case EXPORTER_SOCKET:
		tsr_globals.socket = arg;
		return 0;
	case EXPORTER_REALM:
		exporter->scrape.realm = arg;
		return 0;
	case EXPORTER_CHANNEL:
		exporter->scrape.channel = arg;
		return 0;
	case EXPORTER_NO_LATENCY:
		exporter->scrape.times = false;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is not expected: tessera-exporter takes options only", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void exporter_say(const char *format, ...) TSR_PRINTF(1, 2);

static void
exporter_say(const char *format, ...)
{
	va_list args;

	(void)fputs("tessera-exporter: ", stderr);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
}

/* A scrape as text. Return: NULL without memory; the caller frees it. */
static char *
exporter_scrape(struct exporter *exporter, size_t *bytes)
{
	char *text = NULL;
	FILE *out;
	int const error = tsr_scrape_take(&exporter->scrape);

	if (error != 0 && exporter->was_up)
		exporter_say("the daemon does not answer: %s", tsr_strerror(error));
	else if (error == 0 && !exporter->was_up)
		exporter_say("the daemon answers");
	exporter->was_up = error == 0;
	out = open_memstream(&text, bytes);
	if (out == NULL)
		return NULL;
	tsr_prometheus_print(out, &exporter->scrape);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static enum MHD_Result
exporter_queue(struct MHD_Connection *connection, unsigned status, const char *type,
               struct MHD_Response *response)
{
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
exporter_text(struct MHD_Connection *connection, unsigned status, const char *type,
              const char *text)
{
	return exporter_queue(connection, status, type,
	                      MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
	                                                      MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result
exporter_metrics(struct exporter *exporter, struct MHD_Connection *connection)
{
	struct MHD_Response *response;
	size_t bytes = 0;
	char *const text = exporter_scrape(exporter, &bytes);

	if (text == NULL)
		return exporter_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "text/plain",
		                     "no memory\n");
	response = MHD_create_response_from_buffer(bytes, text, MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		free(text);
	return exporter_queue(connection, MHD_HTTP_OK, TSR_PROMETHEUS_TYPE, response);
}

static enum MHD_Result
exporter_serve(void *argument, struct MHD_Connection *connection, const char *url,
               const char *method, const char *version, const char *upload, size_t *upload_bytes,
               void **request)
{
	static const char page[] = "<!DOCTYPE html><title>tessera-exporter</title>"
				   "<h1>tessera-exporter " TSR_VERSION "</h1>"
				   "<p><a href=\"/metrics\">Metrics</a></p>\n";
	static char begun;
	struct exporter *const exporter = argument;

	(void)version;
	(void)upload;
	/* The first call tells of the head, the next ones bring what comes behind it. */
	if (*request == NULL) {
		*request = &begun;
		if (strcmp(method, MHD_HTTP_METHOD_GET) == 0 ||
		    strcmp(method, MHD_HTTP_METHOD_HEAD) == 0)
			return MHD_YES;
		return exporter_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain",
		                     "GET and HEAD only\n");
	}
	if (*upload_bytes != 0) {
		*upload_bytes = 0;
		return MHD_YES;
	}
	/* A page of somebody's that a browser shows may name this port by a name of its own. */
	if (exporter->listener.path[0] == '\0' &&
	    !tsr_host_is_local(
		    MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST)))
		return exporter_text(connection, MHD_HTTP_FORBIDDEN, "text/plain",
		                     "the Host header does not name the loopback\n");
	if (strcmp(url, "/metrics") == 0)
		return exporter_metrics(exporter, connection);
	if (strcmp(url, "/-/healthy") == 0)
		return exporter_text(connection, MHD_HTTP_OK, "text/plain", "healthy\n");
	if (strcmp(url, "/") == 0)
		return exporter_text(connection, MHD_HTTP_OK, "text/html", page);
	return exporter_text(connection, MHD_HTTP_NOT_FOUND, "text/plain",
	                     "there are /, /metrics and /-/healthy\n");
}

/* Until SIGTERM or SIGINT. Return: an exit status. */
static int
exporter_loop(struct MHD_Daemon *server, int signals)
{
	union MHD_DaemonInfo const *const info =
		MHD_get_daemon_info(server, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd ready[2] = {{.fd = signals, .events = POLLIN}, {.events = POLLIN}};

	if (info == NULL)
		return TSR_EXIT_RUNTIME;
	ready[1].fd = info->epoll_fd;
	while (ready[0].revents == 0) {
		unsigned long long wait_ms;
		int timeout = -1;

		if (MHD_run(server) != MHD_YES)
			return TSR_EXIT_RUNTIME;
		/* Without a connection it has nothing to wait for, and nobody wakes it; but after
		 * so many that it could take no more, it listens again with the next run only. */
		if (MHD_get_timeout(server, &wait_ms) == MHD_YES)
			timeout = wait_ms < 1000 ? (int)wait_ms : 1000;
		else if (MHD_run(server) != MHD_YES)
			return TSR_EXIT_RUNTIME;
		if (poll(ready, 2, timeout) < 0 && errno != EINTR)
			return TSR_EXIT_RUNTIME;
	}
	return TSR_EXIT_OK;
}

static int
exporter_run(struct exporter *exporter)
{
	struct MHD_Daemon *server;
	sigset_t set;
	int signals, status;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	server = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, exporter_serve, exporter, MHD_OPTION_LISTEN_SOCKET,
		exporter->listener.fd, MHD_OPTION_CONNECTION_LIMIT, EXPORTER_CONNECTIONS,
		MHD_OPTION_CONNECTION_TIMEOUT, EXPORTER_TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, EXPORTER_REQUEST_BYTES, MHD_OPTION_END);
	if (signals < 0 || server == NULL) {
		exporter_say("HTTP can't be served: %s", strerror(errno));
		return TSR_EXIT_RUNTIME;
	}
	exporter_say("serves %s", exporter->listener.shown);
	status = exporter_loop(server, signals);
	/* The listener is closed with it. */
	exporter->listener.fd = -1;
	MHD_stop_daemon(server);
	(void)close(signals);
	return status;
}

int
main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = exporter_options,
		.parser = exporter_parse,
		.doc = "Serve what realms, clients and channels have counted to Prometheus: "
		       "/metrics over HTTP."
		       "\vIt stays in the foreground, ends at SIGTERM, and waits for a daemon "
		       "that is not there: tessera_up says so. Exit codes: 0 ended as asked, 1 it "
		       "could not run, 2 usage.",
	};
	static struct exporter exporter = {
		.scrape = {.times = true, .patience_ns = EXPORTER_PATIENCE_NS},
		.was_up = true,
	};
	char why[256];
	int error, status;

	argp_err_exit_status = TSR_EXIT_USAGE;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)argp_parse(&argp, argc, argv, 0, NULL, &exporter);
	error = tsr_listener_open(&exporter.listener, exporter.listen, EXPORTER_SOCKET_NAME, why,
	                          sizeof(why));
	if (error != 0) {
		exporter_say("%s", why);
		return error == -EINVAL ? TSR_EXIT_USAGE : TSR_EXIT_RUNTIME;
	}
	status = exporter_run(&exporter);
	tsr_listener_close(&exporter.listener);
	/* A daemon that does not answer learns it from the kernel: a goodbye would wait for it. */
	if (!exporter.was_up)
		_exit(status);
	tsr_scrape_close(&exporter.scrape);
	return status;
}
