/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_SPREAD_H
#define TSR_APPS_SPREAD_H

/*
 * How values are spread: least, greatest, mean and deviation, one value at a time, without keeping
 * them. All 0: no value yet.
 */

struct tsr_spread {
	double count;  /* of values */
	double weight; /* of all values; whole numbers: how many */
	double mean;
	double squares; /* weighted sum of the squared distances from the mean */
	double min;
	double max;
};

/* tsr_spread_add - a value that counts @weight times, > 0 */
void tsr_spread_add(struct tsr_spread *spread, double value, double weight);

/* tsr_spread_merge - all values of @from, too */
void tsr_spread_merge(struct tsr_spread *spread, const struct tsr_spread *from);

/* tsr_spread_deviation - the standard deviation of the values; 0 of none */
double tsr_spread_deviation(const struct tsr_spread *spread);

#endif /* TSR_APPS_SPREAD_H */
