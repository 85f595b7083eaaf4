/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

static int
channel_claim(struct tsr_channel *ch)
{
	return ch->next++;
}

int
tsr_send(struct tsr_sender sender, struct tsr_msg *msg, uint64_t deadline_ns)
{
	return channel_claim(sender.channel);
}

int
tsr_recv(struct tsr_receiver receiver, struct tsr_msg *msg, uint64_t deadline_ns)
{
	return -EAGAIN;
}

int
tsr_release(struct tsr_client client, struct tsr_msg *msg)
{
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
	msg->step++;
}
