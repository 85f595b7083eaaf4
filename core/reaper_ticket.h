/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_REAPER_TICKET_H
#define TSR_CORE_REAPER_TICKET_H

/*
 * What the reaper does with one ticket, whatever the kind of the channel that names it. Each is one
 * store, done only if the word is exactly what the dead client left.
 */

#include <stdbool.h>
#include <stdint.h>

#include "shm/map.h"
#include "shm/trace.h"

/* tsr_reaper_ticket - the ticket that a name means, or NULL if there is none such */
struct tsr_ticket *tsr_reaper_ticket(struct tsr_map const *map, uint64_t name);

/*
 * tsr_reaper_reclaim - if the ticket is exactly (@holder, generation of @name), it becomes the
 *		daemon's. Return: it was.
 */
bool tsr_reaper_reclaim(struct tsr_map const *map, uint64_t name, uint16_t holder, uint16_t dead);

/*
 * tsr_reaper_restore - a receiver died with a message in its hands. If it had stamped the ticket
 *		(dead, g+1), the name under which it holds it never escaped: back to (CHANNEL, g).
 *
 * Return: true if the slot holds a message.
 */
bool tsr_reaper_restore(struct tsr_map const *map, uint64_t name, uint16_t dead);

/* tsr_reaper_describe_ticket - for a trace: ticket @index was @before and is @after now */
TSR_COLD struct tsr_trace_repair tsr_reaper_describe_ticket(struct tsr_map const *map,
                                                            uint32_t index, uint16_t dead,
                                                            uint64_t before, uint64_t after);

#endif /* TSR_CORE_REAPER_TICKET_H */
