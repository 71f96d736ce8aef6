// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scenario "pairs": the cost of one allocation and its free on an otherwise idle CPU
 *
 * The clock is read around a batch of pairs, and the least of many batches is reported: a
 * disturbance only ever makes a batch longer. In a guest of QEMU with -icount shift=0 a
 * nanosecond is an instruction, and the figure is exact. Interrupts are disabled during a batch,
 * so all kinds allocate with GFP_NOWAIT. Bulk calls may sleep, so their batches run with
 * interrupts enabled, and the least of them is one without an interrupt. "pool=empty work=empty"
 * reports the cost of the loop and the clock.
 *
 *	work=		each pair is
 *	empty		nothing
 *	healthy_slab	an object of a slab cache, of which there are plenty
 *	ten_sites	the same from ten call sites in one function, in turn
 *	healthy_custom	the only element of a back end of our own that never fails
 *	reserve		an element of the reserve, as the back end refuses
 *	preallocated	an element of the reserve without asking the back end
 *	checked		as reserve, with all checks on
 *	bulk		count= elements at once from a reserve that has as many
 *
 * pool=bare calls the back end without a pool (in "reserve": the back end that refuses, once).
 * pool=indirect calls the back end through pointers, as a pool has to call functions that it
 * does not know.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/compiler.h>
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "../mempool2_debug.h"
#include "bench.h"
#include "pair.h"

#define SLAB_SIZE	256
#define ELEMENTS	16

struct pairs {
	struct mp2b_params	params;
	struct mp2b_exhausted	exhausted;
	struct kmem_cache	*cache;
	void			*pool;
	void			**elems;
	/* The pool, or its replacement */
	void			*from;
};

struct back_end {
	mempool2_alloc_t	*alloc_fn;
	mempool2_free_t		*free_fn;
	void			*data;
};

/*
 * Inlined into each loop together with @pair, so that the loop makes no other calls. Returns 0
 * if a pair failed.
 */
static __always_inline u64
least_ns(const struct pairs *run, bool irqs_off,
	 bool (*pair)(void *from, void **elems, unsigned int count))
{
	unsigned int i, rounds = run->params.rounds, count = run->params.count;
	void *from = run->from, **elems = run->elems;
	u64 ns, least = U64_MAX;
	unsigned long flags;
	int batch;

	for (batch = 0; batch < run->params.batches; batch++) {
		cond_resched();
		if (irqs_off)
			local_irq_save(flags);
		ns = ktime_get_ns();
		for (i = 0; i < rounds; i++) {
			if (unlikely(!pair(from, elems, count)))
				break;
		}
		ns = ktime_get_ns() - ns;
		if (irqs_off)
			local_irq_restore(flags);
		if (i < rounds)
			return 0;
		least = min(least, ns);
	}
	/* A clock can be too coarse for the time, and 0 means that a pair failed. */
	return max(least, 1ULL);
}

/* LOOP(name): a function with a loop over name_pair(). */
#define LOOP_IRQS(name, irqs_off)					\
static noinline u64 name##_loop(const struct pairs *run)		\
{									\
	return least_ns(run, irqs_off, name##_pair);			\
}

#define LOOP(name)	LOOP_IRQS(name, true)

#define PAIR(name)							\
static __always_inline bool						\
name##_pair(void *from, void **elems, unsigned int count)

PAIR(empty)
{
	barrier();
	return true;
}

LOOP(empty)

PAIR(bare_slab)
{
	void *element = kmem_cache_alloc(from, MP2B_PAIR_GFP);

	if (unlikely(!element))
		return false;
	kmem_cache_free(from, element);
	return true;
}

LOOP(bare_slab)

PAIR(bare_custom)
{
	void *element = mp2b_static_alloc(MP2B_PAIR_GFP, from);

	if (unlikely(!element))
		return false;
	mp2b_static_free(element, from);
	return true;
}

LOOP(bare_custom)

/* As in a driver that calls a pool from many sites: each has a copy of the inline parts. */
#define SITES		10

#define TEN_SITES(pair)								\
	(pair && pair && pair && pair && pair && pair && pair && pair && pair && pair)

PAIR(bare_sites)
{
	return TEN_SITES(bare_slab_pair(from, elems, count));
}

LOOP(bare_sites)

PAIR(mempool_sites)
{
	return TEN_SITES(mp2b_mempool_pair(from));
}

LOOP(mempool_sites)

PAIR(mempool2_sites)
{
	return TEN_SITES(mp2b_mempool2_pair(from));
}

LOOP(mempool2_sites)

PAIR(indirect_custom)
{
	struct back_end *back_end = from;
	mempool2_alloc_t *alloc_fn = READ_ONCE(back_end->alloc_fn);
	mempool2_free_t *free_fn;
	void *element;

	element = alloc_fn(MP2B_PAIR_GFP, back_end->data);
	if (unlikely(!element))
		return false;
	free_fn = READ_ONCE(back_end->free_fn);
	free_fn(element, back_end->data);
	return true;
}

LOOP(indirect_custom)

PAIR(bare_reserve)
{
	return !mp2b_exhausted_alloc(MP2B_PAIR_GFP | __GFP_NOMEMALLOC, from);
}

LOOP(bare_reserve)

PAIR(mempool)
{
	return mp2b_mempool_pair(from);
}

LOOP(mempool)

PAIR(mempool2)
{
	return mp2b_mempool2_pair(from);
}

LOOP(mempool2)

PAIR(freelist)
{
	return mp2b_freelist_pair(from);
}

LOOP(freelist)

#ifdef HAVE_OBJPOOL
PAIR(objpool)
{
	return mp2b_objpool_pair(from);
}

LOOP(objpool)
#else
#define objpool_loop	NULL
#endif

#ifdef HAVE_MEMPOOL_ALLOC_PREALLOCATED
PAIR(mempool_preallocated)
{
	void *element = mempool_alloc_preallocated(from);

	if (unlikely(!element))
		return false;
	mempool_free(element, from);
	return true;
}

LOOP(mempool_preallocated)
#else
#define mempool_preallocated_loop	NULL
#endif

PAIR(mempool2_preallocated)
{
	void *element = mempool2_alloc_preallocated(from);

	if (unlikely(!element))
		return false;
	mempool2_free(element, from);
	return true;
}

LOOP(mempool2_preallocated)

/* The kernel's mempool has bulk calls since 7.x: allocating is a macro. */
#ifdef mempool_alloc_bulk
PAIR(mempool_bulk)
{
	return !mempool_alloc_bulk((mempool_t *)from, elems, count) &&
	       mempool_free_bulk(from, elems, count) == count;
}

LOOP_IRQS(mempool_bulk, false)
#else
#define mempool_bulk_loop	NULL
#endif

PAIR(mempool2_bulk)
{
	return !mempool2_alloc_bulk((struct mempool2 *)from, elems, count) &&
	       mempool2_free_bulk(from, elems, count) == count;
}

LOOP_IRQS(mempool2_bulk, false)

static u64 (*const loops[MP2B_NR_KINDS][MP2B_NR_WORKS])(const struct pairs *run) = {
	[MP2B_MEMPOOL] = {
		[MP2B_HEALTHY_SLAB]	= mempool_loop,
			[MP2B_TEN_SITES]	= mempool_sites_loop,
	[MP2B_HEALTHY_CUSTOM]	= mempool_loop,
		[MP2B_RESERVE]		= mempool_loop,
		[MP2B_PREALLOCATED]	= mempool_preallocated_loop,
		[MP2B_BULK]		= mempool_bulk_loop,
	},
	[MP2B_MEMPOOL2] = {
		[MP2B_HEALTHY_SLAB]	= mempool2_loop,
			[MP2B_TEN_SITES]	= mempool2_sites_loop,
	[MP2B_HEALTHY_CUSTOM]	= mempool2_loop,
		[MP2B_RESERVE]		= mempool2_loop,
		[MP2B_PREALLOCATED]	= mempool2_preallocated_loop,
		[MP2B_CHECKED]		= mempool2_loop,
		[MP2B_BULK]		= mempool2_bulk_loop,
	},
	[MP2B_OBJPOOL] = {
		[MP2B_RESERVE]		= objpool_loop,
		[MP2B_PREALLOCATED]	= objpool_loop,
	},
	[MP2B_FREELIST] = {
		[MP2B_RESERVE]		= freelist_loop,
		[MP2B_PREALLOCATED]	= freelist_loop,
	},
	[MP2B_BARE] = {
		[MP2B_HEALTHY_SLAB]	= bare_slab_loop,
			[MP2B_TEN_SITES]	= bare_sites_loop,
	[MP2B_HEALTHY_CUSTOM]	= bare_custom_loop,
		[MP2B_RESERVE]		= bare_reserve_loop,
	},
	[MP2B_INDIRECT] = {
		[MP2B_HEALTHY_CUSTOM]	= indirect_custom_loop,
	},
	[MP2B_EMPTY] = {
		[MP2B_NOTHING]		= empty_loop,
	},
};

static bool pairs_supports(const struct mp2b_params *params)
{
	/* Let the run report the missing work=. */
	if (!params->work)
		return true;
	return loops[params->kind - mp2b_kinds][params->work];
}

static bool works_on_slab(const struct pairs *run)
{
	return run->params.work == MP2B_HEALTHY_SLAB || run->params.work == MP2B_TEN_SITES;
}

/* Create run->from, and what it needs. */
static int pairs_begin(struct pairs *run, struct back_end *back_end)
{
	const struct mp2b_kind *kind = run->params.kind;
	int elements = run->params.elements;

	run->elems = kvcalloc(run->params.count, sizeof(*run->elems), GFP_KERNEL);
	run->cache = kmem_cache_create("mempool2_bench", SLAB_SIZE, 0, 0, NULL);
	if (!run->elems || !run->cache)
		return -ENOMEM;

	if (kind->create) {
		if (works_on_slab(run))
			run->pool = kind->create_slab(elements, run->cache);
		else
			run->pool = kind->create(elements, back_end->alloc_fn,
						 back_end->free_fn,
						 back_end->data);
		run->from = run->pool;
		if (!run->pool)
			return -ENOMEM;
		if (run->params.work == MP2B_CHECKED)
			return mempool2_set_checks(run->pool, MEMPOOL2_CHECK_ALL);
		return 0;
	}

	if (works_on_slab(run))
		run->from = run->cache;
	else if (kind == &mp2b_kinds[MP2B_INDIRECT])
		run->from = back_end;
	else
		run->from = back_end->data;
	return 0;
}

static void pairs_end(struct pairs *run)
{
	if (run->pool)
		run->params.kind->destroy(run->pool);
	kmem_cache_destroy(run->cache);
	kvfree(run->elems);
}

static int pairs_run(const struct mp2b_params *params)
{
	struct pairs run = {
		.params	= *params,
		.exhausted	= { .size = sizeof(u64) },
	};
	struct back_end back_end = {
		.alloc_fn	= mp2b_exhausted_alloc,
		.free_fn	= mp2b_exhausted_free,
		.data		= &run.exhausted,
	};
	u64 least;
	int err;

	if (!params->work) {
		pr_notice("work= is missing\n");
		return -EINVAL;
	}
	if (params->work == MP2B_HEALTHY_CUSTOM) {
		back_end.alloc_fn = mp2b_static_alloc;
		back_end.free_fn = mp2b_static_free;
	} else if (params->work == MP2B_CHECKED) {
		/*
		 * The owner records are hashed by address, so random addresses would change the
		 * figure.
		 */
		back_end.alloc_fn = mp2b_number_alloc;
		back_end.free_fn = mp2b_number_free;
	}
	if (!params->elements)
		run.params.elements = params->work == MP2B_BULK ? params->count : ELEMENTS;
	if (params->work == MP2B_BULK && run.params.elements < params->count) {
		pr_notice("count= is more than elements=\n");
		return -EINVAL;
	}

	err = pairs_begin(&run, &back_end);
	if (err)
		goto end;
	least = loops[params->kind - mp2b_kinds][params->work](&run);
	mp2b_report("scenario=pairs pool=%s work=%s ", params->kind->name,
		    mp2b_work_names[params->work]);
	if (!least) {
		mp2b_report("error=null\n");
		err = -EIO;
		goto end;
	}
	mp2b_report("elements=%d count=%d rounds=%d batches=%d ",
		    run.params.elements, params->count, params->rounds,
		    params->batches);
	mp2b_report("least_ns=%llu per_pair_milli=%llu\n", least,
		    div_u64(least * 1000,
			    params->rounds * (params->work == MP2B_TEN_SITES ? SITES : 1)));
end:
	pairs_end(&run);
	return err;
}

const struct mp2b_scenario mp2b_pairs = {
	.name		= "pairs",
	.defaults	= {
		.cpu		= MP2B_CPU_ANY,
		.count		= 1,
		.batches	= 200,
		.rounds		= 500,
	},
	.supports	= pairs_supports,
	.run		= pairs_run,
};
