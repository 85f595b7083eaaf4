/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_SUPPORT_REALM_H
#define TSR_TESTS_SUPPORT_REALM_H

/*
 * A realm inside the test process, without a daemon: formatted memfds, and the states that clients
 * leave in it written by hand, as the prologues of channel.h and layout.h say. Nothing here uses
 * the code under test, but for formatting and counting.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/ledger.h"
#include "core/reaper.h"
#include "shm/channel.h"
#include "shm/format.h"
#include "shm/map.h"
#include "shm/proto.h"

#define REALM_CHANNELS 65
#define REALM_CLIENTS  8

struct realm {
	struct tsr_realm_geometry geometry;
	struct tsr_map map;
	int fd[TSR_SEGMENTS_MAX];
	uint64_t slots_used; /* bytes of the channels segment */
	struct tsr_channel channel[REALM_CHANNELS];
	uint32_t channels_count;
	bool living[REALM_CLIENTS + 1];
};

/* A small geometry: 1,024 blocks of 256 bytes, 64 of 4 KiB, 65 channels, 8 clients. */
void realm_geometry(struct tsr_realm_geometry *geometry);

/* Make it; NULL: realm_geometry(). realm_wipe gives everything back. */
void realm_make(struct realm *realm, struct tsr_realm_geometry const *geometry);
void realm_wipe(struct realm *realm);

/* Map the segments of @from once more, as another process would. */
void realm_map_again(struct realm const *from, struct tsr_map *map);
void realm_unmap(struct tsr_map *map);

/* A further channel. */
struct tsr_channel *realm_channel(struct realm *realm, uint32_t capacity, uint32_t flags);
struct tsr_channel *realm_channel_of(struct realm *realm, struct tsr_shape shape);

/* Take all that is in one ready cell of @klass for @me; return how many names were written. */
uint32_t realm_take_cell(struct realm *realm, uint32_t klass, uint16_t me,
                         uint64_t names[TSR_CELL_ENTRIES]);

/* The word of the ticket that @name names. */
_Atomic uint64_t *realm_word(struct realm *realm, uint64_t name);

/* Write a slot: word from lap, owner and phase; zdesc. */
void realm_slot(struct tsr_channel *channel, uint64_t position, uint16_t owner,
                enum tsr_phase phase, uint64_t name, uint32_t length);

/* A ticket of @me stamped for the channel, (CHANNEL, g), as a send does; its name stays. */
void realm_stamp_channel(struct realm *realm, uint64_t name, struct tsr_channel const *channel);

/* The whole sweep at once. Return: as tsr_reaper_sweep(). */
int realm_sweep(struct realm *realm, uint16_t dead, bool died, struct tsr_reap_result *result);

/* Reap @dead, who has one end on each of @channels, in the daemon's order. */
void realm_reap(struct realm *realm, uint16_t dead, struct tsr_channel *const *channels,
                uint32_t const *sides, uint32_t count, struct tsr_reap_result *result);

/* Assert that every ticket, slot, cell and token is accounted for; return the count. */
struct tsr_ledger realm_balanced(struct realm *realm);
/* Count without asserting that it balances. */
struct tsr_ledger realm_count(struct realm *realm);

#endif /* TSR_TESTS_SUPPORT_REALM_H */
