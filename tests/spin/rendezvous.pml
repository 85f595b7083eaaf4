/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * The rendezvous of shm/rendezvous.h with its waiting (shm/waiter.h) and its reaper, for SPIN:
 * does everybody come to an end? Senders with one message each, receivers, one death at any step;
 * one sleep of a sender may be ended by its deadline instead. A state in which nothing can
 * happen and somebody has not come to his end is an error: who sleeps there sleeps for ever.
 *
 * What the explorer of tests/model steps through in the shipped sources is written down here once
 * more by hand, at the level of the design: a different mind, and a different tool. Memory is
 * sequentially consistent; a claim of a token and its wake are two steps.
 *
 * broken: NO_SECOND_LOOK REAPER_WAKES_NOBODY NO_WAKE
 */

#ifndef SENDERS
#define SENDERS   1
#define RECEIVERS 2
#endif
#define CLIENTS (SENDERS + RECEIVERS) /* the first send, the others receive */

#define MINE     0 /* a ticket's word, of the one message of each sender */
#define CHANNEL  1
#define RECEIVED 2
#define DAEMON   3

#define EMPTY   0 /* a slot's phase */
#define CLAIMED 1
#define READY   2

#define FREE     0 /* a token, one for each client */
#define ENQUEUED 1
#define TAKEN    2 /* claimed by a waker */

#define NOBODY 255

byte ticket[SENDERS];
byte slot[SENDERS];
byte token[CLIENTS];
byte claimer[CLIENTS];
bool marked[CLIENTS];   /* in the mask of waiters */
bool woken[CLIENTS]; /* the futex */
byte senders = SENDERS, receivers = RECEIVERS; /* ends, as the directory says */
bool dead[CLIENTS];
bool ended[CLIENTS];

/* Claim one token if it is enqueued, then wake its sleeper: a waker may die in between. */
inline wake(who, by)
{
	atomic {
		claimed = marked[who] && token[who] == ENQUEUED;
		if
		:: claimed -> token[who] = TAKEN; claimer[who] = by
		:: else
		fi
	}
	if
	:: claimed -> atomic { woken[who] = true; claimed = false }
	:: else
	fi
}

/* The first one who is enqueued. */
inline wake_one_receiver(by)
{
	atomic {
		r = SENDERS;
		do
		:: r == CLIENTS || (marked[r] && token[r] == ENQUEUED) -> break
		:: else -> r++
		od;
		if
		:: r < CLIENTS -> token[r] = TAKEN; claimer[r] = by
		:: else
		fi
	}
	if
	:: r < CLIENTS -> atomic { woken[r] = true; r = 0 }
	:: else -> r = 0
	fi
}

inline enqueue()
{
	woken[me] = false;
	token[me] = ENQUEUED;
	marked[me] = true
}

/* Set @claimed: a wake-up was spent on us. */
inline withdraw()
{
	atomic {
		claimed = token[me] == TAKEN;
		if
		:: token[me] == ENQUEUED -> token[me] = FREE
		:: else
		fi
	}
	atomic { marked[me] = false; token[me] = FREE }
}

/* Has everything that @me waits for happened already? Then it does not sleep. */
#ifdef NO_SECOND_LOOK
#define SLEEP(ready) \
	if \
	:: woken[me] -> late = false \
	:: deadline -> late = true; deadline = false \
	fi
#define SLEEP_ON(ready) woken[me]
#else
#define SLEEP(ready) \
	if \
	:: ready -> late = false \
	:: else -> \
		if \
		:: woken[me] -> late = false \
		:: deadline -> late = true; deadline = false \
		fi \
	fi
#define SLEEP_ON(ready) \
	if \
	:: ready \
	:: else -> woken[me] \
	fi
#endif

#define OFFERED(s) (slot[s] == READY && ticket[s] == CHANNEL)
#if SENDERS == 1
#define ANY_OFFERED OFFERED(0)
#else
#define ANY_OFFERED (OFFERED(0) || OFFERED(1))
#endif

inline offer()
{
	slot[me] = CLAIMED;
	ticket[me] = CHANNEL;
	slot[me] = READY;
	wake_one_receiver(me)
}

/* Waits until somebody has taken the message, or nobody is left; gives up once, and comes back. */
proctype sender(byte me)
{
	bool claimed, late, deadline = true;
	byte r;

	{
		offer();
		do
		:: ticket[me] != CHANNEL -> break
		:: else ->
			late = receivers == 0;
			if
			:: late
			:: else ->
				enqueue();
				SLEEP(ticket[me] != CHANNEL || receivers == 0);
				withdraw()
			fi;
			if
			:: late ->
				atomic {
					if
					:: ticket[me] == CHANNEL -> ticket[me] = MINE
					:: else
					fi
				}
				slot[me] = EMPTY;
				if
				:: ticket[me] == MINE && receivers != 0 -> offer()
				:: else -> break
				fi
			:: else
			fi
		od;
		assert(ticket[me] == RECEIVED || (ticket[me] == MINE && receivers == 0));
		slot[me] = EMPTY;
		ended[me] = true
	} unless { dead[me] }
}

/* Takes what is offered until nobody is left who may offer. */
proctype receiver(byte me)
{
	bool claimed;
	byte s, r, taken;

	{
		do
		:: taken = NOBODY;
			/* The look at the slot before it settles nothing. */
			atomic {
				s = 0;
				do
				:: s == SENDERS -> break
				:: s < SENDERS && OFFERED(s) -> ticket[s] = RECEIVED; taken = s; break
				:: else -> s++
				od;
				s = 0
			}
			if
			:: taken != NOBODY ->
#ifndef NO_WAKE
				wake(taken, me)
#endif
			:: else ->
				if
				:: senders == 0 -> break
				:: else
				fi;
				enqueue();
				SLEEP_ON(ANY_OFFERED || senders == 0);
				withdraw()
			fi
		od;
		ended[me] = true
	} unless { dead[me] }
}

/*
 * After a close: everybody who sleeps on the other side. After a death: on both, and whomever @who
 * had claimed and perhaps not woken.
 */
inline wake_all()
{
	atomic {
		i = 0;
		do
		:: i == CLIENTS -> break
		:: else ->
			if
			:: token[i] == TAKEN && claimer[i] == who && dead[who] -> woken[i] = true
			:: marked[i] && token[i] == ENQUEUED &&
			   (dead[who] || (i < SENDERS) != (who < SENDERS)) ->
				token[i] = TAKEN; claimer[i] = NOBODY; woken[i] = true
			:: else
			fi;
			i++
		od;
		i = 0
	}
}

/* What the end, or the death, of @who means: its offer is taken back, its end is counted out. */
inline settle()
{
	if
	:: dead[who] && who < SENDERS && slot[who] != EMPTY ->
		atomic {
			if
			:: ticket[who] == CHANNEL -> ticket[who] = DAEMON
			:: else
			fi
		}
		slot[who] = EMPTY
	:: else
	fi;
	atomic {
		if
		:: who < SENDERS -> senders--
		:: else -> receivers--
		fi;
		marked[who] = false;
		token[who] = FREE
	}
#ifndef REAPER_WAKES_NOBODY
	wake_all();
#endif
	atomic { counted[who] = true; left--; who = 0 }
}

#define MOVES(c) \
	:: atomic { may_kill && !ended[c] -> dead[c] = true; may_kill = false } \
	:: (dead[c] || ended[c]) && !counted[c] -> who = c; settle()

active proctype daemon()
{
	bool claimed, counted[CLIENTS], may_kill = true;
	byte i, who, left = CLIENTS;

	atomic {
		do
		:: i == CLIENTS -> break
		:: i < SENDERS -> run sender(i); i++
		:: i >= SENDERS && i < CLIENTS -> run receiver(i); i++
		od;
		i = 0
	}
	do
	:: left == 0 -> break
	MOVES(0)
	MOVES(1)
	MOVES(2)
#if SENDERS + RECEIVERS == 4
	MOVES(3)
#endif
	od
}
