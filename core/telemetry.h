/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_TELEMETRY_H
#define TSR_CORE_TELEMETRY_H

/*
 * What DPDK's telemetry tells of the daemon:
 *
 *	/tessera/realms, /tessera/clients, /tessera/channels	[,FROM]
 *	/tessera/channel					,REALM/NAME
 *	/tessera/cores
 *
 * A list has an entry for each of its rows, by number; names in a row are those of `--json` of the
 * command. Users and groups are numbers, for the daemon asks no user database. DPDK answers with
 * 16 KiB at most: a list that is longer has an entry `next`, the FROM of its next part.
 *
 * Trust	the socket lies in a folder of mode 0700: who can ask is the daemon's user, or root.
 * Progress	DPDK's threads touch nothing of the daemon: they have the control thread make the
 *		rows (core/errand.h), and write the answer from those.
 */

#include "shm/compiler.h"

struct tsr_daemon;
struct tsr_refusal;

/* tsr_telemetry_start - once the control thread runs. Return: 0; what DPDK gave. */
TSR_MUST_CHECK
int tsr_telemetry_start(struct tsr_daemon *daemon, struct tsr_refusal *refusal);

#endif /* TSR_CORE_TELEMETRY_H */
