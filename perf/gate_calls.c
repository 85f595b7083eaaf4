/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * gate-calls WAY COUNT: the calls of a message's path, COUNT times, for tools/perf-gate to count
 * instructions in. One thread, both ends of a channel of the realm "demo" of the nearest daemon,
 * linked with the library that users link.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/tessera.h"

#define GATE_BYTES UINT32_C(64)
#define GATE_BATCH 32

static struct tsr_client gate_client;
static struct tsr_sender gate_sender;
static struct tsr_receiver gate_receiver;

static int
gate_one(void)
{
	struct tsr_msg msg;
	int error = tsr_alloc(gate_client, GATE_BYTES, &msg);

	if (error == 0)
		error = tsr_send(gate_sender, &msg, TSR_NOWAIT);
	if (error == 0)
		error = tsr_recv(gate_receiver, &msg, TSR_NOWAIT);
	return error == 0 ? tsr_release(gate_client, &msg) : error;
}

static int
gate_batch(void)
{
	struct tsr_msg msgs[GATE_BATCH];
	size_t done;
	int error = tsr_alloc_batch(gate_client, GATE_BYTES, msgs, GATE_BATCH, &done);

	if (error == 0)
		error = tsr_send_batch(gate_sender, msgs, GATE_BATCH, TSR_NOWAIT, &done);
	if (error == 0)
		error = tsr_recv_batch(gate_receiver, msgs, GATE_BATCH, TSR_NOWAIT, &done);
	return error == 0 ? tsr_release_batch(gate_client, msgs, GATE_BATCH, &done) : error;
}

/* What a receiver pays that looks in vain. */
static int
gate_empty(void)
{
	struct tsr_msg msg;
	int const error = tsr_recv(gate_receiver, &msg, TSR_NOWAIT);

	return error == -EAGAIN ? 0 : -EPROTO;
}

static const struct gate_way {
	const char *name;
	uint32_t channel_flags;
	uint32_t kind; /* TSR_KIND_*; 0: buffered */
	int (*round)(void);
} gate_ways[] = {
	{"one", TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER, 0, gate_one},
	{"many", 0, 0, gate_one},
	{"batch", 0, 0, gate_batch},
	{"empty", TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER, 0, gate_empty},
	{"broadcast", TSR_CHANNEL_ONE_SENDER, TSR_KIND_BROADCAST, gate_one},
};

static int
gate_open(struct gate_way const *way)
{
	struct tsr_channel_options const channel = {
		.size = sizeof(channel),
		.capacity = 1024,
		.flags = way->channel_flags,
		.kind = way->kind,
	};
	struct tsr_end_options const options = {.size = sizeof(options), .create = &channel};
	int error = tsr_attach(NULL, &gate_client);

	if (error == 0)
		error = tsr_sender_open(gate_client, way->name, &options, &gate_sender);
	return error == 0 ? tsr_receiver_open(gate_client, way->name, &options, &gate_receiver)
	                  : error;
}

static int
gate_run(struct gate_way const *way, unsigned long count)
{
	int error = gate_open(way);

	while (error == 0 && count-- > 0)
		error = way->round();
	if (error != 0) {
		(void)fprintf(stderr, "gate-calls %s: %s; %s\n", way->name, tsr_strerror(error),
		              tsr_last_hint());
		return 1;
	}
	return tsr_detach(gate_client) == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	for (size_t i = 0; argc == 3 && i < sizeof(gate_ways) / sizeof(gate_ways[0]); i++) {
		if (strcmp(argv[1], gate_ways[i].name) == 0)
			return gate_run(&gate_ways[i], strtoul(argv[2], NULL, 10));
	}
	(void)fputs("gate-calls one|many|batch|empty|broadcast COUNT\n", stderr);
	return 2;
}
