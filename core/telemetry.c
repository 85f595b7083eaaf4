/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/telemetry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/control_request.h"
#include "core/eal.h"
#include "shm/kind.h"

#define TELEMETRY_PAGE_BYTES   16000 /* of 16 KiB */
#define TELEMETRY_TEXT_BYTES   (TSR_NAME_BYTES + 1)
#define TELEMETRY_NUMBER_BYTES 20

/* DPDK's commands have no argument of ours. */
static struct tsr_daemon *telemetry_daemon;

/* How a field of a row is told. */
enum telemetry_form {
	TELEMETRY_END,
	TELEMETRY_TEXT,       /* of TSR_NAME_BYTES */
	TELEMETRY_SHORT_TEXT, /* of 16 bytes */
	TELEMETRY_32,
	TELEMETRY_64,
	TELEMETRY_WORD, /* 32 bits that choose one of the words */
	TELEMETRY_FLAG, /* 0 or 1: whether the bits of the mask are set */
	TELEMETRY_KIND,
};

struct telemetry_field {
	const char *key;
	size_t offset;
	enum telemetry_form form;
	uint32_t mask; /* the bits that choose, beginning with the lowest that is set */
	const char *words[4];
};

#define FIELD(type, key, member, form)                                                   \
	{                                                                                \
		key, offsetof(struct tsr_proto_row_##type, member), TELEMETRY_##form, 0, \
		{                                                                        \
			NULL                                                             \
		}                                                                        \
	}
#define WORD(type, key, member, mask, ...)                                                \
	{                                                                                 \
		key, offsetof(struct tsr_proto_row_##type, member), TELEMETRY_WORD, mask, \
		{                                                                         \
			__VA_ARGS__                                                       \
		}                                                                         \
	}

static const struct telemetry_field telemetry_realm[] = {
	FIELD(realm, "realm", name, TEXT),
	WORD(realm, "state", state, 3, "living", "leaving", "condemned", "unknown"),
	FIELD(realm, "epoch", epoch, 64),
	FIELD(realm, "owner", owner, 32),
	FIELD(realm, "group", group, 32),
	FIELD(realm, "mode", mode, 32),
	FIELD(realm, "backing", backing, SHORT_TEXT),
	FIELD(realm, "bytes", bytes, 64),
	FIELD(realm, "clients", clients, 32),
	FIELD(realm, "channels", channels, 32),
	{NULL, 0, TELEMETRY_END, 0, {NULL}},
};

static const struct telemetry_field telemetry_client[] = {
	FIELD(client, "realm", realm, TEXT),
	FIELD(client, "name", name, TEXT),
	FIELD(client, "id", id, 32),
	WORD(client, "role", flags, TSR_PROTO_ATTACH_OBSERVER, "participant", "observer"),
	FIELD(client, "pid", pid, 32),
	FIELD(client, "user", uid, 32),
	WORD(client, "state", state, 1, "attached", "closing"),
	FIELD(client, "since_ns", since_ns, 64),
	FIELD(client, "senders", senders, 32),
	FIELD(client, "receivers", receivers, 32),
	FIELD(client, "tickets", tickets, 32),
	FIELD(client, "sleeps", sleeps, 64),
	FIELD(client, "wakes", wakes, 64),
	FIELD(client, "missed_wakes", missed_wakes, 64),
	{"fenced",
         offsetof(struct tsr_proto_row_client, flags),
         TELEMETRY_FLAG,
         TSR_PROTO_ATTACH_FENCED,
         {NULL}},
	{NULL, 0, TELEMETRY_END, 0, {NULL}},
};

static const struct telemetry_field telemetry_channel[] = {
	FIELD(channel, "realm", realm, TEXT),
	FIELD(channel, "name", name, TEXT),
	FIELD(channel, "id", id, 64),
	FIELD(channel, "kind", kind, KIND),
	WORD(channel, "shape", flags, TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER,
             "many-to-many", "one-to-many", "many-to-one", "one-to-one"),
	FIELD(channel, "capacity", capacity, 32),
	FIELD(channel, "depth", depth, 32),
	FIELD(channel, "sent", sent, 64),
	FIELD(channel, "senders", senders, 32),
	FIELD(channel, "receivers", receivers, 32),
	FIELD(channel, "sleepers", sleepers, 32),
	FIELD(channel, "message_bytes_max", message_bytes_max, 32),
	{NULL, 0, TELEMETRY_END, 0, {NULL}},
};

static uint32_t
telemetry_32(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t
telemetry_64(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* Text of a row, which may lack its final 0. */
static int
telemetry_text(struct tsr_eal_data *dict, const char *key, const unsigned char *at, size_t bytes)
{
	char text[TELEMETRY_TEXT_BYTES] = "";

	memcpy(text, at, bytes);
	return tsr_eal_text(dict, key, text);
}

static const char *
telemetry_word(struct telemetry_field const *field, uint32_t value)
{
	return field->words[(value & field->mask) / (field->mask & (~field->mask + 1))];
}

static int
telemetry_field(struct tsr_eal_data *dict, struct telemetry_field const *field, const void *row)
{
	const unsigned char *const at = (const unsigned char *)row + field->offset;
	const char *kind;

	switch (field->form) {
	case TELEMETRY_TEXT:
		return telemetry_text(dict, field->key, at, TSR_NAME_BYTES);
	case TELEMETRY_SHORT_TEXT:
		return telemetry_text(dict, field->key, at, 16);
	case TELEMETRY_32:
		return tsr_eal_number(dict, field->key, telemetry_32(at));
	case TELEMETRY_64:
		return tsr_eal_number(dict, field->key, telemetry_64(at));
	case TELEMETRY_WORD:
		return tsr_eal_text(dict, field->key, telemetry_word(field, telemetry_32(at)));
	case TELEMETRY_FLAG:
		return tsr_eal_number(dict, field->key, (telemetry_32(at) & field->mask) != 0);
	case TELEMETRY_KIND:
		kind = tsr_kind_name(telemetry_32(at));
		return tsr_eal_text(dict, field->key, kind != NULL ? kind : "unknown");
	case TELEMETRY_END:
	default:
		return -EINVAL;
	}
}

static int
telemetry_row(struct tsr_eal_data *dict, const void *row, const void *fields)
{
	int error = 0;

	for (struct telemetry_field const *field = fields; error == 0 && field->key != NULL;
	     field++)
		error = telemetry_field(dict, field, row);
	return error;
}

/* What the control thread is asked for. */
struct telemetry_list {
	enum tsr_proto_list_what what;
	const char *realm;
	void *rows;
	size_t count;
	int error;
};

static void
telemetry_take_list(void *argument)
{
	struct telemetry_list *const list = argument;

	list->error =
		tsr_list_rows(telemetry_daemon, list->what, list->realm, &list->rows, &list->count);
}

static int
telemetry_ask(struct telemetry_list *list)
{
	int const error = tsr_errand_do(&telemetry_daemon->errands, telemetry_take_list, list);

	return error != 0 ? error : list->error;
}

/* How many bytes of an answer the row takes at most. */
static size_t
telemetry_row_bytes(struct telemetry_field const *fields, const unsigned char *row)
{
	size_t bytes = 2;

	for (; fields->key != NULL; fields++) {
		bytes += strlen(fields->key) + sizeof("\"\":,") + TELEMETRY_NUMBER_BYTES;
		/* A character may have to be escaped. */
		if (fields->form == TELEMETRY_TEXT)
			bytes += 2 * strnlen((const char *)row + fields->offset, TSR_NAME_BYTES);
	}
	return bytes;
}

/* How many of the rows make one answer. */
static size_t
telemetry_page_rows(struct telemetry_field const *fields, struct tsr_eal_rows const *rows)
{
	size_t bytes = 0, count = 0;

	while (count < rows->count) {
		bytes += telemetry_row_bytes(fields, (const unsigned char *)rows->rows +
		                                             count * rows->row_bytes);
		if (bytes > TELEMETRY_PAGE_BYTES)
			break;
		count++;
	}
	return count;
}

/* A part of a list: from the one that the parameters name. */
static int
telemetry_page(const char *parameters, struct tsr_eal_data *answer, enum tsr_proto_list_what what,
               size_t row_bytes, struct telemetry_field const *fields)
{
	struct tsr_eal_rows page = {
		.row_bytes = row_bytes, .fill = telemetry_row, .context = fields};
	struct telemetry_list list = {.what = what, .realm = ""};
	unsigned long long const from = parameters != NULL ? strtoull(parameters, NULL, 10) : 0;
	size_t left;
	int error = telemetry_ask(&list);

	if (error != 0)
		return error;
	left = from < list.count ? list.count - (size_t)from : 0;
	page.count = left;
	page.rows = left == 0 ? NULL : (unsigned char *)list.rows + from * page.row_bytes;
	page.count = telemetry_page_rows(fields, &page);
	page.first = (size_t)from;
	error = tsr_eal_list(answer, &page);
	if (error == 0 && left > page.count)
		error = tsr_eal_number(answer, "next", from + page.count);
	free(list.rows);
	return error;
}

static int
telemetry_realms(const char *parameters, struct tsr_eal_data *answer)
{
	return telemetry_page(parameters, answer, TSR_LIST_REALMS,
	                      sizeof(struct tsr_proto_row_realm), telemetry_realm);
}

static int
telemetry_clients(const char *parameters, struct tsr_eal_data *answer)
{
	return telemetry_page(parameters, answer, TSR_LIST_CLIENTS,
	                      sizeof(struct tsr_proto_row_client), telemetry_client);
}

static int
telemetry_channels(const char *parameters, struct tsr_eal_data *answer)
{
	return telemetry_page(parameters, answer, TSR_LIST_CHANNELS,
	                      sizeof(struct tsr_proto_row_channel), telemetry_channel);
}

static int
telemetry_one_channel(const char *parameters, struct tsr_eal_data *answer)
{
	struct telemetry_list list = {.what = TSR_LIST_CHANNELS};
	const char *const slash = parameters != NULL ? strchr(parameters, '/') : NULL;
	char realm[TSR_NAME_BYTES] = "";
	struct tsr_proto_row_channel row;
	int error;

	if (slash == NULL || (size_t)(slash - parameters) >= sizeof(realm))
		return -EINVAL;
	memcpy(realm, parameters, (size_t)(slash - parameters));
	list.realm = realm;
	error = telemetry_ask(&list);
	if (error != 0)
		return error;
	error = -ENOENT;
	for (size_t i = 0; error == -ENOENT && i < list.count; i++) {
		memcpy(&row, (unsigned char *)list.rows + i * sizeof(row), sizeof(row));
		if (strcmp(row.name, slash + 1) == 0)
			error = telemetry_row(answer, &row, telemetry_channel);
	}
	free(list.rows);
	return error;
}

static void
telemetry_take_status(void *argument)
{
	tsr_status_take(telemetry_daemon, argument);
}

static int
telemetry_fill_core(struct tsr_eal_data *dict, const void *from, const void *context)
{
	struct tsr_proto_status_reply const *const reply = from;
	int error = tsr_eal_text(dict, "core", "poll core");

	(void)context;
	if (error == 0)
		error = tsr_eal_number(dict, "cpu", reply->poll_cpu);
	if (error == 0)
		error = tsr_eal_number(dict, "pid", reply->pid);
	if (error == 0)
		error = tsr_eal_number(dict, "busy_ns", reply->busy_ns);
	if (error == 0)
		error = tsr_eal_number(dict, "polling_ns", reply->polling_ns);
	return error != 0 ? error : tsr_eal_number(dict, "asleep_ns", reply->asleep_ns);
}

static int
telemetry_cores(const char *parameters, struct tsr_eal_data *answer)
{
	struct tsr_proto_status_reply reply;
	struct tsr_eal_rows const rows = {.rows = &reply,
	                                  .row_bytes = sizeof(reply),
	                                  .count = 1,
	                                  .fill = telemetry_fill_core};
	int const error = tsr_errand_do(&telemetry_daemon->errands, telemetry_take_status, &reply);

	(void)parameters;
	return error != 0 ? error : tsr_eal_list(answer, &rows);
}

int
tsr_telemetry_start(struct tsr_daemon *daemon, struct tsr_refusal *refusal)
{
	static const struct {
		const char *command;
		const char *help;
		tsr_eal_answer_fn *answer;
	} answers[] = {
		{"/tessera/realms", "Realms. Parameter: from which on", telemetry_realms},
		{"/tessera/clients", "Who is attached. Parameter: from which on",
	         telemetry_clients},
		{"/tessera/channels", "Channels. Parameter: from which on", telemetry_channels},
		{"/tessera/channel", "One channel. Parameter: REALM/NAME", telemetry_one_channel},
		{"/tessera/cores", "What the poll core spends its time with", telemetry_cores},
	};
	int error = 0;

	telemetry_daemon = daemon;
	for (size_t i = 0; error == 0 && i < sizeof(answers) / sizeof(answers[0]); i++)
		error = tsr_eal_answer(answers[i].command, answers[i].help, answers[i].answer);
	return error == 0 ? 0
	                  : tsr_refuse(refusal, error, "DPDK's telemetry: %s", strerror(-error));
}
