/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

int
tsr_alloc(struct tsr_client client, uint32_t bytes, struct tsr_msg *msg)
{
	return 0;
}

int
tsr_release(struct tsr_client client, struct tsr_msg *msg)
{
	return 0;
}
