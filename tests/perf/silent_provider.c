/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * A trace provider that does nothing with what it is told. Preloaded, it makes a process a traced
 * one, whose calls tools/perf-gate can count then.
 */

#include "shm/trace.h"

static void
silent_attach(const char *realm, const char *name, uint16_t client)
{
	(void)realm, (void)name, (void)client;
}

static void
silent_detach(const char *realm, uint16_t client)
{
	(void)realm, (void)client;
}

static void
silent_end(struct tsr_trace_end end)
{
	(void)end;
}

static void
silent_unblock(struct tsr_trace_end end, uint16_t waker)
{
	(void)end, (void)waker;
}

static void
silent_reap(struct tsr_trace_repair repair)
{
	(void)repair;
}

static void
silent_death(struct tsr_trace_death death)
{
	(void)death;
}

static void
silent_condemn(const char *realm, const char *why)
{
	(void)realm, (void)why;
}

static void
silent_region(struct tsr_trace_region region)
{
	(void)region;
}

static void
silent_reload(const char *text, int error, uint64_t took_ns)
{
	(void)text, (void)error, (void)took_ns;
}

static void
silent_error(const char *where, int error, const char *text)
{
	(void)where, (void)error, (void)text;
}

static void
silent_alloc(const char *realm, uint16_t client, uint64_t name, uint32_t bytes)
{
	(void)realm, (void)client, (void)name, (void)bytes;
}

static void
silent_message(const char *realm, uint16_t client, uint64_t channel, uint64_t name, uint32_t bytes)
{
	(void)realm, (void)client, (void)channel, (void)name, (void)bytes;
}

static void
silent_release(const char *realm, uint16_t client, uint64_t name)
{
	(void)realm, (void)client, (void)name;
}

extern struct tsr_trace_provider const TSR_TRACE_PROVIDER;

__attribute__((visibility("default"))) struct tsr_trace_provider const TSR_TRACE_PROVIDER = {
	.version = TSR_TRACE_VERSION,
	.bytes = sizeof(struct tsr_trace_provider),
	.attach = silent_attach,
	.detach = silent_detach,
	.open = silent_end,
	.close = silent_end,
	.block = silent_end,
	.unblock = silent_unblock,
	.wake = silent_end,
	.reap = silent_reap,
	.death = silent_death,
	.condemn = silent_condemn,
	.region = silent_region,
	.reload = silent_reload,
	.error = silent_error,
	.alloc = silent_alloc,
	.send = silent_message,
	.receive = silent_message,
	.release = silent_release,
};
