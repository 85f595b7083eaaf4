/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * libtessera-trace.so: the trace hooks of shm/trace.h, told to LTTng-UST. Programs load it with
 * TESSERA_TRACE=1, or it is preloaded; nothing is linked with it.
 */

#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include <pthread.h>
#include <signal.h>

#include <lttng/ust-fork.h>

#include "drivers/trace/lttng/events.h"
#include "drivers/trace/lttng/messages.h"
#include "shm/tessera.h"

static void
provider_attach(const char *realm, const char *name, uint16_t client)
{
	lttng_ust_tracepoint(tessera, attach, realm, name, client);
}

static void
provider_detach(const char *realm, uint16_t client)
{
	lttng_ust_tracepoint(tessera, detach, realm, client);
}

static void
provider_open(struct tsr_trace_end end)
{
	lttng_ust_tracepoint(tessera, open, &end);
}

static void
provider_close(struct tsr_trace_end end)
{
	lttng_ust_tracepoint(tessera, close, &end);
}

static void
provider_block(struct tsr_trace_end end)
{
	lttng_ust_tracepoint(tessera, block, &end);
}

static void
provider_unblock(struct tsr_trace_end end, uint16_t waker)
{
	lttng_ust_tracepoint(tessera, unblock, &end, waker);
}

static void
provider_wake(struct tsr_trace_end end)
{
	lttng_ust_tracepoint(tessera, wake, &end);
}

static void
provider_reap(struct tsr_trace_repair repair)
{
	lttng_ust_tracepoint(tessera, reap, &repair);
}

static void
provider_death(struct tsr_trace_death death)
{
	lttng_ust_tracepoint(tessera, death, &death);
}

static void
provider_condemn(const char *realm, const char *why)
{
	lttng_ust_tracepoint(tessera, condemn, realm, why);
}

static void
provider_region(struct tsr_trace_region region)
{
	lttng_ust_tracepoint(tessera, region, &region);
}

static void
provider_reload(const char *text, int error, uint64_t took_ns)
{
	lttng_ust_tracepoint(tessera, reload, text, error, took_ns);
}

static void
provider_error(const char *where, int error, const char *text)
{
	lttng_ust_tracepoint(tessera, error, where, error, text);
}

static void
provider_alloc(const char *realm, uint16_t client, uint64_t name, uint32_t bytes)
{
	lttng_ust_tracepoint(tessera_msg, alloc, realm, client, name, bytes);
}

static void
provider_send(const char *realm, uint16_t client, uint64_t channel, uint64_t name, uint32_t bytes)
{
	lttng_ust_tracepoint(tessera_msg, send, realm, client, channel, name, bytes);
}

static void
provider_receive(const char *realm, uint16_t client, uint64_t channel, uint64_t name,
                 uint32_t bytes)
{
	lttng_ust_tracepoint(tessera_msg, receive, realm, client, channel, name, bytes);
}

static void
provider_release(const char *realm, uint16_t client, uint64_t name)
{
	lttng_ust_tracepoint(tessera_msg, release, realm, client, name);
}

TSR_API extern struct tsr_trace_provider const TSR_TRACE_PROVIDER;

struct tsr_trace_provider const TSR_TRACE_PROVIDER = {
	.version = TSR_TRACE_VERSION,
	.bytes = sizeof(struct tsr_trace_provider),
	.attach = provider_attach,
	.detach = provider_detach,
	.open = provider_open,
	.close = provider_close,
	.block = provider_block,
	.unblock = provider_unblock,
	.wake = provider_wake,
	.reap = provider_reap,
	.death = provider_death,
	.condemn = provider_condemn,
	.region = provider_region,
	.reload = provider_reload,
	.error = provider_error,
	.alloc = provider_alloc,
	.send = provider_send,
	.receive = provider_receive,
	.release = provider_release,
};

/* LTTng's threads are not in a forked child: there it begins anew. */
static sigset_t provider_signals;

static void
provider_before_fork(void)
{
	lttng_ust_before_fork(&provider_signals);
}

static void
provider_after_fork_parent(void)
{
	lttng_ust_after_fork_parent(&provider_signals);
}

static void
provider_after_fork_child(void)
{
	lttng_ust_after_fork_child(&provider_signals);
}

__attribute__((constructor)) static void
provider_begin(void)
{
	(void)pthread_atfork(provider_before_fork, provider_after_fork_parent,
	                     provider_after_fork_child);
}
