/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* tessera why: who holds a channel back, with evidence. */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "apps/absorb.h"
#include "apps/cli.h"
#include "apps/process.h"
#include "apps/sample.h"
#include "apps/table.h"
#include "apps/units.h"

#define WHY_INTERVAL_NS_MIN UINT64_C(10000000)
#define WHY_VERDICT_BYTES   320
#define WHY_LOOK_NS_MIN     UINT64_C(1000000) /* between two looks while watching */

struct why {
	const char *text; /* the channel as it was asked for */
	struct tsr_address address;
	uint64_t interval_ns;
	struct tsr_proto_row_channel channel; /* as the daemon knows it; id 0: there is none */
	struct tsr_sample before;
	struct tsr_sample now;
	struct tsr_rates rates;
	uint32_t index; /* entry of the directory */
	json_t *clients;
	json_t *ends;
	enum tsr_side guilty;
	bool held;
	char verdict[WHY_VERDICT_BYTES];
	struct tsr_absorb_watch looks;
	struct tsr_absorb absorb;
	char advice[WHY_VERDICT_BYTES]; /* empty: there is none to give */
};

static const struct argp_option why_options[] = {
	{"interval", 'i', "TIME", 0, "How long to watch: 1s, 200ms (default: 1s)", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static const struct tsr_column why_facts[] = {
	{"depth", "messages that wait", TSR_CELL_COUNT},
	{"depth_peak", "  most, as seen", TSR_CELL_COUNT},
	{"capacity", "  slots", TSR_CELL_COUNT},
	{"capacity_needed", "  that nobody had been blocked", TSR_CELL_COUNT},
	{"lag_ns", "  at this rate gone in", TSR_CELL_NS},
	{"latency_p50_ns", "under way, median", TSR_CELL_NS},
	{"latency_p99_ns", "  99 of 100 at most", TSR_CELL_NS},
	{"sent_per_s", "sent a second", TSR_CELL_COUNT},
	{"received_per_s", "received a second", TSR_CELL_COUNT},
	{"offered_per_s", "  senders while not blocked", TSR_CELL_COUNT},
	{"taken_per_s", "  receivers while not waiting", TSR_CELL_COUNT},
	{"blocked_percent", "of their time, senders blocked, %", TSR_CELL_SHARE},
	{"waiting_percent", "of their time, receivers waiting, %", TSR_CELL_SHARE},
	{"uncounted", "open ends that don't count", TSR_CELL_COUNT},
	{NULL, NULL, TSR_CELL_TEXT},
};

static const struct tsr_column why_ends[] = {
	{"end", "END", TSR_CELL_TEXT},         {"client", "CLIENT", TSR_CELL_TEXT},
	{"pid", "PROCESS", TSR_CELL_TEXT},     {"process", "IS", TSR_CELL_TEXT},
	{"blocked", "WAITS", TSR_CELL_TEXT},   {"blocked_percent", "WAIT%", TSR_CELL_SHARE},
	{"messages", "MOVED", TSR_CELL_COUNT}, {"spin_ns", "SPINS", TSR_CELL_NS},
	{NULL, NULL, TSR_CELL_TEXT},
};

static error_t
why_parse(int key, char *arg, struct argp_state *state)
{
	struct why *const why = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = NULL;
		return 0;
	case 'i':
		tsr_cli_interval(state, arg, WHY_INTERVAL_NS_MIN, TSR_INTERVAL_NS_MAX,
		                 &why->interval_ns);
		return 0;
	case ARGP_KEY_ARG:
		if (why->text != NULL)
			argp_error(state, "'%s' is one channel too many", arg);
		why->text = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which channel?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void
why_take_channel(void *argument, const void *from)
{
	struct tsr_proto_row_channel const *const row = from;
	struct why *const why = argument;

	if (strncmp(row->name, why->address.name, sizeof(row->name)) == 0)
		why->channel = *row;
}

static void
why_take_client(void *argument, const void *from)
{
	struct tsr_proto_row_client const *const row = from;
	struct why *const why = argument;
	json_t *const out = json_object();

	tsr_report_set(out, "id", json_integer(row->id));
	tsr_report_set(out, "client", tsr_report_text(row->name, sizeof(row->name)));
	tsr_report_set(out, "pid", json_integer(row->pid));
	tsr_report_set(out, "process", json_string(tsr_process_doing((pid_t)row->pid)));
	tsr_report_add(why->clients, out);
}

/* What the daemon knows. Return: 0; or an exit status, and it is said. */
static int
why_ask(struct why *why)
{
	struct tsr_control control;
	int status = tsr_cli_connect(&control);

	if (status != 0)
		return status;
	status = tsr_cli_each(&control, TSR_LIST_CHANNELS, why->address.realm,
	                      sizeof(struct tsr_proto_row_channel), why_take_channel, why);
	if (status == 0)
		status = tsr_cli_each(&control, TSR_LIST_CLIENTS, why->address.realm,
		                      sizeof(struct tsr_proto_row_client), why_take_client, why);
	tsr_control_close(&control);
	if (status == 0 && why->channel.id == 0)
		return tsr_cli_no_channel(&why->address);
	return status;
}

/* Which entry of the directory the channel has. Return: channels_count: none. */
static uint32_t
why_entry(struct why const *why)
{
	struct tsr_sample const *const sample = &why->before;
	uint32_t i = 0;

	while (i < sample->channels_count &&
	       (sample->channels[i].id == 0 || strncmp(sample->channels[i].name, why->address.name,
	                                               sizeof(sample->channels[i].name)) != 0))
		i++;
	return i;
}

/* Look at the channel again and again until the time is over. Return: 0; -ENOTCONN. */
static int
why_look(struct why *why, struct tsr_sampler *sampler)
{
	uint32_t const entry = why_entry(why);
	uint64_t const step_ns = why->interval_ns / (TSR_ABSORB_LOOKS - 1) + 1;
	uint64_t const rest_ns = step_ns > WHY_LOOK_NS_MIN ? step_ns : WHY_LOOK_NS_MIN;
	struct tsr_absorb_look look = {.at_ns = 0};

	while (look.at_ns < why->before.at_ns + why->interval_ns) {
		int const error = tsr_sampler_glance(sampler, &look.at_ns);
		struct tsr_meter const *side;

		if (error == -ENOTCONN)
			return error;
		if (error == 0 && entry < sampler->map->channels_count) {
			side = sampler->meters[entry];
			look.sent = side[TSR_SIDE_SENDER].sum.messages;
			look.received = side[TSR_SIDE_RECEIVER].sum.messages;
			look.lost = side[TSR_SIDE_SENDER].sum.cause[TSR_METRIC_LOST];
			look.senders_blocked_ns = side[TSR_SIDE_SENDER].sum.blocked_ns;
			look.receivers_blocked_ns = side[TSR_SIDE_RECEIVER].sum.blocked_ns;
			look.senders = side[TSR_SIDE_SENDER].ends;
			look.receivers = side[TSR_SIDE_RECEIVER].ends;
			look.senders_blocked = side[TSR_SIDE_SENDER].blocked;
			tsr_absorb_add(&why->looks, look);
		}
		/* Never more than half of a core. */
		tsr_cli_sleep(rest_ns > tsr_now_ns() - look.at_ns ? rest_ns
		                                                  : tsr_now_ns() - look.at_ns);
	}
	return 0;
}

/* Watch for a while. Return: 0; or an exit status, and it is said. */
static int
why_watch(struct why *why)
{
	struct tsr_sampler sampler;
	int error = tsr_sampler_open(&sampler, why->address.realm);

	if (error != 0)
		return tsr_cli_unattached(error, why->address.realm);
	error = tsr_sampler_take(&sampler, &why->before);
	if (error == 0)
		error = why_look(why, &sampler);
	if (error == 0)
		error = tsr_sampler_take(&sampler, &why->now);
	tsr_sampler_close(&sampler);
	return error == 0 ? 0 : tsr_cli_fail(error, "realm '%s'", why->address.realm);
}

static const json_t *
why_client(struct why const *why, uint32_t id)
{
	const json_t *client;
	size_t i;

	json_array_foreach(why->clients, i, client)
	{
		if (json_integer_value(json_object_get(client, "id")) == id)
			return client;
	}
	return NULL;
}

/* What an end did in between, as a row. */
static json_t *
why_end(struct why const *why, uint32_t number)
{
	static struct tsr_metrics_seen const nothing;
	struct tsr_sample_end const *const end = &why->now.ends[number];
	struct tsr_sample_end const *const old = &why->before.ends[number];
	struct tsr_metrics_seen const *const before =
		old->word == end->word ? &old->seen : &nothing;
	const json_t *const client = why_client(why, tsr_end_word_client(end->word));
	uint64_t const blocked_ns = end->seen.blocked_ns - before->blocked_ns;
	bool const receives = tsr_end_word_side(end->word) == TSR_SIDE_RECEIVER;
	json_t *const out = json_object();

	tsr_report_set(out, "end", json_string(receives ? "receiver" : "sender"));
	tsr_report_set(out, "id", json_integer(tsr_end_word_client(end->word)));
	tsr_report_set(out, "client",
	               client != NULL ? json_incref(json_object_get(client, "client"))
	                              : json_null());
	tsr_report_set(out, "pid",
	               client != NULL ? json_incref(json_object_get(client, "pid")) : json_null());
	tsr_report_set(out, "process",
	               client != NULL ? json_incref(json_object_get(client, "process"))
	                              : json_string("gone"));
	tsr_report_set(out, "blocked", json_boolean(end->seen.blocked));
	tsr_report_set(out, "blocked_percent",
	               json_real((double)blocked_ns / 1e7 / why->rates.seconds));
	tsr_report_set(out, "messages", tsr_report_count(end->seen.messages - before->messages));
	tsr_report_set(out, "spin_ns", tsr_report_count(end->seen.spin_ns));
	return out;
}

/* Find the channel's entry and its ends. Return: 0; -ENOENT it is gone by now. */
static int
why_gather(struct why *why)
{
	why->index = tsr_channel_index((uint32_t)why->channel.id);
	if (why->index >= why->now.channels_count ||
	    why->now.channels[why->index].id != why->channel.id)
		return -ENOENT;
	why->rates.seconds = (double)(why->now.at_ns - why->before.at_ns) / 1e9;
	tsr_rates_add(&why->rates, &why->before.channels[why->index],
	              &why->now.channels[why->index]);
	for (uint32_t i = 0; i < why->now.ends_count; i++) {
		uint64_t const word = why->now.ends[i].word;

		if (word != 0 && tsr_channel_index(tsr_end_word_channel(word)) == why->index)
			tsr_report_add(why->ends, why_end(why, i));
	}
	return 0;
}

/* Open ends that count nothing: what they do can't be seen. */
static uint32_t
why_uncounted(struct why const *why)
{
	uint32_t const all = why->channel.senders + why->channel.receivers;
	uint32_t const counted = why->rates.senders + why->rates.receivers;

	return all > counted ? all - counted : 0;
}

/* Why an end of the guilty side is suspected; NULL: it is not, for it waits here. */
static const char *
why_suspect(const json_t *end)
{
	const char *const process = json_string_value(json_object_get(end, "process"));

	if (tsr_process_stuck(process))
		return process;
	if (json_is_true(json_object_get(end, "blocked")))
		return NULL;
	return strcmp(process, "asleep") == 0 ? "asleep, and does not wait here"
	                                      : "busy, and does not wait here";
}

/* Of a broadcast the one that is furthest behind is in the way, and nobody else. */
static bool
why_is_slowest(struct why const *why, const json_t *end)
{
	return why->channel.slowest == 0 || why->guilty != TSR_SIDE_RECEIVER ||
	       json_integer_value(json_object_get(end, "id")) == why->channel.slowest;
}

/* Who of the guilty side it is. A process that can't go on comes before one that is busy. */
static void
why_accuse(struct why *why)
{
	const char *const side = why->guilty == TSR_SIDE_RECEIVER ? "receiver" : "sender";
	const json_t *end, *worst = NULL;
	const char *reason = NULL;
	uint32_t suspects = 0;
	size_t i;

	json_array_foreach(why->ends, i, end)
	{
		const char *const found =
			strcmp(json_string_value(json_object_get(end, "end")), side) == 0 &&
					why_is_slowest(why, end)
				? why_suspect(end)
				: NULL;

		suspects += found != NULL;
		if (found != NULL &&
		    (worst == NULL || (tsr_process_stuck(found) && !tsr_process_stuck(reason)))) {
			worst = end;
			reason = found;
		}
	}
	if (worst == NULL)
		(void)snprintf(why->verdict, sizeof(why->verdict),
		               "its %ss hold it back: none of "
		               "them is in the way alone",
		               side);
	else
		(void)snprintf(why->verdict, sizeof(why->verdict),
		               "%s '%s' holds it back: its process %lld is %s%s", side,
		               json_string_value(json_object_get(worst, "client")),
		               (long long)json_integer_value(json_object_get(worst, "pid")), reason,
		               suspects > 1 ? "; others, too" : "");
}

static void
why_judge(struct why *why)
{
	uint32_t const depth = why->channel.depth;
	bool const blocked = why->rates.senders_blocked > 0 ||
	                     (double)why->rates.senders_blocked_ns >
	                             why->rates.seconds * 1e7 * why->rates.senders;

	why->held = true;
	why->guilty = TSR_SIDE_RECEIVER;
	if (blocked || depth >= why->channel.capacity / 2 ||
	    (depth > 0 && why->rates.received == 0)) {
		if (why->channel.receivers == 0)
			(void)snprintf(why->verdict, sizeof(why->verdict),
			               depth > 0 ? "nobody receives"
			                         : "its receivers held it back, and have closed");
		else
			why_accuse(why);
	} else if (depth == 0 && why->rates.sent == 0) {
		why->guilty = TSR_SIDE_SENDER;
		if (why->channel.senders == 0)
			(void)snprintf(why->verdict, sizeof(why->verdict), "nobody sends");
		else
			why_accuse(why);
	} else {
		why->held = false;
		(void)snprintf(why->verdict, sizeof(why->verdict), "nothing holds it back");
	}
}

/*
 * What a larger channel would have helped. Ends that don't count leave that open, and only of a
 * buffered channel somebody chose the capacity.
 */
static void
why_advise(struct why *why)
{
	struct tsr_absorb const *const absorb = &why->absorb;
	char slots[TSR_UNIT_TEXT_BYTES], needed[TSR_UNIT_TEXT_BYTES];
	char offered[TSR_UNIT_TEXT_BYTES], taken[TSR_UNIT_TEXT_BYTES];
	uint32_t capacity;

	if (why_uncounted(why) != 0 || why->channel.kind != TSR_KIND_BUFFERED)
		return;
	why->absorb = tsr_absorb_judge(&why->looks, why->channel.capacity);
	capacity = tsr_absorb_capacity(absorb->needed);
	tsr_count_format(absorb->needed, needed);
	tsr_count_format(capacity, slots);
	tsr_count_format((uint64_t)absorb->offered_per_s, offered);
	tsr_count_format((uint64_t)absorb->taken_per_s, taken);
	if (absorb->verdict == TSR_ABSORB_NEVER ||
	    (absorb->verdict == TSR_ABSORB_ENOUGH && capacity == 0))
		(void)snprintf(why->advice, sizeof(why->advice),
		               "no capacity would absorb it: senders that aren't blocked offer %s "
		               "a second, receivers take %s",
		               offered, taken);
	else if (absorb->verdict == TSR_ABSORB_ENOUGH)
		(void)snprintf(why->advice, sizeof(why->advice),
		               "a capacity of %s would have absorbed it: at most %s messages would "
		               "have waited",
		               slots, needed);
}

/* The part of the report that a capacity is concluded from. */
static void
why_report_absorb(struct why const *why, json_t *out)
{
	struct tsr_absorb const *const absorb = &why->absorb;
	bool const blocked = absorb->verdict != TSR_ABSORB_IDLE;
	uint32_t const capacity =
		absorb->verdict == TSR_ABSORB_ENOUGH ? tsr_absorb_capacity(absorb->needed) : 0;

	tsr_report_set(out, "advice",
	               why->advice[0] != '\0' ? json_string(why->advice) : json_null());
	tsr_report_set(out, "depth_peak", tsr_report_count(absorb->peak));
	tsr_report_set(out, "capacity_needed",
	               absorb->verdict == TSR_ABSORB_ENOUGH ? tsr_report_count(absorb->needed)
	                                                    : json_null());
	tsr_report_set(out, "capacity_advised",
	               capacity != 0 ? json_integer(capacity) : json_null());
	tsr_report_set(out, "offered_per_s",
	               blocked ? tsr_report_count((uint64_t)absorb->offered_per_s) : json_null());
	tsr_report_set(out, "taken_per_s",
	               blocked ? tsr_report_count((uint64_t)absorb->taken_per_s) : json_null());
}

static json_t *
why_report(struct why const *why)
{
	struct tsr_rates const *const rates = &why->rates;
	double const percent = 1e7 * rates->seconds;
	json_t *const out = tsr_report_new();

	tsr_report_set(out, "realm", json_string(why->address.realm));
	tsr_report_set(out, "channel", json_string(why->address.name));
	tsr_report_set(out, "verdict", json_string(why->verdict));
	tsr_report_set(out, "held_back_by",
	               !why->held                         ? json_null()
	               : why->guilty == TSR_SIDE_RECEIVER ? json_string("receivers")
	                                                  : json_string("senders"));
	tsr_report_set(out, "seconds", json_real(rates->seconds));
	tsr_report_set(out, "depth", json_integer(why->channel.depth));
	tsr_report_set(out, "capacity", json_integer(why->channel.capacity));
	tsr_report_set(out, "lag_ns",
	               rates->received != 0
	                       ? tsr_report_count((uint64_t)(why->channel.depth * rates->seconds *
	                                                     1e9 / (double)rates->received))
	                       : json_null());
	tsr_rates_latency(out, rates);
	tsr_report_set(out, "sent_per_s",
	               tsr_report_count((uint64_t)((double)rates->sent / rates->seconds)));
	tsr_report_set(out, "received_per_s",
	               tsr_report_count((uint64_t)((double)rates->received / rates->seconds)));
	tsr_report_set(out, "blocked_percent",
	               rates->senders != 0 ? json_real((double)rates->senders_blocked_ns /
	                                               rates->senders / percent)
	                                   : json_null());
	tsr_report_set(out, "waiting_percent",
	               rates->receivers != 0 ? json_real((double)rates->receivers_blocked_ns /
	                                                 rates->receivers / percent)
	                                     : json_null());
	why_report_absorb(why, out);
	tsr_report_set(out, "uncounted", json_integer(why_uncounted(why)));
	tsr_report_set(out, "ends", json_incref(why->ends));
	return out;
}

static int
why_run(struct why *why)
{
	json_t *report;
	int status = why_watch(why);

	if (status == 0)
		status = why_ask(why);
	if (status != 0)
		return status;
	if (why_gather(why) != 0)
		return tsr_cli_no_channel(&why->address);
	why_judge(why);
	why_advise(why);
	report = why_report(why);
	if (!tsr_cli_print(stdout, report)) {
		(void)printf("%s/%s: %s\n", why->address.realm, why->address.name, why->verdict);
		(void)printf("%s%s\n", why->advice, why->advice[0] != '\0' ? "\n" : "");
		tsr_table_facts(stdout, report, why_facts);
		(void)putchar('\n');
		tsr_table_people(stdout, why->ends, why_ends);
	}
	json_decref(report);
	return TSR_EXIT_OK;
}

int
tsr_cmd_why(int argc, char **argv)
{
	struct argp_child const children[] = {{&tsr_globals_argp, 0, NULL, 0}, {0}};
	struct argp const argp = {
		.options = why_options,
		.parser = why_parse,
		.args_doc = "CHANNEL",
		.doc = "Tell who holds a channel back, with evidence.",
		.children = children,
	};
	static struct why why = {.interval_ns = TSR_NS_PER_SECOND};
	int error, status;

	(void)argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &why);
	error = tsr_address_parse(why.text, &why.address);
	if (error != 0)
		return tsr_cli_fail(error, "channel '%s'", why.text);
	why.clients = json_array();
	why.ends = json_array();
	status = why_run(&why);
	tsr_sample_free(&why.before);
	tsr_sample_free(&why.now);
	json_decref(why.clients);
	json_decref(why.ends);
	return status;
}
