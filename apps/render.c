/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/render.h"

#include <ctype.h>
#include <stdlib.h>

#include "apps/table.h"

#define RENDER_ROW_BYTES 16

static bool
render_is_space(unsigned char byte)
{
	return byte == '\n' || byte == '\t' || byte == '\r';
}

/* No byte that would make a terminal do something: ASCII's control characters, and U+0080 to
 * U+009F, of which C2 is the first byte. */
static bool
render_is_tame(const unsigned char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if ((iscntrl(bytes[i]) && !render_is_space(bytes[i])) ||
		    (bytes[i] == 0xc2 && i + 1 < count && bytes[i + 1] < 0xa0))
			return false;
	}
	return true;
}

long
tsr_render_text(const unsigned char *bytes, size_t count)
{
	json_t *text;

	if (count > 0 && bytes[count - 1] == '\0')
		count--;
	if (!render_is_tame(bytes, count))
		return -1;
	text = json_stringn((const char *)bytes, count); /* of UTF-8 only */
	json_decref(text);
	return text != NULL ? (long)count : -1;
}

static void
render_row(FILE *out, const unsigned char *bytes, size_t count)
{
	for (size_t i = 0; i < RENDER_ROW_BYTES; i++) {
		if (i < count)
			(void)fprintf(out, " %02x", bytes[i]);
		else
			(void)fputs("   ", out);
	}
	(void)fputs("  ", out);
	for (size_t i = 0; i < count; i++)
		(void)putc(isprint(bytes[i]) ? bytes[i] : '.', out);
}

void
tsr_render_rows(FILE *out, const unsigned char *bytes, size_t count)
{
	for (size_t row = 0; row < count; row += RENDER_ROW_BYTES) {
		size_t const rest = count - row;

		(void)fprintf(out, "%08zx ", row);
		render_row(out, &bytes[row], rest < RENDER_ROW_BYTES ? rest : RENDER_ROW_BYTES);
		(void)putc('\n', out);
	}
}

/* White space that would leave the line is written as C does. */
static void
render_escaped(FILE *out, const unsigned char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] == '\n' || bytes[i] == '\r')
			(void)fputs(bytes[i] == '\n' ? "\\n" : "\\r", out);
		else
			(void)putc(bytes[i], out);
	}
}

void
tsr_render_line(FILE *out, const unsigned char *bytes, size_t count)
{
	long const text = tsr_render_text(bytes, count);
	size_t shown = text >= 0 ? (size_t)text : count;
	size_t const most = text >= 0 ? TSR_RENDER_TEXT_BYTES : RENDER_ROW_BYTES;
	bool const cut = shown > most;

	if (cut)
		shown = most;
	/* Not in the middle of a character. */
	while (text >= 0 && cut && shown > 0 && (bytes[shown] & 0xc0) == 0x80)
		shown--;
	/* A newline at the very end is the line's own. */
	if (text >= 0 && !cut && shown > 0 && bytes[shown - 1] == '\n')
		shown--;
	if (text >= 0)
		render_escaped(out, bytes, shown);
	else
		render_row(out, bytes, shown);
	if (cut)
		(void)fputs(text >= 0 ? " ..." : "...", out);
}

static char *
render_hex(const unsigned char *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";
	char *const out = malloc(2 * count + 1);

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * count] = '\0';
	return out;
}

/* RFC 4648, with padding. */
static char *
render_base64(const unsigned char *bytes, size_t count)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *const out = malloc((count + 2) / 3 * 4 + 1);
	char *to = out;

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < count; i += 3) {
		size_t const rest = count - i;
		uint32_t const bits = (uint32_t)bytes[i] << 16 |
		                      (rest > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
		                      (rest > 2 ? (uint32_t)bytes[i + 2] : 0);

		*to++ = digits[bits >> 18];
		*to++ = digits[bits >> 12 & 63];
		*to++ = (char)(rest > 1 ? digits[bits >> 6 & 63] : '=');
		*to++ = (char)(rest > 2 ? digits[bits & 63] : '=');
	}
	*to = '\0';
	return out;
}

void
tsr_render_json(json_t *object, const unsigned char *bytes, size_t count, enum tsr_render_bytes how)
{
	long const text = how == TSR_RENDER_AUTO || how == TSR_RENDER_TEXT
	                          ? tsr_render_text(bytes, count)
	                          : -1;
	char *coded;

	if (how == TSR_RENDER_NONE)
		return;
	if (how == TSR_RENDER_TEXT || text >= 0) {
		tsr_report_set(object, "text",
		               text >= 0 ? json_stringn((const char *)bytes, (size_t)text)
		                         : json_null());
		return;
	}
	coded = how == TSR_RENDER_BASE64 ? render_base64(bytes, count) : render_hex(bytes, count);
	tsr_report_set(object, how == TSR_RENDER_BASE64 ? "base64" : "hex", json_string(coded));
	free(coded);
}
