/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

int tsr_send(uint64_t sender);

#ifdef __cplusplus
}
#endif
