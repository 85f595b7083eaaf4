/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* A tsr_send() that is slower than the library's, for the gate to find: preloaded before it. */

#include <dlfcn.h>
#include <string.h>

#include "shm/tessera.h"

#define SLOW_LOOPS 4

int
tsr_send(struct tsr_sender sender, struct tsr_msg *msg, uint64_t deadline_ns)
{
	static int (*send)(struct tsr_sender, struct tsr_msg *, uint64_t);
	void *const found = send == NULL ? dlsym(RTLD_NEXT, "tsr_send") : NULL;

	if (found != NULL)
		memcpy(&send, &found, sizeof(send));
	for (unsigned volatile i = 0; i < SLOW_LOOPS; i++)
		continue;
	return send(sender, msg, deadline_ns);
}
