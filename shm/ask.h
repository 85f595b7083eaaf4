/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_ASK_H
#define TSR_SHM_ASK_H

/*
 * The tag of a request and of its reply: channel id (24, low) | correlation (40): the index of the
 * asker's reply channel + 1 (17, low), the request's number (23). 0: it is no request.
 *
 * Writers	the sender, before it gives the ticket to the channel. The reaper, for a ticket that
 *		it has freed: 0, once it has woken the reply channel.
 */

#include "shm/client.h"

#define TSR_ASK_NUMBER_MAX UINT32_C(0x7fffff)
#define TSR_ASKER_OPENING  UINT64_MAX

TSR_INLINE uint64_t
tsr_tag_ask(uint64_t reply_channel_id, uint32_t number)
{
	return (reply_channel_id & UINT64_C(0x1ffff)) << 24 | (uint64_t)number << 41;
}

/* All but the channel. */
TSR_INLINE uint64_t
tsr_tag_correlation(uint64_t tag)
{
	return tag & ~UINT64_C(0xffffff);
}

/* Of the reply channel; beyond all channels: there is none. */
TSR_INLINE uint32_t
tsr_tag_reply_index(uint64_t tag)
{
	return ((uint32_t)(tag >> 24) & UINT32_C(0x1ffff)) - 1;
}

#endif /* TSR_SHM_ASK_H */
