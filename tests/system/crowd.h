/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_SYSTEM_CROWD_H
#define TSR_TESTS_SYSTEM_CROWD_H

/*
 * 32 clients in full traffic on channels of every kind, which may be killed, and a holder and a
 * daemon beside them, which may be, too. Each message has a record that all share:
 *
 *	reserved -> sent (the call said so) -> seen, by whoever received it
 *
 * A message is lost if it was sent and nobody has seen it although all channels are drained. Who
 * was killed in the middle of a receive may have had one. In a channel that drops, or that shows
 * the newest only, messages may go; of a broadcast each reader must see all of each sender's in
 * order. More than once comes only what is flagged.
 */

#include <stdint.h>

#include "tests/support/holder.h"

#define CROWD_CLIENTS  32
#define CROWD_CHANNELS 8

struct crowd_tally {
	uint64_t received; /* messages, of the crowd's whole life */
	uint64_t sent;     /* the same, of channels that lose nothing */
	uint64_t again;    /* came once more, and were flagged */
	uint64_t excused;  /* may have been with the dead, at most */
	uint64_t lost;     /* of these, that have gone */
	uint64_t kills;    /* of clients */
	uint64_t gave_up;  /* of these: a request found no daemon for its five seconds */
};

/* crowd_begin - a holder, a daemon, the channels, and all clients. */
void crowd_begin(struct daemon *holder, struct daemon *daemon);

/* crowd_end - kill all, assert that it balances, and stop daemon and holder cleanly. */
void crowd_end(void);

/* crowd_kill - and another takes its place. crowd_check: nobody has found anything wrong. */
void crowd_kill(uint32_t client);
void crowd_check(void);

/* The daemon's death, and the next one's start. */
void crowd_kill_daemon(void);
void crowd_start_daemon(void);

/* The holder's death, and that the daemon notices; another one, and that it keeps the realm. */
void crowd_kill_holder(void);
void crowd_start_holder(void);

/* crowd_stand_still - until crowd_go_on() nobody does anything. */
void crowd_stand_still(void);
void crowd_go_on(void);

/* crowd_balances - while all stand still: every ticket, slot, cell and token; once all deaths are
 * repaired. */
void crowd_balances(char const *after);

/* crowd_account - let the receivers drain the channels, assert of each message what is above, and
 * begin new records. All stand still afterwards. */
void crowd_account(void);
struct crowd_tally crowd_tally(void);

/* crowd_outlive - daemon and holder are killed at once: nobody keeps the realm, all begin anew. */
void crowd_outlive(void);

#endif /* TSR_TESTS_SYSTEM_CROWD_H */
