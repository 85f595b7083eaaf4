/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/tsan/twin.h"

/*
 * Tokens by themselves: no slot is published, so that only the token orders what the sleeper and
 * its waker write for each other; then two that take turns with the only free token.
 */

#define ROUNDS 600
#define TURNS  600
#define TRIES  50

static struct twin twin;
static struct tsr_wait_side side;
static uint64_t from_sleeper[ROUNDS], from_waker[ROUNDS];
static uint64_t turns;

enum how {
	ASLEEP,
	WATCHING,
	AT_ONCE, /* mostly too early for the waker */
};

/* Return: it was claimed, and noticed like this. */
static bool
sleep_once(uint32_t number, uint64_t round, enum how how)
{
	uint64_t const word = tsr_token_enqueue(&side, number, 1, round % 2 == 0);

	if (how == ASLEEP) {
		twin_is(tsr_token_sleep(&side, number, word, UINT64_MAX), 0);
		/* [W3]: before anything else looks at the token. */
		twin_check(from_waker[round] == round + 1);
	}
	while (how == WATCHING && tsr_ld_rlx(&side.tokens[number]) == word)
		twin_pause();
	return tsr_token_withdraw(&side, number, 1);
}

static void *
sleeping(void *arg)
{
	uint32_t number;

	(void)arg;
	twin_is(tsr_token_acquire(&side, 1, &number), 0);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		from_sleeper[i] = i + 2;
		for (uint32_t tries = 0;
		     !sleep_once(number, i, tries < TRIES ? (enum how)(i % 3) : WATCHING); tries++)
			continue;
		/* [W6] */
		twin_check(from_waker[i] == i + 1);
	}
	tsr_token_release(&side, number, 1);
	return NULL;
}

static void *
waking(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < ROUNDS; i++) {
		from_waker[i] = i + 1;
		while (tsr_waiters_wake_one(&side, 2) == 0)
			twin_pause();
		/* [K3] */
		twin_check(from_sleeper[i] == i + 2);
	}
	return NULL;
}

static void *
taking_turns(void *arg)
{
	uint16_t const me = (uint16_t)(uintptr_t)arg;

	for (uint64_t i = 0; i < TURNS; i++) {
		uint32_t number;

		while (tsr_token_acquire(&side, me, &number) != 0)
			twin_pause();
		/* [W4]: whoever had it before has counted. */
		turns++;
		tsr_token_release(&side, number, me);
	}
	return NULL;
}

int
main(void)
{
	pthread_t thread[2];

	twin_make(&twin, 4, 0);
	side = (struct tsr_wait_side){&twin.channel.shm->receivers_waiting,
	                              twin.channel.tokens->receiver, NULL};
	twin_is(tsr_membarrier_register(), 0);
	twin_run(sleeping, waking);
	for (uint32_t i = 1; i < TSR_TOKENS_PER_SIDE; i++) {
		uint32_t number;

		twin_is(tsr_token_acquire(&side, 7, &number), 0);
	}
	for (uintptr_t i = 0; i < 2; i++)
		twin_check(pthread_create(&thread[i], NULL, taking_turns, (void *)(i + 1)) == 0);
	for (int i = 0; i < 2; i++)
		twin_check(pthread_join(thread[i], NULL) == 0);
	twin_check(turns == 2 * TURNS);
	puts("token: no race");
	return 0;
}
