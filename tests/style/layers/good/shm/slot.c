/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>

#include "shm/slot.h"
/* #include "core/reaper.h" in a comment is none */
