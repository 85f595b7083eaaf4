/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_RENDER_H
#define TSR_APPS_RENDER_H

/*
 * The bytes of a message, as people and programs read them.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TSR_RENDER_TEXT_BYTES 1024 /* of a text that fit on its line */

/* How the bytes of a message become a string of JSON. */
enum tsr_render_bytes {
	TSR_RENDER_AUTO, /* text if they are text, else hex */
	TSR_RENDER_TEXT, /* null if they are none */
	TSR_RENDER_HEX,
	TSR_RENDER_BASE64,
	TSR_RENDER_NONE,
};

/*
 * tsr_render_text - is it text that a terminal may be given: UTF-8 without control characters
 *
 * White space is text, and so is one 0 at the end, which is not shown.
 * Return: its length; -1: it is none.
 */
long tsr_render_text(const unsigned char *bytes, size_t count);

/* tsr_render_line - on one line: the text, or the beginning in hexadecimal. No newline is added. */
void tsr_render_line(FILE *out, const unsigned char *bytes, size_t count);

/* tsr_render_rows - all of it, 16 bytes a row, in hexadecimal and as characters. */
void tsr_render_rows(FILE *out, const unsigned char *bytes, size_t count);

/* tsr_render_json - put "text", "hex" or "base64" into an object, as @how says. */
void tsr_render_json(json_t *object, const unsigned char *bytes, size_t count,
                     enum tsr_render_bytes how);

#endif /* TSR_APPS_RENDER_H */
