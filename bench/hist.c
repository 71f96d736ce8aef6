// SPDX-License-Identifier: GPL-2.0-only
/*
 * Histograms of times, for "all but a thousandth were shorter than that"
 *
 * Each power of two is cut into 64 bins, so a time that is read back is at most 1.6 % too short.
 */
#include <linux/bitops.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bench.h"

#define SUB_BITS	6
#define SUBS		BIT(SUB_BITS)
#define BINS		((64 - SUB_BITS + 1) * SUBS)

struct mp2b_hist {
	atomic_t	bins[BINS];
};

/* Below 2 * SUBS each number has a bin of its own. */
static unsigned int bin_of(u64 ns)
{
	unsigned int shift;

	if (ns < SUBS)
		return ns;
	shift = fls64(ns) - 1 - SUB_BITS;
	return shift * SUBS + (ns >> shift);
}

static u64 least_in_bin(unsigned int bin)
{
	unsigned int shift;

	if (bin < SUBS)
		return bin;
	shift = bin / SUBS - 1;
	return (u64)(bin - shift * SUBS) << shift;
}

struct mp2b_hist *mp2b_hist_create(void)
{
	return kvcalloc(1, sizeof(struct mp2b_hist), GFP_KERNEL);
}

void mp2b_hist_destroy(struct mp2b_hist *hist)
{
	kvfree(hist);
}

void mp2b_hist_clear(struct mp2b_hist *hist)
{
	memset(hist, 0, sizeof(*hist));
}

/* Safe in any context. */
void mp2b_hist_add(struct mp2b_hist *hist, u64 ns)
{
	atomic_inc(&hist->bins[bin_of(ns)]);
}

/* The time that @milli thousandths of the added times do not exceed, or 0 if none were added. */
u64 mp2b_hist_quantile(const struct mp2b_hist *hist, unsigned int milli)
{
	u64 nr = 0, wanted;
	unsigned int i;

	for (i = 0; i < BINS; i++)
		nr += (unsigned int)atomic_read(&hist->bins[i]);
	if (!nr)
		return 0;
	wanted = div_u64(nr * milli + 999, 1000);
	for (i = 0, nr = 0; i < BINS - 1; i++) {
		nr += (unsigned int)atomic_read(&hist->bins[i]);
		if (nr >= wanted)
			break;
	}
	return least_in_bin(i);
}
