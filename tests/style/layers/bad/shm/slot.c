/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <urcu.h>

#include "core/reaper.h"
#include "slot.h"
