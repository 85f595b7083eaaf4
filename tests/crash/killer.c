/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * The instruction killer. See op.h for how to add an operation, judge.h for what must hold.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shm/drop.h"
#include "tests/crash/sweep.h"

#define KILLER_SKIPPED    77
#define KILLER_PHASES_MAX 400
#define KILLER_STARTS     8
#define KILLER_OPS_MAX    64
#define KILLER_VIOLATIONS 10
#define KILLER_NIGHTLY    50 /* times as many points of a sample */

static struct world_shape const killer_shapes[] = {
	{"many-many", 0, TSR_KIND_BUFFERED, 4},
	{"one-many", TSR_CHANNEL_ONE_SENDER, TSR_KIND_BUFFERED, 4},
	{"many-one", TSR_CHANNEL_ONE_RECEIVER, TSR_KIND_BUFFERED, 4},
	{"one-one", TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER, TSR_KIND_BUFFERED, 8},
	{"drop-newest", TSR_CHANNEL_DROP_NEWEST, TSR_KIND_BUFFERED, 4},
	{"drop-oldest", TSR_CHANNEL_DROP_OLDEST, TSR_KIND_BUFFERED, 4},
	{"drop-oldest-one",
         TSR_CHANNEL_DROP_OLDEST | TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER,
         TSR_KIND_BUFFERED, 4},
	{"conflated", 0, TSR_KIND_CONFLATED, 8},
	{"requeue", TSR_CHANNEL_REQUEUE, TSR_KIND_BUFFERED, 4},
	{"unlimited", 0, TSR_KIND_UNLIMITED, 2},
	{"unlimited-one", TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER, TSR_KIND_UNLIMITED, 2},
	{"unlimited-four", 0, TSR_KIND_UNLIMITED, 4},
	{"unlimited-requeue", TSR_CHANNEL_REQUEUE, TSR_KIND_UNLIMITED, 2},
	{"meet", 0, TSR_KIND_RENDEZVOUS, 4},
	{"meet-one-one", TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER, TSR_KIND_RENDEZVOUS, 4},
	{"broadcast", 0, TSR_KIND_BROADCAST, 4},
	{"broadcast-one", TSR_CHANNEL_ONE_SENDER, TSR_KIND_BROADCAST, 4},
	{"broadcast-evict", TSR_CHANNEL_EVICT, TSR_KIND_BROADCAST, 4},
	{"broadcast-lap", TSR_CHANNEL_LAP | TSR_CHANNEL_ONE_SENDER, TSR_KIND_BROADCAST, 2},
};

/*
 * In the last four laps wrap at the second message, and the generation of a ticket when it is taken
 * from the depot, received, released, or put into the depot.
 */
static struct world_era const killer_eras[] = {
	{"new", 0, 1, false, 0},
	{"wrap1", TSR_LAP_MASK, TSR_GENERATION_MASK, true, 0},
	{"wrap2", TSR_LAP_MASK, TSR_GENERATION_MASK - 1, true, 1},
	{"wrap3", TSR_LAP_MASK, TSR_GENERATION_MASK - 2, true, 0},
	{"wrap4", TSR_LAP_MASK, TSR_GENERATION_MASK - 3, true, 0},
};

/* What a peer is frozen in. */
static struct {
	char const *op;
	char const *start;
} const killer_peers[] = {
	{"send", "empty"},           {"recv", "one"},      {"send-wait", "full"},
	{"recv-wait", "empty"},      {"alloc", "refill"},  {"release", "flush"},
	{"meet-send", "nobody"},     {"meet-recv", "one"}, {"meet-send-wait", "nobody"},
	{"meet-recv-wait", "empty"},
};

#define KILLER_COUNT(table) (sizeof(table) / sizeof((table)[0]))

static struct {
	char const *op, *state, *shape, *era, *peer, *at_word, *points_word, *seed_word;
	unsigned long at;
	unsigned long points; /* sample until so many; 0: all */
	uint64_t seed;
	int quick, daily, complete, stop, no_reaper, no_freeze, traced;
} killer = {.at_word = "0", .points_word = "0", .seed_word = "0"};

static struct sweep_count killer_counts[KILLER_OPS_MAX][KILLER_STARTS];
static struct sweep_count killer_total;
static unsigned long killer_violations;
static uint64_t killer_state; /* of the random numbers */

static uint64_t
killer_random(void)
{
	killer_state ^= killer_state >> 12;
	killer_state ^= killer_state << 25;
	killer_state ^= killer_state >> 27;
	return killer_state * UINT64_C(0x2545f4914f6cdd1d);
}

static bool
killer_wanted(char const *option, char const *name)
{
	return option == NULL || strcmp(option, name) == 0;
}

static struct start const *
killer_start(struct op const *op, char const *name)
{
	for (unsigned i = 0; i < KILLER_STARTS && op->start[i].name != NULL; i++) {
		if (strcmp(op->start[i].name, name) == 0)
			return &op->start[i];
	}
	return NULL;
}

static bool
killer_fits(struct op const *op, struct sweep_case const *c)
{
	if (op->depot || op->any_kind)
		return true;
	return op->kind != 0 ? c->shape->kind == op->kind : c->shape->kind != TSR_KIND_RENDEZVOUS;
}

/* Broadcasts: a slow reader is waited for, but by the one operation that is about that. */
static bool
killer_of_broadcast(struct sweep_case const *c)
{
	uint32_t const overtakes = TSR_CHANNEL_EVICT | TSR_CHANNEL_LAP;

	return c->op->broadcast != OP_RINGS_ONLY && (c->start->flags & START_RING) == 0 &&
	       ((c->shape->flags & overtakes) != 0) == c->op->overtakes;
}

/* Does this make sense at all? */
static bool
killer_possible(struct sweep_case const *c)
{
	if (((c->start->flags & START_AGAIN) != 0 &&
	     (c->shape->flags & TSR_CHANNEL_REQUEUE) == 0) ||
	    ((c->op->ends & OP_RECEIVER) == 0 && (c->shape->flags & TSR_CHANNEL_REQUEUE) != 0))
		return false;
	if ((c->start->flags & START_REDO) != 0 && c->shape->kind == TSR_KIND_CONFLATED)
		return false;
	/* Where a channel that drops is not full, it is as any other. */
	if ((c->shape->flags & TSR_CHANNEL_DROPS) != 0 && c->start->fill != OP_FULL &&
	    (c->start->flags & START_REDO) == 0)
		return false;
	if (!killer_fits(c->op, c) || (c->peer_op != NULL && !killer_fits(c->peer_op, c)))
		return false;
	if ((c->start->flags & START_REDO) != 0 &&
	    (c->shape->flags & TSR_CHANNEL_ONE_RECEIVER) != 0)
		return false;
	if (c->shape->kind == TSR_KIND_BROADCAST ? !killer_of_broadcast(c)
	                                         : c->op->broadcast == OP_BROADCAST_ONLY)
		return false;
	if (c->peer_op != NULL && (c->start->flags & (START_WOKEN | START_PEER_SLEEPS |
	                                              START_WATCHED | START_ALONE)) != 0)
		return false;
	return true;
}

static struct sweep_count *
killer_row(struct sweep_case const *c)
{
	return &killer_counts[c->op - op_table][c->start - c->op->start];
}

static bool
killer_sweep(struct sweep_case const *c)
{
	struct sweep_options const options = {
		.freeze = killer.no_freeze == 0 && !killer.traced,
		.reaper = killer.no_reaper == 0 && !killer.traced,
		.at = killer.at,
		.both_drain = killer.quick == 0,
	};
	bool possible;

	/* Enough is known. */
	if (killer_violations >= (killer.stop ? 1 : KILLER_VIOLATIONS))
		return false;
	killer_violations -= killer_row(c)->violations;
	possible = killer.traced ? sweep_run_traced(c, &options, killer_row(c))
	                         : sweep_run(c, &options, killer_row(c));
	killer_violations += killer_row(c)->violations;
	return possible;
}

/* All images of a peer are phases; at the depot, whose cells are long, every eighth. */
static bool
killer_phase_wanted(struct sweep_case const *c)
{
	return !c->peer_op->depot || killer.complete || c->phase <= 3 || c->phase % 8 == 0;
}

static void
killer_sweep_peer(struct sweep_case c, unsigned which)
{
	unsigned only = 0;

	c.peer_op = op_find(killer_peers[which].op);
	c.peer_start = killer_start(c.peer_op, killer_peers[which].start);
	if (killer.peer != NULL) {
		char const *const at = strchr(killer.peer, '@');
		char name[64];

		snprintf(name, sizeof(name), "%s:%s", c.peer_op->name, c.peer_start->name);
		if (at == NULL || strlen(name) != (size_t)(at - killer.peer) ||
		    strncmp(name, killer.peer, strlen(name)) != 0)
			return;
		only = (unsigned)strtoul(at + 1, NULL, 10);
	}
	if (c.op->depot != c.peer_op->depot || !killer_possible(&c))
		return;
	for (c.phase = 1; c.phase < KILLER_PHASES_MAX; c.phase++) {
		if (only != 0 ? c.phase != only : !killer_phase_wanted(&c))
			continue;
		if (!killer_sweep(&c))
			return;
	}
}

static void
killer_sweep_all(struct sweep_case const *c)
{
	if (!killer_possible(c))
		return;
	if (killer.peer == NULL)
		(void)killer_sweep(c);
	if (killer.quick || (c->era != &killer_eras[0] && !killer.complete && killer.peer == NULL))
		return;
	for (unsigned i = 0; i < KILLER_COUNT(killer_peers); i++)
		killer_sweep_peer(*c, i);
}

/* Every case, to @each. */
static void
killer_cases(void (*each)(struct sweep_case const *))
{
	struct sweep_case c = {.peer_op = NULL};

	for (unsigned o = 0; o < op_count; o++) {
		c.op = &op_table[o];
		for (unsigned s = 0; s < KILLER_STARTS && c.op->start[s].name != NULL; s++) {
			c.start = &c.op->start[s];
			for (unsigned h = 0; h < KILLER_COUNT(killer_shapes); h++) {
				c.shape = &killer_shapes[h];
				for (unsigned e = 0; e < KILLER_COUNT(killer_eras); e++) {
					c.era = &killer_eras[e];
					if ((c.op->depot && h > 0) || (killer.quick && e > 1) ||
					    !killer_wanted(killer.op, c.op->name) ||
					    !killer_wanted(killer.state, c.start->name) ||
					    !killer_wanted(killer.shape, c.shape->name) ||
					    !killer_wanted(killer.era, c.era->name))
						continue;
					each(&c);
				}
			}
		}
	}
}

static struct sweep_case *killer_list;
static size_t killer_list_count;

static void
killer_note(struct sweep_case const *c)
{
	killer_list = realloc(killer_list, (killer_list_count + 1) * sizeof(*c));
	if (killer_list == NULL)
		world_give_up("no memory");
	killer_list[killer_list_count++] = *c;
}

static void
killer_sum(void)
{
	memset(&killer_total, 0, sizeof(killer_total));
	for (unsigned o = 0; o < op_count; o++) {
		for (unsigned s = 0; s < KILLER_STARTS; s++) {
			struct sweep_count const *const row = &killer_counts[o][s];

			killer_total.cases += row->cases;
			killer_total.points += row->points;
			killer_total.images += row->images;
			killer_total.frozen += row->frozen;
			killer_total.reaper += row->reaper;
			killer_total.violations += row->violations;
			for (unsigned i = 0; i < HOLDS; i++)
				killer_total.held[i] += row->held[i];
		}
	}
}

/* Cases at random, half of them with a peer in the middle of something. */
static void
killer_sample(void)
{
	killer_cases(killer_note);
	for (unsigned long i = 0;
	     killer_total.points < killer.points && killer_total.violations == 0; i++) {
		struct sweep_case c = killer_list[killer_random() % killer_list_count];
		unsigned const which = (unsigned)(killer_random() % KILLER_COUNT(killer_peers));

		if (killer_random() % 2 == 0) {
			c.peer_op = op_find(killer_peers[which].op);
			c.peer_start = killer_start(c.peer_op, killer_peers[which].start);
			c.phase = 1 + (unsigned)(killer_random() % 16);
			if (c.op->depot != c.peer_op->depot)
				c.peer_op = NULL;
		}
		if (killer_possible(&c))
			(void)killer_sweep(&c);
		killer_sum();
	}
}

static void
killer_print(char const *name, struct sweep_count const *c)
{
	printf("%-26s %6lu %6lu %9lu %8lu %9lu %8lu %6lu %6lu %6lu %5lu\n", name, c->cases,
	       c->instructions, c->points, c->images, c->frozen, c->reaper, c->held[HOLD_CLAIMED],
	       c->held[HOLD_LAP], c->held[HOLD_WAKE], c->violations);
}

static int
killer_report(double seconds)
{
	printf("%-26s %6s %6s %9s %8s %9s %8s %6s %6s %6s %5s\n", "operation/start state", "cases",
	       "instr", "points", "images", "frozen", "reaper", "claim", "lap", "wake", "bad");
	for (unsigned o = 0; o < op_count; o++) {
		for (unsigned s = 0; s < KILLER_STARTS; s++) {
			char name[64];

			if (killer_counts[o][s].cases == 0)
				continue;
			snprintf(name, sizeof(name), "%s/%s", op_table[o].name,
			         op_table[o].start[s].name);
			killer_print(name, &killer_counts[o][s]);
		}
	}
	killer_sum();
	killer_print("all", &killer_total);
	printf("%lu kills, %lu distinct images, %lu times frozen and continued, %lu deaths of the "
	       "reaper, in %.1f s (%.1f s of CPU): %lu violations\n",
	       killer_total.points, killer_total.images, killer_total.frozen, killer_total.reaper,
	       seconds, (double)clock() / CLOCKS_PER_SEC, killer_total.violations);
	return killer_total.violations != 0 || killer_total.points == 0;
}

static void
killer_usage(void)
{
	printf("killer [OPTION...] - kill each operation of libtessera after each instruction\n"
	       "  --op NAME --state NAME --shape NAME --era NAME   only these\n"
	       "  --peer OP:STATE@PHASE   only with a peer frozen there\n"
	       "  --at N        only after the N-th instruction\n"
	       "  --points N    cases at random until there were so many points; else all\n"
	       "  --seed N      of the random numbers; else a new one, which is printed\n"
	       "  --complete    peers in the middle of something in every era\n"
	       "  --quick       no peers in the middle of something, fewer eras\n"
	       "  --daily       --quick, unless it is night (TESSERA_NIGHTLY)\n"
	       "  --stop        at the first violation, not at the tenth\n"
	       "  --ptrace      step another process: portable; it is only killed\n"
	       "  --no-freeze   only kill\n"
	       "  --no-reaper   do not kill the reaper\n");
}

static void
killer_options(int argc, char **argv)
{
	static struct option const options[] = {
		{"op", required_argument, NULL, 'o'},
		{"state", required_argument, NULL, 's'},
		{"shape", required_argument, NULL, 'h'},
		{"era", required_argument, NULL, 'e'},
		{"peer", required_argument, NULL, 'p'},
		{"at", required_argument, NULL, 'a'},
		{"points", required_argument, NULL, 'n'},
		{"seed", required_argument, NULL, 'r'},
		{"quick", no_argument, &killer.quick, true},
		{"daily", no_argument, &killer.daily, true},
		{"complete", no_argument, &killer.complete, true},
		{"stop", no_argument, &killer.stop, true},
		{"ptrace", no_argument, &killer.traced, true},
		{"no-freeze", no_argument, &killer.no_freeze, true},
		{"no-reaper", no_argument, &killer.no_reaper, true},
		{"help", no_argument, NULL, '?'},
		{NULL, 0, NULL, 0},
	};
	char const **const words[] = {
		['o'] = &killer.op,      ['s'] = &killer.state,      ['h'] = &killer.shape,
		['e'] = &killer.era,     ['p'] = &killer.peer,       ['r'] = &killer.seed_word,
		['a'] = &killer.at_word, ['n'] = &killer.points_word};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?') {
			killer_usage();
			exit(2);
		}
		if (option != 0)
			*words[option] = optarg;
	}
	killer.at = strtoul(killer.at_word, NULL, 10);
	killer.points = strtoul(killer.points_word, NULL, 10);
	killer.seed = strtoull(killer.seed_word, NULL, 10);
}

static double
killer_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int
main(int argc, char **argv)
{
	double const begun = killer_now();

	killer_options(argc, argv);
	if (getenv("TESSERA_NIGHTLY") == NULL) {
		killer.quick |= killer.daily;
	} else if (!killer.quick) {
		killer.complete = true;
		killer.points *= KILLER_NIGHTLY;
	}
	if (!actor_open() && !killer.traced) {
		printf("this processor can't be stepped by a trap flag\n");
		return KILLER_SKIPPED;
	}
	if (!world_open()) {
		printf("no memory for a realm\n");
		return 1;
	}
	sweep_open();
	if (killer.seed == 0)
		killer.seed = (uint64_t)(begun * 1e9) | 1;
	killer_state = killer.seed;
	if (killer.points != 0) {
		printf("--seed %ju\n", (uintmax_t)killer.seed);
		killer_sample();
	} else {
		killer_cases(killer_sweep_all);
	}
	return killer_report(killer_now() - begun);
}
