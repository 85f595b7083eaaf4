/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_KERNEL_H
#define TSR_CORE_KERNEL_H

/*
 * What the running kernel offers beyond 6.1, which is the floor, and its fallbacks.
 *
 * Each call is tried when it is needed, and a kernel that does not know it is answered with the
 * fallback. `compat` forces all fallbacks, so that they can be tested on a newer kernel.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "shm/compiler.h"

struct tsr_kernel {
	bool compat; /* behave as on Linux 6.1 */
};

/*
 * tsr_kernel_memfd - memory with a descriptor: sealable, close-on-exec, not executable, mode 0600
 * @huge_log2:	0, or 21 or 30 for hugetlb pages of that size
 *
 * Without MFD_NOEXEC_SEAL (6.3) the flag is left out. Return: a descriptor; a negative errno.
 */
TSR_MUST_CHECK
int tsr_kernel_memfd(struct tsr_kernel const *kernel, const char *name, unsigned huge_log2);

/*
 * tsr_kernel_peer_pidfd - the process descriptor of a connection's peer
 *
 * Return: a descriptor; -EOPNOTSUPP the kernel does not know SO_PEERPIDFD (6.5): ask the client for
 * one; or another negative errno.
 */
TSR_MUST_CHECK
int tsr_kernel_peer_pidfd(struct tsr_kernel const *kernel, int connection);

/* tsr_kernel_pidfd_pid - whose process descriptor is this? Return: pid; -EBADF it is not one. */
TSR_MUST_CHECK
pid_t tsr_kernel_pidfd_pid(int pidfd);

/* tsr_kernel_refuse_rights - have senders' descriptors refused by the kernel, if it can (6.16). */
bool tsr_kernel_refuse_rights(struct tsr_kernel const *kernel, int connection);

/* tsr_kernel_kill - SIGKILL through a process descriptor. Return: 0; -EPERM; -ESRCH. */
TSR_MUST_CHECK
int tsr_kernel_kill(int pidfd);

/* tsr_kernel_descriptors - how many descriptors this process has open; 0 if it can't be told. */
unsigned tsr_kernel_descriptors(void);

#endif /* TSR_CORE_KERNEL_H */
