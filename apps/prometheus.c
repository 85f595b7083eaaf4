/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/prometheus.h"

#include <stddef.h>
#include <string.h>

#include "apps/cli.h"
#include "apps/table.h"

/* Whose metric it is. */
enum family_of {
	OF_DAEMON,
	OF_REALM,
	OF_CLIENT,
	OF_CHANNEL,
};

/* In this order they are printed. */
static const struct {
	const char *prefix;
	const char *where; /* the command, and what of its JSON */
} family_owners[] = {
	[OF_DAEMON] = {"", "status"},
	[OF_REALM] = {"realm_", "status .realms[]"},
	[OF_CLIENT] = {"client_", "clients .clients[]"},
	[OF_CHANNEL] = {"channel_", "stat, channels .channels[]"},
};

enum family_type {
	GAUGE,
	COUNTER,
};

/* What is done with the other value, if there is one. */
enum family_with {
	ALONE,
	PLUS,
};

/* A value is a number in a row of its owner's: of 32 or 64 bits. */
struct family {
	enum family_of of;
	enum family_type type;
	const char *key; /* in the JSON */
	const char *label;
	uint16_t bytes;
	uint16_t offset;
	enum family_with with;
	uint16_t other;
	const char *help;
};

#define AT(kind, member) sizeof(((struct kind *)NULL)->member), offsetof(struct kind, member)
#define STATUS(member)   AT(tsr_proto_status_reply, member), ALONE, 0
#define REALM(member)    AT(tsr_proto_row_realm, member), ALONE, 0
#define CLIENT(member)   AT(tsr_proto_row_client, member), ALONE, 0
#define CHANNEL(member)  AT(tsr_sample_channel, member), ALONE, 0
#define SENDS(member)    CHANNEL(side[TSR_SIDE_SENDER].member)
#define RECEIVES(member) CHANNEL(side[TSR_SIDE_RECEIVER].member)
#define BOTH(with, member)                                          \
	AT(tsr_sample_channel, side[TSR_SIDE_SENDER].member), with, \
		offsetof(struct tsr_sample_channel, side[TSR_SIDE_RECEIVER].member)

/* Lines of one key stand together and differ in their label. */
static const struct family families[] = {
	{OF_DAEMON, GAUGE, "uptime_ns", NULL, STATUS(uptime_ns), "Time since the daemon started."},
	{OF_DAEMON, GAUGE, "clients", NULL, STATUS(clients), "Clients that are attached."},
	{OF_DAEMON, GAUGE, "channels", NULL, STATUS(channels), "Channels of all realms."},
	{OF_DAEMON, GAUGE, "connections", NULL, STATUS(connections), "Control connections."},
	{OF_DAEMON, GAUGE, "memory_bytes", NULL, STATUS(memory_bytes), "Memory of all realms."},
	{OF_DAEMON, COUNTER, "busy_ns", NULL, STATUS(busy_ns), "Time the poll core had work."},
	{OF_DAEMON, COUNTER, "polling_ns", NULL, STATUS(polling_ns),
         "Time the poll core looked for work and found none."},
	{OF_DAEMON, COUNTER, "asleep_ns", NULL, STATUS(asleep_ns), "Time the poll core slept."},
	{OF_DAEMON, COUNTER, "reaped", NULL, STATUS(reaped),
         "Clients that died and were cleaned up after."},
	{OF_DAEMON, COUNTER, "reap_steps", NULL, STATUS(reap_steps),
         "Steps in which that was done, and what is removed; others are served between two."},
	{OF_DAEMON, GAUGE, "reap_longest", NULL, STATUS(reap_longest),
         "Most words of shared memory that one such step has looked at."},
	{OF_DAEMON, COUNTER, "repaired", NULL, STATUS(repaired),
         "Slots, cells and tickets given back for clients that died."},
	{OF_DAEMON, COUNTER, "repaired_slots_voided", NULL,
         STATUS(repairs[TSR_REPAIR_SLOTS_VOIDED]),
         "Slots that the dead had claimed and not published."},
	{OF_DAEMON, COUNTER, "repaired_slots_restored", NULL,
         STATUS(repairs[TSR_REPAIR_SLOTS_RESTORED]),
         "Slots that the dead had taken and not received: ready again."},
	{OF_DAEMON, COUNTER, "repaired_cells", NULL, STATUS(repairs[TSR_REPAIR_CELLS]),
         "Cells of depots that the dead had half filled or emptied."},
	{OF_DAEMON, COUNTER, "repaired_cursors", NULL, STATUS(repairs[TSR_REPAIR_CURSORS]),
         "Cursors of dead readers withdrawn."},
	{OF_DAEMON, COUNTER, "repaired_tickets", NULL, STATUS(repairs[TSR_REPAIR_TICKETS]),
         "Tickets of the dead given back."},
	{OF_DAEMON, COUNTER, "repaired_requeued", NULL, STATUS(repairs[TSR_REPAIR_REQUEUED]),
         "Messages of dead receivers given back to their channels."},
	{OF_DAEMON, COUNTER, "repaired_tokens", NULL, STATUS(repairs[TSR_REPAIR_TOKENS]),
         "Waiter tokens of the dead given back."},
	{OF_DAEMON, COUNTER, "repaired_woken", NULL, STATUS(repairs[TSR_REPAIR_WOKEN]),
         "Sleepers woken after a death."},
	{OF_DAEMON, COUNTER, "refused", NULL, STATUS(refused), "Requests refused."},
	{OF_DAEMON, COUNTER, "evicted", NULL, STATUS(evicted), "Clients that were evicted."},
	{OF_DAEMON, COUNTER, "reloads", NULL, STATUS(reloads), "Reloads of the configuration."},
	{OF_DAEMON, COUNTER, "reloads_refused", NULL, STATUS(reloads_refused),
         "Reloads refused for a mistake in the configuration."},
	{OF_REALM, GAUGE, "arena_bytes", NULL, REALM(arena_bytes), "Memory for messages."},
	{OF_REALM, GAUGE, "clients", NULL, REALM(clients), "Clients that are attached."},
	{OF_REALM, GAUGE, "clients_max", NULL, REALM(clients_max), "Most clients at a time."},
	{OF_REALM, GAUGE, "channels", NULL, REALM(channels), "Channels."},
	{OF_REALM, GAUGE, "channels_max", NULL, REALM(channels_max), "Most channels at a time."},
	{OF_REALM, GAUGE, "tickets", NULL, REALM(tickets), "Tickets, one for each block."},
	{OF_REALM, GAUGE, "tickets_free", NULL, REALM(tickets_free), "Tickets that are free."},
	{OF_REALM, GAUGE, "regions", NULL, REALM(regions), "Regions beside the arenas."},
	{OF_CLIENT, GAUGE, "since_ns", NULL, CLIENT(since_ns), "Time since it was attached."},
	{OF_CLIENT, GAUGE, "senders", NULL, CLIENT(senders), "Open ends that send."},
	{OF_CLIENT, GAUGE, "receivers", NULL, CLIENT(receivers), "Open ends that receive."},
	{OF_CLIENT, GAUGE, "tickets", NULL, CLIENT(tickets), "Tickets that it holds."},
	{OF_CLIENT, COUNTER, "sleeps", NULL, CLIENT(sleeps), "Times it went to sleep."},
	{OF_CLIENT, COUNTER, "wakes", NULL, CLIENT(wakes), "Times it woke others."},
	{OF_CLIENT, COUNTER, "missed_wakes", NULL, CLIENT(missed_wakes),
         "Wake-ups lost: a defect if not 0."},
	{OF_CHANNEL, COUNTER, "sent", NULL, SENDS(sum.messages), "Messages sent."},
	{OF_CHANNEL, COUNTER, "sent_bytes", NULL, SENDS(sum.bytes), "Bytes sent."},
	{OF_CHANNEL, COUNTER, "received", NULL, RECEIVES(sum.messages), "Messages received."},
	{OF_CHANNEL, COUNTER, "received_bytes", NULL, RECEIVES(sum.bytes), "Bytes received."},
	{OF_CHANNEL, GAUGE, "depth", NULL, CHANNEL(depth),
         "Messages sent, and neither received nor dropped."},
	{OF_CHANNEL, COUNTER, "full", NULL, SENDS(sum.cause[TSR_METRIC_WOULD_BLOCK]),
         "Sends that found no room and did not wait."},
	{OF_CHANNEL, COUNTER, "lost", NULL, SENDS(sum.cause[TSR_METRIC_LOST]),
         "Messages sent, and dropped by a sender as the channel says."},
	{OF_CHANNEL, COUNTER, "failed", "cause=\"timed_out\"",
         BOTH(PLUS, sum.cause[TSR_METRIC_TIMED_OUT]), "Calls that failed, by cause."},
	{OF_CHANNEL, COUNTER, "failed", "cause=\"ended\"", BOTH(PLUS, sum.cause[TSR_METRIC_ENDED]),
         NULL},
	{OF_CHANNEL, COUNTER, "failed", "cause=\"refused\"",
         BOTH(PLUS, sum.cause[TSR_METRIC_REFUSED]), NULL},
	{OF_CHANNEL, GAUGE, "senders", NULL, SENDS(ends), "Open ends that send and count."},
	{OF_CHANNEL, GAUGE, "senders_blocked", NULL, SENDS(blocked), "Senders waiting for room."},
	{OF_CHANNEL, COUNTER, "senders_blocked_ns", NULL, SENDS(sum.blocked_ns),
         "Time senders waited for room."},
	{OF_CHANNEL, GAUGE, "receivers", NULL, RECEIVES(ends), "Open ends that receive and count."},
	{OF_CHANNEL, GAUGE, "receivers_blocked", NULL, RECEIVES(blocked),
         "Receivers waiting for a message."},
	{OF_CHANNEL, COUNTER, "receivers_blocked_ns", NULL, RECEIVES(sum.blocked_ns),
         "Time receivers waited for messages."},
	{OF_CHANNEL, GAUGE, "capacity", NULL, CHANNEL(capacity), "Slots."},
};

#define FAMILIES (sizeof(families) / sizeof(families[0]))

/* What no command has a key for. */
#define UP_NAME       "tessera_up"
#define UP_HELP       "1: the daemon answered."
#define READABLE_NAME "tessera_realm_readable"
#define READABLE_HELP "1: the realm's channels could be looked at."
#define RELEASE_NAME  "tessera_release_info"
#define RELEASE_HELP  "The daemon's release."
#define LATENCY_NAME  "tessera_channel_latency_seconds"
#define LATENCY_HELP                                                                       \
	"Time that stamped messages were under way, by receiving end; the sum is that of " \
	"the buckets' middles."

/* The bounds of the buckets: powers of two, all of which bound buckets of the histogram, too. */
#define LATENCY_BITS_MIN 8  /* 256 ns */
#define LATENCY_BITS_MAX 34 /* 17 s */

static bool
family_is_time(struct family const *family)
{
	size_t const length = strlen(family->key);

	return length > 3 && strcmp(family->key + length - 3, "_ns") == 0;
}

#define FAMILY_NAME_BYTES 80

static void
family_name(struct family const *family, char name[FAMILY_NAME_BYTES])
{
	int length = (int)strlen(family->key);

	if (family_is_time(family))
		length -= 3;
	(void)snprintf(name, FAMILY_NAME_BYTES, "tessera_%s%.*s%s%s",
	               family_owners[family->of].prefix, length, family->key,
	               family_is_time(family) ? "_seconds" : "",
	               family->type == COUNTER ? "_total" : "");
}

static bool
family_is_first(size_t i)
{
	return i == 0 || families[i].of != families[i - 1].of ||
	       strcmp(families[i].key, families[i - 1].key) != 0;
}

static void
print_head(FILE *out, const char *name, const char *type, const char *help)
{
	(void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value with its closing quote, after @before. No name has control characters: the daemon
 * refuses them. */
static void
print_label(FILE *out, const char *before, const char *text, size_t bytes)
{
	json_t *const value = tsr_report_text(text, bytes);

	(void)fputs(before, out);
	for (const char *c = json_string_value(value); *c != '\0'; c++) {
		if (*c == '\\' || *c == '"')
			(void)fprintf(out, "\\%c", *c);
		else
			(void)fputc(*c, out);
	}
	(void)fputc('"', out);
	json_decref(value);
}

static uint64_t
family_load(struct family const *family, unsigned char const *row, size_t offset)
{
	uint32_t narrow;
	uint64_t wide;

	if (family->bytes == sizeof(wide)) {
		memcpy(&wide, row + offset, sizeof(wide));
		return wide;
	}
	memcpy(&narrow, row + offset, sizeof(narrow));
	return narrow;
}

static void
print_value(FILE *out, struct family const *family, void const *row)
{
	uint64_t value = family_load(family, row, family->offset);
	uint64_t const other = family->with != ALONE ? family_load(family, row, family->other) : 0;

	value += other;
	if (family_is_time(family))
		(void)fprintf(out, " %llu.%09llu\n",
		              (unsigned long long)(value / TSR_NS_PER_SECOND),
		              (unsigned long long)(value % TSR_NS_PER_SECOND));
	else
		(void)fprintf(out, " %llu\n", (unsigned long long)value);
}

/* The labels of a row are open at the end: what its line adds comes behind. */
static void
print_close(FILE *out, struct family const *family, void const *row)
{
	if (family->label != NULL)
		(void)fprintf(out, ",%s", family->label);
	(void)fputc('}', out);
	print_value(out, family, row);
}

static void
print_realms(FILE *out, struct tsr_scrape const *scrape, struct family const *family,
             const char *name)
{
	for (uint32_t i = 0; scrape->up && i < scrape->realms_count; i++) {
		struct tsr_proto_row_realm const *const row = &scrape->realms[i].row;

		(void)fputs(name, out);
		print_label(out, "{realm=\"", row->name, sizeof(row->name));
		print_close(out, family, row);
	}
}

static void
print_clients(FILE *out, struct tsr_scrape const *scrape, struct family const *family,
              const char *name)
{
	for (uint32_t i = 0; i < scrape->clients_count; i++) {
		struct tsr_proto_row_client const *const row = &scrape->clients[i];

		(void)fputs(name, out);
		print_label(out, "{realm=\"", row->realm, sizeof(row->realm));
		print_label(out, ",client=\"", row->name, sizeof(row->name));
		(void)fprintf(out, ",id=\"%u\"", row->id);
		print_close(out, family, row);
	}
}

static void
print_channel_labels(FILE *out, struct tsr_scrape_realm const *realm,
                     struct tsr_sample_channel const *channel)
{
	print_label(out, "{realm=\"", realm->row.name, sizeof(realm->row.name));
	print_label(out, ",channel=\"", channel->name, sizeof(channel->name));
}

static void
print_channels(FILE *out, struct tsr_scrape const *scrape, struct family const *family,
               const char *name)
{
	for (uint32_t i = 0; i < scrape->realms_count; i++) {
		struct tsr_scrape_realm const *const realm = &scrape->realms[i];

		for (uint32_t k = 0; realm->sampled && k < realm->sample.channels_count; k++) {
			struct tsr_sample_channel const *const row = &realm->sample.channels[k];

			if (!tsr_scrape_wants(scrape, row))
				continue;
			(void)fputs(name, out);
			print_channel_labels(out, realm, row);
			print_close(out, family, row);
		}
	}
}

static void
print_family(FILE *out, struct tsr_scrape const *scrape, struct family const *family,
             const char *name)
{
	switch (family->of) {
	case OF_DAEMON:
		if (!scrape->up)
			return;
		(void)fputs(name, out);
		print_value(out, family, &scrape->status);
		return;
	case OF_REALM:
		print_realms(out, scrape, family, name);
		return;
	case OF_CLIENT:
		print_clients(out, scrape, family, name);
		return;
	case OF_CHANNEL:
		print_channels(out, scrape, family, name);
		return;
	}
}

/* The histogram of one end. */
static void
print_times(FILE *out, struct tsr_scrape_realm const *realm,
            struct tsr_sample_channel const *channel, uint32_t number,
            struct tsr_distribution const *times)
{
	uint64_t const word = realm->sample.ends[number].word;
	uint64_t seen = 0;
	uint32_t from = 0;
	double sum_ns = 0;

	for (uint32_t bits = LATENCY_BITS_MIN; bits <= LATENCY_BITS_MAX; bits++) {
		for (uint32_t const to = tsr_histogram_bucket(UINT64_C(1) << bits); from < to;
		     from++)
			seen += times->count[from];
		(void)fputs(LATENCY_NAME "_bucket", out);
		print_channel_labels(out, realm, channel);
		(void)fprintf(out, ",id=\"%u\",end=\"%u\",le=\"%.12g\"} %llu\n",
		              tsr_end_word_client(word), number,
		              (double)(UINT64_C(1) << bits) / 1e9, (unsigned long long)seen);
	}
	for (uint32_t i = 0; i < TSR_HISTOGRAM_BUCKETS; i++)
		sum_ns += (double)times->count[i] *
		          (double)(tsr_histogram_floor(i) + tsr_histogram_floor(i + 1)) / 2;
	(void)fputs(LATENCY_NAME "_bucket", out);
	print_channel_labels(out, realm, channel);
	(void)fprintf(out, ",id=\"%u\",end=\"%u\",le=\"+Inf\"} %llu\n", tsr_end_word_client(word),
	              number, (unsigned long long)times->total);
	(void)fputs(LATENCY_NAME "_sum", out);
	print_channel_labels(out, realm, channel);
	(void)fprintf(out, ",id=\"%u\",end=\"%u\"} %.9f\n", tsr_end_word_client(word), number,
	              sum_ns / 1e9);
	(void)fputs(LATENCY_NAME "_count", out);
	print_channel_labels(out, realm, channel);
	(void)fprintf(out, ",id=\"%u\",end=\"%u\"} %llu\n", tsr_end_word_client(word), number,
	              (unsigned long long)times->total);
}

/* By end, not by channel: what a closed end has counted goes away, and a channel's count that goes
 * down would be taken for a fresh start. */
static void
print_latency(FILE *out, struct tsr_scrape const *scrape)
{
	print_head(out, LATENCY_NAME, "histogram", LATENCY_HELP);
	for (uint32_t i = 0; i < scrape->realms_count; i++) {
		struct tsr_scrape_realm const *const realm = &scrape->realms[i];
		struct tsr_sample const *const sample = &realm->sample;

		for (uint32_t k = 0; realm->sampled && k < sample->ends_count; k++) {
			struct tsr_sample_end const *const end = &sample->ends[k];
			struct tsr_sample_channel const *channel;

			if (end->times == NULL || end->times->total == 0)
				continue;
			channel = &sample->channels[tsr_channel_index(
				tsr_end_word_channel(end->word))];
			if (tsr_scrape_wants(scrape, channel))
				print_times(out, realm, channel, k, end->times);
		}
	}
}

/* What is told whether or not the daemon answers. */
static void
print_always(FILE *out, struct tsr_scrape const *scrape)
{
	print_head(out, UP_NAME, "gauge", UP_HELP);
	(void)fprintf(out, UP_NAME " %d\n", scrape->up ? 1 : 0);
	if (scrape->up) {
		print_head(out, RELEASE_NAME, "gauge", RELEASE_HELP);
		(void)fputs(RELEASE_NAME, out);
		print_label(out, "{release=\"", scrape->status.release,
		            sizeof(scrape->status.release));
		(void)fputs("} 1\n", out);
	}
	print_head(out, READABLE_NAME, "gauge", READABLE_HELP);
	for (uint32_t i = 0; i < scrape->realms_count; i++) {
		struct tsr_proto_row_realm const *const row = &scrape->realms[i].row;

		(void)fputs(READABLE_NAME, out);
		print_label(out, "{realm=\"", row->name, sizeof(row->name));
		(void)fprintf(out, "} %d\n", scrape->realms[i].sampled ? 1 : 0);
	}
}

/* Whether there is anything to be said of such owners, were it that there are none. */
static bool
family_is_known(struct tsr_scrape const *scrape, enum family_of of)
{
	if (of != OF_CHANNEL)
		return scrape->up;
	for (uint32_t i = 0; i < scrape->realms_count; i++) {
		if (scrape->realms[i].sampled)
			return true;
	}
	return false;
}

void
tsr_prometheus_print(FILE *out, struct tsr_scrape const *scrape)
{
	print_always(out, scrape);
	for (size_t i = 0; i < FAMILIES; i++) {
		char name[FAMILY_NAME_BYTES];

		if (!family_is_known(scrape, families[i].of))
			continue;
		family_name(&families[i], name);
		if (family_is_first(i))
			print_head(out, name, families[i].type == COUNTER ? "counter" : "gauge",
			           families[i].help);
		print_family(out, scrape, &families[i], name);
	}
	if (scrape->times && family_is_known(scrape, OF_CHANNEL))
		print_latency(out, scrape);
}

static void
list_add(json_t *list, const char *name, const char *type, const char *help, const char *where,
         const char *key)
{
	json_t *const out = json_object();

	tsr_report_set(out, "name", json_string(name));
	tsr_report_set(out, "type", json_string(type));
	tsr_report_set(out, "where", where != NULL ? json_string(where) : json_null());
	tsr_report_set(out, "key", key != NULL ? json_string(key) : json_null());
	tsr_report_set(out, "help", json_string(help));
	tsr_report_add(list, out);
}

json_t *
tsr_prometheus_list(void)
{
	json_t *const list = json_array();

	list_add(list, UP_NAME, "gauge", UP_HELP, NULL, NULL);
	list_add(list, RELEASE_NAME, "gauge", RELEASE_HELP, "status", "release");
	list_add(list, READABLE_NAME, "gauge", READABLE_HELP, NULL, NULL);
	for (size_t i = 0; i < FAMILIES; i++) {
		char name[FAMILY_NAME_BYTES];

		if (!family_is_first(i))
			continue;
		family_name(&families[i], name);
		list_add(list, name, families[i].type == COUNTER ? "counter" : "gauge",
		         families[i].help, family_owners[families[i].of].where, families[i].key);
	}
	list_add(list, LATENCY_NAME, "histogram", LATENCY_HELP, family_owners[OF_CHANNEL].where,
	         "latency_p50_ns");
	return list;
}
