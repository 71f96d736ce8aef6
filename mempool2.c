// SPDX-License-Identifier: GPL-2.0-only
/*
 * mempool2 - pools of preallocated elements whose allocation cannot fail
 *
 * The one difficulty of such a pool is the moment when nothing is left: somebody
 * goes to sleep just as somebody else brings an element back. Here an element
 * that comes back while callers wait never enters the reserve. It is given to
 * the oldest waiter under the lock of the wait queue, and only that one is woken.
 * As it changes its owner under the lock there is nothing to race for, nothing
 * to lose and nobody to overtake.
 *
 * All of it rests on one rule, kept under pool->wait.lock:
 *
 *	while somebody is queued (nr_waiters > 0), the reserve is empty.
 *
 * Whoever wants to queue looks into the reserve under the lock first; whoever
 * puts an element back looks for waiters under the lock first; and nobody takes
 * from the reserve while there are waiters.
 *
 * The file reads in the order of an element's way: reserve, waiters, alloc, free,
 * then the life of the pool and the stock functions. Documentation/design.rst
 * has the reasons, and the argument for each barrier.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bug.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/fault-inject.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kmemleak.h>
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "mempool2.h"

/* A waiter asks the alloc function again after this time without an element. */
#define RETRY_JIFFIES	(5 * HZ)

/* Elements handled in one go while the lock is held. */
#define BATCH		32

/* kvmalloc() refuses, with a warning of its own, what is larger than INT_MAX. */
#define MAX_MIN_NR	((int)(INT_MAX / sizeof(void *)))

/* A caller's mistake: said once, with who made it and what was wrong. */
#define mistake_by(caller, condition, fmt, ...)				\
	WARN_ONCE(condition, "mempool2: %pS: " fmt "\n",		\
		  (void *)(caller), ##__VA_ARGS__)

#define mistake(condition, fmt, ...)					\
	mistake_by(_RET_IP_, condition, fmt, ##__VA_ARGS__)

#define not_initialised(pool)						\
	mistake(!mempool2_initialized(pool), "pool is not initialised")

/*
 * The reserve
 *
 * A stack of elements in an array, under pool->wait.lock. Only this section
 * knows that: the rest of the file puts, takes, and changes the size.
 *
 * To change the array without moving everything in one go, the reserve can rest
 * in two of them: elements are taken from the old one first and put into the new
 * one, while mempool2_resize() moves the rest over in batches.
 */

/* Resizes of all pools; never held while a callback runs. */
static DEFINE_MUTEX(reserve_move_mutex);

/* Let KASAN catch who uses an element that rests. False if it is no element. */
static bool reserve_rest(struct mempool2 *pool, void *element)
{
	mempool2_alloc_t *kind = pool->alloc;

	if (kind == mempool2_alloc_pages)
		return mempool2_kasan_rest_pages(element,
						 (unsigned long)pool->pool_data);
	if (kind == mempool2_alloc_slab || kind == mempool2_kmalloc)
		return mempool2_kasan_rest_object(element);
	return true;
}

static void reserve_use(struct mempool2 *pool, void *element)
{
	mempool2_alloc_t *kind = pool->alloc;

	if (kind == mempool2_alloc_pages)
		mempool2_kasan_use_pages(element,
					 (unsigned long)pool->pool_data);
	else if (kind == mempool2_alloc_slab)
		mempool2_kasan_use_object(element,
					  kmem_cache_size(pool->pool_data));
	else if (kind == mempool2_kmalloc)
		mempool2_kasan_use_object(element, (size_t)pool->pool_data);
}

/* How many elements the reserve keeps so that @min_nr of them are guaranteed. */
static int reserve_size(int min_nr)
{
	return max(min_nr, 1);
}

static void **reserve_array(int min_nr, gfp_t gfp, int node)
{
	return kvmalloc_node(reserve_size(min_nr) * sizeof(void *), gfp, node);
}

static void reserve_set_size(struct mempool2 *pool, int min_nr)
{
	WRITE_ONCE(pool->min_nr, min_nr);
	WRITE_ONCE(pool->reserve_nr, reserve_size(min_nr));
}

/* May be asked without the lock; pool_return() says what it is worth then. */
static bool reserve_has_room(const struct mempool2 *pool)
{
	return READ_ONCE(pool->curr_nr) < READ_ONCE(pool->reserve_nr);
}

static bool reserve_put(struct mempool2 *pool, void *element)
{
	lockdep_assert_held(&pool->wait.lock);
	if (!reserve_has_room(pool))
		return false;
	if (reserve_rest(pool, element)) {
		pool->elements[pool->curr_nr - pool->moving_nr] = element;
		WRITE_ONCE(pool->curr_nr, pool->curr_nr + 1);
	}
	return true;
}

static void *reserve_take(struct mempool2 *pool)
{
	void *element;

	lockdep_assert_held(&pool->wait.lock);
	if (!pool->curr_nr)
		return NULL;
	if (pool->moving_nr)
		element = pool->moving[--pool->moving_nr];
	else
		element = pool->elements[pool->curr_nr - 1];
	WRITE_ONCE(pool->curr_nr, pool->curr_nr - 1);
	reserve_use(pool, element);
	return element;
}

/* Free a batch of what is more than @reserve_nr. False when nothing is. */
static bool reserve_trim(struct mempool2 *pool)
{
	void *surplus[BATCH];
	unsigned long flags;
	int nr = 0, i;

	spin_lock_irqsave(&pool->wait.lock, flags);
	while (nr < BATCH && pool->curr_nr > pool->reserve_nr)
		surplus[nr++] = reserve_take(pool);
	spin_unlock_irqrestore(&pool->wait.lock, flags);

	for (i = 0; i < nr; i++)
		pool->free(surplus[i], pool->pool_data);
	return nr;
}

/*
 * Set the size to @min_nr and go on in @array, which is large enough for it.
 * Returns the array that is free now: the old one; or @array itself when there
 * are still more elements than fit, because another resize has not yet trimmed
 * them. The old array is the larger one then, and stays.
 */
static void **reserve_move(struct mempool2 *pool, void **array, int min_nr)
{
	unsigned long flags;
	void **old;
	int i;

	lockdep_assert_held(&reserve_move_mutex);

	spin_lock_irqsave(&pool->wait.lock, flags);
	reserve_set_size(pool, min_nr);
	if (pool->curr_nr > pool->reserve_nr) {
		spin_unlock_irqrestore(&pool->wait.lock, flags);
		return array;
	}
	old = pool->elements;
	pool->moving = old;
	pool->moving_nr = pool->curr_nr;
	pool->elements = array;

	while (pool->moving_nr) {
		for (i = 0; i < BATCH && pool->moving_nr; i++) {
			array[pool->curr_nr - pool->moving_nr] =
				old[pool->moving_nr - 1];
			pool->moving_nr--;
		}
		spin_unlock_irqrestore(&pool->wait.lock, flags);
		cond_resched();
		spin_lock_irqsave(&pool->wait.lock, flags);
	}
	pool->moving = NULL;
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	return old;
}

/*
 * Waiters
 *
 * A waiter is an exclusive entry of pool->wait with a place for its elements.
 * Only the one at the head is given any; one that needs several stays there and
 * collects them. So it cannot starve, and no two of them can each hold what the
 * other one needs.
 */
struct waiter {
	struct wait_queue_entry	entry;
	struct mempool2		*pool;
	void			**next;		/* where the next element goes */
	unsigned int		nr_missing;	/* how many still have to come */
};

/*
 * Under the lock: give a queued waiter one element. With the last one it is
 * woken and leaves the queue.
 */
static void waiter_accept(struct waiter *waiter, void *element)
{
	struct mempool2 *pool = waiter->pool;

	lockdep_assert_held(&pool->wait.lock);
	*waiter->next++ = element;
	/* Pairs with waiter_is_served(): who sees 0 there sees the elements. */
	smp_store_release(&waiter->nr_missing, waiter->nr_missing - 1);
	if (waiter->nr_missing)
		return;

	pool->nr_waiters--;
	wake_up_process(waiter->entry.private);
	/*
	 * The waiter may be gone as soon as its entry is off the list, so this
	 * comes last. Pairs with finish_wait() in waiter_sleep().
	 */
	list_del_init_careful(&waiter->entry.entry);
}

/*
 * The wake function of a waiter: @key points at the element that came back, and
 * the waiter takes it from there. A bare wake_up() on the queue has none, and
 * makes the oldest waiter look for memory again.
 */
static int waiter_wake(struct wait_queue_entry *entry, unsigned int mode,
		       int flags, void *key)
{
	struct waiter *waiter = container_of(entry, struct waiter, entry);
	void **element = key;

	if (element) {
		waiter_accept(waiter, *element);
		*element = NULL;
	} else {
		wake_up_process(entry->private);
	}
	return 1;
}

/* Under the lock: give an element to the oldest waiter. False if nobody waits. */
static bool waiters_give(struct mempool2 *pool, void *element)
{
	lockdep_assert_held(&pool->wait.lock);
	if (!pool->nr_waiters)
		return false;
	__wake_up_locked_key(&pool->wait, TASK_NORMAL, &element);
	return !element;
}

static bool waiter_is_served(const struct waiter *waiter)
{
	/* Pairs with the release in waiter_accept(). */
	return !smp_load_acquire(&waiter->nr_missing);
}

/*
 * Take from the reserve what is there and queue for the rest. Who finds others
 * queued takes nothing. False if nothing is missing any more.
 */
static bool waiter_queue(struct waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	unsigned long flags;
	void *element;
	bool queued = false;

	init_waitqueue_func_entry(&waiter->entry, waiter_wake);
	waiter->entry.private = current;

	spin_lock_irqsave(&pool->wait.lock, flags);
	while (!pool->nr_waiters && waiter->nr_missing) {
		element = reserve_take(pool);
		if (!element)
			break;
		*waiter->next++ = element;
		waiter->nr_missing--;
	}
	if (waiter->nr_missing) {
		__add_wait_queue_entry_tail_exclusive(&pool->wait,
						      &waiter->entry);
		pool->nr_waiters++;
		queued = true;
	}
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	return queued;
}

static void *pool_call_alloc(struct mempool2 *pool, gfp_t gfp);

/*
 * A queued waiter looks for memory itself, without losing its place. It may be
 * given an element at the same time; what it then has too much goes back.
 */
static void waiter_retry(struct waiter *waiter, gfp_t gfp)
{
	struct mempool2 *pool = waiter->pool;
	unsigned long flags;
	void *element;

	while (!waiter_is_served(waiter)) {
		element = pool_call_alloc(pool, gfp);
		if (!element)
			return;

		spin_lock_irqsave(&pool->wait.lock, flags);
		if (waiter->nr_missing) {
			waiter_accept(waiter, element);
			element = NULL;
		}
		spin_unlock_irqrestore(&pool->wait.lock, flags);
		mempool2_free(element, pool);
	}
}

/* Sleep until the waiter has all its elements. */
static void waiter_sleep(struct waiter *waiter, gfp_t gfp)
{
	if (!waiter_queue(waiter))
		return;

	for (;;) {
		/* The barrier in here pairs with the one in wake_up_process(). */
		set_current_state(TASK_UNINTERRUPTIBLE);
		if (waiter_is_served(waiter))
			break;
		io_schedule_timeout(RETRY_JIFFIES);
		waiter_retry(waiter, gfp);
	}
	/* Returns only when waiter_accept() is done with the entry. */
	finish_wait(&waiter->pool->wait, &waiter->entry);
}

/*
 * Allocating
 */

#if defined(CONFIG_FAULT_INJECTION) && !defined(MODULE)
/* should_fail_ex() is not exported, so only a built-in mempool2 has this. */
static DECLARE_FAULT_ATTR(alloc_fault);

static bool alloc_should_fail(void)
{
	return should_fail_ex(&alloc_fault, 1, FAULT_NOWARN);
}

static int __init alloc_fault_debugfs(void)
{
	struct dentry *dir;

	dir = fault_create_debugfs_attr("fail_mempool2_alloc", NULL, &alloc_fault);
	return PTR_ERR_OR_ZERO(dir);
}
late_initcall(alloc_fault_debugfs);
#else
static bool alloc_should_fail(void)
{
	return false;
}
#endif

static void *pool_call_alloc(struct mempool2 *pool, gfp_t gfp)
{
	if (alloc_should_fail())
		return NULL;
	return pool->alloc(gfp, pool->pool_data);
}

/*
 * The pool stands in for the emergency reserves of the page allocator and for
 * its patience, so its allocations use neither; and a failure is no news.
 */
static gfp_t pool_gfp(gfp_t gfp)
{
	return gfp | __GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN;
}

/* The first try is for what can be had at once. */
static gfp_t pool_gfp_first(gfp_t gfp)
{
	return gfp & ~(__GFP_DIRECT_RECLAIM | __GFP_IO);
}

/* @nr elements from the reserve, or none. Nobody takes any before those who wait. */
static bool pool_take(struct mempool2 *pool, void **elems, unsigned int nr)
{
	unsigned long flags;
	unsigned int i;
	bool enough;

	spin_lock_irqsave(&pool->wait.lock, flags);
	enough = !pool->nr_waiters && pool->curr_nr >= nr;
	for (i = 0; enough && i < nr; i++)
		elems[i] = reserve_take(pool);
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	if (!enough)
		return false;

	/*
	 * Pairs with the smp_rmb() in pool_return(): the new curr_nr comes before
	 * whatever the caller does with the elements' addresses.
	 */
	smp_wmb();

	/* Who has an element now is of more interest than who filled the pool. */
	for (i = 0; i < nr; i++)
		kmemleak_update_trace(elems[i]);
	return true;
}

/* Wait for @nr elements, in turn. */
static void pool_wait(struct mempool2 *pool, void **elems, unsigned int nr,
		      gfp_t gfp)
{
	struct waiter waiter = {
		.pool = pool,
		.next = elems,
		.nr_missing = nr,
	};
	unsigned int i;

	waiter_sleep(&waiter, gfp);

	/*
	 * Pairs with the smp_rmb() in pool_return(), as in pool_take(). If it was
	 * somebody else who emptied the reserve, waiter_queue() saw that under
	 * the lock, which hands the write on.
	 */
	smp_wmb();

	for (i = 0; i < nr; i++)
		kmemleak_update_trace(elems[i]);
}

void *mempool2_alloc_noprof(struct mempool2 *pool, gfp_t gfp_mask)
{
	gfp_t gfp = pool_gfp(gfp_mask);
	gfp_t first = pool_gfp_first(gfp);
	void *element;

	if (not_initialised(pool))
		return NULL;
	mistake(gfp & __GFP_ZERO,
		"__GFP_ZERO, but an element of the reserve is not zeroed");
	might_alloc(gfp);

	element = pool_call_alloc(pool, first);
	if (likely(element))
		return element;
	if (pool_take(pool, &element, 1))
		return element;
	if (gfp == first)
		return NULL;

	element = pool_call_alloc(pool, gfp);
	if (element)
		return element;
	if (gfp & __GFP_DIRECT_RECLAIM)
		pool_wait(pool, &element, 1, gfp);
	else
		pool_take(pool, &element, 1);
	return element;
}
EXPORT_SYMBOL_GPL(mempool2_alloc_noprof);

/* As many elements as there is memory for. Returns how many that are. */
static unsigned int pool_call_alloc_bulk(struct mempool2 *pool, void **elems,
					 unsigned int count, gfp_t gfp)
{
	unsigned int nr;

	for (nr = 0; nr < count; nr++) {
		elems[nr] = pool_call_alloc(pool, gfp);
		if (!elems[nr])
			break;
	}
	return nr;
}

int mempool2_alloc_bulk_noprof(struct mempool2 *pool, void **elems,
			       unsigned int count)
{
	gfp_t gfp = pool_gfp(current_gfp_context(GFP_KERNEL));
	unsigned int nr;

	if (not_initialised(pool))
		return -EINVAL;
	if (mistake(count > READ_ONCE(pool->min_nr),
		    "%u elements at once from a pool that guarantees %d",
		    count, READ_ONCE(pool->min_nr)))
		return -EINVAL;
	might_alloc(gfp);

	/*
	 * What is taken from the reserve outside the queue has to complete the
	 * array: who held a part of it while another one queues could keep that
	 * one waiting for ever.
	 */
	nr = pool_call_alloc_bulk(pool, elems, count, pool_gfp_first(gfp));
	if (nr == count || pool_take(pool, elems + nr, count - nr))
		return 0;

	nr += pool_call_alloc_bulk(pool, elems + nr, count - nr, gfp);
	if (nr < count)
		pool_wait(pool, elems + nr, count - nr, gfp);
	return 0;
}
EXPORT_SYMBOL_GPL(mempool2_alloc_bulk_noprof);

void *mempool2_alloc_noreserve_noprof(struct mempool2 *pool, gfp_t gfp_mask)
{
	if (not_initialised(pool))
		return NULL;
	return pool->alloc(gfp_mask, pool->pool_data);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_noreserve_noprof);

/**
 * mempool2_alloc_preallocated() - take an element from the reserve
 * @pool: the pool
 *
 * Never calls the pool's alloc function.
 *
 * Context: Any. Does not sleep.
 * Return: the element, to be freed with mempool2_free(). %NULL when the reserve
 * is empty, or when @pool is not initialised, with a warning.
 *
 * Matches mempool_alloc_preallocated() (6.7).
 */
void *mempool2_alloc_preallocated(struct mempool2 *pool)
{
	void *element = NULL;

	if (!not_initialised(pool))
		pool_take(pool, &element, 1);
	return element;
}
EXPORT_SYMBOL_GPL(mempool2_alloc_preallocated);

/*
 * Freeing
 */

/*
 * Give elements, from the front of the array, to those who wait and then to the
 * reserve while it has room. Returns how many that were.
 *
 * The reserve is asked without the lock whether it has room, which is nearly
 * always answered with no. It is enough that a yes is not missed by all of those
 * who free the elements that are missing from it:
 *
 * - Who took an element from the reserve made curr_nr smaller than reserve_nr
 *   before it passed the element's address on, and we look at curr_nr after we
 *   learnt the address. So we see that there is room, unless somebody has filled
 *   it since.
 * - Callers wait only while the reserve is empty, so the same look finds them.
 */
static unsigned int pool_return(struct mempool2 *pool, void **elems,
				unsigned int count)
{
	unsigned int nr = 0, stop;
	unsigned long flags;

	/*
	 * Pairs with the smp_wmb() in pool_take() and in pool_wait(), whatever
	 * way the addresses came here.
	 */
	smp_rmb();

	while (nr < count && unlikely(reserve_has_room(pool))) {
		stop = nr + min_t(unsigned int, count - nr, BATCH);
		spin_lock_irqsave(&pool->wait.lock, flags);
		while (nr < stop && (waiters_give(pool, elems[nr]) ||
				     reserve_put(pool, elems[nr])))
			nr++;
		spin_unlock_irqrestore(&pool->wait.lock, flags);
		if (nr < stop)
			break;
	}
	return nr;
}

/**
 * mempool2_free() - free an element
 * @element: the element, or %NULL, which does nothing
 * @pool: the pool
 *
 * Gives the element to the caller that has waited longest; else to the reserve,
 * if that is not full; else to the pool's free function.
 *
 * The element need not have come from the pool, but has to be of the kind that
 * its free function frees.
 *
 * Context: Any, if the free function may be called there. Sleeps only if the
 * free function does. If @pool is not initialised there is one warning, and the
 * element stays the caller's.
 *
 * Matches mempool_free().
 */
void mempool2_free(void *element, struct mempool2 *pool)
{
	if (unlikely(!element) || not_initialised(pool))
		return;
	if (!pool_return(pool, &element, 1))
		pool->free(element, pool->pool_data);
}
EXPORT_SYMBOL_GPL(mempool2_free);

/**
 * mempool2_free_bulk() - give elements back to a pool that misses some
 * @pool: the pool
 * @elems: the elements, none of them %NULL; the array is not changed
 * @count: how many
 *
 * Gives elements, from the front of the array, to callers that wait and to the
 * reserve while it is not full. Never calls the pool's free function.
 *
 * Context: Any. Does not sleep.
 * Return: how many elements the pool took. The others, from there to the end of
 * the array, stay the caller's. 0 if @pool is not initialised, with a warning.
 *
 * Matches mempool_free_bulk() (7.x).
 */
unsigned int mempool2_free_bulk(struct mempool2 *pool, void **elems,
				unsigned int count)
{
	if (not_initialised(pool))
		return 0;
	return pool_return(pool, elems, count);
}
EXPORT_SYMBOL_GPL(mempool2_free_bulk);

/*
 * The life of a pool
 */

static void *slab_ctor(const struct kmem_cache *cache);

/* Is this what a pool can be made with? Says what is wrong, and whose it is. */
static bool pool_can_be(int min_nr, mempool2_alloc_t *alloc_fn,
			mempool2_free_t *free_fn, void *pool_data,
			unsigned long caller)
{
	unsigned long data = (unsigned long)pool_data;

	if (mistake_by(caller, !alloc_fn, "alloc_fn is NULL") ||
	    mistake_by(caller, !free_fn, "free_fn is NULL") ||
	    mistake_by(caller, min_nr < 0, "min_nr %d is negative", min_nr) ||
	    mistake_by(caller, min_nr > MAX_MIN_NR,
		       "min_nr %d is larger than %d", min_nr, MAX_MIN_NR))
		return false;

	if (alloc_fn == mempool2_alloc_slab) {
		if (mistake_by(caller, !pool_data, "slab cache is NULL"))
			return false;
		mistake_by(caller, slab_ctor(pool_data),
			   "slab cache has the constructor %pS, but an element of the reserve is as its last user left it",
			   slab_ctor(pool_data));
		return true;
	}
	if (alloc_fn == mempool2_kmalloc)
		return !mistake_by(caller, data > KMALLOC_MAX_SIZE,
				   "size %lu is larger than kmalloc's %lu",
				   data, (unsigned long)KMALLOC_MAX_SIZE);
	if (alloc_fn == mempool2_kvmalloc)
		return !mistake_by(caller, data > INT_MAX,
				   "size %lu is larger than kvmalloc's %d",
				   data, INT_MAX);
	if (alloc_fn == mempool2_alloc_pages)
		return !mistake_by(caller, data > MEMPOOL2_MAX_ORDER,
				   "page order %ld is not in 0 to %d",
				   (long)data, MEMPOOL2_MAX_ORDER);
	return true;
}

static int pool_init(struct mempool2 *pool, int min_nr,
		     mempool2_alloc_t *alloc_fn, mempool2_free_t *free_fn,
		     void *pool_data, gfp_t gfp_mask, int node_id,
		     unsigned long caller)
{
	void *element;

	memset(pool, 0, sizeof(*pool));
	if (!pool_can_be(min_nr, alloc_fn, free_fn, pool_data, caller))
		return -EINVAL;

	pool->elements = reserve_array(min_nr, gfp_mask, node_id);
	if (!pool->elements)
		return -ENOMEM;

	init_waitqueue_head(&pool->wait);
	pool->pool_data = pool_data;
	pool->alloc = alloc_fn;
	pool->free = free_fn;
	pool->node = node_id;
	reserve_set_size(pool, min_nr);

	while (reserve_has_room(pool)) {
		element = alloc_fn(gfp_mask, pool_data);
		if (!element) {
			mempool2_exit(pool);
			return -ENOMEM;
		}
		pool_return(pool, &element, 1);
	}
	return 0;
}

int mempool2_init_node_noprof(struct mempool2 *pool, int min_nr,
			      mempool2_alloc_t *alloc_fn,
			      mempool2_free_t *free_fn, void *pool_data,
			      gfp_t gfp_mask, int node_id)
{
	return pool_init(pool, min_nr, alloc_fn, free_fn, pool_data, gfp_mask,
			 node_id, _RET_IP_);
}
EXPORT_SYMBOL_GPL(mempool2_init_node_noprof);

struct mempool2 *mempool2_create_node_noprof(int min_nr,
					     mempool2_alloc_t *alloc_fn,
					     mempool2_free_t *free_fn,
					     void *pool_data, gfp_t gfp_mask,
					     int node_id)
{
	struct mempool2 *pool;

	pool = kmalloc_node(sizeof(*pool), gfp_mask, node_id);
	if (!pool)
		return NULL;
	if (pool_init(pool, min_nr, alloc_fn, free_fn, pool_data, gfp_mask,
		      node_id, _RET_IP_)) {
		kfree(pool);
		return NULL;
	}
	return pool;
}
EXPORT_SYMBOL_GPL(mempool2_create_node_noprof);

/**
 * mempool2_exit() - end a pool that mempool2_init() made
 * @pool: the pool; or zeroed memory, or one on which mempool2_init() failed or
 *	this was called before, which does nothing
 *
 * Frees the elements in the reserve. Elements that are still out must not be
 * freed to @pool any more, and nobody may be using it.
 *
 * Context: As the pool's free function. Sleeps only if that does, and for pools
 * whose bookkeeping is larger than a page.
 *
 * Matches mempool_exit().
 */
void mempool2_exit(struct mempool2 *pool)
{
	if (!mempool2_initialized(pool))
		return;

	pool->reserve_nr = 0;
	while (reserve_trim(pool))
		;
	kvfree(pool->elements);
	pool->elements = NULL;
	pool->alloc = NULL;
}
EXPORT_SYMBOL_GPL(mempool2_exit);

/**
 * mempool2_destroy() - end and free a pool that mempool2_create() made
 * @pool: the pool, or %NULL, which does nothing
 *
 * Context: As mempool2_exit().
 *
 * Matches mempool_destroy().
 */
void mempool2_destroy(struct mempool2 *pool)
{
	if (!pool)
		return;
	mempool2_exit(pool);
	kfree(pool);
}
EXPORT_SYMBOL_GPL(mempool2_destroy);

/*
 * The pool is larger from the moment the array is; then come the elements. That
 * there is no memory for the array is the caller's to say, not the allocator's.
 */
static int resize_up(struct mempool2 *pool, int min_nr)
{
	void **array, *element;
	int i;

	array = reserve_array(min_nr, GFP_KERNEL | __GFP_NOWARN, pool->node);
	if (!array)
		return -ENOMEM;

	mutex_lock(&reserve_move_mutex);
	/* Else another resize was faster: as if it had come after this one. */
	if (min_nr > pool->min_nr)
		array = reserve_move(pool, array, min_nr);
	mutex_unlock(&reserve_move_mutex);
	kvfree(array);

	/* Waiters get theirs first, so the number is bounded here too. */
	for (i = 0; i < min_nr && reserve_has_room(pool); i++) {
		element = mempool2_alloc_noreserve_noprof(pool, GFP_KERNEL);
		if (!element)
			break;
		mempool2_free(element, pool);
		cond_resched();
	}
	return 0;
}

/* The elements go first; the smaller array is worth having, but no must. */
static void resize_down(struct mempool2 *pool, int min_nr)
{
	unsigned long flags;
	void **array;

	mutex_lock(&reserve_move_mutex);
	if (min_nr < pool->min_nr) {
		spin_lock_irqsave(&pool->wait.lock, flags);
		reserve_set_size(pool, min_nr);
		spin_unlock_irqrestore(&pool->wait.lock, flags);
	}
	mutex_unlock(&reserve_move_mutex);

	while (reserve_trim(pool))
		cond_resched();

	array = reserve_array(min_nr, GFP_KERNEL | __GFP_NOWARN, pool->node);
	mutex_lock(&reserve_move_mutex);
	if (array && min_nr == pool->min_nr)
		array = reserve_move(pool, array, min_nr);
	mutex_unlock(&reserve_move_mutex);
	kvfree(array);
}

int mempool2_resize_noprof(struct mempool2 *pool, int new_min_nr)
{
	int min_nr;

	if (not_initialised(pool) ||
	    mistake(new_min_nr < 0, "resize to %d, which is negative", new_min_nr) ||
	    mistake(new_min_nr > MAX_MIN_NR, "resize to %d, which is more than %d",
		    new_min_nr, MAX_MIN_NR))
		return -EINVAL;
	might_sleep();

	min_nr = READ_ONCE(pool->min_nr);
	if (new_min_nr > min_nr)
		return resize_up(pool, new_min_nr);
	if (new_min_nr < min_nr)
		resize_down(pool, new_min_nr);
	return 0;
}
EXPORT_SYMBOL_GPL(mempool2_resize_noprof);

/*
 * Stock functions
 */

/*
 * Where struct kmem_cache, which is private to the slab allocator since 6.8,
 * keeps the constructor: found by making a cache whose constructor is known.
 * 0, and no pool is warned of, for pools made before that.
 */
static unsigned int slab_ctor_offset __ro_after_init;

static void *slab_ctor(const struct kmem_cache *cache)
{
	if (!slab_ctor_offset)
		return NULL;
	return *(void *const *)((const char *)cache + slab_ctor_offset);
}

static void slab_known_ctor(void *object)
{
}

static int __init slab_find_ctor(void)
{
	/* Well behind the constructor and before the end, on every kernel. */
	const unsigned int end = 160;
	struct kmem_cache *cache;
	unsigned int offset;

	cache = kmem_cache_create("mempool2_ctor", sizeof(long), 0, 0,
				  slab_known_ctor);
	if (!cache)
		return -ENOMEM;
	for (offset = 0; offset < end; offset += sizeof(void *)) {
		if (*(void **)((char *)cache + offset) == slab_known_ctor) {
			slab_ctor_offset = offset;
			break;
		}
	}
	kmem_cache_destroy(cache);
	return 0;
}
core_initcall(slab_find_ctor);

/* Pools are their users', who hold the module; but without this it stays. */
static void __exit mempool2_unload(void)
{
}
module_exit(mempool2_unload);

/**
 * mempool2_alloc_slab() - alloc function for pools of slab objects
 * @gfp_mask: handed on
 * @pool_data: the &struct kmem_cache
 *
 * Context: As kmem_cache_alloc() with @gfp_mask.
 * Return: the object or %NULL.
 *
 * Matches mempool_alloc_slab().
 */
void *mempool2_alloc_slab(gfp_t gfp_mask, void *pool_data)
{
	return mempool2_raw_slab_alloc(pool_data, gfp_mask);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_slab);

/**
 * mempool2_free_slab() - free function for pools of slab objects
 * @element: the object
 * @pool_data: the &struct kmem_cache
 *
 * Context: Any. Does not sleep.
 *
 * Matches mempool_free_slab().
 */
void mempool2_free_slab(void *element, void *pool_data)
{
	kmem_cache_free(pool_data, element);
}
EXPORT_SYMBOL_GPL(mempool2_free_slab);

/**
 * mempool2_kmalloc() - alloc function for pools of kmalloc() memory
 * @gfp_mask: handed on
 * @pool_data: the size in bytes, as an integer
 *
 * Context: As kmalloc() with @gfp_mask.
 * Return: the memory or %NULL.
 *
 * Matches mempool_kmalloc().
 */
void *mempool2_kmalloc(gfp_t gfp_mask, void *pool_data)
{
	size_t size = (size_t)pool_data;

	return mempool2_raw_kmalloc(size, gfp_mask);
}
EXPORT_SYMBOL_GPL(mempool2_kmalloc);

/**
 * mempool2_kfree() - free function for pools of kmalloc() memory
 * @element: the memory
 * @pool_data: not used
 *
 * Context: Any. Does not sleep.
 *
 * Matches mempool_kfree().
 */
void mempool2_kfree(void *element, void *pool_data)
{
	kfree(element);
}
EXPORT_SYMBOL_GPL(mempool2_kfree);

/**
 * mempool2_kvmalloc() - alloc function for pools of kvmalloc() memory
 * @gfp_mask: handed on
 * @pool_data: the size in bytes, as an integer
 *
 * Context: As kvmalloc() with @gfp_mask.
 * Return: the memory or %NULL.
 *
 * Matches mempool_kvmalloc() (to 6.12).
 */
void *mempool2_kvmalloc(gfp_t gfp_mask, void *pool_data)
{
	size_t size = (size_t)pool_data;

	return mempool2_raw_kvmalloc(size, gfp_mask);
}
EXPORT_SYMBOL_GPL(mempool2_kvmalloc);

/**
 * mempool2_kvfree() - free function for pools of kvmalloc() memory
 * @element: the memory
 * @pool_data: not used
 *
 * Context: As kvfree(): may sleep in task context, and is legal in interrupts.
 *
 * Matches mempool_kvfree() (to 6.12).
 */
void mempool2_kvfree(void *element, void *pool_data)
{
	kvfree(element);
}
EXPORT_SYMBOL_GPL(mempool2_kvfree);

/**
 * mempool2_alloc_pages() - alloc function for pools of pages
 * @gfp_mask: handed on
 * @pool_data: the page order, as an integer
 *
 * Context: As alloc_pages() with @gfp_mask.
 * Return: the first &struct page, not compound, or %NULL.
 *
 * Matches mempool_alloc_pages().
 */
void *mempool2_alloc_pages(gfp_t gfp_mask, void *pool_data)
{
	return mempool2_raw_alloc_pages(gfp_mask, (unsigned long)pool_data);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_pages);

/**
 * mempool2_free_pages() - free function for pools of pages
 * @element: the first &struct page
 * @pool_data: the page order, as an integer
 *
 * Context: Any. Does not sleep.
 *
 * Matches mempool_free_pages().
 */
void mempool2_free_pages(void *element, void *pool_data)
{
	__free_pages(element, (unsigned long)pool_data);
}
EXPORT_SYMBOL_GPL(mempool2_free_pages);

MODULE_DESCRIPTION("Pools of preallocated elements whose allocation cannot fail");
MODULE_LICENSE("GPL");
