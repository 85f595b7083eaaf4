/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_SHAPE_H
#define TSR_APPS_SHAPE_H

/*
 * The options that say what a channel is to be like: kind, capacity, and the rest.
 */

#include <argp.h>
#include <stdbool.h>

#include "shm/tessera.h"

struct tsr_shape_options {
	struct tsr_channel_options options; /* its size is set */
	bool said;                          /* one of them was given */
};

/* The parser of them; its input is a struct tsr_shape_options. */
extern const struct argp tsr_shape_argp;

#endif /* TSR_APPS_SHAPE_H */
