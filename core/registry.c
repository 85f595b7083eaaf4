/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/registry.h"

#include <errno.h>
#include <string.h>

/* FNV-1a. Names come from participants, who could make them collide; a realm's table is bounded by
 * its number of channels, and only that realm's lookups get slower. */
static unsigned long
registry_hash_name(const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	return (unsigned long)hash;
}

static unsigned long
registry_hash_number(uint64_t number)
{
	return (unsigned long)(number * UINT64_C(0x9e3779b97f4a7c15) >> 16);
}

static struct tsr_registry_entry *
registry_entry_of(struct cds_lfht_node *node)
{
	return TSR_CONTAINER_OF(node, struct tsr_registry_entry, node);
}

static int
registry_match_name(struct cds_lfht_node *node, const void *key)
{
	return strcmp(registry_entry_of(node)->name, key) == 0;
}

static int
registry_match_number(struct cds_lfht_node *node, const void *key)
{
	return registry_entry_of(node)->number == *(uint64_t const *)key;
}

int
tsr_registry_create(struct tsr_registry *registry, unsigned long buckets)
{
	/* No automatic resize: that would be a thread of its own. */
	registry->table =
		cds_lfht_new_flavor(buckets, buckets, buckets, 0, &urcu_memb_flavor, NULL);
	return registry->table == NULL ? -ENOMEM : 0;
}

void
tsr_registry_destroy(struct tsr_registry *registry)
{
	if (registry->table != NULL)
		(void)cds_lfht_destroy(registry->table, NULL);
	registry->table = NULL;
}

int
tsr_registry_add(struct tsr_registry *registry, struct tsr_registry_entry *entry)
{
	struct cds_lfht_node *there;

	cds_lfht_node_init(&entry->node);
	urcu_memb_read_lock();
	if (entry->name != NULL)
		there = cds_lfht_add_unique(registry->table, registry_hash_name(entry->name),
		                            registry_match_name, entry->name, &entry->node);
	else
		there = cds_lfht_add_unique(registry->table, registry_hash_number(entry->number),
		                            registry_match_number, &entry->number, &entry->node);
	urcu_memb_read_unlock();
	return there == &entry->node ? 0 : -EEXIST;
}

int
tsr_registry_remove(struct tsr_registry *registry, struct tsr_registry_entry *entry)
{
	int error;

	urcu_memb_read_lock();
	error = cds_lfht_del(registry->table, &entry->node);
	urcu_memb_read_unlock();
	return error == 0 ? 0 : -ENOENT;
}

static struct tsr_registry_entry *
registry_find(struct tsr_registry const *registry, unsigned long hash, cds_lfht_match_fct match,
              void const *key)
{
	struct cds_lfht_iter iterator;
	struct cds_lfht_node *node;

	cds_lfht_lookup(registry->table, hash, match, key, &iterator);
	node = cds_lfht_iter_get_node(&iterator);
	return node == NULL ? NULL : registry_entry_of(node);
}

struct tsr_registry_entry *
tsr_registry_find_name(struct tsr_registry const *registry, const char *name)
{
	return registry_find(registry, registry_hash_name(name), registry_match_name, name);
}

struct tsr_registry_entry *
tsr_registry_find_number(struct tsr_registry const *registry, uint64_t number)
{
	return registry_find(registry, registry_hash_number(number), registry_match_number,
	                     &number);
}

void
tsr_registry_thread_begin(void)
{
	urcu_memb_register_thread();
}

void
tsr_registry_thread_end(void)
{
	urcu_memb_unregister_thread();
}

void
tsr_registry_read_lock(void)
{
	urcu_memb_read_lock();
}

void
tsr_registry_read_unlock(void)
{
	urcu_memb_read_unlock();
}

void
tsr_registry_synchronize(void)
{
	urcu_memb_synchronize_rcu();
}
