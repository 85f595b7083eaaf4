/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_LEDGER_H
#define TSR_CORE_LEDGER_H

/*
 * The ledger: at a quiet moment, who has every ticket, slot, cell and token of a realm?
 *
 * Context: the daemon or a test, with nobody moving; a moving realm may not balance. Reads only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/channel.h"
#include "shm/map.h"

struct tsr_ledger {
	uint32_t tickets;
	uint32_t in_depot; /* FREE and listed in exactly one ready cell */
	uint32_t with_daemon;
	uint32_t in_channels;   /* CHANNEL and named by exactly one ready slot */
	uint32_t with_clients;  /* holder is a living client */
	uint32_t in_regions;    /* of regions, and nobody's */
	uint32_t lost;          /* none of these */
	uint32_t slots_claimed; /* claimed or taken by somebody who isn't living, cells too */
	uint32_t tokens_stray;
	bool balanced;
	char text[256]; /* the first thing that does not add up; "" if balanced */
};

/*
 * tsr_ledger_take - count
 * @channels:	all channels of the realm
 * @living:	[clients_count + 1], true for ids that are attached
 * @named:	[tickets_all], zeroed: how often each ticket was met
 *
 * Allocates nothing: it may be cut off by the SIGBUS guard anywhere.
 */
void tsr_ledger_take(struct tsr_map const *map, struct tsr_channel const *channels,
                     size_t channels_count, bool const *living, uint8_t *named,
                     struct tsr_ledger *ledger);

#endif /* TSR_CORE_LEDGER_H */
