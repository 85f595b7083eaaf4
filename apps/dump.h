/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_DUMP_H
#define TSR_APPS_DUMP_H

/*
 * A copy of what a realm has in shared memory, the payload left out: taken from a living realm, or
 * read from a file that such a copy was saved in, or from a core file (dump_core.h).
 *
 * Everything is looked at in private memory that nobody else writes. So one piece of code serves
 * living realms and files, each word is the same however often it is read, and neither a stuck
 * client nor one that takes pages away can hold the reader up.
 *
 * Trust	a file, and what participants wrote, are hostile: offsets, indices and counts are
 *		checked before they are used, names are printed with what doesn't print replaced.
 * Ordering	none: the copy is made while the realm moves. A row that could not be at any moment
 *		may come of that; look twice.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/dump.h"
#include "shm/channel.h"
#include "shm/map.h"
#include "shm/proto.h"

#define TSR_DUMP_NONE UINT32_MAX

/* tsr_dump_take - of a living realm. Return: 0; or an exit status, and it is said. */
int tsr_dump_take(const char *realm, struct tsr_dump *dump);

/* tsr_dump_save - into a file, which appears as a whole, with mode 0600. Return: as above. */
int tsr_dump_save(const struct tsr_dump *dump, const char *file);

/* tsr_dump_load - from such a file, or a core file; whatever is in it. Return: as above. */
int tsr_dump_load(const char *file, struct tsr_dump *dump);

/*
 * tsr_dump_bind - make a map of the copies
 *
 * Entries of channels that don't fit, or that take more room together than there is, are taken out
 * of the copy: so whoever goes over all slots of all channels ends.
 *
 * Return: 0; -EPROTO the directory says what cannot be.
 */
int tsr_dump_bind(struct tsr_dump *dump);

/* tsr_dump_channel - the channel in an entry of the directory. Return: false: there is none, or it
 * cannot be. */
bool tsr_dump_channel(const struct tsr_dump *dump, uint32_t index, struct tsr_channel *channel);

/* tsr_dump_channel_index - of the channel with an id (24 bits), by name; TSR_DUMP_NONE. */
uint32_t tsr_dump_channel_index(const struct tsr_dump *dump, uint64_t id);
uint32_t tsr_dump_channel_find(const struct tsr_dump *dump, const char *name);

/* Text that may be anything: cut off at @bytes, and with ? for what doesn't print. */
json_t *tsr_dump_text(const char *text, size_t bytes);

/* The name of the channel in an entry; of one with that id, which may be gone. */
json_t *tsr_dump_channel_name(const struct tsr_dump *dump, uint32_t index);
json_t *tsr_dump_channel_label(const struct tsr_dump *dump, uint64_t id);

/* tsr_dump_client - the one that had this id when the copy was taken; NULL. */
const struct tsr_proto_row_client *tsr_dump_client(const struct tsr_dump *dump, uint32_t id);

/* tsr_dump_age_ns - since a stamp; 0 if that is later than the copy. */
uint64_t tsr_dump_age_ns(const struct tsr_dump *dump, uint64_t stamp);

/* tsr_dump_class - the size class of a ticket; TSR_DUMP_NONE. */
uint32_t tsr_dump_class(const struct tsr_dump *dump, uint32_t ticket);

/* Who is named by 16 bits: "depot", "daemon", "channel", "shared", "client 7 (pid 99)",
 * "nobody (9)". */
json_t *tsr_dump_holder(const struct tsr_dump *dump, uint16_t holder);

/* "empty", "claimed", "ready", "taken", "5". "idle", "received", "shared", "9". */
json_t *tsr_dump_phase(uint32_t phase);
json_t *tsr_dump_kind(uint8_t kind);

#endif /* TSR_APPS_DUMP_H */
