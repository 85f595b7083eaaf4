/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_SUPPORT_LOCAL_H
#define TSR_TESTS_SUPPORT_LOCAL_H

/*
 * Clients of a realm that is inside the test process: the real client library, but what the daemon
 * would answer is put into its socket beforehand, so that the path of a message can be driven
 * call by call. Several of them may live in one process, over one mapping.
 *
 * Uses shm and libc only: the twins under ThreadSanitizer link it too. Return: 0 or a negative
 * errno.
 */

#include <stdbool.h>
#include <stdint.h>

#include "shm/channel.h"
#include "shm/map.h"
#include "shm/proto.h"
#include "shm/tessera.h"

/* As client @id; what it maps is not unmapped again at detach. */
int local_attach(struct tsr_map const *map, uint16_t id, bool fenced, struct tsr_client *out);

/* tsr_detach(); tickets in its magazines go on naming it, as at the daemon's before the sweep. */
int local_detach(struct tsr_client client);

/* tsr_sender_open(), tsr_receiver_open(); @options: NULL for the defaults. */
int local_sender(struct tsr_client client, struct tsr_channel const *channel,
                 struct tsr_end_options const *options, struct tsr_sender *out);
int local_receiver(struct tsr_client client, struct tsr_channel const *channel,
                   struct tsr_end_options const *options, struct tsr_receiver *out);

/* The same for an end that the library itself refuses after the daemon has opened it. */
int local_refused(struct tsr_client client, struct tsr_channel const *channel, uint32_t side,
                  struct tsr_end_options const *options);

/* tsr_sender_close(), tsr_receiver_close(). */
int local_sender_close(struct tsr_client client, struct tsr_sender sender);
int local_receiver_close(struct tsr_client client, struct tsr_receiver receiver);

/* What the daemon writes for a region of the first @tickets that regions have: all are free. */
void local_region_format(struct tsr_map const *map, uint32_t number, uint64_t id, uint32_t tickets,
                         uint64_t bytes);

/*
 * A region that stands so in the directory, mapped at @base by the client; @out: it is the owner.
 * Detaching unmaps @base.
 */
int local_region(struct tsr_client client, uint32_t number, void *base, struct tsr_region *out);

#endif /* TSR_TESTS_SUPPORT_LOCAL_H */
