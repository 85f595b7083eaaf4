/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* The receiving process of the demo: keeps or hashes what it receives, and times it. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "apps/demo.h"
#include "apps/gather.h"
#include "apps/hash.h"
#include "apps/latency.h"
#include "apps/table.h"

#define DEMO_TELL_NS (50 * TSR_NS_PER_MS)

struct demo_receiver {
	const struct tsr_demo_role *role;
	struct tsr_client client;
	struct tsr_receiver end[TSR_DEMO_PHASES];
	struct tsr_latency latency[TSR_DEMO_PHASES];
	uint64_t messages[TSR_DEMO_PHASES];
	uint64_t ticks_per_second;
	struct tsr_hash hash;
	int sink;
	uint64_t bytes;
	uint64_t told_ns;
	bool corrupted;
};

static int
receiver_open(struct demo_receiver *r)
{
	struct tsr_end_options const options = {
		.size = sizeof(options), .spin_ns = TSR_DEMO_SPIN_NS, .create = &tsr_demo_shape};
	struct tsr_client_info info = {.size = sizeof(info)};
	char name[TSR_NAME_BYTES];
	int error = tsr_client_info(r->client, &info);

	r->ticks_per_second = info.ticks_per_second;
	for (int phase = 0; phase < TSR_DEMO_PHASES && error == 0; phase++) {
		tsr_demo_channel(r->role, (enum tsr_demo_phase)phase, name);
		error = tsr_receiver_open(r->client, name, &options, &r->end[phase]);
	}
	return error;
}

/* Keep how long the stamped ones of a batch took. Clocks of two CPUs may differ by a tick. */
static int
receiver_time(struct demo_receiver *r, enum tsr_demo_phase phase, const struct tsr_msg *msgs,
              size_t count)
{
	uint64_t const now = tsr_ticks();
	int error = 0;

	for (size_t i = 0; i < count && error == 0; i++) {
		if (msgs[i].stamp == 0)
			continue;
		error = tsr_latency_add(&r->latency[phase],
		                        now > msgs[i].stamp ? now - msgs[i].stamp : 0);
	}
	r->messages[phase] += count;
	return error;
}

/* For the test of the comparison: one bit of one byte, in the first message of the stream: a short
 * one may have no other that begins a batch. */
static void
receiver_corrupt(struct demo_receiver *r, const struct tsr_msg *msg)
{
	if (!r->role->corrupt || r->corrupted)
		return;
	((unsigned char *)msg->data)[msg->length / 2] ^= 1;
	r->corrupted = true;
}

static int
receiver_keep(struct demo_receiver *r, const struct tsr_msg *msgs, size_t count)
{
	uint64_t const now = tsr_now_ns();
	int error;

	receiver_corrupt(r, &msgs[0]);
	error = tsr_gather_write(r->sink, msgs, count, &r->bytes);
	if (now >= r->told_ns + DEMO_TELL_NS) {
		r->told_ns = now;
		tsr_demo_tell("bytes", tsr_report_count(r->bytes));
	}
	return error;
}

/* Receive a phase to its end. */
static int
receiver_phase(struct demo_receiver *r, enum tsr_demo_phase phase)
{
	struct tsr_msg msgs[TSR_GATHER_MAX];
	size_t const most = phase == TSR_DEMO_LATENCY ? 1 : TSR_GATHER_MAX;
	size_t count, done;
	int error;

	for (;;) {
		error = tsr_recv_batch(r->end[phase], msgs, most,
		                       tsr_deadline_in_ms(TSR_DEMO_WAIT_MS), &count);
		if (error != 0)
			return error == -EPIPE ? 0 : error;
		error = receiver_time(r, phase, msgs, count);
		if (error == 0 && phase == TSR_DEMO_STREAM)
			error = receiver_keep(r, msgs, count);
		if (error == 0)
			error = tsr_release_batch(r->client, msgs, count, &done);
		if (error != 0)
			return error;
	}
}

static json_t *
receiver_latency(struct demo_receiver *r, enum tsr_demo_phase phase)
{
	json_t *out = tsr_latency_report(&r->latency[phase], r->ticks_per_second);

	tsr_report_set(out, "messages", tsr_report_count(r->messages[phase]));
	tsr_latency_free(&r->latency[phase]);
	return out;
}

/* Where the stream goes: into sha256sum at once, or into memory first. */
static int
receiver_sink(struct demo_receiver *r)
{
	if (r->role->through)
		return tsr_hash_open(&r->hash, &r->sink);
	r->sink = memfd_create("tessera-demo.received", MFD_CLOEXEC);
	return r->sink >= 0 ? 0 : -errno;
}

static int
receiver_hash(struct demo_receiver *r, char *hex)
{
	int error = 0;

	if (!r->role->through) {
		lseek(r->sink, 0, SEEK_SET);
		error = tsr_hash_file(&r->hash, r->sink);
	}
	close(r->sink);
	return error == 0 ? tsr_hash_close(&r->hash, hex) : error;
}

static int
receiver_run(struct demo_receiver *r)
{
	char hex[TSR_HASH_HEX_BYTES];
	uint64_t end_ns;
	json_t *result;
	int error = receiver_open(r);

	if (error == 0)
		error = receiver_sink(r);
	if (error != 0)
		return error;
	tsr_demo_tell("ready", json_true());
	error = receiver_phase(r, TSR_DEMO_LATENCY);
	if (error == 0)
		error = receiver_phase(r, TSR_DEMO_STREAM);
	end_ns = tsr_now_ns();
	if (error != 0)
		return error;
	tsr_demo_tell("bytes", tsr_report_count(r->bytes));
	error = receiver_hash(r, hex);
	if (error != 0)
		return error;
	result = json_object();
	tsr_report_set(result, "unloaded", receiver_latency(r, TSR_DEMO_LATENCY));
	tsr_report_set(result, "saturated", receiver_latency(r, TSR_DEMO_STREAM));
	tsr_report_set(result, "bytes", tsr_report_count(r->bytes));
	tsr_report_set(result, "end_ns", tsr_report_count(end_ns));
	tsr_report_set(result, "sha256", json_string(hex));
	tsr_demo_tell("result", result);
	return 0;
}

int
tsr_demo_recv(const struct tsr_demo_role *role)
{
	struct demo_receiver receiver = {.role = role};
	int status = tsr_cli_attach(tsr_globals.realm, &receiver.client);
	int error;

	if (status != 0)
		return status;
	error = receiver_run(&receiver);
	if (error != 0)
		status = tsr_cli_fail(error, "the demo's receiver");
	error = tsr_detach(receiver.client);
	if (error != 0 && status == TSR_EXIT_OK)
		status = tsr_cli_fail(error, "the demo's receiver can't detach");
	return status;
}
