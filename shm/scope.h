/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_SCOPE_H
#define TSR_SHM_SCOPE_H

/*
 * Cancellation scopes: ends, messages and further scopes of one client that are cancelled together.
 *
 * All of it is private to the process; nothing of a scope lies in shared memory. What a blocked
 * call sleeps on does: whoever cancels claims its token, as any waker would.
 *
 * Threads	an end in a scope takes the long way for each call, and enters and leaves under the
 *		scope's lock. So whoever cancels knows of each end whether a call is inside: if so
 *		it wakes it and waits until it has left; after that nobody else uses the end, and
 *		what lies before it can be taken. The lock is held for a few loads and stores, never
 *		across a wait or a callback. The process lock is taken before it, never after.
 * Exactly once	a message is handed over by whoever cancels: one that a cancelled send left, which
 *		is no longer its caller's; one that it received through the end; a ticket of the
 *		scope, if its name is still good. Each of the three can be had only once.
 */

#include "shm/client.h"

#define TSR_SCOPE_NAMES_MIN 16

/*
 * tsr_scope_enter - a call with an end of a scope begins
 * tsr_scope_leave - it ends with @error
 * @zdesc:	of a send; NULL
 *
 * Context: the end's thread. Return of enter: 0; -ECANCELED. Of leave: true: the message is the
 * scope's now.
 */
TSR_COLD TSR_MUST_CHECK int tsr_scope_enter(struct tsr_end *end);
TSR_COLD bool tsr_scope_leave(struct tsr_end *end, int error, struct tsr_zdesc const *zdesc);

/* tsr_scope_check - look again, or give up: Return: 0; -ECANCELED. Context: inside a call. */
TSR_COLD TSR_MUST_CHECK int tsr_scope_check(struct tsr_end *end);

/*
 * tsr_scope_announce - announce the end's token, unless it was cancelled: whoever cancels sees the
 * token, or the end sees that it was cancelled before it sleeps
 *
 * Return: 0; -ECANCELED; -ENOBUFS no token.
 */
TSR_COLD TSR_MUST_CHECK int tsr_scope_announce(struct tsr_end *end);

/*
 * tsr_scope_settle - wait until nobody is cancelling the end's scope, and using the end
 *
 * The process lock is held, and given up meanwhile. Return: 0; -ENOTCONN it was closed meanwhile;
 * -EBUSY it is we who are cancelling, and this is within the callback.
 */
TSR_MUST_CHECK
int tsr_scope_settle(struct tsr_end *end);

/* tsr_scope_forget - the end is closed. tsr_scope_detach: all scopes of the attachment are. The
 * process lock is held. */
void tsr_scope_forget(struct tsr_end *end);
void tsr_scope_detach(struct tsr_attachment const *attachment);

#endif /* TSR_SHM_SCOPE_H */
