/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* The sending process of the demo. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "apps/alloc.h"
#include "apps/demo.h"
#include "apps/table.h"

const struct tsr_channel_options tsr_demo_shape = {
	.size = sizeof(tsr_demo_shape),
	.capacity = TSR_DEMO_SLOTS,
	.flags = TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER,
};

void
tsr_demo_channel(const struct tsr_demo_role *role, enum tsr_demo_phase phase,
                 char name[TSR_NAME_BYTES])
{
	snprintf(name, TSR_NAME_BYTES, "%s.%s", role->channel,
	         phase == TSR_DEMO_LATENCY ? "latency" : "stream");
}

static bool
demo_is_alone(void)
{
	cpu_set_t cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) < 2;
}

void
tsr_demo_tell(const char *key, json_t *value)
{
	json_t *line = json_object();

	tsr_report_set(line, key, value);
	json_dumpf(line, stdout, JSON_COMPACT);
	fputc('\n', stdout);
	fflush(stdout);
	json_decref(line);
}

/* The input as one stream: the files one after the other. */
struct demo_input {
	FILE *list;
	char *name;
	size_t name_room;
	int file;      /* -1: none is open */
	uint64_t left; /* of the stream */
	char *ahead;   /* what was read ahead; NULL: files are read on the way */
	uint64_t ahead_bytes;
	uint64_t ahead_at;
};

/* Open the next file. Return: 1; 0 there is none; a negative errno. */
static int
input_next(struct demo_input *input)
{
	if (getdelim(&input->name, &input->name_room, '\0', input->list) < 0)
		return 0;
	input->file = open(input->name, O_RDONLY | O_CLOEXEC);
	if (input->file < 0) {
		tsr_cli_warn("%s can't be opened any more: %s", input->name, strerror(errno));
		return -EIO;
	}
	return 1;
}

/* Fill a block, across the ends of files. Return: its bytes; 0 at the end; a negative errno. */
static ssize_t
input_read(struct demo_input *input, char *to, size_t bytes)
{
	size_t filled = 0;

	if (bytes > input->left)
		bytes = input->left;
	while (filled < bytes) {
		ssize_t got;

		if (input->file < 0) {
			int const next = input_next(input);

			if (next < 0)
				return next;
			if (next == 0)
				break;
		}
		got = read(input->file, to + filled, bytes - filled);
		if (got < 0)
			return -errno;
		if (got == 0) {
			close(input->file);
			input->file = -1;
		}
		filled += (size_t)got;
	}
	input->left -= filled;
	return (ssize_t)filled;
}

/*
 * Read all of it ahead, so that the stream is not held up by the files.
 * Return: 0; a negative errno.
 */
static int
input_load(struct demo_input *input)
{
	uint64_t const bytes = input->left;
	ssize_t got;

	input->ahead =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (input->ahead == MAP_FAILED)
		return -ENOMEM;
	(void)madvise(input->ahead, bytes, MADV_HUGEPAGE);
	got = input_read(input, input->ahead, bytes);
	if (got < 0)
		return (int)got;
	input->ahead_bytes = (uint64_t)got;
	return 0;
}

/* The next block. Return: as input_read(). */
static ssize_t
input_take(struct demo_input *input, char *to, size_t bytes)
{
	uint64_t const left = input->ahead_bytes - input->ahead_at;

	if (input->ahead == NULL)
		return input_read(input, to, bytes);
	if (bytes > left)
		bytes = left;
	tsr_copy_in(to, input->ahead + input->ahead_at, bytes);
	input->ahead_at += bytes;
	return (ssize_t)bytes;
}

/* Until the next message is due: without a sleep, whose end would be part of what is measured. */
static void
latency_gap(uint64_t due_ns, bool alone)
{
	struct timespec rest = {.tv_sec = 0, .tv_nsec = TSR_DEMO_LATENCY_GAP_NS};

	if (alone)
		nanosleep(&rest, NULL);
	while (tsr_now_ns() < due_ns)
		tsr_cpu_relax();
}

static int
latency_send(struct tsr_client client, struct tsr_sender sender)
{
	uint64_t due = tsr_now_ns();
	bool const alone = demo_is_alone();
	struct tsr_msg msg;
	int error;

	for (uint32_t i = 0; i < TSR_DEMO_LATENCY_COUNT; i++) {
		due += TSR_DEMO_LATENCY_GAP_NS;
		latency_gap(due, alone);
		error = tsr_alloc(client, TSR_DEMO_LATENCY_BYTES, &msg);
		if (error != 0)
			return error;
		memset(msg.data, (int)(i & 0xff), TSR_DEMO_LATENCY_BYTES);
		error = tsr_send(sender, &msg, tsr_deadline_in_ms(TSR_DEMO_WAIT_MS));
		if (error != 0)
			return error;
	}
	return 0;
}

/* Send one block, counting whether it had to wait for room. */
static int
stream_send_one(struct tsr_sender sender, struct tsr_msg *msg, uint64_t deadline_ns,
                uint64_t *waited)
{
	int const error = tsr_send(sender, msg, TSR_NOWAIT);

	if (error != -EAGAIN)
		return error;
	++*waited;
	return tsr_send(sender, msg, deadline_ns);
}

static int
stream_send(struct tsr_client client, struct tsr_sender sender, struct demo_input *input)
{
	uint64_t waited = 0;
	struct tsr_msg msg;
	ssize_t bytes;
	int error;

	for (;;) {
		uint64_t const deadline = tsr_deadline_in_ms(TSR_DEMO_WAIT_MS);

		error = tsr_alloc_wait(client, TSR_DEMO_BLOCK_BYTES, &msg, deadline);
		if (error != 0)
			return error;
		bytes = input_take(input, msg.data, TSR_DEMO_BLOCK_BYTES);
		if (bytes <= 0)
			break;
		msg.length = (uint32_t)bytes;
		error = stream_send_one(sender, &msg, deadline, &waited);
		if (error != 0)
			return error;
	}
	tsr_demo_tell("waited", tsr_report_count(waited));
	return bytes < 0 ? (int)bytes : tsr_release(client, &msg);
}

static int
demo_sender(const struct tsr_demo_role *role, struct tsr_client client, enum tsr_demo_phase phase,
            struct tsr_sender *sender)
{
	struct tsr_end_options const options = {
		.size = sizeof(options),
		.stamp_every = phase == TSR_DEMO_LATENCY ? 1 : TSR_DEMO_STAMP_EVERY,
		.create = &tsr_demo_shape,
	};
	char name[TSR_NAME_BYTES];

	tsr_demo_channel(role, phase, name);
	return tsr_sender_open(client, name, &options, sender);
}

/* Both phases, each through an end of its own. */
static int
demo_send_phases(const struct tsr_demo_role *role, struct tsr_client client,
                 struct demo_input *input)
{
	struct tsr_sender sender;
	int error = demo_sender(role, client, TSR_DEMO_LATENCY, &sender);

	if (error != 0)
		return error;
	error = latency_send(client, sender);
	if (error == 0)
		error = tsr_sender_close(sender);
	if (error == 0)
		error = demo_sender(role, client, TSR_DEMO_STREAM, &sender);
	if (error != 0)
		return error;
	tsr_demo_tell("start_ns", tsr_report_count(tsr_now_ns()));
	error = stream_send(client, sender, input);
	return error == 0 ? tsr_sender_close(sender) : error;
}

int
tsr_demo_send(const struct tsr_demo_role *role)
{
	struct demo_input input = {.list = stdin, .file = -1, .left = role->bytes};
	struct tsr_client client;
	int status, error;

	status = tsr_cli_attach(tsr_globals.realm, &client);
	if (status != 0)
		return status;
	error = role->through ? 0 : input_load(&input);
	tsr_demo_tell("loaded", json_true());
	if (error == 0)
		error = demo_send_phases(role, client, &input);
	free(input.name);
	/* Cut short: our death tells the receiver. */
	if (error != 0)
		return tsr_cli_fail(error, "the demo's sender");
	error = tsr_detach(client);
	return error == 0 ? TSR_EXIT_OK : tsr_cli_fail(error, "the demo's sender can't detach");
}
