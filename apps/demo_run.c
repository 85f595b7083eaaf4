/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/demo_run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/hash.h"
#include "apps/process.h"
#include "apps/progress.h"
#include "apps/table.h"

#define DEMO_LINE_BYTES  4096
#define DEMO_POLL_MS     100
#define DEMO_ARGS_MAX    16
#define DEMO_INTERRUPTED 130

static volatile sig_atomic_t demo_signal;

/* One of the two roles. */
struct demo_child {
	pid_t pid;
	int output;    /* -1: at its end */
	json_t *state; /* the latest of each member that it told */
	size_t length;
	char line[DEMO_LINE_BYTES];
};

enum {
	DEMO_RECEIVER,
	DEMO_SENDER,
	DEMO_CHILDREN,
};

static void
demo_caught(int number)
{
	demo_signal = number;
}

void
tsr_demo_watch(void)
{
	struct sigaction action = {.sa_handler = demo_caught};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

bool
tsr_demo_interrupted(void)
{
	return demo_signal != 0;
}

int
tsr_demo_reference(const struct tsr_demo *demo, char *hex)
{
	int const list = tsr_source_list(&demo->source);
	struct pollfd answer = {.events = POLLIN};
	struct tsr_hash hash;
	int error = list < 0 ? list : tsr_hash_list(&hash, list, demo->source.bytes);

	if (list >= 0)
		close(list);
	if (error != 0)
		return tsr_cli_fail(error, "sha256sum can't be started");
	fputs("Hashing the source with sha256sum ...\n", stderr);
	answer.fd = hash.answer;
	while (!tsr_demo_interrupted() && poll(&answer, 1, DEMO_POLL_MS) <= 0)
		continue;
	if (tsr_demo_interrupted()) {
		tsr_hash_abort(&hash);
		return DEMO_INTERRUPTED;
	}
	error = tsr_hash_close(&hash, hex);
	if (error != 0)
		tsr_cli_warn("xargs, cat, head or sha256sum failed on the source");
	return error == 0 ? TSR_EXIT_OK : TSR_EXIT_RUNTIME;
}

/* Is there memory for all that is sent and all that is received, beside what the realm takes? */
static bool
demo_fits_in_memory(uint64_t bytes)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];
	uint64_t kib = 0;

	if (file == NULL)
		return false;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1) /* NOLINT(cert-err34-c) */
			break;
	}
	fclose(file);
	return kib * 1024 / 2 > bytes + UINT64_C(256) * 1048576;
}

static int
child_start(struct demo_child *child, const char *const *argv, int input)
{
	int pipe_fds[2];
	struct tsr_spawn spawn = {.argv = argv, .input = input, .error = -1, .tied = true};
	char *self;
	int error = tsr_process_self(&self);

	if (error != 0)
		return error;
	if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
		free(self);
		return -errno;
	}
	spawn.path = self;
	spawn.output = pipe_fds[1];
	error = tsr_process_spawn(&spawn, &child->pid);
	close(pipe_fds[1]);
	free(self);
	if (error != 0) {
		close(pipe_fds[0]);
		return error;
	}
	child->output = pipe_fds[0];
	return 0;
}

static int
child_start_as(struct demo_child *child, const struct tsr_demo *demo, const char *role,
               bool through, int input)
{
	char bytes[32];
	const char *argv[DEMO_ARGS_MAX] = {"tessera",   "demo",        "--role",
	                                   role,        "--socket",    demo->socket,
	                                   "--channel", demo->channel, "--limit"};
	size_t count = 9;

	snprintf(bytes, sizeof(bytes), "%" PRIu64, demo->source.bytes);
	argv[count++] = bytes;
	if (tsr_globals.realm != NULL) {
		argv[count++] = "--realm";
		argv[count++] = tsr_globals.realm;
	}
	if (through)
		argv[count++] = "--through";
	if (demo->corrupt)
		argv[count++] = "--corrupt-one-bit";
	return child_start(child, argv, input);
}

/* One line of a role: its members replace those of the same name. */
static void
child_line(struct demo_child *child, const char *line, size_t length)
{
	json_t *told = json_loadb(line, length, 0, NULL);

	if (told != NULL && json_object_update(child->state, told) != 0)
		tsr_cli_warn("what a role of the demo told is lost");
	json_decref(told);
}

/* Take what it wrote. */
static void
child_read(struct demo_child *child)
{
	ssize_t const got = read(child->output, child->line + child->length,
	                         sizeof(child->line) - child->length);
	char *end;

	if (got < 0 && errno == EINTR)
		return;
	if (got <= 0) {
		close(child->output);
		child->output = -1;
		return;
	}
	child->length += (size_t)got;
	while ((end = memchr(child->line, '\n', child->length)) != NULL) {
		size_t const length = (size_t)(end - child->line);

		child_line(child, child->line, length);
		child->length -= length + 1;
		memmove(child->line, end + 1, child->length);
	}
}

/* Read from those that still write, for a moment. */
static void
children_read(struct demo_child *children)
{
	struct pollfd fds[DEMO_CHILDREN];

	for (int i = 0; i < DEMO_CHILDREN; i++)
		fds[i] = (struct pollfd){.fd = children[i].output, .events = POLLIN};
	if (poll(fds, DEMO_CHILDREN, DEMO_POLL_MS) <= 0)
		return;
	for (int i = 0; i < DEMO_CHILDREN; i++) {
		if (fds[i].revents != 0)
			child_read(&children[i]);
	}
}

static uint64_t
child_told(const struct demo_child *child, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(child->state, key));
}

/* Until the receiver is ready; then the sender is started. Return: an exit status. */
static int
children_start(const struct tsr_demo *demo, struct demo_child *children, bool through)
{
	int list, error = child_start_as(&children[DEMO_RECEIVER], demo, "recv", through, -1);

	while (error == 0 && children[DEMO_RECEIVER].output >= 0 && !tsr_demo_interrupted() &&
	       json_object_get(children[DEMO_RECEIVER].state, "ready") == NULL)
		children_read(children);
	if (error == 0 && tsr_demo_interrupted())
		return DEMO_INTERRUPTED;
	if (error == 0 && children[DEMO_RECEIVER].output < 0)
		return TSR_EXIT_RUNTIME;
	if (error == 0) {
		list = tsr_source_list(&demo->source);
		error = list < 0 ? list
		                 : child_start_as(&children[DEMO_SENDER], demo, "send", through,
		                                  list);
		if (list >= 0)
			close(list);
	}
	return error == 0 ? TSR_EXIT_OK : tsr_cli_fail(error, "the demo's processes");
}

/* What the two are at, as they tell it. */
enum demo_stage {
	DEMO_LOADING,
	DEMO_LATENCY,
	DEMO_STREAMING,
	DEMO_HASHING,
};

static enum demo_stage
children_stage(const struct demo_child *children, uint64_t total)
{
	if (child_told(&children[DEMO_RECEIVER], "bytes") == total)
		return DEMO_HASHING;
	if (child_told(&children[DEMO_SENDER], "start_ns") != 0)
		return DEMO_STREAMING;
	return json_object_get(children[DEMO_SENDER].state, "loaded") != NULL ? DEMO_LATENCY
	                                                                      : DEMO_LOADING;
}

/* Show how far they are until both have closed their output. */
static int
children_follow(struct demo_child *children, uint64_t total)
{
	struct tsr_progress progress;
	enum demo_stage shown = DEMO_LOADING;

	fputs("Reading the files ...\n", stderr);
	while (children[DEMO_RECEIVER].output >= 0 || children[DEMO_SENDER].output >= 0) {
		enum demo_stage const stage = children_stage(children, total);

		if (tsr_demo_interrupted())
			return DEMO_INTERRUPTED;
		if (stage >= DEMO_LATENCY && shown < DEMO_LATENCY)
			fputs("Measuring latency, unloaded ...\n", stderr);
		if (stage >= DEMO_STREAMING && shown < DEMO_STREAMING)
			tsr_progress_start(&progress, "Streaming", total);
		if (stage >= DEMO_STREAMING && shown < DEMO_HASHING)
			tsr_progress_at(&progress, child_told(&children[DEMO_RECEIVER], "bytes"));
		if (stage == DEMO_HASHING && shown != DEMO_HASHING) {
			tsr_progress_end(&progress);
			fputs("Hashing what arrived with sha256sum ...\n", stderr);
		}
		shown = stage;
		children_read(children);
	}
	return TSR_EXIT_OK;
}

/* Wait for both, or end them. Return: the first exit status that is not 0. */
static int
children_end(struct demo_child *children, bool kill_them)
{
	int worst = TSR_EXIT_OK;

	for (int i = 0; i < DEMO_CHILDREN; i++) {
		int status;

		if (children[i].output >= 0)
			close(children[i].output);
		if (children[i].pid == 0)
			continue;
		status = kill_them ? tsr_process_end(children[i].pid, 2000)
		                   : tsr_process_wait(children[i].pid);
		if (status >= 128 && !kill_them)
			tsr_cli_warn("the demo's %s was ended by signal %d",
			             i == DEMO_SENDER ? "sender" : "receiver", status - 128);
		worst = worst == TSR_EXIT_OK ? status : worst;
	}
	return worst;
}

int
tsr_demo_run(const struct tsr_demo *demo, json_t **result)
{
	static struct demo_child children[DEMO_CHILDREN];
	bool const through = demo->through || !demo_fits_in_memory(demo->source.bytes);
	json_t *out;
	int status, ended;

	for (int i = 0; i < DEMO_CHILDREN; i++)
		children[i] = (struct demo_child){.output = -1, .state = json_object()};
	status = children_start(demo, children, through);
	if (status == TSR_EXIT_OK)
		status = children_follow(children, demo->source.bytes);
	ended = children_end(children, status != TSR_EXIT_OK);
	if (status == TSR_EXIT_OK)
		status = ended;
	out = json_object_get(children[DEMO_RECEIVER].state, "result");
	if (status == TSR_EXIT_OK && out == NULL)
		status = TSR_EXIT_RUNTIME;
	if (status == TSR_EXIT_OK) {
		json_incref(out);
		tsr_report_set(out, "start_ns",
		               tsr_report_count(child_told(&children[DEMO_SENDER], "start_ns")));
		tsr_report_set(out, "waited",
		               tsr_report_count(child_told(&children[DEMO_SENDER], "waited")));
		tsr_report_set(out, "through", json_boolean(through));
		*result = out;
	}
	for (int i = 0; i < DEMO_CHILDREN; i++)
		json_decref(children[i].state);
	return status;
}
