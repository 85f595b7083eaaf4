/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/spread.h"

#include <math.h>

void
tsr_spread_add(struct tsr_spread *spread, double value, double weight)
{
	struct tsr_spread const one = {
		.count = 1.0, .weight = weight, .mean = value, .min = value, .max = value};

	tsr_spread_merge(spread, &one);
}

/* Means and squares of two groups become those of both: sums of squares would lose their low digits
 * where the values are large and near each other. */
void
tsr_spread_merge(struct tsr_spread *spread, const struct tsr_spread *from)
{
	double const weight = spread->weight + from->weight;
	double const apart = from->mean - spread->mean;

	if (!(from->weight > 0.0))
		return;
	if (!(spread->weight > 0.0)) {
		*spread = *from;
		return;
	}
	spread->squares += from->squares + apart * apart * spread->weight * from->weight / weight;
	spread->mean += apart * from->weight / weight;
	spread->count += from->count;
	spread->weight = weight;
	spread->min = from->min < spread->min ? from->min : spread->min;
	spread->max = from->max > spread->max ? from->max : spread->max;
}

double
tsr_spread_deviation(const struct tsr_spread *spread)
{
	return spread->weight > 0.0 ? sqrt(spread->squares / spread->weight) : 0.0;
}
