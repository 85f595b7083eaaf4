/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/traced.h"

int
tsr_traced_tell_alloc(struct tsr_attachment const *attachment, struct tsr_msg const *msg)
{
	TSR_TRACE(alloc, attachment->map.directory->name, attachment->me, msg->zdesc.name,
	          msg->length);
	return 0;
}

int
tsr_traced_tell_release(struct tsr_attachment const *attachment, uint64_t name)
{
	TSR_TRACE(release, attachment->map.directory->name, attachment->me, name);
	return 0;
}
