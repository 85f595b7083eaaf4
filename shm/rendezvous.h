/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_RENDEZVOUS_H
#define TSR_SHM_RENDEZVOUS_H

/*
 * The rendezvous: a send returns when a receiver has stamped its message, and not before.
 *
 * Bytes	as many slots as there may be sender ends, in no order; a sender end that has an
 *		offer standing has one of them, any one. Words as in channel.h, but that a ready
 *		slot, which is an offer, goes on naming its sender.
 * Writers	a slot is its sender's from the claim to the end. Receivers write none:
 *
 *		  empty(n) --sender, CAS--> claimed(n, s) --s, release--> ready(n, s)	offered
 *		  ready(n, s) --s, release--> empty(n + 1)				gone
 *		  claimed(n, s), ready(n, s), s dead --reaper--> empty(n + 1)
 *
 *		who has the message is decided by the ticket's word alone, once, by one exchange:
 *
 *		  (CHANNEL, g) --receiver, CAS--> (r, g + 1)	received: matched, stamped, done
 *		  (CHANNEL, g) --sender, CAS--> (s, g + 1)	withdrawn: it gave up
 *		  (CHANNEL, g), s dead --reaper, CAS--> (DAEMON, g + 1)
 *
 *		So there is no time at which a message is matched and not yet received: nobody ever
 *		waits for a partner that was stopped or died on the way, and the reaper has nothing
 *		to undo for a dead receiver.
 * Indices	the lap is a tag: an offer is one lap of one slot.
 * Trust	what a slot names is checked as ever; an offer that cannot be is passed over, or, if
 *		only its range is wrong, dropped. Each look goes over the slots once.
 * Ordering	sender				receiver
 *		[O1] acquire: slot is empty	[O3] acquire: slot is ready
 *		     zdesc, stamp		     zdesc, stamp; the word again
 *		     ticket (CHANNEL, g)	[O5] exchange: ticket (me, g+1)
 *		[O2] release: ready
 *		[O6] acquire: ticket is not (CHANNEL, g) any more
 *		[O4] release: empty
 *		[O2] pairs with [O3]: zdesc, ticket word and payload are visible.
 *		[O5] pairs with [O6]: zdesc was read before the slot is written again.
 *		[O4] pairs with [O1]: likewise, for the next sender.
 * Progress	lock-free. A stopped sender holds up nobody: its offer can be taken. A stopped
 *		receiver holds up nobody.
 * Crash	sender: after the claim, the zdesc, the ticket, the offer: the reaper takes the
 *		ticket if it is (CHANNEL, g) yet, and voids the slot. After the withdrawal: the
 *		ticket is swept. Receiver: before the exchange nothing has happened, after it the
 *		message is received, and swept. Whoever was not woken yet is woken by the reaper.
 */

#include "shm/access.h"
#include "shm/map.h"
#include "shm/zdesc.h"

/* Does the offer of @name stand: has nobody taken it, or taken it back? */
TSR_INLINE bool
tsr_rendezvous_stands(struct tsr_map const *map, uint64_t name)
{
	uint32_t const index = tsr_name_index(name);

	/* [O6] pairs with [O5]: who took it has read the slot. */
	return index < map->tickets_all &&
	       tsr_ld_acq(&map->tickets[index].word) ==
	               tsr_name_word(name, TSR_TICKET_IDLE, TSR_HOLDER_CHANNEL);
}

#endif /* TSR_SHM_RENDEZVOUS_H */
