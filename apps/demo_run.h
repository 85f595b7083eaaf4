/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_DEMO_RUN_H
#define TSR_APPS_DEMO_RUN_H

/*
 * The processes of the demo, as the first of them sees them.
 */

#include <stdbool.h>

#include "apps/daemon.h"
#include "apps/demo.h"

/* Everything that the one at the front knows. */
struct tsr_demo {
	const char *input;                         /* NULL: /usr/share */
	const char *sets[TSR_DAEMON_SETS_MAX + 1]; /* for a daemon that we start; NULL ends them */
	size_t sets_count;
	uint64_t limit; /* bytes at most; 0: not said */
	bool keep;
	bool corrupt;
	bool through;     /* as if memory were short */
	bool socket_said; /* the user named the socket */
	double load;      /* of the machine, before all this */
	struct tsr_source source;
	char socket[108]; /* of the daemon in use */
	char channel[TSR_NAME_BYTES];
};

/* tsr_demo_watch - from now on SIGINT and SIGTERM only set what tsr_demo_interrupted() returns. */
void tsr_demo_watch(void);
bool tsr_demo_interrupted(void);

/*
 * tsr_demo_reference - hash the source, outside Tessera
 * @hex:	[TSR_HASH_HEX_BYTES]
 *
 * Return: an exit status; what failed is said.
 */
int tsr_demo_reference(const struct tsr_demo *demo, char *hex);

/*
 * tsr_demo_run - let the two roles run
 * @result:	what the receiver told at its end, with start_ns and waited of the sender,
 *		and through
 *
 * Return: an exit status; what failed is said. Both processes have ended.
 */
int tsr_demo_run(const struct tsr_demo *demo, json_t **result);

#endif /* TSR_APPS_DEMO_RUN_H */
