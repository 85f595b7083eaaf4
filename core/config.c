/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/config.h"

#include <errno.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/config_key.h"
#include "core/helper.h"

#define CONFIG_WHY_BYTES  256
#define CONFIG_LINE_BYTES 512
#define CONFIG_PATH_BYTES 128

static void config_complain(struct tsr_config_sink *sink, const char *format, ...) TSR_PRINTF(2, 3);

static void
config_complain(struct tsr_config_sink *sink, const char *format, ...)
{
	char line[CONFIG_LINE_BYTES];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	sink->mistakes++;
	sink->complain(sink->argument, line);
}

/* The file that it stands in. */
static const char *
config_file_of(struct tsr_config_sink const *sink, config_setting_t const *setting)
{
	const char *const included = config_setting_source_file(setting);

	return included != NULL ? included : sink->file;
}

/* A complaint about one place of the file. */
static void
config_complain_at(struct tsr_config_sink *sink, config_setting_t const *setting, const char *why)
{
	config_complain(sink, "%s:%u: %s", config_file_of(sink, setting),
	                (unsigned)config_setting_source_line(setting), why);
}

static struct tsr_config_realm
config_realm_default(const char *name)
{
	struct tsr_config_realm realm = {
		.backing = TSR_BACKING_AUTO,
		.owner = geteuid(),
		.group = getegid(),
		.mode = 0600,
		.core_files = true,
		.where = "--set",
	};

	tsr_geometry_default(&realm.geometry);
	memset(realm.geometry.name, 0, sizeof(realm.geometry.name));
	memcpy(realm.geometry.name, name, strnlen(name, sizeof(realm.geometry.name) - 1));
	return realm;
}

/* One user gets a sixteenth of what all get, but of channels: their realm bounds these. */
static const struct tsr_quota_limits config_limits = {
	.user = {[TSR_QUOTA_CONNECTIONS] = 256,
                 [TSR_QUOTA_EVENTS] = 1024,
                 [TSR_QUOTA_CHANNELS] = TSR_CHANNELS_MAX,
                 [TSR_QUOTA_BYTES] = UINT64_C(64) << 20,
                 [TSR_QUOTA_REGIONS] = 64,
                 [TSR_QUOTA_REGION_BYTES] = UINT64_C(1) << 30},
	.all = {[TSR_QUOTA_CONNECTIONS] = 4096,
                [TSR_QUOTA_EVENTS] = 16384,
                [TSR_QUOTA_CHANNELS] = UINT64_C(16) * TSR_CHANNELS_MAX,
                [TSR_QUOTA_BYTES] = UINT64_C(1) << 30,
                [TSR_QUOTA_REGIONS] = 1024,
                [TSR_QUOTA_REGION_BYTES] = UINT64_C(16) << 30},
	.rate = {[TSR_QUOTA_REQUESTS] = 50000, [TSR_QUOTA_LOG_LINES] = 1000},
};

int
tsr_config_default(struct tsr_config *config)
{
	*config = (struct tsr_config){
		.socket_mode = 0660,
		.socket_group = (gid_t)-1,
		.log_level = TSR_LOG_INFO,
		.poll_cpu = -1,
		.sandbox = TSR_SANDBOX_DEFAULT,
		.limits = config_limits,
		.postmortem_keep = 16,
	};
	config->realms = calloc(TSR_REALMS_ROOM, sizeof(config->realms[0]));
	if (config->realms == NULL)
		return -ENOMEM;
	config->realms[0] = config_realm_default("demo");
	config->realms_count = 1;
	return 0;
}

void
tsr_config_destroy(struct tsr_config *config)
{
	free(config->realms);
	*config = (struct tsr_config){0};
}

struct tsr_config_realm *
tsr_config_find(struct tsr_config const *config, const char *name)
{
	for (uint32_t i = 0; i < config->realms_count; i++) {
		if (strcmp(config->realms[i].geometry.name, name) == 0)
			return &config->realms[i];
	}
	return NULL;
}

static const char *
config_realm_name_fault(const char *name)
{
	size_t const length = strlen(name);

	if (length == 0 || length >= TSR_NAME_BYTES)
		return "expected 1 to 63 characters";
	if (strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") !=
	    length)
		return "expected characters of A-Z a-z 0-9 . _ -";
	return NULL;
}

/* The realm of that name, made with the defaults if it is new; NULL with a complaint. */
static struct tsr_config_realm *
config_realm_add(struct tsr_config *config, const char *name, char *why, size_t why_bytes)
{
	struct tsr_config_realm *const known = tsr_config_find(config, name);
	const char *const fault = config_realm_name_fault(name);

	if (known != NULL)
		return known;
	if (fault != NULL) {
		(void)snprintf(why, why_bytes, "name of a realm \"%s\": %s", name, fault);
		return NULL;
	}
	if (config->realms_count == TSR_REALMS_MAX) {
		(void)snprintf(why, why_bytes,
		               "realm \"%s\" is one more than the %d that there may be", name,
		               TSR_REALMS_MAX);
		return NULL;
	}
	config->realms[config->realms_count] = config_realm_default(name);
	return &config->realms[config->realms_count++];
}

static bool
config_value_of(config_setting_t const *setting, struct tsr_config_value *value)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		value->kind = TSR_VALUE_NUMBER;
		value->number = config_setting_get_int64(setting);
		return true;
	case CONFIG_TYPE_BOOL:
		value->kind = TSR_VALUE_BOOL;
		value->number = config_setting_get_bool(setting);
		return true;
	case CONFIG_TYPE_STRING:
		value->kind = TSR_VALUE_TEXT;
		value->text = config_setting_get_string(setting);
		return true;
	default:
		return false;
	}
}

static void
config_read_scalar(struct tsr_config_key const *key, void *object, const char *path,
                   config_setting_t const *setting, struct tsr_config_sink *sink)
{
	struct tsr_config_value value = {0};
	char why[CONFIG_WHY_BYTES];

	if (key == NULL) {
		(void)snprintf(why, sizeof(why), "unknown key '%s'", path);
		config_complain_at(sink, setting, why);
		return;
	}
	if (!config_value_of(setting, &value)) {
		(void)snprintf(why, sizeof(why),
		               "%s is a group, a list or a fraction, expected one value", path);
		config_complain_at(sink, setting, why);
		return;
	}
	if (tsr_config_key_store(key, object, &value, why, sizeof(why)) != 0)
		config_complain_at(sink, setting, why);
}

/* One number of a size class. */
static uint32_t
config_read_class_member(config_setting_t *class, const char *name, struct tsr_config_sink *sink)
{
	config_setting_t *const member = config_setting_get_member(class, name);
	struct tsr_config_value value = {0};
	char why[CONFIG_WHY_BYTES];
	int64_t number = 0;

	if (member != NULL && config_value_of(member, &value)) {
		if (value.kind == TSR_VALUE_NUMBER)
			number = value.number;
		else if (value.kind != TSR_VALUE_TEXT ||
		         tsr_config_number(value.text, &number) != 0)
			number = 0;
	}
	if (number < 1 || number > UINT32_MAX) {
		(void)snprintf(why, sizeof(why),
		               "a class has no valid '%s', expected a number from 1 on", name);
		config_complain_at(sink, member != NULL ? member : class, why);
		return 0;
	}
	return (uint32_t)number;
}

static void
config_read_classes(struct tsr_config_realm *realm, config_setting_t *list,
                    struct tsr_config_sink *sink)
{
	int const count = config_setting_length(list);

	if (!config_setting_is_list(list) || count < 1 || count > TSR_CLASSES_MAX) {
		config_complain_at(sink, list,
		                   "classes is expected as a list of 1 to 8 groups: "
		                   "( { bytes = 256; count = 16384; }, ... )");
		return;
	}
	realm->geometry.classes = (uint32_t)count;
	for (int i = 0; i < count; i++) {
		config_setting_t *const class = config_setting_get_elem(list, (unsigned)i);

		if (!config_setting_is_group(class)) {
			config_complain_at(sink, class,
			                   "a class is expected as { bytes = ...; count = ...; }");
			return;
		}
		realm->geometry.klass[i].block_bytes =
			config_read_class_member(class, "bytes", sink);
		realm->geometry.klass[i].count = config_read_class_member(class, "count", sink);
		for (int m = 0; m < config_setting_length(class); m++) {
			config_setting_t *const member =
				config_setting_get_elem(class, (unsigned)m);
			const char *const name = config_setting_name(member);

			if (strcmp(name, "bytes") != 0 && strcmp(name, "count") != 0)
				config_read_scalar(NULL, NULL, name, member, sink);
		}
	}
}

static void
config_read_realm(struct tsr_config *config, config_setting_t *group, struct tsr_config_sink *sink)
{
	struct tsr_config_realm *realm;
	char why[CONFIG_WHY_BYTES];
	const char *name;

	if (!config_setting_is_group(group) ||
	    config_setting_lookup_string(group, "name", &name) != CONFIG_TRUE) {
		config_complain_at(sink, group, "a realm is expected as { name = \"...\"; ... }");
		return;
	}
	if (tsr_config_find(config, name) != NULL) {
		(void)snprintf(why, sizeof(why), "realm \"%s\" is there twice", name);
		config_complain_at(sink, group, why);
		return;
	}
	realm = config_realm_add(config, name, why, sizeof(why));
	if (realm == NULL) {
		config_complain_at(sink, group, why);
		return;
	}
	(void)snprintf(realm->where, sizeof(realm->where), "%.*s:%u",
	               (int)sizeof(realm->where) - 16, config_file_of(sink, group),
	               (unsigned)config_setting_source_line(group));
	for (int i = 0; i < config_setting_length(group); i++) {
		config_setting_t *const member = config_setting_get_elem(group, (unsigned)i);
		const char *const key = config_setting_name(member);

		if (strcmp(key, "classes") == 0)
			config_read_classes(realm, member, sink);
		else if (strcmp(key, "name") != 0)
			config_read_scalar(tsr_config_key_realm(key), realm, key, member, sink);
	}
}

static void
config_read_realms(struct tsr_config *config, config_setting_t *list, struct tsr_config_sink *sink)
{
	if (!config_setting_is_list(list) || config_setting_length(list) < 1) {
		config_complain_at(sink, list,
		                   "realms is expected as a list: ( { name = ...; }, ... )");
		return;
	}
	config->realms_count = 0;
	for (int i = 0; i < config_setting_length(list); i++)
		config_read_realm(config, config_setting_get_elem(list, (unsigned)i), sink);
}

/* A group of the top: its members are keys "group.member". */
static void
config_read_group(struct tsr_config *config, config_setting_t *group, struct tsr_config_sink *sink)
{
	for (int i = 0; i < config_setting_length(group); i++) {
		config_setting_t *const member = config_setting_get_elem(group, (unsigned)i);
		char path[CONFIG_PATH_BYTES];

		(void)snprintf(path, sizeof(path), "%s.%s", config_setting_name(group),
		               config_setting_name(member));
		config_read_scalar(tsr_config_key_global(path), config, path, member, sink);
	}
}

static void
config_read_root(struct tsr_config *config, config_setting_t *root, struct tsr_config_sink *sink)
{
	for (int i = 0; i < config_setting_length(root); i++) {
		config_setting_t *const member = config_setting_get_elem(root, (unsigned)i);
		const char *const name = config_setting_name(member);

		if (strcmp(name, "realms") == 0)
			config_read_realms(config, member, sink);
		else if (config_setting_is_group(member))
			config_read_group(config, member, sink);
		else
			config_read_scalar(tsr_config_key_global(name), config, name, member, sink);
	}
}

int
tsr_config_read(struct tsr_config *config, const char *path, struct tsr_config_sink *sink)
{
	unsigned const before = sink->mistakes;
	int const fd = tsr_helper_open(path);
	FILE *const stream = fd < 0 ? NULL : fdopen(fd, "r");
	config_t file;

	if (stream == NULL) {
		int const error = fd < 0 ? fd : -errno;

		if (fd >= 0)
			(void)close(fd);
		config_complain(sink, "%s: cannot be read: %s", path, strerror(-error));
		return error;
	}
	sink->file = path;
	config_init(&file);
	if (config_read(&file, stream) != CONFIG_TRUE)
		config_complain(sink, "%s:%d: %s", path, config_error_line(&file),
		                config_error_text(&file));
	else
		config_read_root(config, config_root_setting(&file), sink);
	config_destroy(&file);
	(void)fclose(stream);
	return sink->mistakes == before ? 0 : -EINVAL;
}

/* "256:16384,4K:8192": bytes and count of each class. */
static int
config_set_classes(struct tsr_config_realm *realm, const char *text, char *why, size_t why_bytes)
{
	struct tsr_class_config klass[TSR_CLASSES_MAX];
	char pair[64];
	uint32_t classes = 0;

	while (*text != '\0') {
		size_t const length = strcspn(text, ",");
		int64_t bytes, count;
		char *colon;

		if (length >= sizeof(pair) || classes == TSR_CLASSES_MAX)
			goto refuse;
		memcpy(pair, text, length);
		pair[length] = '\0';
		colon = strchr(pair, ':');
		if (colon == NULL)
			goto refuse;
		*colon = '\0';
		if (tsr_config_number(pair, &bytes) != 0 ||
		    tsr_config_number(colon + 1, &count) != 0 || bytes < 1 || bytes > UINT32_MAX ||
		    count < 1 || count > UINT32_MAX)
			goto refuse;
		klass[classes++] = (struct tsr_class_config){.block_bytes = (uint32_t)bytes,
		                                             .count = (uint32_t)count};
		text += length + (text[length] == ',' ? 1 : 0);
	}
	if (classes == 0)
		goto refuse;
	memset(realm->geometry.klass, 0, sizeof(realm->geometry.klass));
	memcpy(realm->geometry.klass, klass, classes * sizeof(klass[0]));
	realm->geometry.classes = classes;
	return 0;

refuse:
	(void)snprintf(why, why_bytes,
	               "classes is expected as BYTES:COUNT,... with at most %d of them",
	               TSR_CLASSES_MAX);
	return -EINVAL;
}

/* "realms.NAME.key": NAME may hold dots, a key of a realm holds none. */
static int
config_set_realm(struct tsr_config *config, const char *path, struct tsr_config_value const *value,
                 char *why, size_t why_bytes)
{
	const char *const dot = strrchr(path, '.');
	struct tsr_config_key const *const key = dot == NULL ? NULL : tsr_config_key_realm(dot + 1);
	struct tsr_config_realm *realm;
	char name[CONFIG_PATH_BYTES];

	if (dot == NULL || (key == NULL && strcmp(dot, ".classes") != 0)) {
		(void)snprintf(why, why_bytes, "unknown key, expected realms.NAME.KEY");
		return -EINVAL;
	}
	(void)snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
	realm = config_realm_add(config, name, why, why_bytes);
	if (realm == NULL)
		return -EINVAL;
	if (key == NULL)
		return config_set_classes(realm, value->text, why, why_bytes);
	return tsr_config_key_store(key, realm, value, why, why_bytes);
}

int
tsr_config_set(struct tsr_config *config, const char *assignment, struct tsr_config_sink *sink)
{
	const char *const equals = strchr(assignment, '=');
	struct tsr_config_value value = {.kind = TSR_VALUE_BARE};
	struct tsr_config_key const *key;
	char why[CONFIG_WHY_BYTES] = "expected PATH=VALUE";
	char path[CONFIG_PATH_BYTES];
	int error = -EINVAL;

	if (equals != NULL && (size_t)(equals - assignment) < sizeof(path)) {
		memcpy(path, assignment, (size_t)(equals - assignment));
		path[equals - assignment] = '\0';
		value.text = equals + 1;
		key = tsr_config_key_global(path);
		if (strncmp(path, "realms.", 7) == 0)
			error = config_set_realm(config, path + 7, &value, why, sizeof(why));
		else if (key != NULL)
			error = tsr_config_key_store(key, config, &value, why, sizeof(why));
		else
			(void)snprintf(why, sizeof(why), "unknown key");
	}
	if (error != 0)
		config_complain(sink, "--set %s: %s", assignment, why);
	return error;
}

int
tsr_config_check(struct tsr_config const *config, struct tsr_config_sink *sink)
{
	unsigned const before = sink->mistakes;
	char why[CONFIG_WHY_BYTES];

	for (uint32_t i = 0; i < config->realms_count; i++) {
		struct tsr_realm_geometry const *const geometry = &config->realms[i].geometry;

		if (tsr_geometry_check(geometry, why, sizeof(why)) != 0)
			config_complain(sink, "%s: realm \"%s\": %s", config->realms[i].where,
			                geometry->name, why);
	}
	return sink->mistakes == before ? 0 : -EINVAL;
}

int
tsr_config_load(struct tsr_config *config, struct tsr_config_sources const *sources,
                struct tsr_config_sink *sink)
{
	bool const read =
		sources->file != NULL && !(sources->optional && access(sources->file, F_OK) != 0);
	unsigned const before = sink->mistakes;
	struct tsr_config loaded;
	int error = tsr_config_default(&loaded);

	if (error != 0)
		return error;
	if (read)
		error = tsr_config_read(&loaded, sources->file, sink);
	if (error != 0)
		goto destroy;
	for (unsigned i = 0; i < sources->sets_count; i++) {
		if (tsr_config_set(&loaded, sources->sets[i], sink) != 0)
			continue; /* say all that is wrong at once */
	}
	error = tsr_config_check(&loaded, sink);
	if (sink->mistakes != before)
		error = -EINVAL;
	if (error != 0)
		goto destroy;
	*config = loaded;
	return 0;

destroy:
	tsr_config_destroy(&loaded);
	return error;
}
