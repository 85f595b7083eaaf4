/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* Instead of shm/region.c: the realm of a scenario has no regions. */

#include "shm/region.h"

#include <errno.h>

int
tsr_region_receive(struct tsr_attachment *attachment, struct tsr_zdesc zdesc, bool again,
                   struct tsr_msg *msg)
{
	(void)attachment, (void)zdesc, (void)again, (void)msg;
	return -EPROTO;
}

void
tsr_region_release(struct tsr_attachment *attachment, uint64_t name)
{
	(void)attachment, (void)name;
}

int
tsr_region_resolve(struct tsr_attachment *attachment, struct tsr_zdesc zdesc, struct tsr_msg *msg)
{
	(void)attachment, (void)zdesc, (void)msg;
	return -EPROTO;
}
