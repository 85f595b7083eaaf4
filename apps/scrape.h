/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_SCRAPE_H
#define TSR_APPS_SCRAPE_H

/*
 * All that a monitoring system is told at one moment: what the daemon says of itself, its realms
 * and clients, and what the realms' channels have counted, out of their memory. The realms stay
 * mapped between two scrapes, so that channels are still told while the daemon does not answer.
 */

#include <stdbool.h>
#include <stdint.h>

#include "apps/sample.h"
#include "shm/proto.h"

struct tsr_scrape_realm {
	struct tsr_proto_row_realm row; /* as the daemon said last */
	bool told;                      /* in this scrape */
	bool sampling;
	bool sampled; /* in this scrape */
	struct tsr_sampler sampler;
	struct tsr_sample sample;
};

struct tsr_scrape {
	const char *realm; /* patterns of fnmatch(3); NULL: all */
	const char *channel;
	bool times;           /* the time that messages were under way is wanted */
	uint64_t patience_ns; /* how long the daemon may take to answer */
	/* Of the last scrape. */
	bool up;           /* the daemon answered: what follows is there */
	uint64_t instance; /* of the daemon that was reached last */
	struct tsr_proto_status_reply status;
	struct tsr_scrape_realm *realms;
	uint32_t realms_count;
	struct tsr_proto_row_client *clients; /* observers are left out */
	uint32_t clients_count;
};

/*
 * tsr_scrape_take - ask the daemon and look at the realms; what was taken before is forgotten
 *
 * Return: 0; why the daemon could not be asked: then only channels are there, of realms that were
 * mapped before; -ENOMEM.
 */
TSR_MUST_CHECK
int tsr_scrape_take(struct tsr_scrape *scrape);

/* tsr_scrape_close - leave all realms. Waits for a daemon that does not answer. */
void tsr_scrape_close(struct tsr_scrape *scrape);

/* tsr_scrape_wants - a channel of this entry of a sample is there and asked for. */
bool tsr_scrape_wants(struct tsr_scrape const *scrape, struct tsr_sample_channel const *channel);

#endif /* TSR_APPS_SCRAPE_H */
