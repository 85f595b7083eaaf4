/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_CRASH_REQUEST_H
#define TSR_TESTS_CRASH_REQUEST_H

/*
 * What requests need of the scene and of the judgement: one request is on its way on channel 0, its
 * reply comes by channel 1. The victim is who asks, or who answers; then a peer asks, and sees in
 * its next call what has become of it: the reply, that it failed, or that it lies in the channel.
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/crash/world.h"

struct judge_set;

/* Put back with the scene. */
struct request {
	enum world_client asker; /* 0: nobody */
	uint64_t ask;            /* 0: it is not on its way */
	uint64_t serial, reply;  /* of the request and of its reply */
};

extern struct tsr_asker const request_asker;

/* The client asks by channel 0, with the end that it has there. */
void request_open(enum world_client id);

/* It has asked. */
void request_begin(void);

/* The asker sleeps until a reply comes. */
void request_sleep(void);

/* A peer has received the request and replied. */
void request_answer(void);

/* At the moment of death, and after the repair; @got: what was received from channel 0 since. */
void request_expect(void);
bool request_judge(void);
bool request_judge_drained(struct judge_set const *got);

/* The victim is frozen, or has gone on; the others have taken @got from channel 0 by now. */
bool request_frozen(struct judge_set const *got, unsigned long *held);
bool request_thawed(struct judge_set const *got);

#endif /* TSR_TESTS_CRASH_REQUEST_H */
