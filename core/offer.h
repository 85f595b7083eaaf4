/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_OFFER_H
#define TSR_CORE_OFFER_H

/*
 * A client offers memory of its own: the one socket on which the daemon takes a descriptor.
 *
 * A pair is made when an attached client asks (REGION_OFFER), one end goes to it, and one packet
 * with one descriptor is read from the other (REGION_REGISTER), within two seconds. So who is not
 * attached, and to a realm that takes clients' memory, can send no descriptor at all, and the
 * control socket goes on refusing them in the kernel.
 *
 * Trust	room for exactly one descriptor: of a packet with more, the kernel closes the rest.
 *		What turns out to be no memory is closed aside (core/closer.h).
 *
 * Context of every call: the control thread.
 */

#include <stdint.h>

#include "core/control.h"
#include "core/refusal.h"

struct tsr_member;

/*
 * tsr_offer_open - make the pair for @member
 * @tickets:	that the region shall have
 * @fd:		the client's end; the caller closes it once it is sent
 *
 * Return: 0; -EBUSY the client has an offer open, or descriptors of others are not closed yet;
 * -ENOBUFS no descriptors; -ENOMEM.
 */
TSR_MUST_CHECK
int tsr_offer_open(struct tsr_server *server, struct tsr_member *member, uint32_t tickets, int *fd,
                   struct tsr_refusal *refusal);

/* tsr_offers_expire - close those that were not taken up. tsr_offers_drop - close all. */
void tsr_offers_expire(struct tsr_server *server, uint64_t now_ns);
void tsr_offers_drop(struct tsr_server *server);

#endif /* TSR_CORE_OFFER_H */
