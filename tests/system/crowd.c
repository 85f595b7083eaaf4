/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/system/crowd.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/child.h"

#define HELD       4 /* messages that a receiver keeps */
#define WAIT_MS    3
#define ROUNDS     5000 /* of a life, before it leaves and comes again */
#define ROUNDS_CUT 100  /* when it has to find out that its realm is gone */
#define QUIET      3    /* times nothing came: the channel is drained */
#define RECORDS    (UINT32_C(1) << 22)
#define BLOCK      256 /* records that a sender takes at once */
#define KNOWN      16  /* senders that a reader of the broadcast tells apart */
#define CROWD_NICE 10
#define PAUSE_US   50
#define REQUEST_NS (4 * TEST_SECOND)
#define LATE_NS    (2 * TEST_SECOND)
#define RESERVE    (CROWD_CLIENTS * BLOCK)

enum mode {
	MODE_RUN,
	MODE_STILL, /* nobody does anything */
	MODE_DRAIN, /* nobody sends; receivers stand still when nothing comes any more */
};

enum cut {
	CUT_NONE,
	CUT_BEGUN, /* nobody attaches yet */
	CUT_ATTACH,
};

#define SHAPE(...)                                                                      \
	{                                                                               \
		.size = sizeof(struct tsr_channel_options), .capacity = 16, __VA_ARGS__ \
	}

static struct tsr_channel_options const shapes[CROWD_CHANNELS] = {
	SHAPE(.kind = TSR_KIND_BUFFERED),
	SHAPE(.kind = TSR_KIND_BUFFERED, .flags = TSR_CHANNEL_DROP_OLDEST),
	SHAPE(.kind = TSR_KIND_BUFFERED, .flags = TSR_CHANNEL_REQUEUE),
	SHAPE(.kind = TSR_KIND_RENDEZVOUS),
	SHAPE(.kind = TSR_KIND_CONFLATED),
	SHAPE(.kind = TSR_KIND_BROADCAST),
	SHAPE(.kind = TSR_KIND_UNLIMITED),
	SHAPE(.kind = TSR_KIND_BUFFERED,
              .flags = TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER),
};

#define CHANNEL_REQUEUE   2
#define CHANNEL_BROADCAST 5
#define STRICT            (1U << 0 | 1U << CHANNEL_REQUEUE | 1U << 3 | 1U << 6 | 1U << 7)

/* A record: [0] sent, [1..8] seen, [9..16] of these, flagged, [17..19] channel. */
#define RECORD_SENT    1U
#define RECORD_SEEN    2U
#define RECORD_AGAIN   (1U << 9)
#define RECORD_CHANNEL 17

/* What a client shows, for as long as it lives there. */
struct place {
	_Atomic uint64_t still; /* crowd's `pause`, when it has come to rest in that */
	_Atomic(char const *) does;
	_Atomic uint64_t gave_up; /* a request found no daemon for as long as it may wait */
	_Atomic uint64_t rounds;
	_Atomic uint64_t came;     /* enum cut: as it was when it last attached */
	_Atomic uint64_t receives; /* one bit each: channels that it is just receiving from */
};

/* Shared by all. */
struct crowd {
	_Atomic uint64_t pause; /* 4 * how many there were, and enum mode */
	_Atomic uint64_t cut;   /* the realm may be gone: -ENOTCONN is no surprise; enum cut */
	_Atomic uint64_t late;  /* no daemon, or its start took long on this machine */
	_Atomic uint64_t epoch; /* of the records */
	_Atomic uint64_t next;  /* record */
	_Atomic uint64_t lives;
	_Atomic uint64_t received;
	struct place place[CROWD_CLIENTS];
	_Atomic uint32_t record[RECORDS];
};

static struct crowd *crowd;
static struct daemon *crowd_holder, *crowd_daemon;
static struct child children[CROWD_CLIENTS];
static struct tsr_control control;
static struct crowd_tally tally;
static uint64_t killed_ns; /* when the daemon was */
static uint64_t excused[CROWD_CHANNELS];

/* What a message says. */
struct word {
	uint64_t id; /* of its record */
	uint64_t epoch;
	uint64_t life; /* of its sender */
	uint64_t number;
	uint64_t ticks;
	uint64_t check; /* of all these */
};

static uint64_t
word_check(struct word const *word)
{
	return ~(word->id ^ word->epoch << 32 ^ word->life << 16 ^ word->number << 1 ^ word->ticks);
}

/* One life. */
struct life {
	struct child_report *report;
	struct place *place;
	uint64_t channel;
	uint64_t number; /* of lives */
	bool sends;
	struct tsr_client client;
	struct tsr_msg held[HELD];
	uint32_t next;
	uint64_t since; /* of what it does */
	uint64_t pause;
	uint32_t quiet; /* times in a row that nothing came while that one drains */
	/* Sending. */
	uint64_t epoch, id, id_past, sent;
	/* Receiving a broadcast. */
	struct {
		uint64_t life, number;
	} known[KNOWN];
	uint32_t known_next;
};

/* Is it to rest? */
static bool
life_rests(struct life *life)
{
	uint64_t const pause = atomic_load(&crowd->pause);
	uint64_t const mode = pause % 4;

	if (life->pause != pause)
		life->quiet = 0;
	life->pause = pause;
	return mode == MODE_STILL || (mode == MODE_DRAIN && (life->sends || life->quiet >= QUIET));
}

/* Whether it is to go on as it was. */
static bool
life_goes_on(struct life *life, uint64_t round)
{
	atomic_fetch_add(&life->place->rounds, 1);
	while (life_rests(life)) {
		atomic_store(&life->place->still, life->pause);
		poll(NULL, 0, 1);
	}
	return round < (atomic_load(&crowd->cut) != 0 ? ROUNDS_CUT : ROUNDS);
}

/* What it asks the daemon for, or waits for: for who finds it there. */
static void
life_does(struct life *life, char const *what)
{
	atomic_store(&life->place->does, what);
	life->since = tsr_now_ns();
}

/* Requests wait five seconds for a daemon. Where it dies and starts for longer than that, because
 * the machine has so much else to do, this life ends here. */
static void
life_waited(struct life *life, int error)
{
	if ((error != -ENOTCONN && error != -ETIMEDOUT) || atomic_load(&crowd->late) == 0 ||
	    tsr_now_ns() - life->since < REQUEST_NS)
		return;
	atomic_store(&life->place->gave_up, 1);
	for (;;)
		poll(NULL, 0, 1000);
}

/* What may come of a call while others die. */
static bool
life_bears(int error)
{
	return error == 0 || error == -ETIMEDOUT || error == -EAGAIN || error == -EPIPE ||
	       error == -ECONNRESET || error == -ENOMEM || error == -ENOBUFS ||
	       error == -EOVERFLOW || (error == -ENOTCONN && atomic_load(&crowd->cut) != 0);
}

/* Asked of a daemon: done, unless there is no realm any more. */
static void
life_is_done(struct life *life, char const *what, int error)
{
	life_waited(life, error);
	child_check(life->report,
	            error == 0 || (error == -ENOTCONN && atomic_load(&crowd->cut) != 0),
	            "%s: %d (%s)", what, error, tsr_last_hint());
}

/* The next record; false: there is none any more before the next account. */
static bool
life_reserve(struct life *life)
{
	uint64_t const epoch = atomic_load(&crowd->epoch);

	if (life->epoch == epoch && life->id < life->id_past)
		return true;
	life->epoch = epoch;
	life->id = life->id_past = 0;
	if (atomic_load(&crowd->next) + RESERVE > RECORDS)
		return false;
	life->id = atomic_fetch_add(&crowd->next, BLOCK);
	life->id_past = life->id + BLOCK;
	return true;
}

static int
life_fill(struct life *life, struct tsr_msg *msg)
{
	struct word word = {
		.id = life->id,
		.epoch = life->epoch,
		.life = life->number,
		.number = life->sent,
		.ticks = tsr_ticks(),
	};
	int const error = tsr_alloc(life->client, 64, msg);

	if (error != 0)
		return error;
	word.check = word_check(&word);
	memcpy(msg->data, &word, sizeof(word));
	atomic_store(&crowd->record[life->id], (uint32_t)life->channel << RECORD_CHANNEL);
	return 0;
}

static void
life_send_one(struct life *life, struct tsr_sender sender)
{
	struct tsr_msg msg;
	int error;

	if (!life_reserve(life)) {
		poll(NULL, 0, 1);
		return;
	}
	error = life_fill(life, &msg);
	child_check(life->report, life_bears(error), "alloc: %d", error);
	if (error != 0)
		return;
	life_does(life, "send");
	error = tsr_send(sender, &msg, tsr_deadline_in_ms(WAIT_MS));
	child_check(life->report, life_bears(error), "send: %d", error);
	if (error != 0) {
		life_is_done(life, "release", tsr_release(life->client, &msg));
		return;
	}
	atomic_fetch_or(&crowd->record[life->id], RECORD_SENT);
	life->id++;
	life->sent++;
}

static void
life_send(struct life *life, char const *name)
{
	struct tsr_sender sender;
	int error;

	life_does(life, "sender's open");
	error = tsr_sender_open(life->client, name, NULL, &sender);
	life_waited(life, error);
	child_check(life->report, life_bears(error) || error == -EBUSY, "sender: %d (%s)", error,
	            tsr_last_hint());
	if (error != 0)
		return;
	for (uint64_t i = 0; life_goes_on(life, i); i++)
		life_send_one(life, sender);
	life_does(life, "sender's close");
	life_is_done(life, "sender's close", tsr_sender_close(sender));
}

/* Of each sender, all from the first one on, in their order. */
static void
life_follows(struct life *life, struct word const *word)
{
	for (uint32_t i = 0; i < KNOWN; i++) {
		if (life->known[i].life != word->life)
			continue;
		child_check(life->report, word->number == life->known[i].number + 1,
		            "broadcast %ju of life %ju after %ju", (uintmax_t)word->number,
		            (uintmax_t)word->life, (uintmax_t)life->known[i].number);
		life->known[i].number = word->number;
		return;
	}
	life->known[life->known_next % KNOWN].life = word->life;
	life->known[life->known_next++ % KNOWN].number = word->number;
}

/* It was received: tell. */
static void
life_tell(struct life *life, uint64_t channel, struct tsr_msg const *msg)
{
	bool const again = (msg->flags & TSR_MSG_REDELIVERED) != 0;
	struct word word;
	uint32_t record, seen;

	child_check(life->report, msg->length == 64, "%u bytes", msg->length);
	memcpy(&word, msg->data, sizeof(word));
	child_check(life->report, word.check == word_check(&word), "it is garbled");
	atomic_fetch_add(&crowd->received, 1);
	life->quiet = 0;
	if (channel == CHANNEL_BROADCAST) {
		life_follows(life, &word);
		return;
	}
	if (word.epoch != atomic_load(&crowd->epoch)) {
		child_check(life->report, again || (STRICT >> channel & 1) == 0,
		            "channel %ju: a message from before the last account",
		            (uintmax_t)channel);
		return;
	}
	record = atomic_fetch_add(&crowd->record[word.id],
	                          again ? RECORD_SEEN + RECORD_AGAIN : RECORD_SEEN);
	seen = record >> 1 & 0xff;
	child_check(life->report, record >> RECORD_CHANNEL == channel,
	            "a message of channel %u came by channel %ju", record >> RECORD_CHANNEL,
	            (uintmax_t)channel);
	child_check(life->report, seen <= (record >> 9 & 0xff) || again,
	            "channel %ju: message %ju came %u times before, and is not flagged",
	            (uintmax_t)channel, (uintmax_t)word.id, seen);
}

/* Keep the last few, release the others. */
static void
life_take(struct life *life, struct tsr_msg *msg)
{
	struct tsr_msg *const place = &life->held[life->next++ % HELD];

	if (place->data != NULL)
		life_is_done(life, "release", tsr_release(life->client, place));
	*place = *msg;
}

/* Something was to be received from those channels, and now it is told. */
static void
life_received(struct life *life, int error)
{
	atomic_store(&life->place->receives, 0);
	if (error != 0)
		life->quiet++;
}

static void
life_recv(struct life *life, char const *name)
{
	struct tsr_receiver receiver;
	struct tsr_msg msg;
	int error;

	life_does(life, "receiver's open");
	error = tsr_receiver_open(life->client, name, NULL, &receiver);
	life_waited(life, error);
	child_check(life->report, life_bears(error) || error == -EBUSY, "receiver: %d (%s)", error,
	            tsr_last_hint());
	if (error != 0)
		return;
	memset(life->known, 0, sizeof(life->known));
	for (uint64_t i = 0; life_goes_on(life, i); i++) {
		atomic_store(&life->place->receives, 1U << life->channel);
		life_does(life, "recv");
		error = tsr_recv(receiver, &msg, tsr_deadline_in_ms(WAIT_MS));
		child_check(life->report, life_bears(error), "recv: %d", error);
		if (error == 0)
			life_tell(life, life->channel, &msg);
		life_received(life, error);
		if (error == 0 && life->channel != CHANNEL_BROADCAST)
			life_take(life, &msg);
		else if (error == 0)
			life_is_done(life, "release", tsr_release(life->client, &msg));
	}
	life_does(life, "receiver's close");
	life_is_done(life, "receiver's close", tsr_receiver_close(receiver));
}

/* On two channels at once. */
static void
life_select(struct life *life)
{
	static uint64_t const channels[2] = {0, 6};
	struct tsr_msg msgs[2];
	struct tsr_case cases[2] = {{.msg = &msgs[0]}, {.msg = &msgs[1]}};
	struct tsr_select select = {.size = sizeof(select), .cases = cases, .count = 2};
	int error;

	life_does(life, "two receivers");
	error = tsr_receiver_open(life->client, "crowd/0", NULL, &cases[0].receiver);
	if (error == 0)
		error = tsr_receiver_open(life->client, "crowd/6", NULL, &cases[1].receiver);
	life_is_done(life, "two receivers", error);
	if (error != 0)
		return;
	for (uint64_t i = 0; life_goes_on(life, i); i++) {
		atomic_store(&life->place->receives, 1U << 0 | 1U << 6);
		error = tsr_select(&select, tsr_deadline_in_ms(WAIT_MS));
		child_check(life->report, life_bears(error), "select: %d", error);
		if (error == 0)
			life_tell(life, channels[select.fired], &msgs[select.fired]);
		life_received(life, error);
		if (error == 0)
			life_take(life, &msgs[select.fired]);
	}
	life_does(life, "two receivers' close");
	life_is_done(life, "receiver's close", tsr_receiver_close(cases[0].receiver));
	life_is_done(life, "receiver's close", tsr_receiver_close(cases[1].receiver));
}

/* A region, and an event descriptor of a channel that comes and goes. */
static void
life_visit(struct life *life)
{
	struct tsr_receiver receiver = {0};
	struct tsr_region region;
	struct tsr_msg msg;
	int ready, fd;
	int error;

	life_does(life, "visit");
	error = tsr_region_create(life->client, 65536, NULL, &region);
	if (error == 0)
		error = tsr_region_alloc(region, 0, 64, &msg);
	if (error == 0)
		error = tsr_release(life->client, &msg);
	if (error == 0)
		error = tsr_region_close(region);
	if (error == 0)
		error = tsr_receiver_open(life->client, "crowd/visit", NULL, &receiver);
	if (error == 0)
		error = tsr_receiver_event(receiver, &fd);
	if (error == 0)
		error = tsr_receiver_arm(receiver, &ready);
	if (error == 0)
		error = tsr_receiver_close(receiver);
	if (error == 0)
		error = tsr_channel_remove(life->client, "crowd/visit");
	life_waited(life, error);
	/* The one before may not be reaped yet. */
	child_check(life->report, life_bears(error) || error == -EBUSY, "visit: %d (%s)", error,
	            tsr_last_hint());
}

/* Whoever asks while the daemon dies asks the next one. */
static void
life_attach(struct life *life)
{
	uint64_t const deadline = tsr_deadline_in_ms(20000);
	uint64_t cut;
	int error;

	while ((cut = atomic_load(&crowd->cut)) == CUT_BEGUN)
		poll(NULL, 0, 1);
	do {
		struct tsr_attach_options const options = daemon_options(crowd_daemon);

		error = tsr_attach(&options, &life->client);
		if (error == -ENOTCONN || error == -ECONNREFUSED)
			poll(NULL, 0, 1);
	} while ((error == -ENOTCONN || error == -ECONNREFUSED) && tsr_now_ns() < deadline);
	life_waited(life, error);
	child_check(life->report, error == 0, "attach: %d (%s)", error, tsr_last_hint());
	atomic_store(&life->place->came, cut);
}

/* Client i is on channel i % 8: two send, two receive; of the last channel the two that it has no
 * room for look at two others at once, or come and go. */
static int
life(struct child_report *report, void *arg)
{
	uint64_t const number = (uintptr_t)arg, role = number / CROWD_CHANNELS;
	struct life life = {
		.report = report,
		.place = &crowd->place[number],
		.channel = number % CROWD_CHANNELS,
		.number = atomic_fetch_add(&crowd->lives, 1) + 1,
	};
	bool const last = life.channel == CROWD_CHANNELS - 1;
	char name[16];

	/* 32 that are always busy leave the daemon enough to answer in time. */
	child_check(report, nice(CROWD_NICE) != -1);
	life.sends = last ? role % 3 == 0 : role % 2 == 0;
	snprintf(name, sizeof(name), "crowd/%ju", (uintmax_t)life.channel);
	for (;;) {
		(void)life_goes_on(&life, 0);
		life_does(&life, "attach");
		life_attach(&life);
		if (last && role == 2)
			life_select(&life);
		else if (last && role == 3)
			life_visit(&life);
		else if (life.sends)
			life_send(&life, name);
		else
			life_recv(&life, name);
		life_does(&life, "detach");
		life_is_done(&life, "detach", tsr_detach(life.client));
		memset(life.held, 0, sizeof(life.held));
	}
}

static void
crowd_start_client(uint32_t client)
{
	atomic_store(&crowd->place[client].still, 0);
	atomic_store(&crowd->place[client].receives, 0);
	atomic_store(&crowd->place[client].gave_up, 0);
	child_start(&children[client], life, (void *)(uintptr_t)client);
}

void
crowd_kill(uint32_t client)
{
	uint64_t receives;

	crowd_check();
	child_kill(&children[client], SIGKILL);
	receives = atomic_load(&crowd->place[client].receives);
	for (uint32_t i = 0; i < CROWD_CHANNELS; i++)
		excused[i] += receives >> i & 1;
	tally.kills++;
	crowd_start_client(client);
}

void
crowd_check(void)
{
	for (uint32_t i = 0; i < CROWD_CLIENTS; i++)
		cr_assert_eq(atomic_load(&children[i].report->failed), 0, "client %u: %s", i,
		             children[i].report->text);
}

static void
crowd_channels(void)
{
	struct tsr_client const client = daemon_attach(crowd_daemon, 0);
	char name[16];

	for (int i = 0; i < CROWD_CHANNELS; i++) {
		snprintf(name, sizeof(name), "crowd/%d", i);
		test_ok(tsr_channel_create(client, name, &shapes[i]));
	}
	test_ok(tsr_detach(client));
}

void
crowd_start_daemon(void)
{
	char const *const sets[] = {"realms.demo.classes=64:1024,1024:128", NULL};

	heir_start(crowd_daemon, crowd_holder, sets);
	daemon_control(crowd_daemon, &control);
	if (crowd != NULL)
		atomic_store(&crowd->late, tsr_now_ns() - killed_ns > LATE_NS);
}

void
crowd_begin(struct daemon *holder, struct daemon *daemon)
{
	crowd_holder = holder;
	crowd_daemon = daemon;
	memset(daemon, 0, sizeof(*daemon));
	holder_start(holder);
	crowd_start_daemon();
	crowd = mmap(NULL, sizeof(*crowd), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	             0);
	cr_assert_neq(crowd, MAP_FAILED);
	atomic_store(&crowd->epoch, 1);
	crowd_channels();
	for (uint32_t i = 0; i < CROWD_CLIENTS; i++)
		crowd_start_client(i);
}

void
crowd_kill_daemon(void)
{
	tsr_control_close(&control);
	killed_ns = tsr_now_ns();
	atomic_store(&crowd->late, 1);
	daemon_kill(crowd_daemon);
}

/* Until so many realms are kept. */
static void
crowd_keeps(uint32_t realms)
{
	uint64_t const deadline = test_deadline(10000);

	while (daemon_status(crowd_daemon).realms_kept != realms) {
		cr_assert(!test_passed(deadline), "%u are kept, expected %u:\n%s",
		          daemon_status(crowd_daemon).realms_kept, realms,
		          daemon_log(crowd_daemon));
		(void)usleep(PAUSE_US);
	}
}

void
crowd_kill_holder(void)
{
	daemon_kill(crowd_holder);
	crowd_keeps(0);
}

void
crowd_start_holder(void)
{
	holder_again(crowd_holder);
	crowd_keeps(1);
}

static uint64_t
crowd_pause(enum mode mode)
{
	uint64_t const pause = (atomic_load(&crowd->pause) / 4 + 1) * 4 + mode;

	atomic_store(&crowd->pause, pause);
	return pause;
}

/* Until all stand still, as that mode says. */
static void
crowd_await(enum mode mode)
{
	uint64_t const deadline = test_deadline(30000);
	uint64_t const pause = crowd_pause(mode);

	for (uint32_t i = 0; i < CROWD_CLIENTS; i++) {
		while (atomic_load(&crowd->place[i].still) != pause) {
			crowd_check();
			if (atomic_load(&crowd->place[i].gave_up) != 0) {
				tally.gave_up++;
				crowd_kill(i);
			}
			cr_assert(!test_passed(deadline),
			          "client %u does not stand still (%s), the daemon says:\n%s", i,
			          atomic_load(&crowd->place[i].does), daemon_log(crowd_daemon));
			(void)usleep(PAUSE_US);
		}
	}
}

void
crowd_stand_still(void)
{
	crowd_await(MODE_STILL);
}

void
crowd_go_on(void)
{
	(void)crowd_pause(MODE_RUN);
}

void
crowd_balances(char const *after)
{
	struct tsr_proto_ledger request = {.realm = "demo"};
	struct tsr_proto_ledger_reply ledger;
	uint64_t const deadline = test_deadline(20000);

	do {
		test_ok(tsr_control_ask(&control, TSR_PROTO_LEDGER, &request, sizeof(request),
		                        &ledger, sizeof(ledger), NULL, test_deadline(5000)));
		cr_assert(!test_passed(deadline), "%s is not repaired", after);
	} while (ledger.reaps_pending != 0);
	cr_assert(ledger.balanced, "after %s: %s", after, ledger.text);
	test_same(ledger.lost, 0);
	test_same(ledger.slots_claimed, 0);
	test_same(ledger.tokens_stray, 0);
	test_same(ledger.tickets, ledger.in_depot + ledger.with_daemon + ledger.in_channels +
	                                  ledger.with_clients + ledger.in_regions);
}

void
crowd_account(void)
{
	uint64_t lost[CROWD_CHANNELS] = {0};

	crowd_await(MODE_DRAIN);
	for (uint64_t i = 0; i < atomic_load(&crowd->next); i++) {
		uint32_t const record = atomic_load(&crowd->record[i]);
		uint32_t const channel = record >> RECORD_CHANNEL;

		tally.again += record >> 9 & 0xff;
		if ((STRICT >> channel & 1) != 0 && (record & RECORD_SENT) != 0) {
			tally.sent++;
			lost[channel] += (record >> 1 & 0xff) == 0;
		}
		atomic_store(&crowd->record[i], 0);
	}
	for (uint32_t i = 0; i < CROWD_CHANNELS; i++) {
		uint64_t const may = i == CHANNEL_REQUEUE ? 0 : excused[i];

		cr_assert_leq(lost[i], may,
		              "channel %u: %ju messages are lost, %ju were with the dead", i,
		              (uintmax_t)lost[i], (uintmax_t)may);
		tally.lost += lost[i];
		tally.excused += may;
		excused[i] = 0;
	}
	atomic_store(&crowd->next, 0);
	atomic_fetch_add(&crowd->epoch, 1);
}

struct crowd_tally
crowd_tally(void)
{
	tally.received = atomic_load(&crowd->received);
	return tally;
}

void
crowd_outlive(void)
{
	uint64_t const deadline = test_deadline(60000);

	atomic_store(&crowd->cut, CUT_BEGUN);
	crowd_kill_daemon();
	daemon_kill(crowd_holder);
	holder_again(crowd_holder);
	crowd_start_daemon();
	test_same(daemon_status(crowd_daemon).realms_taken, 0);
	crowd_channels();
	atomic_store(&crowd->cut, CUT_ATTACH);
	for (uint32_t i = 0; i < CROWD_CLIENTS; i++) {
		while (atomic_load(&crowd->place[i].came) != CUT_ATTACH) {
			crowd_check();
			cr_assert(!test_passed(deadline), "client %u has not come", i);
			poll(NULL, 0, 1);
		}
	}
	/* What was with the realm is gone. */
	crowd_await(MODE_DRAIN);
	memset(excused, 0, sizeof(excused));
	for (uint64_t i = 0; i < atomic_load(&crowd->next); i++)
		atomic_store(&crowd->record[i], 0);
	atomic_store(&crowd->next, 0);
	atomic_fetch_add(&crowd->epoch, 1);
	atomic_store(&crowd->cut, CUT_NONE);
}

void
crowd_end(void)
{
	crowd_stand_still();
	for (uint32_t i = 0; i < CROWD_CLIENTS; i++) {
		cr_assert_gt(atomic_load(&crowd->place[i].rounds), 0, "client %u has done nothing",
		             i);
		child_kill(&children[i], SIGKILL);
	}
	crowd_balances("the end of all");
	tsr_control_close(&control);
	test_same(daemon_ledger(crowd_daemon, "demo").with_clients, 0);
	heir_stop(crowd_daemon);
	test_same(holder_count(crowd_holder, ""), 0);
	holder_stop(crowd_holder);
	munmap(crowd, sizeof(*crowd));
}
