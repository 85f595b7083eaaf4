/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * explore [--quick | --slow | --list | SCENARIO...]	all scenarios, the small ones, the others
 * explore --here SCENARIO		without a process of its own, for a debugger
 * explore --replay SCHEDULE SCENARIO
 *
 * Exit status: 0 nothing is wrong; 1 a scenario shows that something is; 2 wrong use.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/depot.h"
#include "shm/kind.h"
#include "shm/ticket.h"
#include "shm/unlimited.h"
#include "tests/model/model.h"

static void
main_need(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "explore: %s\n", what);
	_exit(3);
}

unsigned
model_channels(void)
{
	return model.scenario->two ? 2 : 1;
}

struct tsr_channel_record *
model_channel(unsigned number)
{
	return number == 0 ? &model.record : &model.second;
}

static void
main_channel(unsigned number, struct tsr_shape shape)
{
	struct tsr_channel_record *const record = model_channel(number);

	if (number == 1)
		shape.flags |= model.scenario->second_flags;
	record->index = number;
	record->offset = number * tsr_kind_get(shape.kind)->bytes(&shape);
	tsr_channel_format(&model.map, number, record->offset, shape, tsr_channel_id(number, 1),
	                   number == 0 ? "model" : "second");
	main_need(tsr_channel_bind(&record->channel, &model.map, number, record->offset, shape,
	                           tsr_channel_id(number, 1)) == 0,
	          "the channel can't be bound");
}

/* A realm of one class and one channel, its depot cut down to what the scenario needs. */
static void
main_realm(struct model_scenario const *s)
{
	uint32_t const tickets = s->tickets != 0 ? s->tickets : 4;
	struct tsr_realm_geometry geometry;
	uint64_t bytes[TSR_SEGMENTS_MAX];
	struct tsr_shape const shape = {.kind = s->kind != 0 ? s->kind : TSR_KIND_BUFFERED,
	                                .capacity = s->capacity,
	                                .flags = s->flags};

	tsr_geometry_default(&geometry);
	geometry.channels = model_channels();
	geometry.slots = model_channels() *
	                 (s->capacity +
	                  (uint32_t)(sizeof(struct tsr_broadcast_shm) / sizeof(struct tsr_slot)));
	geometry.clients = MODEL_PROCESSES;
	geometry.classes = 1;
	geometry.klass[0] = (struct tsr_class_config){
		.block_bytes = s->capacity <= 2 || s->kind != TSR_KIND_UNLIMITED
	                               ? 64
	                               : (uint32_t)tsr_unlimited_bytes(s->capacity),
		.count = tickets};
	geometry.regions = 0;
	geometry.region_tickets = 0;
	geometry.ends = 0;
	geometry.first_lap = s->first_lap;
	if (s->first_generation != 0)
		geometry.first_generation = s->first_generation;
	model.map.segments_count = tsr_geometry_segments(&geometry, bytes);
	model_memory_place(&model.map, bytes);
	main_need(tsr_realm_format(&model.map, &geometry) == 0, "the realm can't be formatted");
	model.map.klass[0].cells = s->cells != 0 ? s->cells : tickets;
	model.map.klass[0].batch = s->batch != 0 ? s->batch : 1;
	for (unsigned i = 0; i < model_channels(); i++)
		main_channel(i, shape);
}

static void *
main_zeroed(size_t bytes)
{
	void *const at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	main_need(at != MAP_FAILED, "no memory");
	return at;
}

/* A client that has attached: its tables, as tsr_attach() leaves them. */
static void
main_attach(struct model_process *p)
{
	struct model_actor const *const actor = p->actor;

	p->magazines = main_zeroed(TSR_CLASSES_MAX * sizeof(*p->magazines));
	p->magazines[0].limit = actor->limit != 0 ? actor->limit : 2 * model.map.klass[0].batch;
	main_need(p->magazines[0].limit <= TSR_MAGAZINE_ENTRIES, "a magazine is not so large");
	p->leader = actor->thread != 0 ? &model.process[actor->thread] : p;
	if (p->leader != p) {
		p->table = p->leader->table;
		p->attachment = p->leader->attachment;
		p->client = p->leader->client;
		return;
	}
	p->table = main_zeroed(sizeof(*p->table));
	p->attachment = &p->table->attachment[0];
	p->attachment->map = model.map;
	p->attachment->me = (uint16_t)(actor->after != 0 ? actor->after : p->number);
	p->attachment->fenced = actor->fenced;
	p->attachment->state = &model.map.states[p->attachment->me - 1];
	p->attachment->lines_fast = 1;
	p->attachment->handle = tsr_handle_new(0);
	p->client.handle = p->attachment->handle;
	p->attachment->orphans[0].name = main_zeroed(MODEL_TICKETS * sizeof(uint64_t));
	p->attachment->orphans[0].room = MODEL_TICKETS;
}

/* What a step of the client may change. */
static void
main_keep(struct model_process *p)
{
	bool const two = p->actor->both || p->actor->asks || p->actor->serves;

	model_process_keep(p, &p->magazines[0], offsetof(struct tsr_magazine, name[MODEL_TICKETS]));
	if (p->leader != p)
		return;
	model_process_keep(p, &p->table->end[0], (two ? 2 : 1) * sizeof(p->table->end[0]));
	if (p->actor->asks)
		model_process_keep(p, &p->table->asker[0],
		                   offsetof(struct tsr_asker_own, ask[MODEL_REQUESTS]));
	if (p->actor->serves)
		model_process_keep(p, &p->table->reply[0],
		                   MODEL_CHANNELS * sizeof(p->table->reply[0]));
	if (p->actor->scoped)
		model_process_keep(p, &p->table->scope[0], sizeof(p->table->scope[0]));
	model_process_keep(p, &p->attachment->orphans[0].count, sizeof(uint32_t));
	model_process_keep(p, p->attachment->orphans[0].name, MODEL_TICKETS * sizeof(uint64_t));
}

/* Whoever opens its ends by its own options would look again until time is up: here it sleeps. */
static void
main_no_spin(uint64_t handle)
{
	struct tsr_end *const end = tsr_end_get(handle);

	main_need(end != NULL, "an end is not there");
	if (end == NULL)
		return;
	end->spin_ns = 0;
	end->window_ns = 0;
	end->adaptive = false;
}

static void
main_scope(struct model_process *p)
{
	struct tsr_scope_options const options = {
		.size = sizeof(options), .undelivered = model_undelivered, .argument = p};

	main_need(tsr_scope_open(p->client, &options, &p->scope) == 0, "a scope can't be opened");
	main_need(!p->actor->sends || tsr_scope_add_sender(p->scope, p->sender) == 0,
	          "a sender is not taken into a scope");
	main_need(!p->actor->receives || tsr_scope_add_receiver(p->scope, p->receiver) == 0,
	          "a receiver is not taken into a scope");
	main_need(!p->actor->both || tsr_scope_add_receiver(p->scope, p->also) == 0,
	          "a second receiver is not taken into a scope");
}

static void
main_open_asker(struct model_process *p)
{
	struct tsr_asker_own const *const own = &p->table->asker[0];

	main_need(p->actor->messages <= MODEL_REQUESTS, "an asker does not ask so often");
	main_need(tsr_asker_open(p->client, "model", &p->asker) == 0, "an asker can't be opened");
	main_no_spin(own->sender.handle);
	main_no_spin(own->receiver.handle);
}

static void
main_open(struct model_process *p)
{
	struct tsr_end_options const options = {.size = sizeof(options),
	                                        .flags = TSR_END_NO_SPIN | TSR_END_NO_STAMP};

	char const *const name = p->actor->second ? "second" : "model";

	tsr_process = p->table;
	model.ghost->open[p->number] = p->actor->sends || p->actor->receives;
	if (p->actor->asks) {
		main_open_asker(p);
		return;
	}
	if (p->actor->sends && !p->actor->serves)
		main_need(tsr_sender_open(p->client, name, &options, &p->sender) == 0,
		          "a sender can't be opened");
	if (p->actor->receives)
		main_need(tsr_receiver_open(p->client, name, &options, &p->receiver) == 0,
		          "a receiver can't be opened");
	if (p->actor->both)
		main_need(tsr_receiver_open(p->client, "second", &options, &p->also) == 0,
		          "a second receiver can't be opened");
	if (p->actor->scoped)
		main_scope(p);
}

/* The channel has been used: its slots name tickets as they were then. */
static void
main_stale_names(struct tsr_channel const *channel)
{
	/* Slot 0 of an unlimited one is its link. */
	for (uint32_t i = channel->kind == TSR_KIND_UNLIMITED; i < channel->capacity; i++) {
		uint64_t const generation =
			tsr_word_generation(tsr_ld_rlx(&model.map.tickets[i].word));

		tsr_st_rlx(&channel->shm->slot[i].name,
		           tsr_name_make(i, (generation - 1) & TSR_GENERATION_MASK));
	}
}

/* Tickets into magazines, as the actors say; the rest into cells of the depot. */
static void
main_tickets(void)
{
	struct tsr_class const *const klass = &model.map.klass[0];
	uint32_t ticket = 0;
	uint64_t names[TSR_CELL_ENTRIES];

	for (uint32_t i = 0; i < 2 * klass->count + 8; i++) {
		tsr_st_rlx(&tsr_map_cell_words(&model.map, 0)[i],
		           tsr_slot_word(model.map.first_lap, 0, TSR_EMPTY));
		tsr_st_rlx(&tsr_map_cells(&model.map, 0)[i].entry[0], TSR_NAME_NONE);
	}
	for (unsigned p = 1; p < model.processes; p++) {
		struct model_process *const process = &model.process[p];

		for (unsigned i = 0; i < process->actor->tickets; i++, ticket++) {
			_Atomic uint64_t *const word = &model.map.tickets[ticket].word;
			uint64_t const generation = tsr_word_generation(tsr_ld_rlx(word));

			main_need(ticket < klass->count, "more tickets are needed");
			tsr_st_rlx(word, tsr_word_make(generation, TSR_TICKET_IDLE,
			                               process->attachment->me));
			process->magazines[0].name[process->magazines[0].count++] =
				tsr_name_make(ticket, generation);
		}
	}
	for (unsigned i = 0; i < model_channels(); i++)
		main_stale_names(&model_channel(i)->channel);
	for (uint32_t count = 0; ticket < klass->count; count = 0) {
		for (; count < klass->batch && ticket < klass->count; ticket++) {
			_Atomic uint64_t *const word = &model.map.tickets[ticket].word;
			uint64_t const generation = tsr_word_generation(tsr_ld_rlx(word));

			tsr_st_rlx(word,
			           tsr_word_make(generation, TSR_TICKET_IDLE, TSR_HOLDER_DAEMON));
			names[count++] = tsr_name_make(ticket, generation);
		}
		main_need(tsr_depot_fill(&model.map, 0, TSR_HOLDER_DAEMON, names, count) == 0,
		          "the depot is too small");
	}
}

int
model_setup(const struct model_scenario *scenario)
{
	model.scenario = scenario;
	model.tso = scenario->tso || scenario->pso;
	model_memory_make();
	main_realm(scenario);
	for (model.processes = 1; model.processes < MODEL_PROCESSES &&
	                          scenario->actor[model.processes - 1].body != NULL;)
		model.processes++;
	model.process[0].leader = &model.process[0];
	for (unsigned i = 1; i < model.processes; i++) {
		model.process[i].number = i;
		model.process[i].actor = &scenario->actor[i - 1];
		main_attach(&model.process[i]);
	}
	model_daemon_make();
	main_tickets();
	for (unsigned i = 1; i < model.processes; i++) {
		if (scenario->actor[i - 1].after == 0 && !scenario->actor[i - 1].late &&
		    model.process[i].leader == &model.process[i])
			main_open(&model.process[i]);
		main_keep(&model.process[i]);
	}
	for (unsigned i = 0; i < model.processes; i++) {
		struct model_process *const p = &model.process[i];

		model_process_make(p, i == 0 ? model_daemon_body : p->actor->body);
		p->now.timeouts = i == 0 ? 0 : p->actor->timeouts;
		model.ghost->status[i] = i > 0 && p->actor->after != 0 ? MODEL_ABSENT : MODEL_RUNS;
	}
	model.ghost->kills = scenario->kills;
	model.ghost->reaper_kills = scenario->reaper_kills;
	tsr_wait_look_ns = UINT64_MAX; /* a wake-up that is missed is missed for good */
	model_memory_settle();
	model_process_run(&model.process[0]);
	model_memory_settle();
	for (unsigned i = 0; i < model.processes; i++)
		model_process_rehash(&model.process[i]);
	return 0;
}

static void
main_report(struct model_scenario const *s, struct model_result const *r)
{
	char bound[64] = "complete";

	if (model.violation != NULL)
		(void)snprintf(bound, sizeof(bound), "VIOLATION");
	else if (!r->complete && r->switches == 0)
		(void)snprintf(bound, sizeof(bound), "cut at its bound");
	else if (!r->complete)
		(void)snprintf(bound, sizeof(bound), "all with up to %u interruptions",
		               r->switches - 1);
	printf("%-21s %11llu states %12llu transitions %9llu deaths %8llu ends, depth %4u, %6.1f "
	       "s, "
	       "%s\n",
	       s->name, (unsigned long long)r->states, (unsigned long long)r->transitions,
	       (unsigned long long)r->kills, (unsigned long long)r->terminals, r->depth, r->seconds,
	       bound);
	(void)fflush(stdout);
}

/* In a process of its own. Return: its exit status. */
static int
main_explore(struct model_scenario const *s, bool nightly)
{
	uint64_t const bound = nightly ? s->nightly : s->states;
	struct model_result result;
	const uint8_t *schedule;
	uint32_t length;

	(void)model_setup(s);
	(void)model_explore(bound, &result, &schedule, &length);
	main_report(s, &result);
	if (model.violation == NULL)
		return 0;
	printf("%s: %s\nschedule: ", s->name, model.violation);
	model_trace_schedule(schedule, length);
	fflush(stdout);
	return 1;
}

static int
main_replay(struct model_scenario const *s, const char *schedule)
{
	int status;

	(void)model_setup(s);
	status = model_trace_replay(schedule);
	printf("%s\n", model.violation != NULL ? model.violation
	               : status == 0           ? "nothing is wrong on this path"
	                                       : "this is no schedule of this scenario");
	return status;
}

static struct model_scenario const *
main_find(const char *name)
{
	for (struct model_scenario const *s = model_scenarios; s->name != NULL; s++) {
		if (strcmp(s->name, name) == 0)
			return s;
	}
	fprintf(stderr, "explore: no scenario '%s', see --list\n", name);
	exit(2);
}

static int
main_run(struct model_scenario const *s)
{
	bool const nightly = getenv("TESSERA_NIGHTLY") != NULL;
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 ? 3 : main_explore(s, nightly));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	if (WIFSIGNALED(status))
		printf("%s: killed by signal %d\n", s->name, WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int
main(int argc, char **argv)
{
	bool const quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
	bool const slow = argc > 1 && strcmp(argv[1], "--slow") == 0;
	int failed = 0;

	if (argc == 3 && strcmp(argv[1], "--here") == 0)
		return main_explore(main_find(argv[2]), false);
	if (argc == 4 && strcmp(argv[1], "--replay") == 0)
		return main_replay(main_find(argv[3]), argv[2]);
	if (argc > 1 && strcmp(argv[1], "--list") == 0) {
		for (struct model_scenario const *s = model_scenarios; s->name != NULL; s++)
			printf("%-22s %s\n", s->name, s->what);
		return 0;
	}
	if (argc > 1 && !quick && !slow) {
		for (int i = 1; i < argc; i++)
			failed |= main_run(main_find(argv[i]));
		return failed != 0;
	}
	for (struct model_scenario const *s = model_scenarios; s->name != NULL; s++) {
		if (s->quick ? !slow : !quick)
			failed |= main_run(s);
		if (quick && failed != 0)
			break;
	}
	return failed != 0;
}
