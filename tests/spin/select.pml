/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * select: nobody sleeps for ever. Two channels; SELECTS takes one message from whichever has one,
 * RECEIVES takes one from channel 1 alone. One message is sent on channel 0, two on channel 1, so
 * that both get theirs, whoever takes what. A message is a count, a token its state; a waker claims
 * one enqueued token, and what was spent on who does not use it must go on. See shm/wait.c.
 *
 * broken: NO_SECOND_LOOK NO_HAND_ON
 */

mtype = {init_, enqueued, claimed};

byte ready[2];
mtype selects[2] = init_; /* the tokens of the one who selects, by channel */
mtype receives = init_;   /* of the one who receives from channel 1 */
bool selects_done, receives_done;

/* A load of each token and a compare-and-swap: whoever is not enqueued is passed over. */
inline wake_one(c)
{
	if
	:: atomic { selects[c] == enqueued -> selects[c] = claimed }
	:: atomic { selects[c] != enqueued ->
		if
		:: c == 1 && receives == enqueued -> receives = claimed
		:: else
		fi }
	fi
}

/* Whoever takes one and sees another behind it wakes the next. */
inline hand_on(c)
{
	if
	:: ready[c] > 0 -> wake_one(c)
	:: else
	fi
}

inline take(c, took)
{
	atomic {
		if
		:: ready[c] > 0 -> ready[c]--; took = true
		:: else -> took = false
		fi
	}
	if
	:: took -> hand_on(c)
	:: else
	fi
}

proctype sends(byte c; byte count)
{
	do
	:: count > 0 -> ready[c]++; wake_one(c); count--
	:: else -> break
	od
}

inline try_both()
{
	take(0, took);
	fired = 0;
	if
	:: !took -> take(1, took); fired = 1
	:: else
	fi
}

/* No longer asleep on channel c: was a wake-up spent on us? */
inline withdraw(c)
{
	atomic {
		if
		:: selects[c] == claimed -> spent[c] = true
		:: else
		fi;
		selects[c] = init_
	}
}

active proctype selector()
{
	bool took, spent[2];
	byte fired;

	try_both();
	do
	:: took -> break
	:: else ->
		selects[0] = enqueued; spent[0] = false;
		selects[1] = enqueued; spent[1] = false;
#ifndef NO_SECOND_LOOK
		try_both();
#endif
		if
		:: took
		:: else ->
			(selects[0] == claimed || selects[1] == claimed);
			if
			:: selects[0] == claimed -> withdraw(0)
			:: else
			fi;
			if
			:: selects[1] == claimed -> withdraw(1)
			:: else
			fi;
			try_both()
		fi
	od;
	/* What woke us before the try that took something has been seen to. */
	spent[fired] = false;
	withdraw(0);
	withdraw(1);
#ifndef NO_HAND_ON
	if
	:: spent[0] -> hand_on(0)
	:: else
	fi;
	if
	:: spent[1] -> hand_on(1)
	:: else
	fi;
#endif
	selects_done = true
}

active proctype receiver()
{
	bool took;

	take(1, took);
	do
	:: took -> break
	:: else ->
		receives = enqueued;
		take(1, took);
		if
		:: took
		:: else ->
			(receives == claimed);
			receives = init_;
			take(1, took)
		fi
	od;
	atomic {
		took = receives == claimed;
		receives = init_
	}
	if
	:: took -> hand_on(1)
	:: else
	fi;
	receives_done = true
}

init
{
	atomic {
		run sends(0, 1);
		run sends(1, 2)
	}
}

ltl everybody_gets_one { <> (selects_done && receives_done) }
