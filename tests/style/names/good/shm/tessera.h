/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#define TSR_API __attribute__((visibility("default")))

TSR_API int tsr_send(int channel);
TSR_API int tsr_recv(int channel);
