/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_REGISTRY_H
#define TSR_CORE_REGISTRY_H

/*
 * Registries: what the daemon's threads look up by name or number, without a lock (liburcu's hash
 * table). Realms by name, channels of a realm by name, clients by serial number.
 *
 * Exclusion	find needs tsr_registry_read_lock(), and what it found stays valid until the unlock;
 *		whoever keeps it longer takes a reference inside. add and remove may run beside
 *		everything, and take the read lock themselves. Memory of a removed entry is freed
 *		after tsr_registry_synchronize().
 */

#include <stddef.h>
#include <stdint.h>

#include <urcu/rculfhash.h>
#include <urcu/urcu-memb.h>

#include "shm/compiler.h"

/* The object around a member that is known to lie in one. */
#define TSR_CONTAINER_OF(pointer, type, member) \
	((type *)(void *)((unsigned char *)(pointer)-offsetof(type, member)))

struct tsr_registry {
	struct cds_lfht *table;
};

struct tsr_registry_entry {
	struct cds_lfht_node node;
	const char *name; /* the key, or NULL: */
	uint64_t number;  /* the key */
};

/* tsr_registry_create - with @buckets, a power of two. Return: 0; -ENOMEM. */
TSR_MUST_CHECK
int tsr_registry_create(struct tsr_registry *registry, unsigned long buckets);

/* tsr_registry_destroy - it is empty, and nobody looks into it any more. */
void tsr_registry_destroy(struct tsr_registry *registry);

/* tsr_registry_add - Return: 0; -EEXIST the key is taken. */
TSR_MUST_CHECK
int tsr_registry_add(struct tsr_registry *registry, struct tsr_registry_entry *entry);

/* tsr_registry_remove - Return: 0; -ENOENT somebody else has removed it. */
int tsr_registry_remove(struct tsr_registry *registry, struct tsr_registry_entry *entry);

/* Under the read lock. Return: NULL: not there. */
struct tsr_registry_entry *tsr_registry_find_name(struct tsr_registry const *registry,
                                                  const char *name);
struct tsr_registry_entry *tsr_registry_find_number(struct tsr_registry const *registry,
                                                    uint64_t number);

/* Every thread that looks things up says so first, and last. */
void tsr_registry_thread_begin(void);
void tsr_registry_thread_end(void);
void tsr_registry_read_lock(void);
void tsr_registry_read_unlock(void);
void tsr_registry_synchronize(void);

#endif /* TSR_CORE_REGISTRY_H */
