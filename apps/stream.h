/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_STREAM_H
#define TSR_APPS_STREAM_H

/*
 * What `send`, `recv` and `pub` share: the channel, the patience, the account at the end.
 */

#include <argp.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "apps/cli.h"

#define TSR_STREAM_BLOCK_BYTES 65536
/* Of a wait, between two looks for a signal: long enough to learn that the daemon is gone. */
#define TSR_STREAM_SLICE_MS UINT64_C(500)

struct tsr_stream {
	struct tsr_address address;
	struct tsr_client client;
	uint64_t timeout_ns;  /* the longest wait; TSR_FOREVER */
	uint64_t block_bytes; /* 0: not said */
	uint64_t start_ns;    /* of the first message; 0: none yet */
	uint64_t messages;
	uint64_t bytes;
};

/* The parser of what both take: --timeout and the channel; its input is the stream. */
extern const struct argp tsr_stream_argp;

/* tsr_stream_parse_timeout - what --timeout says; a usage error ends the program. */
void tsr_stream_parse_timeout(struct tsr_stream *stream, const char *arg, struct argp_state *state);

/* A deadline for one wait. */
uint64_t tsr_stream_deadline(const struct tsr_stream *stream);

/* Count messages that went through. */
void tsr_stream_count(struct tsr_stream *stream, uint64_t messages, uint64_t bytes);

/*
 * tsr_stream_send - send a message; it waits until @deadline_ns, or until a signal that
 * tsr_stop_catch() catches
 *
 * That nothing can be done yet is no failure of the end, and not counted as one; but of a
 * rendezvous every TSR_STREAM_SLICE_MS is.
 * Return: as tsr_send(); -ETIMEDOUT also if tsr_stop_asked(); the message is the caller's then.
 */
int tsr_stream_send(struct tsr_sender sender, struct tsr_msg *msg, uint64_t deadline_ns);

/* tsr_stream_recv - likewise: receive up to @max messages. Return: as tsr_recv_batch(). */
int tsr_stream_recv(struct tsr_receiver receiver, struct tsr_msg *msgs, size_t max,
                    uint64_t deadline_ns, size_t *count);

/* tsr_stream_alloc - likewise: a block to write to. Return: as tsr_alloc_wait(). */
int tsr_stream_alloc(const struct tsr_stream *stream, uint32_t bytes, struct tsr_msg *msg,
                     uint64_t deadline_ns);

/* tsr_stream_refused - say why a message can't be sent. Return: an exit status. */
int tsr_stream_refused(const struct tsr_stream *stream, int error);

/* tsr_stream_report - the account: the caller drops it. */
json_t *tsr_stream_report(const struct tsr_stream *stream);

/* tsr_stream_show - the account: as JSON if asked for; else as a line, if @out is a terminal. */
void tsr_stream_show(const struct tsr_stream *stream, const char *verb, FILE *out);

#endif /* TSR_APPS_STREAM_H */
