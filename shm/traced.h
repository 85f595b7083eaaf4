/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_TRACED_H
#define TSR_SHM_TRACED_H

/*
 * The calls of a message's path in a traced process: the fast forms of message.h and buffered.h,
 * with a look at the sample around them. What is not in the sample goes no longer way than this.
 *
 * Context	hot, in a traced process; @attachment and @end are traced.
 */

#include "shm/message.h"

/* What the provider is told, of a ticket in the sample. Return: 0, so that they can come last. */
TSR_COLD int tsr_traced_tell_alloc(struct tsr_attachment const *attachment,
                                   struct tsr_msg const *msg);
TSR_COLD int tsr_traced_tell_release(struct tsr_attachment const *attachment, uint64_t name);

/*
 * tsr_traced_magazines - this thread's magazines for a traced attachment; false: it has none yet,
 *		or is not traced, or is gone
 */
TSR_INLINE bool
tsr_traced_magazines(struct tsr_client client, struct tsr_attachment **attachment,
                     struct tsr_magazine **magazines)
{
	uint64_t const index = client.handle % TSR_ATTACHMENTS_MAX;

	*attachment = &tsr_process->attachment[index];
	*magazines = tsr_thread.magazines[index];
	return tsr_likely((*attachment)->handle == client.handle) &&
	       tsr_likely(tsr_thread.handle[index] == ~client.handle);
}

#endif /* TSR_SHM_TRACED_H */
