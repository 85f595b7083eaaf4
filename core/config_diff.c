/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/config_diff.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_key.h"

#define CHANGES_FIRST 16

void
tsr_changes_destroy(struct tsr_changes *changes)
{
	free(changes->row);
	*changes = (struct tsr_changes){0};
}

static void
changes_add(struct tsr_changes *changes, struct tsr_proto_row_change const *row)
{
	struct tsr_proto_row_change *rows;
	uint32_t max;

	if (changes->count == TSR_CHANGES_MAX) {
		changes->left_off++;
		return;
	}
	if (changes->count == changes->max) {
		max = changes->max == 0 ? CHANGES_FIRST : 2 * changes->max;
		rows = realloc(changes->row, max * sizeof(rows[0]));
		if (rows == NULL) {
			changes->failed = true;
			return;
		}
		changes->row = rows;
		changes->max = max;
	}
	changes->row[changes->count++] = *row;
}

void
tsr_changes_mistake(struct tsr_changes *changes, const char *line)
{
	struct tsr_proto_row_change row = {.what = TSR_CHANGE_MISTAKE};

	(void)snprintf(row.text, sizeof(row.text), "%s", line);
	changes->mistakes++;
	changes_add(changes, &row);
}

/* Of a value, or of a whole realm: then there is no key and nothing before and after. */
static void
changes_note(struct tsr_changes *changes, struct tsr_proto_row_change *row,
             enum tsr_proto_change what)
{
	row->what = (uint32_t)what;
	if (what == TSR_CHANGE_RESTART)
		changes->restart++;
	else
		changes->applied++;
	changes_add(changes, row);
}

static void
changes_realm(struct tsr_changes *changes, const char *name, enum tsr_proto_change what)
{
	struct tsr_proto_row_change row = {.key = ""};

	(void)snprintf(row.key, sizeof(row.key), "realms.%s", name);
	changes_note(changes, &row, what);
}

/* One key of two objects; @prefix is "" or "realms.NAME.". */
static void
merge_key(struct tsr_config_key const *key, void const *now, void *next, const char *prefix,
          struct tsr_changes *changes)
{
	struct tsr_proto_row_change row = {.key = ""};

	if (tsr_config_key_same(key, now, next))
		return;
	(void)snprintf(row.key, sizeof(row.key), "%s%s", prefix, key->path);
	tsr_config_key_format(key, now, row.before, sizeof(row.before));
	tsr_config_key_format(key, next, row.after, sizeof(row.after));
	changes_note(changes, &row, key->live ? TSR_CHANGE_APPLIED : TSR_CHANGE_RESTART);
	if (!key->live)
		tsr_config_key_copy(key, next, now);
}

static bool
merge_classes_same(struct tsr_realm_geometry const *a, struct tsr_realm_geometry const *b)
{
	if (a->classes != b->classes)
		return false;
	for (uint32_t i = 0; i < a->classes; i++) {
		if (a->klass[i].block_bytes != b->klass[i].block_bytes ||
		    a->klass[i].count != b->klass[i].count)
			return false;
	}
	return true;
}

/* As --set takes them: "64:16384,512:8192". */
static void
merge_classes_format(struct tsr_realm_geometry const *geometry, char *out, size_t out_bytes)
{
	size_t used = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < geometry->classes && used < out_bytes; i++)
		used += (size_t)snprintf(out + used, out_bytes - used, "%s%u:%u", i == 0 ? "" : ",",
		                         geometry->klass[i].block_bytes, geometry->klass[i].count);
}

static void
merge_classes(struct tsr_config_realm const *now, struct tsr_config_realm *next, const char *prefix,
              struct tsr_changes *changes)
{
	struct tsr_proto_row_change row = {.key = ""};

	if (merge_classes_same(&now->geometry, &next->geometry))
		return;
	(void)snprintf(row.key, sizeof(row.key), "%sclasses", prefix);
	merge_classes_format(&now->geometry, row.before, sizeof(row.before));
	merge_classes_format(&next->geometry, row.after, sizeof(row.after));
	changes_note(changes, &row, TSR_CHANGE_RESTART);
	next->geometry.classes = now->geometry.classes;
	memcpy(next->geometry.klass, now->geometry.klass, sizeof(next->geometry.klass));
}

static void
merge_realm(struct tsr_config_realm const *now, struct tsr_config_realm *next,
            struct tsr_changes *changes)
{
	struct tsr_config_key const *key;
	char prefix[TSR_NAME_BYTES + sizeof("realms..")];

	if (now->leaving)
		changes_realm(changes, now->geometry.name, TSR_CHANGE_RETURNED);
	(void)snprintf(prefix, sizeof(prefix), "realms.%s.", now->geometry.name);
	for (size_t i = 0; (key = tsr_config_keys_realm(i)) != NULL; i++)
		merge_key(key, now, next, prefix, changes);
	merge_classes(now, next, prefix, changes);
}

/* A realm that the new configuration lacks. */
static int
merge_leaving(struct tsr_config_realm const *now, struct tsr_config *next,
              struct tsr_changes *changes)
{
	struct tsr_config_realm *const realm = &next->realms[next->realms_count];

	if (next->realms_count == TSR_REALMS_ROOM)
		return -ENOBUFS;
	next->realms_count++;
	*realm = *now;
	realm->leaving = true;
	if (!now->leaving)
		changes_realm(changes, now->geometry.name, TSR_CHANGE_LEAVING);
	return 0;
}

int
tsr_config_merge(struct tsr_config const *now, struct tsr_config *next, struct tsr_changes *changes)
{
	uint32_t const read = next->realms_count;
	struct tsr_config_key const *key;
	int error = 0;

	for (size_t i = 0; (key = tsr_config_keys_global(i)) != NULL; i++)
		merge_key(key, now, next, "", changes);
	for (uint32_t i = 0; i < read; i++) {
		struct tsr_config_realm *const realm = &next->realms[i];
		struct tsr_config_realm const *const there =
			tsr_config_find(now, realm->geometry.name);

		if (there != NULL)
			merge_realm(there, realm, changes);
		else
			changes_realm(changes, realm->geometry.name, TSR_CHANGE_NEW);
	}
	for (uint32_t i = 0; error == 0 && i < now->realms_count; i++) {
		if (tsr_config_find(next, now->realms[i].geometry.name) == NULL)
			error = merge_leaving(&now->realms[i], next, changes);
	}
	if (error == 0 && changes->failed)
		error = -ENOMEM;
	return error;
}
