/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <pthread.h>
#include <time.h>

#include "tests/conserve/world.h"
#include "tests/support/check.h"

/* A message that nobody got: in the thread that cancels, once. */
static void
scope_undelivered(void *argument, struct tsr_msg *msg)
{
	struct conserve_scope *const scope = argument;

	scope->wrong = conserve_note(scope->channel, msg, CONSERVE_UNDELIVERED);
	if (scope->wrong == NULL && tsr_release(scope->client, msg) != 0)
		scope->wrong = "a message that was handed back can't be released";
}

static void *
scope_cancel(void *argument)
{
	struct conserve_scope *const scope = argument;
	struct timespec const pause = {.tv_nsec = (long)scope->after_ns};

	(void)nanosleep(&pause, NULL);
	if (tsr_scope_cancel(scope->scope) != 0)
		scope->wrong = "a scope can't be cancelled";
	return NULL;
}

void
conserve_scope_open(struct conserve_scope *scope, struct child_report *report,
                    struct tsr_sender const *sender, struct tsr_receiver const *receiver)
{
	struct tsr_scope_options const options = {
		.size = sizeof(options), .undelivered = scope_undelivered, .argument = scope};

	child_ok(report, tsr_scope_open(scope->client, &options, &scope->scope));
	if (sender != NULL)
		child_ok(report, tsr_scope_add_sender(scope->scope, *sender));
	if (receiver != NULL)
		child_ok(report, tsr_scope_add_receiver(scope->scope, *receiver));
	child_check(report, pthread_create(&scope->thread, NULL, scope_cancel, scope) == 0);
}

void
conserve_scope_close(struct conserve_scope *scope, struct child_report *report)
{
	child_check(report, pthread_join(scope->thread, NULL) == 0);
	child_check(report, scope->wrong == NULL, "%s: %s; seed of the round %#jx",
	            conserve_table[scope->channel].name, scope->wrong,
	            (uintmax_t)conserve_world->seed);
	child_ok(report, tsr_scope_close(scope->scope));
}
