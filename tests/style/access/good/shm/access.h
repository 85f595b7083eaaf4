/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#define tsr_ld_rlx(p) atomic_load_explicit(p, memory_order_relaxed)
