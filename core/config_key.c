/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/config_key.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/helper.h"

#define CONFIG_CPUS_MAX 4095

#define GLOBAL(path, type, member, min, max, live)                                           \
	{                                                                                    \
		path, TSR_CONFIG_##type, offsetof(struct tsr_config, member), min, max, live \
	}
#define REALM(path, type, member, min, max, live)                                                  \
	{                                                                                          \
		path, TSR_CONFIG_##type, offsetof(struct tsr_config_realm, member), min, max, live \
	}

/* Of one user, and of all. */
#define LIMITS(name, amount, min, max)                                                            \
	GLOBAL("limits." name "_per_user", U64, limits.user[TSR_QUOTA_##amount], min, max, LIVE), \
		GLOBAL("limits." name, U64, limits.all[TSR_QUOTA_##amount], min, max, LIVE)
#define RATE(name, what, min, max) \
	GLOBAL("limits." name, U64, limits.rate[TSR_QUOTA_##what], min, max, LIVE)

#define LIVE    true
#define RESTART false

static const struct tsr_config_key config_globals[] = {
	GLOBAL("socket", PATH, socket, 1, 107, RESTART),
	GLOBAL("socket_mode", MODE, socket_mode, 0, 0666, LIVE),
	GLOBAL("socket_group", GROUP, socket_group, 0, 0, LIVE),
	GLOBAL("log.level", LEVEL, log_level, 0, 0, LIVE),
	GLOBAL("poll.isolated", BOOL, isolated, 0, 0, LIVE),
	GLOBAL("poll.cpu", INT, poll_cpu, -1, CONFIG_CPUS_MAX, RESTART),
	GLOBAL("compat.kernel", KERNEL, compat, 0, 0, LIVE),
	GLOBAL("sandbox.mode", SANDBOX, sandbox, 0, 0, RESTART),
	LIMITS("connections", CONNECTIONS, 1, INT64_C(1) << 20),
	LIMITS("events", EVENTS, 0, INT64_C(1) << 20),
	LIMITS("channels", CHANNELS, 0, INT64_C(1) << 32),
	LIMITS("bytes", BYTES, 0, INT64_MAX),
	LIMITS("regions", REGIONS, 0, INT64_C(1) << 20),
	LIMITS("region_bytes", REGION_BYTES, 0, INT64_MAX),
	RATE("requests_per_second", REQUESTS, 10, 1000000),
	RATE("log_lines_per_second", LOG_LINES, 1, 1000000),
	GLOBAL("postmortem.folder", PATH, postmortem_folder, 1, TSR_POSTMORTEM_FOLDER_MAX, RESTART),
	GLOBAL("postmortem.trace", BOOL, postmortem_trace, 0, 0, RESTART),
	GLOBAL("postmortem.keep", U32, postmortem_keep, 1, 10000, RESTART),
};

/* What a realm's memory is made of can't change while it is mapped. */
static const struct tsr_config_key config_realms[] = {
	REALM("owner", USER, owner, 0, 0, LIVE),
	REALM("group", GROUP, group, 0, 0, LIVE),
	REALM("mode", MODE, mode, 0, 0666, LIVE),
	REALM("channels", U32, geometry.channels, 1, TSR_CHANNELS_MAX, RESTART),
	REALM("slots", U32, geometry.slots, TSR_SLOTS_MIN, INT64_C(1) << 28, RESTART),
	REALM("clients", U32, geometry.clients, 1, TSR_CLIENTS_MAX, RESTART),
	REALM("backing", BACKING, backing, 0, 0, RESTART),
	REALM("ends", U32, geometry.ends, 0, TSR_ENDS_METERED_MAX, RESTART),
	REALM("regions", U32, geometry.regions, 0, TSR_REGIONS_MAX, RESTART),
	REALM("region_tickets", U32, geometry.region_tickets, 0, TSR_REGION_TICKETS_MAX, RESTART),
	REALM("foreign_regions", BOOL, foreign_regions, 0, 0, LIVE),
	REALM("core_files", BOOL, core_files, 0, 0, RESTART),
	REALM("first_lap", U64, geometry.first_lap, 0, INT64_MAX, RESTART),
	REALM("first_generation", U64, geometry.first_generation, 0, INT64_MAX, RESTART),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct tsr_config_key const *
tsr_config_key_global(const char *path)
{
	for (size_t i = 0; i < COUNT(config_globals); i++) {
		if (strcmp(config_globals[i].path, path) == 0)
			return &config_globals[i];
	}
	return NULL;
}

struct tsr_config_key const *
tsr_config_key_realm(const char *path)
{
	for (size_t i = 0; i < COUNT(config_realms); i++) {
		if (strcmp(config_realms[i].path, path) == 0)
			return &config_realms[i];
	}
	return NULL;
}

struct tsr_config_key const *
tsr_config_keys_global(size_t index)
{
	return index < COUNT(config_globals) ? &config_globals[index] : NULL;
}

struct tsr_config_key const *
tsr_config_keys_realm(size_t index)
{
	return index < COUNT(config_realms) ? &config_realms[index] : NULL;
}

static size_t
config_key_bytes(struct tsr_config_key const *key)
{
	switch (key->type) {
	case TSR_CONFIG_BOOL:
	case TSR_CONFIG_KERNEL:
		return sizeof(bool);
	case TSR_CONFIG_U64:
		return sizeof(uint64_t);
	case TSR_CONFIG_PATH:
		return (size_t)key->max + 1;
	case TSR_CONFIG_INT:
	case TSR_CONFIG_U32:
	case TSR_CONFIG_LEVEL:
	case TSR_CONFIG_MODE:
	case TSR_CONFIG_USER:
	case TSR_CONFIG_GROUP:
	case TSR_CONFIG_BACKING:
	case TSR_CONFIG_SANDBOX:
		break;
	}
	return sizeof(uint32_t);
}

static_assert(sizeof(mode_t) == sizeof(uint32_t) && sizeof(uid_t) == sizeof(uint32_t) &&
                      sizeof(enum tsr_backing) == sizeof(uint32_t) &&
                      sizeof(enum tsr_sandbox_mode) == sizeof(uint32_t),
              "sizes of values");

bool
tsr_config_key_same(struct tsr_config_key const *key, void const *object, void const *other)
{
	return memcmp((unsigned char const *)object + key->offset,
	              (unsigned char const *)other + key->offset, config_key_bytes(key)) == 0;
}

void
tsr_config_key_copy(struct tsr_config_key const *key, void *object, void const *from)
{
	memcpy((unsigned char *)object + key->offset, (unsigned char const *)from + key->offset,
	       config_key_bytes(key));
}

void
tsr_config_key_format(struct tsr_config_key const *key, void const *object, char *out,
                      size_t out_bytes)
{
	void const *const at = (unsigned char const *)object + key->offset;

	switch (key->type) {
	case TSR_CONFIG_BOOL:
		(void)snprintf(out, out_bytes, "%s", *(bool const *)at ? "true" : "false");
		return;
	case TSR_CONFIG_KERNEL:
		(void)snprintf(out, out_bytes, "\"%s\"", *(bool const *)at ? "6.1" : "");
		return;
	case TSR_CONFIG_INT:
		(void)snprintf(out, out_bytes, "%d", *(int const *)at);
		return;
	case TSR_CONFIG_U32:
		(void)snprintf(out, out_bytes, "%u", *(uint32_t const *)at);
		return;
	case TSR_CONFIG_U64:
		(void)snprintf(out, out_bytes, "%llu", (unsigned long long)*(uint64_t const *)at);
		return;
	case TSR_CONFIG_PATH:
		(void)snprintf(out, out_bytes, "\"%s\"", (char const *)at);
		return;
	case TSR_CONFIG_LEVEL:
		(void)snprintf(out, out_bytes, "%s",
		               tsr_log_level_name(*(enum tsr_log_level const *)at));
		return;
	case TSR_CONFIG_MODE:
		(void)snprintf(out, out_bytes, "%04o", *(mode_t const *)at);
		return;
	case TSR_CONFIG_USER:
	case TSR_CONFIG_GROUP:
		(void)snprintf(out, out_bytes, "%d", *(int const *)at);
		return;
	case TSR_CONFIG_BACKING:
		(void)snprintf(out, out_bytes, "%s",
		               tsr_backing_name(*(enum tsr_backing const *)at));
		return;
	case TSR_CONFIG_SANDBOX:
		(void)snprintf(out, out_bytes, "%s",
		               tsr_sandbox_mode_name(*(enum tsr_sandbox_mode const *)at));
		return;
	}
}

int
tsr_config_number(const char *text, int64_t *out)
{
	int64_t unit = 1;
	long long number;
	char *end;

	errno = 0;
	number = strtoll(text, &end, 0);
	if (end == text || errno != 0)
		return -EINVAL;
	if (*end == 'K')
		unit = INT64_C(1) << 10;
	else if (*end == 'M')
		unit = INT64_C(1) << 20;
	else if (*end == 'G')
		unit = INT64_C(1) << 30;
	if (unit != 1)
		end++;
	if (*end != '\0' || __builtin_mul_overflow((int64_t)number, unit, out))
		return -EINVAL;
	return 0;
}

static bool
config_is_text(struct tsr_config_value const *value)
{
	return value->kind == TSR_VALUE_TEXT || value->kind == TSR_VALUE_BARE;
}

/* The value as a number: written as one, or (for --set and sizes) as text. */
static int
config_take_number(struct tsr_config_value const *value, bool text_too, int64_t *out)
{
	if (value->kind == TSR_VALUE_NUMBER) {
		*out = value->number;
		return 0;
	}
	if (value->kind == TSR_VALUE_BARE || (text_too && value->kind == TSR_VALUE_TEXT))
		return tsr_config_number(value->text, out);
	return -EINVAL;
}

static int
config_store_number(struct tsr_config_key const *key, void *to,
                    struct tsr_config_value const *value, char *why, size_t why_bytes)
{
	int64_t number;

	if (config_take_number(value, key->type == TSR_CONFIG_U64, &number) != 0) {
		(void)snprintf(why, why_bytes, "%s is not a number", key->path);
		return -EINVAL;
	}
	if (number < key->min || number > key->max) {
		(void)snprintf(why, why_bytes, "%s is %lld, expected %lld to %lld", key->path,
		               (long long)number, (long long)key->min, (long long)key->max);
		return -EINVAL;
	}
	if (key->type == TSR_CONFIG_INT)
		*(int *)to = (int)number;
	else if (key->type == TSR_CONFIG_U32)
		*(uint32_t *)to = (uint32_t)number;
	else
		*(uint64_t *)to = (uint64_t)number;
	return 0;
}

static int
config_store_bool(struct tsr_config_key const *key, bool *to, struct tsr_config_value const *value,
                  char *why, size_t why_bytes)
{
	if (value->kind == TSR_VALUE_BOOL) {
		*to = value->number != 0;
		return 0;
	}
	if (value->kind == TSR_VALUE_BARE) {
		bool const yes = strcmp(value->text, "true") == 0 || strcmp(value->text, "1") == 0;

		if (yes || strcmp(value->text, "false") == 0 || strcmp(value->text, "0") == 0) {
			*to = yes;
			return 0;
		}
	}
	(void)snprintf(why, why_bytes, "%s is neither true nor false", key->path);
	return -EINVAL;
}

/* "0660": always octal, whatever it looks like, for that is how modes are written. */
static int
config_store_mode(struct tsr_config_key const *key, mode_t *to,
                  struct tsr_config_value const *value, char *why, size_t why_bytes)
{
	char *end = NULL;
	long mode = -1;

	if (config_is_text(value) && isdigit((unsigned char)value->text[0]))
		mode = strtol(value->text, &end, 8);
	if (end == NULL || *end != '\0' || mode < 0 || (mode & ~key->max) != 0) {
		(void)snprintf(why, why_bytes,
		               "%s is expected as octal text without x bits, such as \"0660\"",
		               key->path);
		return -EINVAL;
	}
	*to = (mode_t)mode;
	return 0;
}

/* A user or a group: by number or by name. */
static int
config_store_identity(struct tsr_config_key const *key, unsigned *to,
                      struct tsr_config_value const *value, char *why, size_t why_bytes)
{
	bool const user = key->type == TSR_CONFIG_USER;
	int64_t number;
	int error = -ENOENT;

	if (config_take_number(value, false, &number) == 0 && number >= 0 && number < UINT32_MAX) {
		*to = (unsigned)number;
		return 0;
	}
	if (config_is_text(value))
		error = tsr_helper_find(user, value->text, to);
	if (error == 0)
		return 0;
	(void)snprintf(why, why_bytes, "%s names no %s of this system: \"%s\"%s", key->path,
	               user ? "user" : "group", config_is_text(value) ? value->text : "?",
	               error == -ENOENT ? "" : " (who finds names does not answer)");
	return -EINVAL;
}

static int
config_store_text(struct tsr_config_key const *key, void *to, struct tsr_config_value const *value,
                  char *why, size_t why_bytes)
{
	const char *const text = config_is_text(value) ? value->text : NULL;
	const char *expected = "text";
	char path[64];

	if (key->type == TSR_CONFIG_LEVEL) {
		expected = "error, warning, notice, info or debug";
		if (text != NULL && tsr_log_level_find(text, to) == 0)
			return 0;
	} else if (key->type == TSR_CONFIG_BACKING) {
		expected = "auto, 1G, 2M, thp or 4K";
		if (text != NULL && tsr_backing_find(text, to) == 0)
			return 0;
	} else if (key->type == TSR_CONFIG_SANDBOX) {
		expected = "on, log or off";
		if (text != NULL && tsr_sandbox_mode_find(text, to) == 0)
			return 0;
	} else if (key->type == TSR_CONFIG_KERNEL) {
		expected = "\"6.1\" (all fallbacks) or \"\" (what the kernel offers)";
		if (text != NULL && (text[0] == '\0' || strcmp(text, "6.1") == 0)) {
			*(bool *)to = text[0] != '\0';
			return 0;
		}
	} else if (text != NULL && text[0] == '/' && strlen(text) <= (size_t)key->max) {
		memset(to, 0, (size_t)key->max + 1);
		memcpy(to, text, strlen(text));
		return 0;
	} else {
		(void)snprintf(path, sizeof(path), "an absolute path of at most %lld bytes",
		               (long long)key->max);
		expected = path;
	}
	(void)snprintf(why, why_bytes, "%s is \"%s\", expected %s", key->path,
	               text != NULL ? text : "(not text)", expected);
	return -EINVAL;
}

int
tsr_config_key_store(struct tsr_config_key const *key, void *object,
                     struct tsr_config_value const *value, char *why, size_t why_bytes)
{
	void *const to = (unsigned char *)object + key->offset;

	switch (key->type) {
	case TSR_CONFIG_BOOL:
		return config_store_bool(key, to, value, why, why_bytes);
	case TSR_CONFIG_INT:
	case TSR_CONFIG_U32:
	case TSR_CONFIG_U64:
		return config_store_number(key, to, value, why, why_bytes);
	case TSR_CONFIG_MODE:
		return config_store_mode(key, to, value, why, why_bytes);
	case TSR_CONFIG_USER:
	case TSR_CONFIG_GROUP:
		return config_store_identity(key, to, value, why, why_bytes);
	case TSR_CONFIG_PATH:
	case TSR_CONFIG_LEVEL:
	case TSR_CONFIG_BACKING:
	case TSR_CONFIG_SANDBOX:
	case TSR_CONFIG_KERNEL:
		return config_store_text(key, to, value, why, why_bytes);
	}
	return -EINVAL;
}
