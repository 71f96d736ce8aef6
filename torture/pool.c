// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pools, a back end that fails on demand, elements that know their owner
 */
#include <linux/err.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../mempool2_debug.h"
#include "torture.h"

struct torture_pool torture_pools[NR_POOLS];
struct torture_pool *const exact_pool = &torture_pools[0];

/* The arena has all elements of exact_pool, and can be used in any context. */
static struct element *arena, *arena_first;
static DEFINE_RAW_SPINLOCK(arena_lock);
atomic_t arena_taken;

/* How many of 1,000 calls of an alloc function fail. */
int fail_permille;

static struct kmem_cache *cache;

/* No call is made on it. While it has a limit, no static key of mempool2 is switched off. */
static struct mempool2 instrumented;

static struct element *element_of(struct torture_pool *tp, void *data)
{
	return tp->has_pages ? page_address(data) : data;
}

static unsigned long tag_of(const void *element, int owner)
{
	return hash_long((unsigned long)element + owner, BITS_PER_LONG) | 1;
}

static DEFINE_PER_CPU(u32, nr_allocs);

/* Not get_random_u32(), which takes a sleeping lock on PREEMPT_RT. */
static bool memory_is_short(void)
{
	return hash_32(this_cpu_inc_return(nr_allocs), 32) % 1000 < READ_ONCE(fail_permille);
}

void *arena_alloc(gfp_t gfp_mask, void *pool_data)
{
	struct element *element;
	unsigned long flags;

	if (memory_is_short())
		return NULL;
	raw_spin_lock_irqsave(&arena_lock, flags);
	element = arena_first;
	if (element) {
		arena_first = element->next;
		if (!element->in_arena)
			found(FOUND_TWICE, "an element of the arena is in use");
		element->in_arena = false;
		atomic_inc(&arena_taken);
	}
	raw_spin_unlock_irqrestore(&arena_lock, flags);
	return element;
}

void arena_free(void *data, void *pool_data)
{
	struct element *element = data;
	unsigned long flags;

	if (atomic_read(&element->owner))
		found(FOUND_TWICE, "an element of %d goes to the arena",
		      atomic_read(&element->owner));
	raw_spin_lock_irqsave(&arena_lock, flags);
	if (element->in_arena)
		found(FOUND_TWICE, "an element goes to the arena twice");
	element->in_arena = true;
	element->next = arena_first;
	arena_first = element;
	atomic_dec(&arena_taken);
	raw_spin_unlock_irqrestore(&arena_lock, flags);
}

/* Elements of the other pools come from the kernel's own allocators. */
static void *cache_alloc(gfp_t gfp_mask, void *pool_data)
{
	return memory_is_short() ? NULL : kmem_cache_alloc(cache, gfp_mask);
}

static void cache_free(void *element, void *pool_data)
{
	kmem_cache_free(cache, element);
}

/* What was in the memory of an element before is known for the arena alone. */
void element_own(struct torture_pool *tp, void *data, int owner)
{
	struct element *element = element_of(tp, data);
	int former;

	atomic_long_inc(&tp->nr_taken);
	atomic_inc(&tp->nr_owned);
	former = atomic_xchg(&element->owner, owner);
	if (tp->is_exact && (former || element->in_arena))
		found(FOUND_TWICE, "an element of %d is allocated by %d", former, owner);
	WRITE_ONCE(element->tag, tag_of(element, owner));
}

void element_disown(struct torture_pool *tp, void *data, int owner)
{
	struct element *element = element_of(tp, data);

	if (READ_ONCE(element->tag) != tag_of(element, owner))
		found(FOUND_DAMAGED, "an element of %d in %s has another tag", owner, tp->name);
	if (atomic_xchg(&element->owner, 0) != owner)
		found(FOUND_TWICE, "an element of %d in %s had another owner", owner, tp->name);
	atomic_dec(&tp->nr_owned);
}

void element_pass(struct torture_pool *tp, void *data, int from, int to)
{
	struct element *element = element_of(tp, data);

	if (READ_ONCE(element->tag) != tag_of(element, from))
		found(FOUND_DAMAGED, "an element of %d in %s has another tag", from, tp->name);
	WRITE_ONCE(element->tag, tag_of(element, to));
	if (atomic_cmpxchg(&element->owner, from, to) != from)
		found(FOUND_TWICE, "an element of %d in %s had another owner", from, tp->name);
}

static int pool_create(struct torture_pool *tp)
{
	switch (tp - torture_pools) {
	case 0:
		tp->is_exact = true;
		return mempool2_init(&tp->pool, max_nr, arena_alloc, arena_free, NULL);
	case 1:
		return mempool2_init(&tp->pool, max_nr, cache_alloc, cache_free, NULL);
	case 2:
		return mempool2_init_slab_pool(&tp->pool, max_nr, cache);
	default:
		tp->has_pages = true;
		return mempool2_init_page_pool(&tp->pool, max_nr, 0);
	}
}

static int pools_init(void)
{
	static const char * const names[NR_POOLS] = {
		"torture-exact", "torture-custom", "torture-slab", "torture-pages"
	};
	struct torture_pool *tp;
	int err, i;

	memset(torture_pools, 0, sizeof(torture_pools));
	for (i = 0; i < NR_POOLS; i++) {
		tp = &torture_pools[i];
		tp->name = names[i];
		tp->min_nr = max_nr;
		tp->guaranteed = max_nr;
		err = pool_create(tp);
		if (err)
			return err;
		/* Without debugging in mempool2 there are no names. */
		err = mempool2_set_name(&tp->pool, tp->name);
		if (err && err != -EOPNOTSUPP)
			return err;
	}
	if (switch_code)
		return 0;
	err = mempool2_init_kmalloc_pool(&instrumented, 1, sizeof(long));
	return err ?: mempool2_set_limit(&instrumented, 1);
}

int pools_create(void)
{
	int nr = 2 * max_nr + 64, i;

	WRITE_ONCE(fail_permille, 0);
	arena_first = NULL;
	atomic_set(&arena_taken, 0);
	arena = kvcalloc(nr, sizeof(*arena), GFP_KERNEL);
	cache = kmem_cache_create("mempool2_torture", sizeof(struct element), 0, 0, NULL);
	if (!arena || !cache)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		arena[i].in_arena = true;
		arena[i].next = arena_first;
		arena_first = &arena[i];
	}
	return pools_init();
}

void pools_destroy(void)
{
	int i;

	for (i = 0; i < NR_POOLS; i++)
		mempool2_exit(&torture_pools[i].pool);
	mempool2_exit(&instrumented);
	if (arena && atomic_read(&arena_taken))
		found(FOUND_LOST, "%d elements did not come back at the end of the pool",
		      atomic_read(&arena_taken));
	kmem_cache_destroy(cache);
	cache = NULL;
	kvfree(arena);
	arena = NULL;
}
