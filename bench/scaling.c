// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scenario "scaling": threads, each on a CPU of its own, allocate from one pool's reserve and
 * free again, as fast as they can
 *
 * The back end refuses all calls. With at least as many elements as threads no allocation may
 * return NULL; a pair with NULL does not count. The baseline is threads that share nothing: it
 * shows how much faster more CPUs can be.
 */
#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/processor.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bench.h"

/*
 * objpool disables interrupts, which takes a system call in User-Mode Linux with several CPUs.
 * No interrupt uses the objpool here, so disabling preemption suffices. See freelist.h.
 */
#if defined(CONFIG_UML) && defined(HAVE_OBJPOOL)
#include <linux/irqflags.h>
#include <linux/preempt.h>
#pragma push_macro("raw_local_irq_save")
#pragma push_macro("raw_local_irq_restore")
#undef raw_local_irq_save
#undef raw_local_irq_restore
#define raw_local_irq_save(flags)	do { (flags) = 0; preempt_disable(); } while (0)
#define raw_local_irq_restore(flags)	do { (void)(flags); preempt_enable(); } while (0)
#include <linux/objpool.h>
#pragma pop_macro("raw_local_irq_restore")
#pragma pop_macro("raw_local_irq_save")
#endif

#include "pair.h"

/* Pairs between two checks for the end. */
#define BATCH	1000

/* The least that a reserve of its own would take for a thread. */
struct slot {
	atomic_long_t	element;
} ____cacheline_aligned_in_smp;

struct scaling {
	struct mp2b_run	run;
	atomic_t	nr_missing;	/* threads that have not arrived yet */
	struct slot	*slots;		/* one for each thread */
};

/* Wait for all threads, so that none finishes before another one has begun. */
static void meet(struct mp2b_worker *worker)
{
	struct scaling *scaling = worker->crew->private;

	atomic_dec(&scaling->nr_missing);
	while (atomic_read(&scaling->nr_missing) && !mp2b_stopping(worker->crew)) {
		cpu_relax();
		cond_resched();
	}
}

static __always_inline void pair_until_stopped(struct mp2b_worker *worker, void *pool,
					       bool (*pair)(void *pool))
{
	unsigned long nr_done = 0, nr_null = 0;
	int i;

	meet(worker);
	worker->start_ns = ktime_get_ns();
	while (!mp2b_stopping(worker->crew)) {
		for (i = 0; i < BATCH; i++) {
			if (unlikely(!pair(pool)))
				nr_null++;
		}
		nr_done += BATCH;
		cond_resched();
	}
	worker->end_ns = ktime_get_ns();
	worker->nr_done = nr_done - nr_null;
	worker->nr_null = nr_null;
}

static void *pool_of(struct mp2b_worker *worker)
{
	struct scaling *scaling = worker->crew->private;

	return scaling->run.pool;
}

static __always_inline bool bare_pair(void *from)
{
	struct slot *slot = from;

	return atomic_long_cmpxchg(&slot->element, 1, 0) == 1 &&
	       atomic_long_cmpxchg(&slot->element, 0, 1) == 0;
}

static void bare_work(struct mp2b_worker *worker)
{
	struct scaling *scaling = worker->crew->private;
	struct slot *slot = &scaling->slots[worker->index];

	atomic_long_set(&slot->element, 1);
	pair_until_stopped(worker, slot, bare_pair);
}

static void mempool_work(struct mp2b_worker *worker)
{
	pair_until_stopped(worker, pool_of(worker), mp2b_mempool_pair);
}

static void mempool2_work(struct mp2b_worker *worker)
{
	pair_until_stopped(worker, pool_of(worker), mp2b_mempool2_pair);
}

static void freelist_work(struct mp2b_worker *worker)
{
	pair_until_stopped(worker, pool_of(worker), mp2b_freelist_pair);
}

#ifdef HAVE_OBJPOOL
static void objpool_work(struct mp2b_worker *worker)
{
	pair_until_stopped(worker, pool_of(worker), mp2b_objpool_pair);
}
#else
#define objpool_work	NULL
#endif

static void (*const works[MP2B_NR_KINDS])(struct mp2b_worker *worker) = {
	[MP2B_BARE]	= bare_work,
	[MP2B_MEMPOOL]	= mempool_work,
	[MP2B_MEMPOOL2]	= mempool2_work,
	[MP2B_OBJPOOL]	= objpool_work,
	[MP2B_FREELIST]	= freelist_work,
};

static bool scaling_supports(const struct mp2b_params *params)
{
	return works[params->kind - mp2b_kinds] && params->work == MP2B_RESERVE;
}

static void scaling_report(struct mp2b_crew *crew)
{
	struct scaling *scaling = crew->private;
	const struct mp2b_params *params = &scaling->run.params;
	u64 start_ns = U64_MAX, end_ns = 0;
	unsigned long done = 0, null = 0;
	int i;

	for (i = 0; i < crew->nr_workers; i++) {
		start_ns = min(start_ns, crew->workers[i].start_ns);
		end_ns = max(end_ns, crew->workers[i].end_ns);
		done += crew->workers[i].nr_done;
		null += crew->workers[i].nr_null;
	}
	mp2b_report("scenario=scaling pool=%s threads=%d elements=%d ",
		    params->kind->name, params->threads, params->elements);
	mp2b_report("elapsed_ns=%llu pairs=%lu null=%lu\n", end_ns - start_ns,
		    done, null);
}

static int scaling_run(const struct mp2b_params *params)
{
	const struct scaling begin = {
		.run = { .params = *params, .exhausted = { .size = sizeof(u64) } },
	};
	struct scaling *scaling;
	int err;

	scaling = kmemdup(&begin, sizeof(begin), GFP_KERNEL);
	if (!scaling)
		return -ENOMEM;
	scaling->slots = kcalloc(params->threads, sizeof(*scaling->slots), GFP_KERNEL);
	if (!scaling->slots) {
		kfree(scaling);
		return -ENOMEM;
	}
	scaling->run.params.cpu = MP2B_CPU_EACH;
	atomic_set(&scaling->nr_missing, params->threads);

	err = mp2b_run_crew(&scaling->run, params->threads, mp2b_exhausted_alloc,
			    works[params->kind - mp2b_kinds], scaling_report);
	if (err == -ETIMEDOUT)
		return err;
	kfree(scaling->slots);
	kfree(scaling);
	return err;
}

const struct mp2b_scenario mp2b_scaling = {
	.name		= "scaling",
	.defaults	= {
		.work		= MP2B_RESERVE,
		.seconds	= 3,
		.threads	= 1,
		.elements	= 256,
		.cpu		= MP2B_CPU_ANY,
	},
	.supports	= scaling_supports,
	.run		= scaling_run,
};
