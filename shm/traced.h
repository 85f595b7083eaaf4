/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_TRACED_H
#define TSR_SHM_TRACED_H

/*
 * The calls of a message's path in a traced process: the fast forms of message.h and buffered.h
 * once more, with a look at the sample. The long way begins with them, so that a ticket that is not
 * in the sample costs little.
 *
 * Context	warm, as the calls themselves; @attachment and @end are traced.
 */

#include "shm/message.h"

/*
 * tsr_traced_alloc, tsr_traced_release - by this thread's magazine
 * tsr_traced_send - what is not in the sample: the rest is told of between two stores
 *
 * Return: true, it is done; false, nothing was done: go the long way.
 */
TSR_MUST_CHECK
bool tsr_traced_alloc(struct tsr_attachment *attachment, uint32_t bytes, struct tsr_msg *msg);
TSR_MUST_CHECK
bool tsr_traced_release(struct tsr_attachment *attachment, uint64_t name);
TSR_MUST_CHECK
bool tsr_traced_send(struct tsr_end *end, struct tsr_zdesc zdesc);

/* tsr_traced_recv - one look at one slot. Return: 0; -EAGAIN go the long way; an error. */
TSR_MUST_CHECK
int tsr_traced_recv(struct tsr_end *end, struct tsr_msg *msg);

#endif /* TSR_SHM_TRACED_H */
