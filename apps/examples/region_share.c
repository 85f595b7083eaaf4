/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/*
 * region_share send TEXT...: share a buffer that this program had allocated itself, and send a
 * message for each text in it. region_share recv: print them, read where the sender wrote them.
 *
 * The realm's configuration must allow it: tesserad --set realms.demo.foreign_regions=true
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <tessera.h>
#include <unistd.h>

#define BUFFER_BYTES 65536
#define PLACE_BYTES  4096

static int
failed(const char *what, int error)
{
	fprintf(stderr, "region_share: %s: %s %s\n", what, tsr_strerror(error), tsr_last_hint());
	return 1;
}

/* Memory as any program may have it: nothing here knows of Tessera but the seals, which promise
 * those who map it that it stays as large as it is. */
static char *
buffer_make(int *memory)
{
	char *buffer;

	*memory = memfd_create("buffer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*memory < 0 || ftruncate(*memory, BUFFER_BYTES) != 0)
		return NULL;
	buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, *memory, 0);
	if (buffer == MAP_FAILED ||
	    fcntl(*memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		return NULL;
	return buffer;
}

static int
send_texts(struct tsr_client client, int count, char **texts)
{
	struct tsr_region region;
	struct tsr_sender sender;
	struct tsr_msg msg;
	char *buffer;
	int error, memory;

	buffer = buffer_make(&memory);
	if (buffer == NULL)
		return failed("a buffer of one's own", -errno);
	/* It is full before anybody hears of it. */
	for (int i = 0; i < count && i < BUFFER_BYTES / PLACE_BYTES; i++)
		(void)snprintf(buffer + (size_t)i * PLACE_BYTES, PLACE_BYTES, "%s", texts[i]);

	error = tsr_region_register(client, memory, NULL, &region);
	if (error != 0)
		return failed("register", error);
	error = tsr_sender_open(client, "shared", NULL, &sender);
	if (error != 0)
		return failed("open", error);
	for (int i = 0; i < count && i < BUFFER_BYTES / PLACE_BYTES; i++) {
		/* A message that is this range of the buffer: a ticket, and not a byte moved. */
		error = tsr_region_alloc(region, (uint32_t)(i * PLACE_BYTES),
		                         (uint32_t)strlen(buffer + (size_t)i * PLACE_BYTES) + 1,
		                         &msg);
		if (error == 0)
			error = tsr_send(sender, &msg, tsr_deadline_in_ms(1000));
		if (error != 0)
			return failed("send", error);
	}
	/* What is in the channel stays good: the memory goes when the last message is released. */
	error = tsr_region_close(region);
	if (error == 0)
		error = tsr_sender_close(sender);
	return error != 0 ? failed("close", error) : 0;
}

static int
recv_texts(struct tsr_client client)
{
	struct tsr_receiver receiver;
	struct tsr_msg msg;
	int error;

	error = tsr_receiver_open(client, "shared", NULL, &receiver);
	if (error != 0)
		return failed("open", error);
	/* The first one maps the sender's buffer; the calls are those of any message. */
	while ((error = tsr_recv(receiver, &msg, TSR_FOREVER)) == 0) {
		printf("%.*s\n", (int)msg.length, (const char *)msg.data);
		error = tsr_release(client, &msg);
		if (error != 0)
			return failed("release", error);
	}
	return error == -EPIPE ? 0 : failed("recv", error);
}

int
main(int argc, char **argv)
{
	struct tsr_client client;
	int error, status;

	if (argc < 2 || (strcmp(argv[1], "send") != 0 && strcmp(argv[1], "recv") != 0)) {
		fprintf(stderr, "usage: region_share send TEXT... | recv\n");
		return 2;
	}
	error = tsr_attach(NULL, &client);
	if (error != 0)
		return failed("attach", error);
	status = strcmp(argv[1], "send") == 0 ? send_texts(client, argc - 2, argv + 2)
	                                      : recv_texts(client);
	error = tsr_detach(client);
	return error != 0 ? failed("detach", error) : status;
}
