/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_COPY_H
#define TSR_SHM_COPY_H

/*
 * Ways to copy a message in, and how a thread learns which one its machine prefers at the moment.
 *
 * The lines of a block that is used again lie in the last receiver's cache. Where that is near, a
 * string copy takes them over in place. Where it is far, each line costs a trip there; stores that
 * go past the caches spare it (4 KiB: 1.9 against 0.7 million messages a second, 64 KiB: six
 * times). Which it is only time tells, and hosts move cores: so each thread times its copies, and
 * tries the other way once in TSR_COPY_TRY. Going past the caches makes the receiver fetch from
 * memory, which the copier's clock doesn't show: near it looks up to three times as quick (3 ticks
 * a line against 3 to 10) and is slower in all; far it is twenty times as quick (3 against 57).
 */

#include <stddef.h>
#include <stdint.h>

#define TSR_COPY_LEARN_BYTES 1024 /* smaller ones are memcpy's */
#define TSR_COPY_TRY         256  /* copies until the other way is tried */
#define TSR_COPY_WORTH       6    /* so much quicker must it be to go past the caches */

enum tsr_copy_way {
	TSR_COPY_STRING, /* rep movsb */
	TSR_COPY_PAST,   /* past the caches */
	TSR_COPY_WAYS,
};

/* What a thread has learned: ticks for 1,024 lines of 64 bytes; 0: not tried. */
struct tsr_copy_learned {
	uint32_t ticks[TSR_COPY_WAYS];
	uint32_t copies;
};

/* tsr_copy - @bytes from @from to @to, whatever their alignment. */
void tsr_copy(enum tsr_copy_way way, void *to, const void *from, size_t bytes);

/* tsr_copy_choose - the way for the next copy. */
enum tsr_copy_way tsr_copy_choose(struct tsr_copy_learned *learned);

/*
 * tsr_copy_learn - a copy took so long
 *
 * A faster one is believed at once; a slower one moves the figure by a quarter of itself at most,
 * so that one interruption does not, and a few copies in a row do.
 */
void tsr_copy_learn(struct tsr_copy_learned *learned, enum tsr_copy_way way, size_t bytes,
                    uint64_t ticks);

#endif /* TSR_SHM_COPY_H */
