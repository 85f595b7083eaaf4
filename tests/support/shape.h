/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_SHAPE_H
#define TSR_TESTS_SHAPE_H

#include "shm/kind.h"

/* A buffered channel of so many slots. */
static inline struct tsr_shape
shape_buffered(uint32_t capacity, uint32_t flags)
{
	return (struct tsr_shape){.kind = TSR_KIND_BUFFERED, .capacity = capacity, .flags = flags};
}

/* A broadcast of so many slots. */
static inline struct tsr_shape
shape_broadcast(uint32_t capacity, uint32_t flags)
{
	return (struct tsr_shape){.kind = TSR_KIND_BROADCAST, .capacity = capacity, .flags = flags};
}

#endif
