/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/*
 * telemetry source [COUNT] | filter | alarms: batches, and views that are passed on.
 *
 * The source sends messages of 16 readings, a batch of them at a time. The filter looks at each,
 * and where a reading is too high it sends that one reading on: a view of the same block, so
 * nothing is copied between the source and the alarms. Start them in any order, each in its own
 * shell.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tessera.h>

#define READINGS    16
#define BATCH       32
#define LIMIT       900
#define DEADLINE_MS 10000

struct reading {
	uint32_t sensor;
	uint32_t value;
};

static int
failed(const char *what, int error)
{
	fprintf(stderr, "telemetry: %s: %s %s\n", what, tsr_strerror(error), tsr_last_hint());
	return 1;
}

/* Readings that repeat from run to run, so that everybody can check them. */
static void
measure(struct reading *readings, uint32_t message)
{
	for (uint32_t i = 0; i < READINGS; i++) {
		readings[i].sensor = i;
		readings[i].value = (message * READINGS + i) * 7919 % 1000;
	}
}

/* Send a batch, however many calls it takes. */
static int
send_batch(struct tsr_sender sender, struct tsr_msg *msgs, size_t count)
{
	size_t sent = 0, done;
	int error;

	while (sent < count) {
		error = tsr_send_batch(sender, msgs + sent, count - sent,
		                       tsr_deadline_in_ms(DEADLINE_MS), &done);
		if (error != 0)
			return error;
		sent += done;
	}
	return 0;
}

static int
source(struct tsr_client client, uint32_t count)
{
	struct tsr_msg msgs[BATCH];
	struct tsr_sender sender;
	uint32_t message = 0;
	size_t got;
	int error = tsr_sender_open(client, "telemetry/readings", NULL, &sender);

	while (error == 0 && message < count) {
		size_t const want = count - message < BATCH ? count - message : BATCH;

		error = tsr_alloc_batch(client, READINGS * sizeof(struct reading), msgs, want,
		                        &got);
		if (error != 0)
			break;
		for (size_t i = 0; i < got; i++)
			measure(msgs[i].data, message++);
		error = send_batch(sender, msgs, got);
	}
	if (error != 0)
		return failed("source", error);
	printf("sent %u messages of %d readings\n", count, READINGS);
	return tsr_sender_close(sender) == 0 ? 0 : 1;
}

/* Pass the first reading that is too high on, or give the block back. */
static int
look(struct tsr_client client, struct tsr_sender alarms, struct tsr_msg *msg, uint32_t *raised)
{
	const struct reading *readings = msg->data;
	struct tsr_msg view;
	int error;

	for (uint32_t i = 0; i < msg->length / sizeof(*readings); i++) {
		if (readings[i].value < LIMIT)
			continue;
		error = tsr_view(msg, i * (uint32_t)sizeof(*readings), sizeof(*readings), &view);
		if (error != 0)
			return error;
		++*raised;
		/* The view is the block: once it is sent, msg is gone too. */
		return tsr_send(alarms, &view, tsr_deadline_in_ms(DEADLINE_MS));
	}
	return tsr_release(client, msg);
}

static int
filter(struct tsr_client client)
{
	struct tsr_msg msgs[BATCH];
	struct tsr_receiver readings;
	struct tsr_sender alarms = {0};
	uint32_t seen = 0, raised = 0;
	size_t got;
	int error = tsr_receiver_open(client, "telemetry/readings", NULL, &readings);

	if (error == 0)
		error = tsr_sender_open(client, "telemetry/alarms", NULL, &alarms);
	if (error != 0)
		return failed("open", error);
	while ((error = tsr_recv_batch(readings, msgs, BATCH, TSR_FOREVER, &got)) == 0) {
		for (size_t i = 0; i < got && error == 0; i++)
			error = look(client, alarms, &msgs[i], &raised);
		if (error != 0)
			return failed("filter", error);
		seen += (uint32_t)got;
	}
	if (error != -EPIPE)
		return failed("recv", error);
	printf("looked at %u messages, raised %u alarms\n", seen, raised);
	return tsr_sender_close(alarms) == 0 && tsr_receiver_close(readings) == 0 ? 0 : 1;
}

static int
alarms(struct tsr_client client)
{
	struct tsr_receiver receiver;
	struct tsr_msg msg;
	struct reading reading;
	uint32_t count = 0;
	int error = tsr_receiver_open(client, "telemetry/alarms", NULL, &receiver);

	if (error != 0)
		return failed("open", error);
	while ((error = tsr_recv(receiver, &msg, TSR_FOREVER)) == 0) {
		memcpy(&reading, msg.data, sizeof(reading));
		if (++count <= 3)
			printf("sensor %u: %u\n", reading.sensor, reading.value);
		error = tsr_release(client, &msg);
		if (error != 0)
			return failed("release", error);
	}
	if (error != -EPIPE)
		return failed("recv", error);
	printf("%u alarms\n", count);
	return tsr_receiver_close(receiver) == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	const char *role = argc > 1 ? argv[1] : "";
	struct tsr_attach_options const options = {
		.size = sizeof(options), .name = role, .realm = getenv("TELEMETRY_REALM")};
	struct tsr_client client;
	int status = 2, error;

	if (strcmp(role, "source") != 0 && strcmp(role, "filter") != 0 &&
	    strcmp(role, "alarms") != 0) {
		fprintf(stderr, "Usage: telemetry source [COUNT] | filter | alarms\n");
		return 2;
	}
	error = tsr_attach(&options, &client);
	if (error != 0)
		return failed("attach", error);
	if (strcmp(role, "source") == 0)
		status = source(client, argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000);
	else if (strcmp(role, "filter") == 0)
		status = filter(client);
	else
		status = alarms(client);
	error = tsr_detach(client);
	return error != 0 ? failed("detach", error) : status;
}
