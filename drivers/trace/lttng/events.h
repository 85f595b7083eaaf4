/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * The events tessera:*, as LTTng-UST sees them: everything but single messages.
 *
 * This header is read several times by LTTng's own, each time with other meanings of the macros.
 */

#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER tessera

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "drivers/trace/lttng/events.h"

#if !defined(TSR_TRACE_LTTNG_EVENTS_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define TSR_TRACE_LTTNG_EVENTS_H

#include <lttng/tracepoint.h>

#include "shm/trace.h"

/* clang-format off */

LTTNG_UST_TRACEPOINT_EVENT(tessera, attach,
	LTTNG_UST_TP_ARGS(const char *, realm, const char *, name, uint16_t, client),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_string(realm, realm)
		lttng_ust_field_string(name, name)
		lttng_ust_field_integer(uint16_t, client, client)
	)
)

LTTNG_UST_TRACEPOINT_EVENT(tessera, detach,
	LTTNG_UST_TP_ARGS(const char *, realm, uint16_t, client),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_string(realm, realm)
		lttng_ust_field_integer(uint16_t, client, client)
	)
)

LTTNG_UST_TRACEPOINT_EVENT_CLASS(tessera, end,
	LTTNG_UST_TP_ARGS(struct tsr_trace_end const *, end),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_string(realm, end->realm)
		lttng_ust_field_integer(uint16_t, client, end->client)
		lttng_ust_field_integer(uint64_t, channel, end->channel)
		lttng_ust_field_string(name, end->name)
		lttng_ust_field_integer(uint8_t, side, end->side)
	)
)

LTTNG_UST_TRACEPOINT_EVENT_INSTANCE(tessera, end, tessera, open,
	LTTNG_UST_TP_ARGS(struct tsr_trace_end const *, end))
LTTNG_UST_TRACEPOINT_EVENT_INSTANCE(tessera, end, tessera, close,
	LTTNG_UST_TP_ARGS(struct tsr_trace_end const *, end))
LTTNG_UST_TRACEPOINT_EVENT_INSTANCE(tessera, end, tessera, block,
	LTTNG_UST_TP_ARGS(struct tsr_trace_end const *, end))
LTTNG_UST_TRACEPOINT_EVENT_INSTANCE(tessera, end, tessera, wake,
	LTTNG_UST_TP_ARGS(struct tsr_trace_end const *, end))

LTTNG_UST_TRACEPOINT_EVENT(tessera, unblock,
	LTTNG_UST_TP_ARGS(struct tsr_trace_end const *, end, uint16_t, waker),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_string(realm, end->realm)
		lttng_ust_field_integer(uint16_t, client, end->client)
		lttng_ust_field_integer(uint64_t, channel, end->channel)
		lttng_ust_field_string(name, end->name)
		lttng_ust_field_integer(uint8_t, side, end->side)
		lttng_ust_field_integer(uint16_t, waker, waker)
	)
)

LTTNG_UST_TRACEPOINT_EVENT(tessera, reap,
	LTTNG_UST_TP_ARGS(struct tsr_trace_repair const *, repair),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_string(realm, repair->realm)
		lttng_ust_field_integer(uint16_t, client, repair->client)
		lttng_ust_field_string(what, repair->what)
		lttng_ust_field_integer(uint64_t, channel, repair->channel)
		lttng_ust_field_integer(uint32_t, index, repair->index)
		lttng_ust_field_integer_hex(uint64_t, before, repair->before)
		lttng_ust_field_integer_hex(uint64_t, after, repair->after)
	)
)

LTTNG_UST_TRACEPOINT_EVENT(tessera, death,
	LTTNG_UST_TP_ARGS(struct tsr_trace_death const *, death),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_string(realm, death->realm)
		lttng_ust_field_integer(uint16_t, client, death->client)
		lttng_ust_field_string(name, death->name)
		lttng_ust_field_integer(uint32_t, pid, death->pid)
		lttng_ust_field_integer(uint32_t, repairs, death->repairs)
		lttng_ust_field_integer(uint64_t, took_ns, death->took_ns)
	)
)

LTTNG_UST_TRACEPOINT_EVENT(tessera, condemn,
	LTTNG_UST_TP_ARGS(const char *, realm, const char *, why),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_string(realm, realm)
		lttng_ust_field_string(text, why)
	)
)

LTTNG_UST_TRACEPOINT_EVENT(tessera, region,
	LTTNG_UST_TP_ARGS(struct tsr_trace_region const *, region),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_string(realm, region->realm)
		lttng_ust_field_integer(uint16_t, client, region->client)
		lttng_ust_field_string(what, region->what)
		lttng_ust_field_integer(uint64_t, index, region->id)
		lttng_ust_field_integer(uint64_t, bytes, region->bytes)
	)
)

LTTNG_UST_TRACEPOINT_EVENT(tessera, reload,
	LTTNG_UST_TP_ARGS(const char *, text, int, error, uint64_t, took_ns),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_string(text, text)
		lttng_ust_field_integer(int, error, error)
		lttng_ust_field_integer(uint64_t, took_ns, took_ns)
	)
)

LTTNG_UST_TRACEPOINT_EVENT(tessera, error,
	LTTNG_UST_TP_ARGS(const char *, where, int, error, const char *, text),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_string(where, where)
		lttng_ust_field_integer(int, error, error)
		lttng_ust_field_string(text, text)
	)
)

/* clang-format on */

#endif /* TSR_TRACE_LTTNG_EVENTS_H */

#include <lttng/tracepoint-event.h>
