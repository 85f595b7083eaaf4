/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * The events tessera_msg:*, as LTTng-UST sees them: the four steps of a single message. @sample is
 * tsr_trace_hash(): a filter on it samples processes that run already.
 *
 * This header is read several times by LTTng's own, each time with other meanings of the macros.
 */

#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER tessera_msg

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "drivers/trace/lttng/messages.h"

#if !defined(TSR_TRACE_LTTNG_MESSAGES_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define TSR_TRACE_LTTNG_MESSAGES_H

#include <lttng/tracepoint.h>

#include "shm/trace.h"
#include "shm/zdesc.h"

/* clang-format off */

LTTNG_UST_TRACEPOINT_EVENT(tessera_msg, alloc,
	LTTNG_UST_TP_ARGS(const char *, realm, uint16_t, client, uint64_t, name, uint32_t, bytes),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_string(realm, realm)
		lttng_ust_field_integer(uint16_t, client, client)
		lttng_ust_field_integer(uint32_t, index, tsr_name_index(name))
		lttng_ust_field_integer(uint64_t, generation, tsr_name_generation(name))
		lttng_ust_field_integer(uint32_t, bytes, bytes)
		lttng_ust_field_integer(uint32_t, sample, tsr_trace_hash(name))
	)
)

LTTNG_UST_TRACEPOINT_EVENT_CLASS(tessera_msg, hop,
	LTTNG_UST_TP_ARGS(const char *, realm, uint16_t, client, uint64_t, channel, uint64_t, name,
	                  uint32_t, bytes),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_string(realm, realm)
		lttng_ust_field_integer(uint16_t, client, client)
		lttng_ust_field_integer(uint64_t, channel, channel)
		lttng_ust_field_integer(uint32_t, index, tsr_name_index(name))
		lttng_ust_field_integer(uint64_t, generation, tsr_name_generation(name))
		lttng_ust_field_integer(uint32_t, bytes, bytes)
		lttng_ust_field_integer(uint32_t, sample, tsr_trace_hash(name))
	)
)

LTTNG_UST_TRACEPOINT_EVENT_INSTANCE(tessera_msg, hop, tessera_msg, send,
	LTTNG_UST_TP_ARGS(const char *, realm, uint16_t, client, uint64_t, channel, uint64_t, name,
	                  uint32_t, bytes))
LTTNG_UST_TRACEPOINT_EVENT_INSTANCE(tessera_msg, hop, tessera_msg, receive,
	LTTNG_UST_TP_ARGS(const char *, realm, uint16_t, client, uint64_t, channel, uint64_t, name,
	                  uint32_t, bytes))

LTTNG_UST_TRACEPOINT_EVENT(tessera_msg, release,
	LTTNG_UST_TP_ARGS(const char *, realm, uint16_t, client, uint64_t, name),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_string(realm, realm)
		lttng_ust_field_integer(uint16_t, client, client)
		lttng_ust_field_integer(uint32_t, index, tsr_name_index(name))
		lttng_ust_field_integer(uint64_t, generation, tsr_name_generation(name))
		lttng_ust_field_integer(uint32_t, sample, tsr_trace_hash(name))
	)
)

/* clang-format on */

#endif /* TSR_TRACE_LTTNG_MESSAGES_H */

#include <lttng/tracepoint-event.h>
