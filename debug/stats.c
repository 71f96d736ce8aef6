// SPDX-License-Identifier: GPL-2.0-only
/*
 * Statistics of pools, and injected failures of the alloc function
 */
#include <linux/atomic.h>
#include <linux/export.h>
#include <linux/irqflags.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include <linux/string.h>

#include "priv.h"
#include "trace.h"

/*
 * Injected failures
 */

/* An interval of 0 fails no call, an interval of 1 fails each call. */
bool mp2_ext_should_fail(struct mempool2_ext *ext)
{
	unsigned int one_in = READ_ONCE(ext->fail_interval);

	if (one_in <= 1)
		return one_in;
	return (unsigned int)atomic_inc_return(&ext->nr_calls) % one_in == 0;
}

bool mp2_debug_should_fail(struct mempool2 *pool)
{
	struct mempool2_ext *ext = ext_with(pool, FEATURE_FAILING);

	return ext && mp2_ext_should_fail(ext);
}

int mp2_ext_set_fail_interval(struct mempool2_ext *ext, unsigned int one_in)
{
	if (!one_in)
		return mp2_ext_switch(ext, ext->features & ~FEATURE_FAILING);
	WRITE_ONCE(ext->fail_interval, one_in);
	return mp2_ext_switch(ext, ext->features | FEATURE_FAILING);
}

int mempool2_set_fail_interval(struct mempool2 *pool, unsigned int one_in)
{
	if (misuse_uninit(pool))
		return -EINVAL;
	return mp2_pool_set(pool, mp2_ext_set_fail_interval, one_in);
}
EXPORT_SYMBOL_GPL(mempool2_set_fail_interval);

/*
 * Statistics
 */

static void figures_read(struct mempool2_figures *own, struct mempool2_stats *copy)
{
	const struct mempool2_stats *figures = &own->figures;
	unsigned long flags;
	unsigned int start;

	local_irq_save(flags);
	do {
		start = u64_stats_fetch_begin(&own->sync);
		copy->reserve_allocs = READ_ONCE(figures->reserve_allocs);
		copy->refills = READ_ONCE(figures->refills);
		copy->waits = READ_ONCE(figures->waits);
		copy->wait_ns = READ_ONCE(figures->wait_ns);
		copy->max_wait_ns = READ_ONCE(figures->max_wait_ns);
		copy->handovers = READ_ONCE(figures->handovers);
		copy->failed = READ_ONCE(figures->failed);
		copy->resizes = READ_ONCE(figures->resizes);
	} while (u64_stats_fetch_retry(&own->sync, start));
	local_irq_restore(flags);
}

void mp2_stats_sum(const struct mempool2_ext *ext,
		   struct mempool2_stats *sum)
{
	struct mempool2_stats one;
	int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		figures_read(per_cpu_ptr(ext->figures, cpu), &one);
		sum->reserve_allocs += one.reserve_allocs;
		sum->refills += one.refills;
		sum->waits += one.waits;
		sum->wait_ns += one.wait_ns;
		sum->max_wait_ns = max(sum->max_wait_ns, one.max_wait_ns);
		sum->handovers += one.handovers;
		sum->failed += one.failed;
		sum->resizes += one.resizes;
	}
}

static struct mempool2_figures __percpu *figures_alloc(void)
{
	struct mempool2_figures __percpu *figures = alloc_percpu(struct mempool2_figures);
	int cpu;

	if (!figures)
		return NULL;
	for_each_possible_cpu(cpu)
		u64_stats_init(&per_cpu_ptr(figures, cpu)->sync);
	return figures;
}

int mp2_ext_enable_stats(struct mempool2_ext *ext, unsigned int on)
{
	struct mempool2_figures __percpu *figures;

	if (!on)
		return mp2_ext_switch(ext, ext->features & ~FEATURE_STATS);
	if (!ext->figures) {
		figures = figures_alloc();
		if (!figures)
			return -ENOMEM;
		/* Pairs with mempool2_get_stats(). */
		smp_store_release(&ext->figures, figures);
	}
	return mp2_ext_switch(ext, ext->features | FEATURE_STATS);
}

int mempool2_enable_stats(struct mempool2 *pool, bool on)
{
	if (misuse_uninit(pool))
		return -EINVAL;
	return mp2_pool_set(pool, mp2_ext_enable_stats, on);
}
EXPORT_SYMBOL_GPL(mempool2_enable_stats);

int mempool2_get_stats(struct mempool2 *pool, struct mempool2_stats *sum)
{
	struct mempool2_ext *ext;

	if (misuse_uninit(pool))
		return -EINVAL;
	ext = pool_ext(pool);
	/* Pairs with mp2_ext_enable_stats(). */
	if (!ext || !smp_load_acquire(&ext->figures))
		return -ENODATA;
	mp2_stats_sum(ext, sum);
	return 0;
}
EXPORT_SYMBOL_GPL(mempool2_get_stats);

void mp2_debug_refill(struct mempool2 *pool, unsigned int nr)
{
	if (!nr)
		return;
	trace_mempool2_refill(pool, nr);
	pool_stats_add(pool, refills, nr);
}

/* Called with the lock of pool->wait held. */
void mp2_debug_handover(struct mempool2 *pool, const void *element)
{
	trace_mempool2_handover(pool, element, pool->nr_waiters);
	pool_stats_add(pool, handovers, 1);
}

void mp2_debug_failed(struct mempool2 *pool, unsigned long caller)
{
	trace_mempool2_alloc_failed(pool, caller);
	pool_stats_add(pool, failed, 1);
}
