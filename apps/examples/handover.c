/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/*
 * handover: a send returns when its message was received. A rendezvous channel.
 *
 *	handover take		each word that is given, until the last sender has closed
 *	handover give WORD...	one after the other; each is kept if nobody takes it in a second
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <tessera.h>

static const struct tsr_channel_options handover = {.size = sizeof(handover),
                                                    .kind = TSR_KIND_RENDEZVOUS};

static int
failed(const char *what, int error)
{
	fprintf(stderr, "handover: %s: %s %s\n", what, tsr_strerror(error), tsr_last_hint());
	return 1;
}

static int
take(struct tsr_client client)
{
	struct tsr_end_options const options = {.size = sizeof(options), .create = &handover};
	struct tsr_receiver receiver;
	struct tsr_msg msg;
	int error;

	error = tsr_receiver_open(client, "handover", &options, &receiver);
	while (error == 0 && (error = tsr_recv(receiver, &msg, TSR_FOREVER)) == 0) {
		printf("took %.*s\n", (int)msg.length, (const char *)msg.data);
		error = tsr_release(client, &msg);
	}
	return error != -EPIPE ? failed("take", error) : 0;
}

static int
give(struct tsr_client client, struct tsr_sender sender, const char *word)
{
	uint32_t const bytes = (uint32_t)strlen(word) + 1;
	struct tsr_msg msg;
	int error;

	error = tsr_alloc(client, bytes, &msg);
	if (error != 0)
		return error;
	memcpy(msg.data, word, bytes);
	error = tsr_send(sender, &msg, tsr_deadline_in_ms(1000));
	if (error == 0) {
		printf("%s was taken\n", word);
		return 0;
	}
	/* A send that fails leaves the message ours: nobody has it, and nobody will. */
	if (error == -ETIMEDOUT) {
		printf("%s was not taken\n", word);
		return tsr_release(client, &msg);
	}
	return error;
}

static int
give_all(struct tsr_client client, char **words, int count)
{
	struct tsr_end_options const options = {.size = sizeof(options), .create = &handover};
	struct tsr_sender sender;
	int error;

	error = tsr_sender_open(client, "handover", &options, &sender);
	for (int i = 0; error == 0 && i < count; i++)
		error = give(client, sender, words[i]);
	if (error == 0)
		error = tsr_sender_close(sender);
	return error != 0 ? failed("give", error) : 0;
}

int
main(int argc, char **argv)
{
	struct tsr_client client;
	int error, status;

	if (argc < 2 || (strcmp(argv[1], "give") != 0 && argc != 2)) {
		fprintf(stderr, "usage: handover take | give WORD...\n");
		return 2;
	}
	error = tsr_attach(NULL, &client);
	if (error != 0)
		return failed("attach", error);
	status = strcmp(argv[1], "give") == 0 ? give_all(client, argv + 2, argc - 2) : take(client);
	error = tsr_detach(client);
	return error != 0 ? failed("detach", error) : status;
}
