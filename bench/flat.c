// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scenario "flat": calls that may have to find out whether the whole reserve is full or empty.
 * Do they cost more if the reserve is large?
 *
 *	work=		is the cost of
 *	full_again	a free that finds the reserve full, after one was taken and came back
 *	refused		an allocation that may not sleep and gets nothing, after an element
 *			was freed and taken
 *	hand_over	a free while three callers sleep for an element
 *
 * One run measures all three, each by itself and with interrupts disabled. Reported is the
 * median of batches=, as waking a task takes one of several paths; the cost of reading the clock
 * is subtracted. For a guest with one CPU and an exact clock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/mempool.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "../mempool2.h"
#include "bench.h"

#define NR_SLEEPERS	3
#define MAX_TIMES	1000

/* An element that does not come from the pool: legal for all pools. */
#define FOREIGN		mp2b_number(0)

struct flat {
	struct mp2b_params	params;
	struct mp2b_exhausted	exhausted;
	void			*pool;
	struct mp2b_sleepers	sleepers;
	u64			clock_ns;	/* cost of reading the clock */
	u64			full_again_ns;
	u64			refused_ns;
	u64			hand_over_ns;
	u32			times[MAX_TIMES];
};

#define TIME(flat, nr, call)						\
do {									\
	u64 __start;							\
									\
	__start = ktime_get_ns();					\
	call;								\
	(flat)->times[nr] = ktime_get_ns() - __start;			\
} while (0)

static int compare_times(const void *a, const void *b)
{
	return *(const u32 *)a < *(const u32 *)b ? -1 : *(const u32 *)a > *(const u32 *)b;
}

static u64 median(struct flat *flat)
{
	sort(flat->times, flat->params.batches, sizeof(*flat->times), compare_times, NULL);
	return flat->times[flat->params.batches / 2];
}

/* Inlined with the calls of a kind of pool, as in a driver. */
static __always_inline int flat_measure(struct flat *flat,
					void *(*alloc)(void *pool, gfp_t gfp_mask),
					void (*free)(void *pool, void *element))
{
	void *pool = flat->pool, *element;
	unsigned long flags;
	int i, err;

	for (i = 0; i < flat->params.batches; i++) {
		local_irq_save(flags);
		TIME(flat, i, barrier());
		local_irq_restore(flags);
	}
	flat->clock_ns = median(flat);
	for (i = 0; i < flat->params.batches; i++) {
		cond_resched();
		local_irq_save(flags);
		element = alloc(pool, GFP_NOWAIT);
		free(pool, element);
		TIME(flat, i, free(pool, FOREIGN));
		local_irq_restore(flags);
		if (!element)
			return -EIO;
	}
	flat->full_again_ns = median(flat);
	while (alloc(pool, GFP_NOWAIT))
		cond_resched();
	for (i = 0; i < flat->params.batches; i++) {
		cond_resched();
		local_irq_save(flags);
		free(pool, FOREIGN);
		alloc(pool, GFP_NOWAIT);
		TIME(flat, i, element = alloc(pool, GFP_NOWAIT));
		local_irq_restore(flags);
		if (element)
			return -EIO;
	}
	flat->refused_ns = median(flat);
	err = mp2b_sleepers_begin(&flat->sleepers, NR_SLEEPERS);
	for (i = 0; i < flat->params.batches && !err; i++) {
		local_irq_save(flags);
		TIME(flat, i, free(pool, FOREIGN));
		local_irq_restore(flags);
		mp2b_sleepers_await(&flat->sleepers);
		if (atomic_read(&flat->sleepers.nr_got) != i + 1)
			err = -EIO;
	}
	mp2b_sleepers_end(&flat->sleepers);
	flat->hand_over_ns = median(flat);
	return err;
}

static __always_inline void *flat_mempool_alloc(void *pool, gfp_t gfp_mask)
{
	return mempool_alloc((mempool_t *)pool, gfp_mask);
}

static __always_inline void flat_mempool_free(void *pool, void *element)
{
	mempool_free(element, pool);
}

static noinline int flat_mempool(struct flat *flat)
{
	return flat_measure(flat, flat_mempool_alloc, flat_mempool_free);
}

static __always_inline void *flat_mempool2_alloc(void *pool, gfp_t gfp_mask)
{
	return mempool2_alloc((struct mempool2 *)pool, gfp_mask);
}

static __always_inline void flat_mempool2_free(void *pool, void *element)
{
	mempool2_free(element, pool);
}

static noinline int flat_mempool2(struct flat *flat)
{
	return flat_measure(flat, flat_mempool2_alloc, flat_mempool2_free);
}

static int (*const measures[MP2B_NR_KINDS])(struct flat *flat) = {
	[MP2B_MEMPOOL]	= flat_mempool,
	[MP2B_MEMPOOL2]	= flat_mempool2,
};

static bool flat_supports(const struct mp2b_params *params)
{
	return measures[params->kind - mp2b_kinds];
}

static void flat_report(const struct flat *flat, const char *work, u64 ns)
{
	mp2b_report("scenario=flat pool=%s elements=%d work=%s batches=%d median_ns=%llu\n",
		    flat->params.kind->name, flat->params.elements, work,
		    flat->params.batches, ns - min(ns, flat->clock_ns));
}

static int flat_run(const struct mp2b_params *params)
{
	struct flat *flat;
	int err;

	if (params->batches > MAX_TIMES)
		return -EINVAL;
	flat = kzalloc(sizeof(*flat), GFP_KERNEL);
	if (!flat)
		return -ENOMEM;
	flat->params = *params;
	flat->pool = params->kind->create(params->elements, mp2b_number_alloc,
					  mp2b_number_free, &flat->exhausted);
	if (!flat->pool) {
		kfree(flat);
		return -ENOMEM;
	}
	flat->sleepers.kind = params->kind;
	flat->sleepers.pool = flat->pool;
	err = measures[params->kind - mp2b_kinds](flat);
	if (err) {
		mp2b_report("scenario=flat pool=%s error=%d\n", params->kind->name, err);
	} else {
		flat_report(flat, "full_again", flat->full_again_ns);
		flat_report(flat, "refused", flat->refused_ns);
		flat_report(flat, "hand_over", flat->hand_over_ns);
	}
	params->kind->destroy(flat->pool);
	kfree(flat);
	return err;
}

const struct mp2b_scenario mp2b_flat = {
	.name		= "flat",
	.defaults	= {
		.elements	= 16,
		.batches	= 400,
		.cpu		= MP2B_CPU_ANY,
	},
	.supports	= flat_supports,
	.run		= flat_run,
};
