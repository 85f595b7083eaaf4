/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * Finding the trace provider. libtessera has no dependency on it: it is looked for by name.
 */

#include "shm/trace.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/control.h"

#define TRACE_QUOTE(x)  #x
#define TRACE_SYMBOL(x) TRACE_QUOTE(x)

struct tsr_trace_provider const *tsr_trace;
uint32_t tsr_trace_limit = UINT32_MAX;

/* Below the folder of the object that holds this code. Return: NULL: not there. */
static void *
trace_open_beside(const char *below)
{
	char path[1024];
	const char *slash;
	Dl_info here;

	if (dladdr(&tsr_trace, &here) == 0 || here.dli_fname == NULL)
		return NULL;
	slash = strrchr(here.dli_fname, '/');
	if (slash == NULL ||
	    snprintf(path, sizeof(path), "%.*s/%s%s", (int)(slash - here.dli_fname), here.dli_fname,
	             below, TSR_TRACE_LIBRARY) >= (int)sizeof(path))
		return NULL;
	return access(path, R_OK) == 0 ? dlopen(path, RTLD_NOW) : NULL;
}

/* As installed: beside libtessera.so, or in the library folder of the program; else where the
 * loader looks. */
static void *
trace_open(void)
{
	void *library = trace_open_beside("");

	if (library == NULL)
		library = trace_open_beside("../" TSR_LIBDIR "/");
	if (library == NULL)
		library = dlopen(TSR_TRACE_LIBRARY, RTLD_NOW);
	return library;
}

/* Does the user ask for it? Return: 1; 0; -EINVAL. */
static int
trace_wish(void)
{
	/* A program that runs with more rights than its user loads nothing for it. */
	const char *const wish = secure_getenv("TESSERA_TRACE");

	if (wish == NULL || wish[0] == '\0' || strcmp(wish, "0") == 0)
		return 0;
	if (strcmp(wish, "1") == 0)
		return 1;
	tsr_hint_set("TESSERA_TRACE is '%.40s', expected 0 or 1", wish);
	return -EINVAL;
}

/* One ticket in so many. */
static int
trace_sample(void)
{
	const char *const text = secure_getenv("TESSERA_TRACE_SAMPLE");
	unsigned long long sample;
	char *end;

	if (text == NULL || text[0] == '\0')
		return 0;
	sample = strtoull(text, &end, 10);
	if (*end != '\0' || text[0] == '-' || sample == 0 || sample > UINT32_MAX) {
		tsr_hint_set("TESSERA_TRACE_SAMPLE is '%.40s', expected a number from 1 on", text);
		return -EINVAL;
	}
	tsr_trace_limit = UINT32_MAX / (uint32_t)sample;
	return 0;
}

static int
trace_take(struct tsr_trace_provider const *provider)
{
	if (provider->version != TSR_TRACE_VERSION || provider->bytes != sizeof(*provider)) {
		tsr_hint_set("%s has version %u, expected %d: it is of another build",
		             TSR_TRACE_LIBRARY, provider->version, TSR_TRACE_VERSION);
		return -EOPNOTSUPP;
	}
	if (trace_sample() != 0)
		return -EINVAL;
	tsr_trace = provider;
	return 0;
}

int
tsr_trace_load(void)
{
	struct tsr_trace_provider const *provider;
	int const wish = trace_wish();
	void *library;

	if (tsr_trace != NULL || wish < 0)
		return wish < 0 ? wish : 0;
	provider = dlsym(RTLD_DEFAULT, TRACE_SYMBOL(TSR_TRACE_PROVIDER));
	if (provider != NULL)
		return trace_take(provider);
	if (wish == 0)
		return 0;
	library = trace_open();
	if (library == NULL) {
		tsr_hint_set("TESSERA_TRACE=1, and %s can't be loaded (%s): install it with "
		             "liblttng-ust1, or unset TESSERA_TRACE",
		             TSR_TRACE_LIBRARY, dlerror());
		return -EOPNOTSUPP;
	}
	provider = dlsym(library, TRACE_SYMBOL(TSR_TRACE_PROVIDER));
	if (provider == NULL) {
		tsr_hint_set("%s exports no %s: it is of another build", TSR_TRACE_LIBRARY,
		             TRACE_SYMBOL(TSR_TRACE_PROVIDER));
		return -EOPNOTSUPP;
	}
	return trace_take(provider);
}

int
tsr_trace_error(const char *where, int error, const char *text)
{
	if (error != 0)
		TSR_TRACE(error, where, error, text);
	return error;
}
