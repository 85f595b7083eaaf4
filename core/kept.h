/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_KEPT_H
#define TSR_CORE_KEPT_H

/*
 * What of a realm the store keeps: its segments, doorbell and estate, the process descriptor of
 * each client and the writing ends of its event descriptors, the memory of each region. A realm is
 * kept as a whole or not at all: if one descriptor can't be stored, its clients are told in the
 * directory that nobody will take it over.
 *
 *	tsr.seg.NUMBER.GENERATION.EPOCH.REALM
 *	tsr.bell.EPOCH.REALM
 *	tsr.estate.EPOCH.REALM
 *	tsr.client.ID.SERIAL.EPOCH.REALM
 *	tsr.region.NUMBER.ID.EPOCH.REALM
 *	tsr.event.NUMBER.CLIENT.CHANNEL.SIDE.EPOCH.REALM
 *
 * Crash	the estate is stored last and dropped first: a realm that lacks it is none.
 *
 * Context of every call: under the realm's lock, or before anybody else has it.
 */

#include "core/realm.h"
#include "core/store.h"

struct tsr_event;
struct tsr_member;
struct tsr_region_record;

/* Name of a descriptor, into a buffer of TSR_STORE_NAME_BYTES. */
void tsr_kept_name_segment(struct tsr_realm const *realm, uint32_t segment, uint64_t generation,
                           char *name);
void tsr_kept_name_bell(struct tsr_realm const *realm, char *name);
void tsr_kept_name_estate(struct tsr_realm const *realm, char *name);
void tsr_kept_name_client(struct tsr_realm const *realm, uint32_t id, uint64_t serial, char *name);
void tsr_kept_name_region(struct tsr_realm const *realm, uint32_t number, uint64_t id, char *name);

/* tsr_kept_generation - of the directory or blocks, by the realm's; of the other segments: 0. */
uint64_t tsr_kept_generation(struct tsr_realm const *realm, uint32_t segment);

/* tsr_kept_begin - if there is a store: of a realm that is new, or was not kept. Return: whether it
 * is kept from here on. */
bool tsr_kept_begin(struct tsr_realm *realm);

/* tsr_kept_lose - nobody will take it over; its clients see it in the directory. */
void tsr_kept_lose(struct tsr_realm *realm, const char *why);

/* tsr_kept_end - the realm is no more. */
void tsr_kept_end(struct tsr_realm *realm);

/* A client's or region's descriptor, before the estate names it, and after. */
void tsr_kept_client(struct tsr_member *member);
void tsr_kept_client_end(struct tsr_member const *member);
void tsr_kept_region(struct tsr_realm *realm, struct tsr_region_record const *region);
void tsr_kept_event(struct tsr_member *member, struct tsr_event *event);
void tsr_kept_event_end(struct tsr_event *event);
void tsr_kept_region_end(struct tsr_realm *realm, struct tsr_region_record const *region);

#endif /* TSR_CORE_KEPT_H */
