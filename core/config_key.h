/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_CONFIG_KEY_H
#define TSR_CORE_CONFIG_KEY_H

/*
 * The table of configuration keys, and how a value becomes what the key wants.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"

enum tsr_config_type {
	TSR_CONFIG_BOOL,
	TSR_CONFIG_INT, /* int */
	TSR_CONFIG_U32,
	TSR_CONFIG_U64,   /* a number, or text with K, M, G or 0x */
	TSR_CONFIG_PATH,  /* char[max + 1] */
	TSR_CONFIG_LEVEL, /* enum tsr_log_level */
	TSR_CONFIG_MODE,  /* mode_t, octal text such as "0660" */
	TSR_CONFIG_USER,  /* uid_t, name or number */
	TSR_CONFIG_GROUP, /* gid_t, name or number */
	TSR_CONFIG_BACKING,
	TSR_CONFIG_KERNEL,  /* bool: "6.1" or "" */
	TSR_CONFIG_SANDBOX, /* enum tsr_sandbox_mode */
};

/* One key: where its value goes, and what it may be. */
struct tsr_config_key {
	const char *path;
	enum tsr_config_type type;
	size_t offset;
	int64_t min;
	int64_t max;
	bool live; /* a reload can change it; else it takes a restart */
};

/* A value as it was written. */
struct tsr_config_value {
	enum {
		TSR_VALUE_TEXT,
		TSR_VALUE_NUMBER,
		TSR_VALUE_BOOL,
		TSR_VALUE_BARE, /* from --set: text that may mean any of them */
	} kind;
	const char *text;
	int64_t number; /* also the bool */
};

/* tsr_config_key_global, tsr_config_key_realm - by path; NULL: unknown. */
struct tsr_config_key const *tsr_config_key_global(const char *path);
struct tsr_config_key const *tsr_config_key_realm(const char *path);

/* tsr_config_keys_global, tsr_config_keys_realm - the @index-th key; NULL: beyond the last. */
struct tsr_config_key const *tsr_config_keys_global(size_t index);
struct tsr_config_key const *tsr_config_keys_realm(size_t index);

/* tsr_config_key_same - have both objects the same value? tsr_config_key_copy - to @object. */
bool tsr_config_key_same(struct tsr_config_key const *key, void const *object, void const *other);
void tsr_config_key_copy(struct tsr_config_key const *key, void *object, void const *from);

/* tsr_config_key_format - the value as people read it, cut off where @out ends. */
void tsr_config_key_format(struct tsr_config_key const *key, void const *object, char *out,
                           size_t out_bytes);

/*
 * tsr_config_key_store - check @value and write it to @object + the key's offset
 * @why:	on failure, a sentence that names what was given and what is expected
 *
 * Return: 0; -EINVAL, and nothing is written.
 */
TSR_MUST_CHECK
int tsr_config_key_store(struct tsr_config_key const *key, void *object,
                         struct tsr_config_value const *value, char *why, size_t why_bytes);

/* tsr_config_number - text with 0x, K, M, G. Return: 0; -EINVAL. */
TSR_MUST_CHECK
int tsr_config_number(const char *text, int64_t *out);

#endif /* TSR_CORE_CONFIG_KEY_H */
