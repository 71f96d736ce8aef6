// SPDX-License-Identifier: GPL-2.0-only
/*
 * mempool2 - pools of preallocated elements whose allocation cannot fail
 *
 * The one difficulty of such a pool is the moment when nothing is left: somebody
 * goes to sleep just as somebody else brings an element back. There is no lock
 * that both take. So each of the two looks at the other's side after it has changed
 * its own, with a full barrier in between:
 *
 *	waiter		sets MEMPOOL2_WAITERS, then looks into the reserve
 *	freeing CPU	puts an element into the reserve, then looks at MEMPOOL2_WAITERS
 *
 * and whoever finds both an element and a waiter gives the one to the other: to
 * the oldest waiter, under the lock of the wait queue, and only that one is woken.
 * As the element changes its owner under the lock there is nothing to race for,
 * nothing to lose and nobody to overtake.
 *
 * The file reads in the order of an element's way: reserve, waiters, alloc, free,
 * then the life of the pool and the stock functions. Documentation/design.rst
 * has the reasons, Documentation/ordering.rst the argument for each barrier.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/ctype.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/fault-inject.h>
#include <linux/hash.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/jump_label.h>
#include <linux/kmemleak.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/u64_stats_sync.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "mempool2.h"
#include "mempool2_inside.h"

/*
 * A waiter asks the alloc function again after this time without an element. The head of the
 * queue asks after the first pause already, and doubles the pause each time, up to the longest.
 */
#define RETRY_JIFFIES	(5 * HZ)
#define FIRST_PAUSE	msecs_to_jiffies(10)
#define LONGEST_PAUSE	HZ

/* Elements handled in one go, with a lock held or preemption disabled. */
#define BATCH		64

/* Elements given to waiters in one go, as each may wake a task. */
#define GIVE_BATCH	3U

/* A caller's mistake: said once, with who made it and what was wrong. */
#define mistake_by(caller, condition, fmt, ...)				\
	WARN_ONCE(condition, "mempool2: %pS: " fmt "\n",		\
		  (void *)(caller), ##__VA_ARGS__)

#define mistake(condition, fmt, ...)					\
	mistake_by(_RET_IP_, condition, fmt, ##__VA_ARGS__)

#define not_initialised(pool)						\
	mistake(!mempool2_initialized(pool), "pool is not initialised")

#define not_a_request(waiter)						\
	mistake(!(waiter)->function, "the waiter has no function: mempool2_waiter_init() sets one")

#define not_for_bulk(pool, count)					\
	(not_initialised(pool) ||					\
	 mistake((count) > READ_ONCE((pool)->min_nr),			\
		 "%u elements at once from a pool that guarantees %d",	\
		 (count), READ_ONCE((pool)->min_nr)))

/*
 * Is this what no pool can keep: %NULL, 1, or what IS_ERR() takes for an error? These are
 * next to each other, so it is one comparison.
 */
static __always_inline bool is_no_element(const void *element)
{
	return unlikely((unsigned long)element + MAX_ERRNO <= MAX_ERRNO + 1UL);
}

/*
 * May one of them be none? For a whole array this is cheaper: %NULL and 1 leave nothing but
 * the lowest bit in what all have, and an error sets all the upper bits of what any has.
 */
static bool elements_are_suspect(void **elems, unsigned int nr)
{
	unsigned long all = ULONG_MAX, any = 0;
	unsigned int i;

	/* In two loops, as each step is one instruction then. */
#pragma GCC unroll 16
	for (i = 0; i < nr; i++)
		all &= (unsigned long)elems[i];
#pragma GCC unroll 16
	for (i = 0; i < nr; i++)
		any |= (unsigned long)elems[i];
	return all <= 1 || IS_ERR_VALUE(any);
}

/* Neither the reserve nor a waiter gets that; it stays whose it was. */
#define refused(element, caller)						\
	(is_no_element(element) &&						\
	 mistake_by(caller, true, "%p is no element: %ld", element, (long)(element)))

#include "core/reserve.c"

/*
 * Elements in the reserve are parked: KASAN and the checks watch for those that use them all the same.
 */

/* False if KASAN has reported that it must not be freed: it is lost rather than given out again. */
static __always_inline bool element_kasan_park(struct mempool2 *pool, void *element)
{
	if (pool->kind == MEMPOOL2_PAGES)
		return mempool2_kasan_rest_pages(element,
						 (unsigned long)pool->pool_data);
	/* Memory of no size is no object of any slab. */
	if (pool->kind == MEMPOOL2_SLAB || (pool->kind == MEMPOOL2_KMALLOC && pool->pool_data))
		return mempool2_kasan_rest_object(element);
	return true;
}

static __always_inline void element_kasan_unpark(struct mempool2 *pool, void *element)
{
	if (pool->kind == MEMPOOL2_PAGES)
		mempool2_kasan_use_pages(element,
					 (unsigned long)pool->pool_data);
	else if (pool->kind == MEMPOOL2_SLAB)
		mempool2_kasan_use_object(element,
					  kmem_cache_size(pool->pool_data));
	else if (pool->kind == MEMPOOL2_KMALLOC && pool->pool_data)
		mempool2_kasan_use_object(element, (size_t)pool->pool_data);
}

/* Returns how many of @nr elements are parked. */
static unsigned int elements_park(struct mempool2 *pool, void **elems, unsigned int nr)
{
	unsigned int parked = 0;

	if (unlikely(pool_is_watched(pool)))
		inside_rest(pool, elems, nr);
	while (parked < nr && element_kasan_park(pool, elems[parked]))
		parked++;
	return parked;
}

static void elements_unpark(struct mempool2 *pool, void **elems, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		element_kasan_unpark(pool, elems[i]);
	if (unlikely(pool_is_watched(pool)))
		inside_use(pool, elems, nr);
}

/* Up to @nr elements for a caller or for waiters: reserve_take(). */
static unsigned int pool_take_from_reserve(struct mempool2 *pool, void **elems, unsigned int nr)
{
	unsigned int taken;

	rcu_read_lock_sched();
	taken = reserve_take(pool, elems, nr);
	elements_unpark(pool, elems, taken);
	rcu_read_unlock_sched();
	return taken;
}

/* Up to @nr elements: reserve_put(). The caller has to look for waiters then. */
static unsigned int pool_put_into_reserve(struct mempool2 *pool, void **elems, unsigned int nr)
{
	unsigned int parked, put = 1;

	rcu_read_lock_sched();
	parked = elements_park(pool, elems, nr);
	/* KASAN has reported the first one: it is lost. */
	if (parked) {
		put = reserve_put(pool, elems, parked);
		elements_unpark(pool, elems + put, parked - put);
	}
	rcu_read_unlock_sched();
	if (unlikely(pool_is_watched(pool)))
		inside_refilled(pool, put);
	return put;
}

static __always_inline void *pool_call_alloc(struct mempool2 *pool, gfp_t gfp)
{
	void *element;

	if (likely(!pool_is_watched(pool)))
		return mempool2_call_alloc(pool, pool->kind, gfp);
	if (inside_is_failing(pool))
		return NULL;
	element = mempool2_call_alloc(pool, pool->kind, gfp);
	if (element)
		inside_new(pool, element);
	return element;
}

/*
 * Limits
 *
 * Where the elements that are out are limited their number is in @nr_out of the
 * pool's struct mempool2_inside. Who allocates enters first; who may not, waits like
 * everybody else, and so does who finds no element then, after leaving again. Who
 * hands an element to a waiter enters for it. Who frees leaves, and then looks for
 * waiters: of a waiter that queues and does not see that somebody has left, and
 * somebody who leaves and does not see that it waits, there is only one at a time.
 */

static void functions_call_later(struct llist_head *served);
static void waiters_serve(struct mempool2 *pool, struct llist_head *served);

static int limit_of(const struct mempool2 *pool)
{
	/* Never less than those who may wait for several at once could ask for. */
	return max(READ_ONCE(pool_inside(pool)->limit), reserve_size(READ_ONCE(pool->min_nr)));
}

/*
 * A full barrier if it succeeds; and if not, the number is read after what the caller
 * did before with one. Pairs with limit_leave().
 */
static bool limit_take(struct mempool2 *pool, unsigned int nr)
{
	atomic_t *nr_out = &pool_inside(pool)->nr_out;
	int out = atomic_read(nr_out);

	do {
		if (out + (int)nr > limit_of(pool))
			return false;
	} while (!atomic_try_cmpxchg(nr_out, &out, out + nr));
	return true;
}

static bool pool_is_limited(const struct mempool2 *pool)
{
	return unlikely(pool_is_watched(pool)) && pool_has(pool, FEATURE_LIMIT);
}

/*
 * Enter with @nr elements, unless somebody waits: how many that are for
 * limit_leave(), 0 if there is no limit; or a negative number, and one has to wait.
 */
static int limit_enter(struct mempool2 *pool, unsigned int nr)
{
	if (!pool_is_limited(pool))
		return 0;
	if (atomic_read(&pool->state) & MEMPOOL2_WAITERS || !limit_take(pool, nr))
		return -EAGAIN;
	return nr;
}

/* The same for a waiter, under the lock. */
static bool limit_enter_waiter(struct mempool2 *pool)
{
	return !pool_is_limited(pool) || limit_take(pool, 1);
}

/* Elements that are freed need not have been counted: they may be older than the limit. */
static void limit_give(struct mempool2 *pool, unsigned int nr)
{
	atomic_t *nr_out = &pool_inside(pool)->nr_out;
	int out = atomic_read(nr_out);

	/* A full barrier before we look for waiters. Pairs with waiter_queue(). */
	while (!atomic_try_cmpxchg(nr_out, &out, max(out - (int)nr, 0)))
		;
}

/* For a call that wants elements: its caller may have locks that functions want. */
static void limit_leave(struct mempool2 *pool, int nr)
{
	struct llist_head served = {};

	if (nr <= 0)
		return;
	limit_give(pool, nr);
	if (!(atomic_read(&pool->state) & MEMPOOL2_WAITERS))
		return;
	rcu_read_lock();
	waiters_serve(pool, &served);
	functions_call_later(&served);
	rcu_read_unlock();
}

/*
 * Elements come back. To be called before they are offered to waiters or put: that looks
 * for waiters, so it is not done here, and no function is called while there still is
 * something to be done with the pool.
 */
static void limit_freed(struct mempool2 *pool, unsigned int nr)
{
	if (pool_is_limited(pool))
		limit_give(pool, nr);
}

/*
 * Waiters
 *
 * A waiter is an exclusive entry of pool->wait with a place for its elements.
 * Only the one at the head is given any; one that needs several stays there and
 * collects them. So it cannot starve, and no two of them can each hold what the
 * other one needs. What happens to one that has all its elements is its entry's
 * function: a task is woken, or a function is called, see "Functions" below.
 */

/* PREEMPT_RT: the lock of the queue sleeps. */
static bool queue_can_be_locked(void)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) || preemptible();
}

/*
 * May memory be asked for in passing, to keep a stack? The locks of the kernel's
 * allocators sleep on PREEMPT_RT, and lockdep holds those who take them in a hardirq
 * to that on other kernels too (PROVE_RAW_LOCK_NESTING).
 */
static bool memory_can_be_asked_for(void)
{
	return IS_ENABLED(CONFIG_PREEMPT_RT) ? preemptible() : !in_hardirq();
}

/* What is given to the oldest waiter under the lock, and what comes after that. */
struct handover {
	void			*element;	/* NULL as soon as somebody has it */
	struct llist_head	*served;	/* whose functions are to be called */
};

/*
 * The wake flags that come with a struct handover. A wake-up of the queue by anybody else
 * has other flags, whatever its key is.
 */
#define WAKE_HANDOVER	BIT(30)

static bool entry_is_ours(const struct wait_queue_entry *entry);

/* Under the lock: the head of the queue, which is the oldest waiter; or %NULL. */
static struct mempool2_waiter *queue_head(struct mempool2 *pool)
{
	struct wait_queue_entry *entry;

	lockdep_assert_held(&pool->wait.lock);
	list_for_each_entry(entry, &pool->wait.head, entry) {
		if (entry_is_ours(entry))
			return container_of(entry, struct mempool2_waiter, entry);
	}
	return NULL;
}

/*
 * Memory that comes back
 *
 * Memory may come back while nobody frees an element. The head of the queue notices that: a
 * sleeper wakes and asks the alloc function itself, see waiter_sleep(). For a request a
 * retrier does it, which is a work of a workqueue. A request is known to its retrier only
 * while it is the head, so a pool without requests costs nothing, and a queue of any length
 * costs as much as one request.
 *
 * The alloc function may sleep for a request that somebody cancels or serves meanwhile.
 * A cancel does not wait for it: the retrier does not touch the request any more, and only
 * the end of the pool waits. A request that is served is not called before the retrier has
 * come back, as its function may end the pool.
 */

/* All pools share them. A pool has the one that its address leads to. */
#define NR_RETRIERS	16

/**
 * struct retrier - asks the alloc functions of some pools for their oldest requests
 *
 * @lock: protects all but @work. Nests in the locks of the queues.
 * @heads: requests that are the heads of their queues, except for @waiter
 * @work: asks for one that is due
 * @next: when @work comes, in jiffies
 * @is_armed: @work comes
 * @pool: the pool whose alloc function is being asked; %NULL if none is
 * @waiter: for whom; written under the lock of the queue too
 * @is_over: @waiter was cancelled meanwhile: its address is only for comparison
 */
struct retrier {
	raw_spinlock_t		lock;
	struct hlist_head	heads;
	struct delayed_work	work;
	unsigned long		next;
	bool			is_armed;
	struct mempool2		*pool;
	struct mempool2_waiter	*waiter;
	bool			is_over;
} ____cacheline_aligned_in_smp;

/* Built in, pools may be in use before any initcall: then the lists are all that is needed. */
static struct retrier retriers[NR_RETRIERS] = {
	[0 ... NR_RETRIERS - 1] = { .lock = __RAW_SPIN_LOCK_UNLOCKED(retriers.lock) },
};

/* Those who wait until a retrier has come back from an alloc function. */
static DECLARE_WAIT_QUEUE_HEAD(retriers_back);

/*
 * Not the workqueue that calls functions: an alloc function that reclaims memory here may wait
 * for what these do, and callers wait for that workqueue where they must not wait for memory.
 */
static struct workqueue_struct *retry_wq __read_mostly;

static struct retrier *retrier_of(const struct mempool2 *pool)
{
	return &retriers[hash_ptr(pool, ilog2(NR_RETRIERS))];
}

/* Under the lock: have the work come at @due, or before. */
static void retrier_arm(struct retrier *retrier, unsigned long due)
{
	unsigned long now = jiffies;

	lockdep_assert_held(&retrier->lock);
	/* Before there is a workqueue requests wait in the list, see retriers_init(). */
	if (!READ_ONCE(retry_wq) || (retrier->is_armed && time_before_eq(retrier->next, due)))
		return;
	retrier->is_armed = true;
	retrier->next = due;
	mod_delayed_work(retry_wq, &retrier->work, time_after(due, now) ? due - now : 0);
}

/* Under both locks: the retrier is to ask for @waiter after a pause. */
static void retrier_add(struct retrier *retrier, struct mempool2_waiter *waiter,
			unsigned long pause)
{
	waiter->pause = pause;
	waiter->due = jiffies + pause;
	hlist_add_head(&waiter->retry, &retrier->heads);
	retrier_arm(retrier, waiter->due);
}

static int function_wake(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key);

/* Under the lock: if a request has become the head it has a retrier from now on. */
static void retry_begin(struct mempool2 *pool)
{
	struct mempool2_waiter *head = queue_head(pool);
	struct retrier *retrier;
	unsigned long flags;

	if (!head || head->entry.func != function_wake || head->pause)
		return;
	retrier = retrier_of(pool);
	raw_spin_lock_irqsave(&retrier->lock, flags);
	head->look_at = jiffies + RETRY_JIFFIES;
	retrier_add(retrier, head, FIRST_PAUSE);
	raw_spin_unlock_irqrestore(&retrier->lock, flags);
}

/*
 * Under the lock: a request has left the queue, because it was cancelled or served. True if
 * the retrier is asking for it at the moment. If it was served, the retrier does the rest.
 */
static bool retry_end(struct mempool2_waiter *waiter, bool is_cancelled)
{
	struct retrier *retrier = retrier_of(waiter->pool);
	unsigned long flags;
	bool is_asking;

	lockdep_assert_held(&waiter->pool->wait.lock);
	/* It was never the head. */
	if (!waiter->pause)
		return false;
	raw_spin_lock_irqsave(&retrier->lock, flags);
	if (!hlist_unhashed(&waiter->retry))
		hlist_del_init(&waiter->retry);
	is_asking = READ_ONCE(retrier->waiter) == waiter && !retrier->is_over;
	if (is_asking)
		retrier->is_over = is_cancelled;
	raw_spin_unlock_irqrestore(&retrier->lock, flags);
	return is_asking;
}

static bool retrier_uses(const struct retrier *retrier, const struct mempool2 *pool)
{
	/* Pairs with retrier_leave(): the retrier does not use the pool after it. */
	return smp_load_acquire(&retrier->pool) == pool;
}

static bool retrier_asks_for(const struct retrier *retrier, const struct mempool2_waiter *waiter)
{
	/* Pairs with retrier_leave(), too. */
	return smp_load_acquire(&retrier->waiter) == waiter;
}

/* Until no alloc function is being asked any more for @pool, which has no waiters. */
static void retry_sync_pool(const struct mempool2 *pool)
{
	struct retrier *retrier = retrier_of(pool);

	if (unlikely(retrier_uses(retrier, pool)))
		wait_event(retriers_back, !retrier_uses(retrier, pool));
}

/* The same for a request, of which the pool may be unknown. */
static void retry_sync(const struct mempool2_waiter *waiter)
{
	struct retrier *retrier;

	for (retrier = retriers; retrier < &retriers[NR_RETRIERS]; retrier++) {
		if (unlikely(retrier_asks_for(retrier, waiter)))
			wait_event(retriers_back, !retrier_asks_for(retrier, waiter));
	}
}

/* Under the lock: the next element goes to its place. */
static void waiter_accept(struct mempool2_waiter *waiter, void *element)
{
	lockdep_assert_held(&waiter->pool->wait.lock);
	waiter->elems[waiter->count - waiter->nr_missing] = element;
	/* Pairs with waiter_is_served(): who sees 0 there sees the elements. */
	smp_store_release(&waiter->nr_missing, waiter->nr_missing - 1);
}

/* Under the lock: leave the queue. */
static void waiter_leave(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;

	lockdep_assert_held(&pool->wait.lock);
	if (!--pool->nr_waiters)
		atomic_andnot(MEMPOOL2_WAITERS, &pool->state);
	/*
	 * A waiter that sleeps may be gone as soon as its entry is off the list,
	 * so this comes last. Pairs with finish_wait() in waiter_sleep().
	 */
	list_del_init_careful(&waiter->entry.entry);
	if (pool->nr_waiters)
		retry_begin(pool);
}

/* Under the lock: the same for one that sleeps. With the last one it is woken. */
static void sleeper_accept(struct mempool2_waiter *waiter, void *element)
{
	waiter_accept(waiter, element);
	if (waiter->nr_missing)
		return;
	wake_up_process(waiter->entry.private);
	waiter_leave(waiter);
}

/*
 * The wake function of a waiter that sleeps: with WAKE_HANDOVER @key is a struct
 * handover, and the waiter takes the element from there. A wake_up() of the queue by
 * others makes the oldest of them look for memory again.
 */
static int sleeper_wake(struct wait_queue_entry *entry, unsigned int mode,
			int flags, void *key)
{
	struct mempool2_waiter *waiter = container_of(entry, struct mempool2_waiter, entry);
	struct handover *hand = key;

	if (flags & WAKE_HANDOVER) {
		sleeper_accept(waiter, hand->element);
		hand->element = NULL;
	} else {
		/* It may be awake, and about to sleep. */
		WRITE_ONCE(waiter->look_at, jiffies);
		wake_up_process(entry->private);
	}
	return 1;
}

/*
 * Under the lock: give an element to the oldest waiter, for which one has entered. Others
 * may have entries in the queue, as in any wait queue: those before it are woken as well,
 * and take nothing from it even if they are exclusive.
 */
static void waiters_accept(struct mempool2 *pool, struct handover *hand)
{
	struct wait_queue_entry *entry, *next;
	const void *element = hand->element;

	lockdep_assert_held(&pool->wait.lock);
	list_for_each_entry_safe(entry, next, &pool->wait.head, entry) {
		if (entry_is_ours(entry)) {
			entry->func(entry, TASK_NORMAL, WAKE_HANDOVER, hand);
			break;
		}
		/* Before 6.7 a wake-up of many leaves a bookmark without a function. */
		if (entry->func)
			entry->func(entry, TASK_NORMAL, 0, NULL);
	}
	inside_handed_over(pool, element);
}

/*
 * Under the lock: give waiters what the reserve has, but no more than a batch.
 * False if there are either no waiters or no elements any more.
 */
static bool waiters_serve_batch(struct mempool2 *pool, struct handover *hand)
{
	int i;

	for (i = 0; i < GIVE_BATCH; i++) {
		if (!pool->nr_waiters || !limit_enter_waiter(pool))
			return false;
		if (!pool_take_from_reserve(pool, &hand->element, 1)) {
			if (pool_is_limited(pool))
				limit_give(pool, 1);
			return false;
		}
		waiters_accept(pool, hand);
	}
	return true;
}

static void functions_call(struct llist_head *served);
static void waiters_serve_later(struct mempool2 *pool);

/*
 * To be called after an element was put, if there are waiters then. With rcu_read_lock(),
 * which is kept until the functions of @served have been called or are left to others.
 */
static void waiters_serve(struct mempool2 *pool, struct llist_head *served)
{
	struct handover hand = { .served = served };
	unsigned long flags;
	bool more;

	if (!queue_can_be_locked()) {
		waiters_serve_later(pool);
		return;
	}
	do {
		spin_lock_irqsave(&pool->wait.lock, flags);
		more = waiters_serve_batch(pool, &hand);
		spin_unlock_irqrestore(&pool->wait.lock, flags);
	} while (more);
}

static void waiters_serve_and_call(struct mempool2 *pool)
{
	struct llist_head served = {};

	/* Pairs with mempool2_cancel_sync(). */
	rcu_read_lock();
	waiters_serve(pool, &served);
	/* The functions may end the pool, so they come last. */
	functions_call(&served);
	rcu_read_unlock();
}

/*
 * After an element was put, which is a full barrier. The last thing that a call does with the pool:
 * functions may end it.
 */
static __always_inline void after_put(struct mempool2 *pool)
{
	if (reserve_is_waited_for(pool))
		waiters_serve_and_call(pool);
}

/*
 * Give elements to callers that wait, oldest first, but no more than a batch. Returns how many. As
 * waiters_serve().
 */
static noinline unsigned int waiters_give(struct mempool2 *pool, void **elems,
					  unsigned int nr, struct llist_head *served)
{
	struct handover hand = { .served = served };
	unsigned long flags;
	unsigned int i;

	/*
	 * Where the lock may not be taken they come by way of the reserve. If that is full
	 * and these go where they came from, there may be waiters for the limit all the same.
	 */
	if (!queue_can_be_locked()) {
		waiters_serve_later(pool);
		return 0;
	}

	nr = min(nr, GIVE_BATCH);
	spin_lock_irqsave(&pool->wait.lock, flags);
	for (i = 0; i < nr; i++) {
		if (!pool->nr_waiters || !limit_enter_waiter(pool))
			break;
		hand.element = elems[i];
		waiters_accept(pool, &hand);
	}
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	return i;
}

static bool waiter_is_served(const struct mempool2_waiter *waiter)
{
	/* Pairs with the release in waiter_accept(). */
	return !smp_load_acquire(&waiter->nr_missing);
}

/*
 * Under the lock: queue, and have those who wait served, among them the waiter
 * itself, if they can be. True if waiters_serve() has to go on with that.
 */
static bool waiter_queue(struct mempool2_waiter *waiter, struct handover *hand)
{
	struct mempool2 *pool = waiter->pool;
	bool more;

	__add_wait_queue_entry_tail_exclusive(&pool->wait, &waiter->entry);
	pool->nr_waiters++;
	/*
	 * A full barrier before we look, which pairs with the one in slot_put()
	 * (queue-or-reserve) and in reserve_put_locked() (queue-or-stored): if the CPU
	 * that put an element does not see that we wait, we see the element. And the CPU
	 * that learns an address from us sees the state as it is now, or later
	 * (address-handed-over).
	 */
	atomic_fetch_or(MEMPOOL2_WAITERS, &pool->state);
	more = waiters_serve_batch(pool, hand);
	retry_begin(pool);
	return more;
}

/*
 * Waiters that sleep
 */

static void sleeper_queue(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	struct llist_head served = {};
	struct handover hand = { .served = &served };
	unsigned long flags;
	bool more;

	init_waitqueue_func_entry(&waiter->entry, sleeper_wake);
	waiter->entry.private = current;

	rcu_read_lock();
	spin_lock_irqsave(&pool->wait.lock, flags);
	more = waiter_queue(waiter, &hand);
	waiter->is_head = queue_head(pool) == waiter;
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	if (unlikely(more))
		waiters_serve(pool, &served);
	functions_call(&served);
	rcu_read_unlock();
}

/*
 * The time that a waiter sleeps, unless it is woken. It doubles, for the head because memory
 * that was away for long need not be noticed at once, and for the others because they have
 * to notice that they are the head: nobody wakes them for that, as each element that is
 * freed makes somebody the head.
 */
static long sleeper_nap(const struct mempool2_waiter *waiter)
{
	return clamp_t(long, READ_ONCE(waiter->look_at) - jiffies, 0, waiter->pause);
}

/* After a nap, which may have been the whole @pause: does the waiter ask, as it is the head? */
static bool sleeper_asks(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	unsigned long flags;

	if (!waiter->is_head) {
		spin_lock_irqsave(&pool->wait.lock, flags);
		waiter->is_head = queue_head(pool) == waiter;
		spin_unlock_irqrestore(&pool->wait.lock, flags);
		if (waiter->is_head) {
			waiter->pause = FIRST_PAUSE;
			return true;
		}
	}
	waiter->pause = min_t(unsigned long, 2 * waiter->pause,
			      waiter->is_head ? LONGEST_PAUSE : RETRY_JIFFIES);
	return waiter->is_head;
}

/*
 * May a queued waiter look for memory itself? Where there is a limit only the oldest
 * one that sleeps, and it enters. The others must not have anything that it may want.
 */
static bool sleeper_may_retry(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	struct wait_queue_entry *entry;
	unsigned long flags;
	bool first = false;

	if (!pool_is_limited(pool))
		return true;
	spin_lock_irqsave(&pool->wait.lock, flags);
	list_for_each_entry(entry, &pool->wait.head, entry) {
		if (entry->func == sleeper_wake) {
			first = entry == &waiter->entry;
			break;
		}
	}
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	return first && limit_take(pool, 1);
}

/*
 * A queued waiter asks for memory itself, without losing its place. It may be
 * given an element at the same time; what it then has too much goes back.
 */
static void sleeper_ask(struct mempool2_waiter *waiter, gfp_t gfp)
{
	struct mempool2 *pool = waiter->pool;
	unsigned long flags;
	void *element;

	while (!waiter_is_served(waiter) && sleeper_may_retry(waiter)) {
		element = pool_call_alloc(pool, gfp);
		if (!element || refused(element, waiter->caller)) {
			if (pool_is_limited(pool))
				limit_leave(pool, 1);
			return;
		}

		spin_lock_irqsave(&pool->wait.lock, flags);
		if (waiter->nr_missing) {
			sleeper_accept(waiter, element);
			element = NULL;
		}
		spin_unlock_irqrestore(&pool->wait.lock, flags);
		mempool2_free(element, pool);
	}
}

/*
 * The same, but first the waiter has the queue served: an element that rests beside waiters
 * was overlooked by somebody.
 */
static void sleeper_retry(struct mempool2_waiter *waiter, gfp_t gfp)
{
	/* First, or a wake_up() by others that comes meanwhile were lost. */
	WRITE_ONCE(waiter->look_at, jiffies + RETRY_JIFFIES);
	if (!waiter_is_served(waiter))
		after_put(waiter->pool);
	sleeper_ask(waiter, gfp);
}

/* Give up, unless the waiter is served at the same moment: then it is too late. */
static bool sleeper_gives_up(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	unsigned long flags;
	bool waits;

	spin_lock_irqsave(&pool->wait.lock, flags);
	waits = waiter->nr_missing;
	if (waits)
		waiter_leave(waiter);
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	return waits;
}

/*
 * Sleep in the given task state until the waiter has all its elements. Then 0; or
 * an error, and no element, if the time was over or the task killed before. A
 * @timeout of MAX_SCHEDULE_TIMEOUT is never over.
 */
static int waiter_sleep(struct mempool2_waiter *waiter, gfp_t gfp,
			unsigned int task_state, unsigned long timeout)
{
	unsigned long end = jiffies + timeout;
	long left, nap;
	int err = 0;

	waiter->pause = FIRST_PAUSE;
	waiter->look_at = jiffies + RETRY_JIFFIES;
	sleeper_queue(waiter);
	for (;;) {
		/* The barrier in here pairs with the one in wake_up_process(). */
		set_current_state(task_state);
		if (waiter_is_served(waiter))
			break;
		/* Jiffies pass any end, those of 32 bits within days: for ever has none. */
		left = timeout < MAX_SCHEDULE_TIMEOUT ? end - jiffies : RETRY_JIFFIES;
		if (left <= 0)
			err = -ETIMEDOUT;
		if (signal_pending_state(task_state, current))
			err = -EINTR;
		if (err) {
			__set_current_state(TASK_RUNNING);
			if (!sleeper_gives_up(waiter))
				err = 0;
			break;
		}
		nap = min(left, sleeper_nap(waiter));
		if (io_schedule_timeout(nap) || nap == left ||
		    time_after_eq(jiffies, READ_ONCE(waiter->look_at)))
			sleeper_retry(waiter, gfp);
		else if (sleeper_asks(waiter))
			sleeper_ask(waiter, gfp);
	}
	/* Returns only when waiter_leave() is done with the entry. */
	finish_wait(&waiter->pool->wait, &waiter->entry);
	return err;
}

/*
 * Functions
 *
 * A waiter may have a function, which is called when it has all its elements: not
 * under the lock, of course. Until then it can be cancelled. Of the two one comes
 * first, by compare and exchange of the waiter's state.
 *
 * What is left to be done for such waiters are the CPU's errands. Whoever serves
 * some does them at once, unless the CPU is at it already: a function that frees
 * an element serves the next waiter, but does not call the next function, or there
 * would be no end to the stack. Nor is there an end to functions that free and request
 * again, so what is more than a batch is left to a thread. Whoever may have locks that a
 * function wants too lets an interrupt do them.
 *
 * PREEMPT_RT: they are always done by a thread. There too the queue is joined and left
 * for those who may not lock it.
 */
enum waiter_state {
	WAITER_IDLE,		/* the pool knows nothing of it; 0, as is zeroed memory */
	WAITER_ARRIVING,	/* an errand: it has to join the queue */
	WAITER_QUEUED,
	WAITER_SERVED,		/* an errand: its function has to be called */
	WAITER_CANCELLED,	/* an errand, perhaps: it has to leave the queue */
};

/**
 * struct errands - what a CPU has to do for waiters with functions
 *
 * @list: of waiters, the youngest first
 * @todo: those that were taken off @list and not done yet, the oldest first
 * @running: somebody does them
 * @called: the waiter whose function is being called
 *
 * @todo belongs to the context that has set @running.
 */
struct errands {
	struct llist_head	list;
	struct llist_node	*todo;
	int			running;
	struct mempool2_waiter	*called;
};

/**
 * struct late_errands - those that are left to others
 *
 * @errands: the errands
 * @irq_work: does them in an interrupt
 * @work: does them in a thread, when they are too many for that
 */
struct late_errands {
	struct errands		errands;
	struct irq_work		irq_work;
	struct work_struct	work;
};

/*
 * Those of a call that does them at once, and those that are left to others. They must not be
 * mixed: what a request leaves to others, as its caller may have locks that functions want,
 * is not for the next free, whose caller may have them as well.
 *
 * All zeroes until errands_init(): before 7.x the addresses in a module's per-CPU data are
 * not relocated, so no static initializer may have one.
 */
static DEFINE_PER_CPU(struct errands, cpu_errands);
static DEFINE_PER_CPU(struct late_errands, cpu_late);

/* The task that is calling functions. */
static DEFINE_PER_CPU(struct task_struct *, function_task);

/* Does what may not be done at once, also when there is no memory for another thread. */
static struct workqueue_struct *errands_wq __read_mostly;

/*
 * The wake function of a waiter with a function. One that was cancelled a moment ago
 * collects as well, and whoever cancelled it will pass on what that is. A bare
 * wake_up() is for somebody who can look for memory.
 */
static int function_wake(struct wait_queue_entry *entry, unsigned int mode,
			 int flags, void *key)
{
	struct mempool2_waiter *waiter = container_of(entry, struct mempool2_waiter, entry);
	struct handover *hand = key;

	if (!(flags & WAKE_HANDOVER))
		return 0;
	waiter_accept(waiter, hand->element);
	hand->element = NULL;
	if (waiter->nr_missing)
		return 1;
	/* Once it is off the queue it belongs to whoever comes first now. */
	waiter_leave(waiter);
	if (cmpxchg(&waiter->state, WAITER_QUEUED, WAITER_SERVED) == WAITER_QUEUED &&
	    !retry_end(waiter, false))
		llist_add(&waiter->errand, hand->served);
	return 1;
}

static bool entry_is_ours(const struct wait_queue_entry *entry)
{
	return entry->func == sleeper_wake || entry->func == function_wake;
}

/*
 * Join the queue, unless the waiter is cancelled before: then false. @hand is for
 * what comes then.
 */
static bool function_queue(struct mempool2_waiter *waiter, struct handover *hand)
{
	struct mempool2 *pool = waiter->pool;
	bool queued, more = false;
	unsigned long flags;

	spin_lock_irqsave(&pool->wait.lock, flags);
	queued = cmpxchg(&waiter->state, WAITER_ARRIVING, WAITER_QUEUED) == WAITER_ARRIVING;
	if (queued)
		more = waiter_queue(waiter, hand);
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	if (unlikely(more))
		waiters_serve(pool, hand->served);
	return queued;
}

static void pool_free(struct mempool2 *pool, void **elems, unsigned int count, bool later);
static void pool_note_arrival(struct mempool2 *pool, void **elems, unsigned int nr);

/* From now on the waiter may be used again, or freed. */
static void waiter_set_idle(struct mempool2_waiter *waiter)
{
	/* Pairs with waiter_is_idle(). */
	smp_store_release(&waiter->state, WAITER_IDLE);
}

/* Nobody will call its function: leave the queue, and let go what it has collected. */
static void function_drop(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	unsigned long flags;

	spin_lock_irqsave(&pool->wait.lock, flags);
	if (!list_empty(&waiter->entry.entry))
		waiter_leave(waiter);
	retry_end(waiter, true);
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	inside_wait_end(waiter);
	limit_freed(pool, waiter->count - waiter->nr_missing);
	pool_free(pool, waiter->elems, waiter->count - waiter->nr_missing, false);
	waiter_set_idle(waiter);
}

/* It has all its elements: tell those who look at waits. */
static void function_served(struct mempool2_waiter *waiter)
{
	inside_wait_end(waiter);
	pool_note_arrival(waiter->pool, waiter->elems, waiter->count);
}

static void function_call(struct errands *errands, struct mempool2_waiter *waiter)
{
	mempool2_function_t *function = waiter->function;
	void **elems = waiter->elems, *element;

	function_served(waiter);
	/* Where a single one goes the next one may come before the function has looked. */
	if (elems == &waiter->element) {
		element = waiter->element;
		elems = &element;
	}
	/* Before the waiter is idle: function_may_run() looks in the reverse order. */
	WRITE_ONCE(errands->called, waiter);
	waiter_set_idle(waiter);
	function(waiter, elems);
	/* Pairs with function_may_run(): the function has returned. */
	smp_store_release(&errands->called, NULL);
}

static void errand_do(struct errands *errands, struct mempool2_waiter *waiter)
{
	struct llist_head served = {};
	struct handover hand = { .served = &served };

	if (READ_ONCE(waiter->state) == WAITER_SERVED)
		function_call(errands, waiter);
	else if (READ_ONCE(waiter->state) == WAITER_ARRIVING && function_queue(waiter, &hand))
		functions_call(&served);
	else
		function_drop(waiter);
}

/* The oldest errand, %NULL if there is none. */
static struct mempool2_waiter *errands_next(struct errands *errands)
{
	struct llist_node *node = errands->todo;

	if (!node)
		node = llist_reverse_order(llist_del_all(&errands->list));
	if (!node)
		return NULL;
	errands->todo = node->next;
	return llist_entry(node, struct mempool2_waiter, errand);
}

static void errand_later(struct mempool2_waiter *waiter);

/*
 * Do errands, unless somebody is at it already, who then does the new ones too: but no more
 * than a batch, as functions that free and request again would keep the caller for ever.
 * What is more is left to others, for later. If it is later already the answer is true, and
 * some are left.
 */
static bool errands_run(struct errands *errands, bool is_late)
{
	struct mempool2_waiter *waiter;
	struct task_struct *before;
	int nr = 0;

	do {
		/* A full barrier after an errand was added. Pairs with the one below. */
		if (xchg(&errands->running, 1))
			return false;
		before = this_cpu_read(function_task);
		if (in_task())
			this_cpu_write(function_task, current);
		for (; nr < BATCH && (waiter = errands_next(errands)); nr++)
			errand_do(errands, waiter);
		while (nr == BATCH && !is_late && (waiter = errands_next(errands)))
			errand_later(waiter);
		if (in_task())
			this_cpu_write(function_task, before);
		/*
		 * A full barrier before we look at the list again: the context that adds an
		 * errand and still sees @running is seen by us.
		 */
		xchg(&errands->running, 0);
		if (nr == BATCH && is_late)
			return true;
	} while (!llist_empty(&errands->list));
	return false;
}

/* The thread goes on with the rest. */
static void late_run(struct late_errands *late)
{
	if (errands_run(&late->errands, true))
		queue_work(errands_wq, &late->work);
}

static void late_irq_work(struct irq_work *irq_work)
{
	late_run(container_of(irq_work, struct late_errands, irq_work));
}

static void late_work(struct work_struct *work)
{
	/* Functions are called as elsewhere; on PREEMPT_RT they may take locks that sleep. */
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		migrate_disable();
	else
		preempt_disable();
	late_run(container_of(work, struct late_errands, work));
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		migrate_enable();
	else
		preempt_enable();
}

/*
 * An errand for this CPU, which an interrupt will do; on PREEMPT_RT, a thread. That is a
 * thread of a workqueue, not the CPU's own for such work, which does nothing any more while
 * its CPU goes down.
 */
static void errand_later(struct mempool2_waiter *waiter)
{
	struct late_errands *late;

	preempt_disable();
	late = this_cpu_ptr(&cpu_late);
	llist_add(&waiter->errand, &late->errands.list);
	/*
	 * The context that does them sees it, as llist_add() is a full barrier: see
	 * errands_run(). To ask for another interrupt for it would have no end, where a
	 * function that is called late leaves one. And before there is a workqueue it stays in
	 * the list, see errands_init().
	 */
	if (!READ_ONCE(late->errands.running) && likely(errands_wq)) {
		if (IS_ENABLED(CONFIG_PREEMPT_RT))
			queue_work(errands_wq, &late->work);
		else
			irq_work_queue(&late->irq_work);
	}
	preempt_enable();
}

/* All from the oldest one on, each with its own stretch of disabled preemption. */
static void errands_later(struct llist_node *oldest)
{
	struct mempool2_waiter *waiter, *next;

	llist_for_each_entry_safe(waiter, next, oldest, errand)
		errand_later(waiter);
}

static void functions_call_later(struct llist_head *served)
{
	errands_later(llist_reverse_order(served->first));
}

/*
 * To be called by a call that has served waiters, with the rcu_read_lock() from then on.
 * The functions may be called here, so nothing of the pool may be touched after it.
 */
static void functions_call(struct llist_head *served)
{
	struct llist_node *oldest, *next;
	int nr = 0;

	if (likely(llist_empty(served)))
		return;
	oldest = llist_reverse_order(served->first);
	preempt_disable();
	/* In a function that is called late its CPU goes on with these when it has returned. */
	if (!IS_ENABLED(CONFIG_PREEMPT_RT) && !this_cpu_read(cpu_late.errands.running)) {
		for (; oldest && nr < BATCH; oldest = next, nr++) {
			next = oldest->next;
			llist_add(oldest, &this_cpu_ptr(&cpu_errands)->list);
		}
		errands_run(this_cpu_ptr(&cpu_errands), false);
	}
	preempt_enable();
	errands_later(oldest);
}

/* Does the task itself call this, and not a function of a request, or an interrupt? */
static bool by_task(void)
{
	return in_task() && this_cpu_read(function_task) != current;
}

/*
 * Is the waiter's function going to be called, or running? Or is the waiter cancelled and still in
 * a list? Not if it waits, which it does only if somebody has made a new request with it.
 */
static bool function_may_run(const struct mempool2_waiter *waiter)
{
	/* Pairs with waiter_set_idle(): the waiter that is idle is seen in @called below. */
	int cpu, state = smp_load_acquire(&waiter->state);

	if (state == WAITER_SERVED || state == WAITER_CANCELLED)
		return true;
	for_each_possible_cpu(cpu) {
		/* These pair with function_call(). */
		if (smp_load_acquire(&per_cpu_ptr(&cpu_errands, cpu)->called) == waiter ||
		    smp_load_acquire(&per_cpu_ptr(&cpu_late, cpu)->errands.called) == waiter)
			return true;
	}
	return false;
}

/*
 * Until the errands are done that were left to interrupts and threads, or a batch of them on each
 * CPU. Sleeps, and is not to be called by a function.
 */
static void errands_sync(void)
{
	static DEFINE_MUTEX(mutex);
	struct late_errands *late;
	int cpu;

	/* Where irq_work_sync() sleeps only one at a time may. */
	mutex_lock(&mutex);
	for_each_possible_cpu(cpu) {
		late = per_cpu_ptr(&cpu_late, cpu);
		/* Before there is a workqueue nobody else does them. */
		if (!errands_wq) {
			preempt_disable();
			errands_run(&late->errands, true);
			preempt_enable();
			continue;
		}
		irq_work_sync(&late->irq_work);
		/* Last: the interrupt may have left some of them to it. */
		flush_work(&late->work);
	}
	mutex_unlock(&mutex);
}

/*
 * PREEMPT_RT: a pool with waiters for whom somebody put an element who may not lock the
 * queue is left to a thread of the workqueue. It is in the list at most once.
 */
#ifdef CONFIG_PREEMPT_RT
static LLIST_HEAD(pools_to_serve);

static void pools_serve(struct work_struct *work)
{
	struct mempool2 *pool, *next;

	llist_for_each_entry_safe(pool, next, llist_del_all(&pools_to_serve), to_serve) {
		/* Pairs with waiters_serve_later(). */
		xchg(&pool->is_to_serve, false);
		waiters_serve_and_call(pool);
	}
}

static DECLARE_WORK(pools_work, pools_serve);

static void pools_kick(void)
{
	/* Before there is a workqueue they stay in the list, see errands_init(). */
	if (likely(errands_wq))
		queue_work(errands_wq, &pools_work);
}

static void waiters_serve_later(struct mempool2 *pool)
{
	/* Pairs with pools_serve(), which sees what was put if the pool is in the list. */
	if (xchg(&pool->is_to_serve, true))
		return;
	llist_add(&pool->to_serve, &pools_to_serve);
	pools_kick();
}

static void pools_sync(void)
{
	/* Before there is a workqueue nobody else serves them. */
	if (likely(errands_wq))
		flush_work(&pools_work);
	else
		pools_serve(NULL);
}
#else
static void pools_kick(void) {}
static void waiters_serve_later(struct mempool2 *pool) {}
static void pools_sync(void) {}
#endif

/*
 * What a retrier does
 */

static unsigned int pool_return(struct mempool2 *pool, void **elems,
				unsigned int count, struct llist_head *served);
static void pool_call_free(struct mempool2 *pool, void *element);

/* Take a request that is due, if there is one, and arm the work for the next. */
static bool retrier_take(struct retrier *retrier, gfp_t *gfp, bool *looks)
{
	struct mempool2_waiter *waiter, *earliest = NULL;

	raw_spin_lock_irq(&retrier->lock);
	retrier->is_armed = false;
	hlist_for_each_entry(waiter, &retrier->heads, retry) {
		if (!earliest || time_before(READ_ONCE(waiter->due), READ_ONCE(earliest->due)))
			earliest = waiter;
	}
	if (earliest && time_after(READ_ONCE(earliest->due), jiffies)) {
		retrier_arm(retrier, READ_ONCE(earliest->due));
		earliest = NULL;
	}
	if (earliest) {
		hlist_del_init(&earliest->retry);
		*gfp = earliest->gfp;
		*looks = time_after_eq(jiffies, earliest->look_at);
		if (*looks)
			earliest->look_at = jiffies + RETRY_JIFFIES;
		retrier->is_over = false;
		WRITE_ONCE(retrier->waiter, earliest);
		/* The pool does not end before this is %NULL again. */
		WRITE_ONCE(retrier->pool, earliest->pool);
	}
	raw_spin_unlock_irq(&retrier->lock);
	return earliest;
}

/* Under the lock: the request, as long as it was not cancelled. */
static struct mempool2_waiter *retrier_waiter(struct retrier *retrier)
{
	lockdep_assert_held(&retrier->pool->wait.lock);
	return retrier->is_over ? NULL : retrier->waiter;
}

/* Give the request an element that was found for it, if there is one. True if it needs more. */
static bool retrier_give(struct retrier *retrier, void **element, struct llist_head *served)
{
	struct handover hand = { .element = *element, .served = served };
	struct mempool2 *pool = retrier->pool;
	struct mempool2_waiter *waiter;
	unsigned long flags;
	bool waits;

	spin_lock_irqsave(&pool->wait.lock, flags);
	waiter = retrier_waiter(retrier);
	if (hand.element && waiter && waiter->nr_missing)
		function_wake(&waiter->entry, TASK_NORMAL, WAKE_HANDOVER, &hand);
	waits = waiter && waiter->nr_missing;
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	*element = hand.element;
	return waits;
}

/* An element from the alloc function, which has entered if there is a limit. */
static void *retrier_alloc(struct mempool2 *pool, gfp_t gfp)
{
	bool is_limited = pool_is_limited(pool);
	void *element;

	if (is_limited && !limit_take(pool, 1))
		return NULL;
	element = pool_call_alloc(pool, gfp);
	if (element && !refused(element, pool->alloc))
		return element;
	if (is_limited)
		limit_leave(pool, 1);
	return NULL;
}

/* The request does not need it any more: it is for the next, or as freed by anybody. */
static void retrier_free(struct mempool2 *pool, void *element, struct llist_head *served)
{
	limit_freed(pool, 1);
	if (pool_return(pool, &element, 1, served))
		return;
	/* Nobody was served then. */
	rcu_read_unlock();
	pool_call_free(pool, element);
	rcu_read_lock();
}

/* If the request still waits it is due again later; if it was served it goes to @own. */
static void retrier_put(struct retrier *retrier, struct llist_head *own)
{
	struct mempool2 *pool = retrier->pool;
	struct mempool2_waiter *waiter;
	unsigned long flags;

	spin_lock_irqsave(&pool->wait.lock, flags);
	raw_spin_lock(&retrier->lock);
	waiter = retrier_waiter(retrier);
	if (waiter && waiter->nr_missing)
		retrier_add(retrier, waiter,
			    min_t(unsigned long, 2 * waiter->pause, LONGEST_PAUSE));
	else if (waiter && READ_ONCE(waiter->state) == WAITER_SERVED)
		llist_add(&waiter->errand, own);
	retrier->is_over = true;
	raw_spin_unlock(&retrier->lock);
	spin_unlock_irqrestore(&pool->wait.lock, flags);
}

/* From now on nobody waits for the retrier, and the pool may end. */
static void retrier_leave(struct retrier *retrier)
{
	/* Pairs with retrier_asks_for(). */
	smp_store_release(&retrier->waiter, NULL);
	/* Pairs with retrier_uses(). */
	smp_store_release(&retrier->pool, NULL);
	wake_up_all(&retriers_back);
}

/*
 * Ask the alloc function for a request. If it @looks, it has the queue served before, as
 * sleeper_retry() does. As long as the request waits nobody else is served.
 */
static void retrier_ask(struct retrier *retrier, gfp_t gfp, bool looks)
{
	struct llist_head served = {}, own = {};
	struct mempool2 *pool = retrier->pool;
	void *element = NULL;

	/* Pairs with mempool2_cancel_sync(). */
	rcu_read_lock();
	if (looks && reserve_is_waited_for(pool))
		waiters_serve(pool, &served);
	while (retrier_give(retrier, &element, &served)) {
		rcu_read_unlock();
		element = retrier_alloc(pool, gfp);
		rcu_read_lock();
		if (!element)
			break;
	}
	if (element)
		retrier_free(pool, element, &served);
	retrier_put(retrier, &own);
	retrier_leave(retrier);
	/* The functions may end the pool, so they come last. */
	functions_call(&own);
	functions_call(&served);
	rcu_read_unlock();
}

static void retrier_work(struct work_struct *work)
{
	struct retrier *retrier = container_of(to_delayed_work(work), struct retrier, work);
	bool looks;
	gfp_t gfp;

	while (retrier_take(retrier, &gfp, &looks)) {
		retrier_ask(retrier, gfp, looks);
		cond_resched();
	}
}

static int __init retriers_init(void)
{
	struct workqueue_struct *wq;
	struct retrier *retrier;
	unsigned long flags;

	wq = alloc_workqueue("mempool2_retry", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!wq)
		return -ENOMEM;
	/* Under the lock, so that each caller which sees the workqueue sees the work too. */
	for (retrier = retriers; retrier < &retriers[NR_RETRIERS]; retrier++) {
		raw_spin_lock_irqsave(&retrier->lock, flags);
		INIT_DELAYED_WORK(&retrier->work, retrier_work);
		raw_spin_unlock_irqrestore(&retrier->lock, flags);
	}
	WRITE_ONCE(retry_wq, wq);
	/* Built in, requests may wait already. */
	for (retrier = retriers; retrier < &retriers[NR_RETRIERS]; retrier++) {
		raw_spin_lock_irqsave(&retrier->lock, flags);
		if (!hlist_empty(&retrier->heads))
			retrier_arm(retrier, jiffies);
		raw_spin_unlock_irqrestore(&retrier->lock, flags);
	}
	return 0;
}

static void __exit retriers_exit(void)
{
	struct retrier *retrier;

	for (retrier = retriers; retrier < &retriers[NR_RETRIERS]; retrier++)
		cancel_delayed_work_sync(&retrier->work);
	destroy_workqueue(retry_wq);
}

static int __init errands_init(void)
{
	struct late_errands *late;
	int cpu;

	for_each_possible_cpu(cpu) {
		late = per_cpu_ptr(&cpu_late, cpu);
		init_irq_work(&late->irq_work, late_irq_work);
		INIT_WORK(&late->work, late_work);
	}
	errands_wq = alloc_workqueue("mempool2", MEMPOOL2_WQ_PERCPU | WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	if (!errands_wq)
		return -ENOMEM;
	/*
	 * Built in, pools may have been in use before. Pairs with llist_add(): what was left
	 * by somebody who does not see the workqueue is seen here.
	 */
	smp_mb();
	for_each_possible_cpu(cpu) {
		late = per_cpu_ptr(&cpu_late, cpu);
		if (!llist_empty(&late->errands.list))
			queue_work(errands_wq, &late->work);
	}
	pools_kick();
	return 0;
}

static void __exit errands_exit(void)
{
	errands_sync();
	pools_sync();
	destroy_workqueue(errands_wq);
}

static bool waiter_is_idle(const struct mempool2_waiter *waiter)
{
	/* Pairs with the release in waiter_set_idle(). */
	return smp_load_acquire(&waiter->state) == WAITER_IDLE;
}

/*
 * What a retrier may do for a caller with the mask @gfp: no more than that, and no more than
 * the task may, which is not the one that asks.
 */
static gfp_t retry_gfp(gfp_t gfp)
{
	if (!(gfp & __GFP_DIRECT_RECLAIM))
		return gfp;
	if (current->flags & PF_MEMALLOC)
		gfp &= ~__GFP_DIRECT_RECLAIM;
	return current_gfp_context(gfp);
}

/*
 * Request what is missing of @count elements, of which @nr_missing are. 0 if they
 * are there already, and the function is not called.
 */
static int waiter_request(struct mempool2 *pool, gfp_t gfp, struct mempool2_waiter *waiter,
			  void **elems, unsigned int count, unsigned int nr_missing,
			  unsigned long caller)
{
	struct llist_head served = {};
	struct handover hand = { .served = &served };
	int err = -EINPROGRESS;

	init_waitqueue_func_entry(&waiter->entry, function_wake);
	INIT_LIST_HEAD(&waiter->entry.entry);
	waiter->pool = pool;
	waiter->elems = elems;
	waiter->count = count;
	waiter->nr_missing = nr_missing;
	waiter->caller = caller;
	waiter->gfp = retry_gfp(gfp);
	waiter->pause = 0;
	INIT_HLIST_NODE(&waiter->retry);
	inside_wait_begin(waiter, 0);
	WRITE_ONCE(waiter->state, WAITER_ARRIVING);
	if (!queue_can_be_locked()) {
		errand_later(waiter);
		return err;
	}

	rcu_read_lock();
	function_queue(waiter, &hand);
	/* Ours came last, if it did, and stands first. */
	if (!llist_empty(&served) && served.first == &waiter->errand) {
		served.first = waiter->errand.next;
		function_served(waiter);
		waiter_set_idle(waiter);
		err = 0;
	}
	/* The caller may have locks that the others' functions want. */
	functions_call_later(&served);
	rcu_read_unlock();
	return err;
}

/*
 * Allocating
 */

#if IS_BUILTIN(CONFIG_MEMPOOL2) && defined(CONFIG_FAULT_INJECTION)
/* should_fail_ex() is not exported, so only a built-in mempool2 has this. */
static DECLARE_FAULT_ATTR(alloc_fault);

bool mempool2_should_fail(void)
{
	return should_fail_ex(&alloc_fault, 1, FAULT_NOWARN);
}
EXPORT_SYMBOL_GPL(mempool2_should_fail);

static int __init alloc_fault_debugfs(void)
{
	struct dentry *dir;

	dir = fault_create_debugfs_attr("fail_mempool2_alloc", NULL, &alloc_fault);
	return PTR_ERR_OR_ZERO(dir);
}
late_initcall(alloc_fault_debugfs);
#endif

static unsigned int pool_return(struct mempool2 *pool, void **elems,
				unsigned int count, struct llist_head *served);

static void pool_call_free(struct mempool2 *pool, void *element)
{
	if (unlikely(pool_is_watched(pool)))
		inside_left(pool, element);
	mempool2_call_free(pool, pool->kind, element);
}

/*
 * Back to where they are missed, or else to where they came from. @later: functions are left
 * to others, as they are if the pool is still needed here, for the free function.
 */
static void pool_free(struct mempool2 *pool, void **elems, unsigned int count, bool later)
{
	struct llist_head served = {};
	unsigned int nr;

	rcu_read_lock();
	nr = pool_return(pool, elems, count, &served);
	if (later || nr < count)
		functions_call_later(&served);
	else
		functions_call(&served);
	rcu_read_unlock();
	while (nr < count)
		pool_call_free(pool, elems[nr++]);
}

/*
 * Who has an element now is of more interest than who filled the pool. It is left out
 * where kmemleak could not keep another stack: it would ask for memory then.
 */
static void pool_note_owner(void **elems, unsigned int nr)
{
	unsigned int i;

	if (!IS_ENABLED(CONFIG_DEBUG_KMEMLEAK) || !memory_can_be_asked_for())
		return;
	for (i = 0; i < nr; i++)
		kmemleak_update_trace(elems[i]);
}

/* The same for elements that were waited for. */
static void pool_note_arrival(struct mempool2 *pool, void **elems, unsigned int nr)
{
	pool_note_owner(elems, nr);
	if (unlikely(pool_is_watched(pool)))
		inside_taken(pool, elems, nr);
}

/* @nr elements from the reserve, or none. Nobody takes any before those who wait. */
static __always_inline bool pool_take(struct mempool2 *pool, void **elems, unsigned int nr,
				      unsigned long caller)
{
	unsigned int taken;

	if (atomic_read(&pool->state) & MEMPOOL2_WAITERS)
		return false;
	taken = pool_take_from_reserve(pool, elems, nr);
	if (unlikely(taken < nr)) {
		if (taken)
			pool_free(pool, elems, taken, true);
		return false;
	}
	pool_note_owner(elems, nr);
	if (unlikely(pool_is_watched(pool)))
		inside_served(pool, elems, nr, caller);
	return true;
}

/*
 * The element at the CPU's place, or %NULL: what nearly always does, so all of it
 * is inline in those who want it. If @said is false afterwards they have to call
 * reserve_set_not_full(). Not if pools are watched.
 */
static __always_inline void *pool_take_here(struct mempool2 *pool, bool *said)
{
	void *element = NULL;
	int state;

	rcu_read_lock_sched();
	state = atomic_read(&pool->state);
	if (likely((state & FAST_TAKE_MASK) == MEMPOOL2_NOT_FULL) && !pool_is_watched(pool))
		slot_take(reserve_hint_slot(rcu_dereference_sched(pool->reserve)), &element);
	*said = atomic_read(&pool->state) == state;
	rcu_read_unlock_sched();
	if (likely(element)) {
		element_kasan_unpark(pool, element);
		pool_note_owner(&element, 1);
	}
	return element;
}

/* Wait for @nr elements, in turn, as waiter_sleep() does. */
static int pool_wait(struct mempool2 *pool, void **elems, unsigned int nr, gfp_t gfp,
		     unsigned int task_state, unsigned long timeout, unsigned long caller)
{
	struct mempool2_waiter waiter = {
		.pool = pool,
		.elems = elems,
		.count = nr,
		.nr_missing = nr,
		.caller = caller,
	};
	int err;

	inside_wait_begin(&waiter, timeout);
	err = waiter_sleep(&waiter, gfp, task_state, timeout);
	inside_wait_end(&waiter);
	if (!err)
		pool_note_arrival(pool, elems, nr);
	return err;
}

void mempool2_refuse_zero(void)
{
	mistake(true, "__GFP_ZERO, but an element of the reserve is not zeroed");
}
EXPORT_SYMBOL_GPL(mempool2_refuse_zero);

/*
 * What can be had without waiting, once the first try has failed. Who waits then
 * looks into the reserve once more, so there is no need to do it here.
 */
static void *pool_alloc_now(struct mempool2 *pool, gfp_t gfp_mask, unsigned long caller)
{
	gfp_t gfp = mempool2_gfp(gfp_mask);
	void *element = NULL;

	if (pool_take(pool, &element, 1, caller))
		return element;
	if (gfp == mempool2_gfp_first(gfp_mask))
		return NULL;

	element = pool_call_alloc(pool, gfp);
	if (!element && !(gfp & __GFP_DIRECT_RECLAIM))
		pool_take(pool, &element, 1, caller);
	return element;
}

/* The same from the first try on, and within the limit. */
static void *pool_alloc_within(struct mempool2 *pool, gfp_t gfp_mask, unsigned long caller)
{
	int entered = limit_enter(pool, 1);
	void *element;

	if (entered < 0)
		return NULL;
	if (pool_is_watched(pool))
		element = inside_alloc(pool, pool_inside(pool), mempool2_gfp_first(gfp_mask),
				       caller);
	else
		element = pool_call_alloc(pool, mempool2_gfp_first(gfp_mask));
	if (!element)
		element = pool_alloc_now(pool, gfp_mask, caller);
	if (!element)
		limit_leave(pool, entered);
	return element;
}

/* Not inlined: what it needs should not burden those who seldom come here. */
static noinline void *pool_alloc_unlucky(struct mempool2 *pool, gfp_t gfp_mask, int entered,
					 unsigned long caller)
{
	void *element = NULL;

	if (entered >= 0)
		element = pool_alloc_now(pool, gfp_mask, caller);
	if (element)
		return element;
	limit_leave(pool, entered);
	if (gfp_mask & __GFP_DIRECT_RECLAIM)
		pool_wait(pool, &element, 1, mempool2_gfp(gfp_mask),
			  TASK_UNINTERRUPTIBLE, MAX_SCHEDULE_TIMEOUT, caller);
	else if (unlikely(pool_is_watched(pool)))
		inside_failed(pool, caller);
	return element;
}

/* mempool2_alloc(), from the first try on, as pools are watched. */
static noinline void *pool_alloc(struct mempool2 *pool, gfp_t gfp_mask,
				 unsigned long caller)
{
	struct mempool2_inside *inside = pool_inside(pool);
	void *element = NULL;
	int entered = 0;

	if (unlikely(inside_features(inside) & FEATURE_LIMIT))
		entered = limit_enter(pool, 1);
	if (likely(entered >= 0))
		element = inside_alloc(pool, inside, mempool2_gfp_first(gfp_mask), caller);
	return element ?: pool_alloc_unlucky(pool, gfp_mask, entered, caller);
}

/*
 * mempool2_alloc(), once the first try has failed. That of a pool for which something
 * was switched on meanwhile is not counted against it any more.
 */
void *mempool2_alloc_slow(struct mempool2 *pool, gfp_t gfp_mask)
{
	bool said;
	void *element = pool_take_here(pool, &said);

	if (unlikely(!element))
		return pool_alloc_unlucky(pool, gfp_mask, 0, _RET_IP_);
	return likely(said) ? element : reserve_set_not_full(pool, element);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_slow);

/* mempool2_alloc(), when pools are watched; or for no pool. */
void *mempool2_alloc_checked(struct mempool2 *pool, gfp_t gfp_mask)
{
	if (not_initialised(pool))
		return NULL;
	return pool_alloc(pool, gfp_mask, _RET_IP_);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_checked);

/* As many elements as there is memory for. Returns how many that are. */
static __always_inline unsigned int pool_call_alloc_bulk(struct mempool2 *pool,
							 void **elems,
							 unsigned int count,
							 gfp_t gfp)
{
	unsigned int nr;

	for (nr = 0; nr < count; nr++) {
		elems[nr] = pool_call_alloc(pool, gfp);
		if (!elems[nr] || refused(elems[nr], pool->alloc))
			break;
	}
	return nr;
}

/* What can be had without waiting, of @count elements. Returns how many these are. */
static __always_inline unsigned int pool_alloc_bulk_now(struct mempool2 *pool, void **elems,
							unsigned int count, gfp_t gfp,
							unsigned long caller)
{
	int entered = limit_enter(pool, count);
	unsigned int nr;

	if (entered < 0)
		return 0;
	nr = pool_call_alloc_bulk(pool, elems, count, mempool2_gfp_first(gfp));
	/*
	 * What is taken from the reserve outside the queue has to complete the
	 * array: who held a part of it while another one queues could keep that
	 * one waiting for ever.
	 */
	if (nr == count || pool_take(pool, elems + nr, count - nr, caller))
		return count;
	if (gfp != mempool2_gfp_first(gfp))
		nr += pool_call_alloc_bulk(pool, elems + nr, count - nr, gfp);
	/* Where there is a limit this is true of all elements. */
	if (entered && nr < count) {
		limit_leave(pool, entered);
		pool_free(pool, elems, nr, true);
		nr = 0;
	}
	return nr;
}

int mempool2_alloc_bulk_noprof(struct mempool2 *pool, void **elems,
			       unsigned int count)
{
	gfp_t gfp = mempool2_gfp(current_gfp_context(GFP_KERNEL));
	unsigned int nr;

	if (not_for_bulk(pool, count))
		return -EINVAL;
	might_alloc(gfp);

	nr = pool_alloc_bulk_now(pool, elems, count, gfp, _RET_IP_);
	if (nr < count)
		pool_wait(pool, elems + nr, count - nr, gfp,
			  TASK_UNINTERRUPTIBLE, MAX_SCHEDULE_TIMEOUT, _RET_IP_);
	return 0;
}
EXPORT_SYMBOL_GPL(mempool2_alloc_bulk_noprof);

void *mempool2_alloc_noreserve_noprof(struct mempool2 *pool, gfp_t gfp_mask)
{
	void *element;
	int entered;

	if (not_initialised(pool))
		return NULL;
	entered = limit_enter(pool, 1);
	if (entered < 0)
		return NULL;
	/* Not pool_call_alloc(): who can do without the reserve is not there to be failed. */
	element = mempool2_call_alloc(pool, pool->kind, gfp_mask);
	if (!element)
		limit_leave(pool, entered);
	else if (unlikely(pool_is_watched(pool)))
		inside_new(pool, element);
	return element;
}
EXPORT_SYMBOL_GPL(mempool2_alloc_noreserve_noprof);

/*
 * Other ways to wait
 */

/* What can be had without waiting, from the first try on. Inline, to know the caller. */
static __always_inline void *pool_alloc_at_once(struct mempool2 *pool, gfp_t gfp_mask)
{
	mistake(gfp_mask & __GFP_ZERO,
		"__GFP_ZERO, but an element of the reserve is not zeroed");
	might_alloc(gfp_mask);
	return pool_alloc_within(pool, gfp_mask, _RET_IP_);
}

/* mempool2_alloc(), but one may give up. */
static __always_inline void *pool_alloc_or_give_up(struct mempool2 *pool, gfp_t gfp_mask,
						   unsigned int task_state,
						   unsigned long timeout)
{
	void *element = pool_alloc_at_once(pool, gfp_mask);
	int err;

	if (element)
		return element;
	if (!(gfp_mask & __GFP_DIRECT_RECLAIM)) {
		inside_failed(pool, _RET_IP_);
		return ERR_PTR(-ENOMEM);
	}
	err = pool_wait(pool, &element, 1, mempool2_gfp(gfp_mask), task_state,
			min_t(unsigned long, timeout, MAX_SCHEDULE_TIMEOUT), _RET_IP_);
	return err ? ERR_PTR(err) : element;
}

void *mempool2_alloc_timeout_noprof(struct mempool2 *pool, gfp_t gfp_mask,
				    unsigned long timeout)
{
	if (not_initialised(pool))
		return ERR_PTR(-EINVAL);
	return pool_alloc_or_give_up(pool, gfp_mask, TASK_UNINTERRUPTIBLE, timeout);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_timeout_noprof);

void *mempool2_alloc_killable_noprof(struct mempool2 *pool, gfp_t gfp_mask)
{
	if (not_initialised(pool))
		return ERR_PTR(-EINVAL);
	return pool_alloc_or_give_up(pool, gfp_mask, TASK_KILLABLE, MAX_SCHEDULE_TIMEOUT);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_killable_noprof);

void *mempool2_alloc_async_noprof(struct mempool2 *pool, gfp_t gfp_mask,
				  struct mempool2_waiter *waiter)
{
	void *element;
	int err;

	if (not_initialised(pool) || not_a_request(waiter))
		return ERR_PTR(-EINVAL);
	if (!waiter_is_idle(waiter))
		return ERR_PTR(-EBUSY);
	element = pool_alloc_at_once(pool, gfp_mask);
	if (element)
		return element;
	err = waiter_request(pool, mempool2_gfp(gfp_mask), waiter, &waiter->element, 1, 1,
			     _RET_IP_);
	return err ? ERR_PTR(err) : waiter->element;
}
EXPORT_SYMBOL_GPL(mempool2_alloc_async_noprof);

int mempool2_alloc_bulk_async_noprof(struct mempool2 *pool, gfp_t gfp_mask,
				     void **elems, unsigned int count,
				     struct mempool2_waiter *waiter)
{
	gfp_t gfp = mempool2_gfp(gfp_mask);
	unsigned int nr;

	if (not_for_bulk(pool, count) || not_a_request(waiter))
		return -EINVAL;
	if (!waiter_is_idle(waiter))
		return -EBUSY;
	might_alloc(gfp);

	nr = pool_alloc_bulk_now(pool, elems, count, gfp, _RET_IP_);
	if (nr == count)
		return 0;
	return waiter_request(pool, gfp, waiter, elems, count, count - nr, _RET_IP_);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_bulk_async_noprof);

/**
 * mempool2_cancel() - cancel a request for elements
 * @waiter: what it was made with
 *
 * Not to be called beside the call that makes the request. What a request for
 * several elements has collected goes back to the pool, to the next in turn, as by
 * mempool2_free(), which may call the functions of others.
 *
 * After true @waiter and the array for the elements are the caller's again, with
 * one exception: on PREEMPT_RT, if the request was made or cancelled with interrupts
 * or preemption disabled, not before mempool2_cancel_sync() has returned.
 *
 * At that moment a thread may be asking the alloc function for the request. It does not use
 * @waiter any more, but it uses the pool, until mempool2_cancel_sync() has returned;
 * mempool2_exit() waits for it as well.
 *
 * Context: Any. Does not sleep.
 * Return: true if there was a request and its function will not be called. false
 * if it has been called, or is being called, or will be in a moment; or if no
 * request was made, or it could be met at once.
 */
bool mempool2_cancel(struct mempool2_waiter *waiter)
{
	int state = READ_ONCE(waiter->state);

	do {
		if (state != WAITER_QUEUED && state != WAITER_ARRIVING)
			return false;
	} while (!try_cmpxchg(&waiter->state, &state, WAITER_CANCELLED));

	/* One that is on its way is dropped by whoever was to queue it. */
	if (state == WAITER_QUEUED) {
		if (queue_can_be_locked())
			function_drop(waiter);
		else
			errand_later(waiter);
	}
	return true;
}
EXPORT_SYMBOL_GPL(mempool2_cancel);

/**
 * mempool2_cancel_sync() - cancel a request, and wait until its function is through
 * @waiter: what it was made with
 *
 * When it returns nobody uses @waiter, nor its array, nor the pool for it, nor is its
 * function running; unless somebody makes a new request with it, which the caller has to
 * prevent. To be called before the memory of these, the code of the function or the pool
 * goes away.
 *
 * It waits for an alloc function that a thread is calling for the request. Else it waits
 * only if the function is about to be called or is running, for a grace period of
 * RCU and for the errands of all CPUs. To end many requests call mempool2_cancel() for each
 * and then this for each: most of those that were served by then are through when the first one
 * has waited, and there is nothing left to wait for.
 *
 * Context: Task context; sleeps.
 * Return: as mempool2_cancel(), but false says that the function has returned.
 */
bool mempool2_cancel_sync(struct mempool2_waiter *waiter)
{
	bool cancelled = mempool2_cancel(waiter);

	might_sleep();
	/* What is idle and not being called costs nothing, however many waiters there are. */
	while ((!cancelled || IS_ENABLED(CONFIG_PREEMPT_RT)) && function_may_run(waiter)) {
		/* A retrier that asks for it calls the function when it has come back. */
		retry_sync(waiter);
		/* Pairs with the rcu_read_lock() of who serves, up to the function's end ... */
		synchronize_rcu();
		/* ... or until it is left to these, which do a batch at a time. */
		errands_sync();
	}
	/* Nor is the pool used for it. */
	retry_sync(waiter);
	return cancelled;
}
EXPORT_SYMBOL_GPL(mempool2_cancel_sync);

static noinline void *pool_alloc_preallocated(struct mempool2 *pool, unsigned long caller)
{
	int entered = limit_enter(pool, 1);
	void *element;

	if (entered >= 0 && pool_take(pool, &element, 1, caller))
		return element;
	limit_leave(pool, entered);
	inside_failed(pool, caller);
	return NULL;
}

/**
 * mempool2_alloc_preallocated() - take an element from the reserve
 * @pool: the pool
 *
 * Never calls the pool's alloc function.
 *
 * Context: Any. Does not sleep.
 * Return: the element, to be freed with mempool2_free(). %NULL when the reserve is
 * empty; while other callers wait for elements, as what the reserve still gets is
 * theirs; when as many elements are out as mempool2_set_limit() allows; or when
 * @pool is not initialised, with a warning. It may also be %NULL if other CPUs take and free
 * elements in just this moment, so that none was where this call looked.
 *
 * Matches mempool_alloc_preallocated() (6.7).
 */
void *mempool2_alloc_preallocated(struct mempool2 *pool)
{
	void *element;
	bool said;

	/* Of a pool that is not initialised it finds nothing. */
	element = pool_take_here(pool, &said);
	if (unlikely(!element))
		return not_initialised(pool) ? NULL : pool_alloc_preallocated(pool, _RET_IP_);
	return likely(said) ? element : reserve_set_not_full(pool, element);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_preallocated);

/*
 * Freeing
 */

/*
 * Give elements, from the front of the array, to those who wait and then to the
 * reserve while it has room. Returns how many that were. Those whose functions are to be
 * called then are added to @served; as waiters_serve().
 */
static unsigned int pool_return(struct mempool2 *pool, void **elems,
				unsigned int count, struct llist_head *served)
{
	unsigned int nr = 0, batch, given;
	int state;

	while (nr < count) {
		batch = min_t(unsigned int, count - nr, BATCH);
		state = atomic_read(&pool->state);
		if (state & MEMPOOL2_WAITERS) {
			given = waiters_give(pool, elems + nr, batch, served);
			if (given) {
				nr += given;
				continue;
			}
		} else if (!(state & MEMPOOL2_NOT_FULL)) {
			break;
		}
		given = pool_put_into_reserve(pool, elems + nr, batch);
		if (!given)
			break;
		nr += given;
		if (reserve_is_waited_for(pool))
			waiters_serve(pool, served);
	}
	return nr;
}

static noinline void pool_free_one(struct mempool2 *pool, void *element, unsigned long caller)
{
	if (unlikely(pool_is_watched(pool)) && inside_free(pool, element, caller))
		return;
	pool_free(pool, &element, 1, false);
}

/*
 * When the CPU's slot has no room: to another one. Still in the section in which the element was
 * parked, as later the checks may be on and want more of an element that is put.
 */
static noinline void pool_free_parked(struct mempool2 *pool, void *element)
	__releases(RCU_SCHED)
{
	bool put = reserve_put_one(pool, element);

	rcu_read_unlock_sched();
	if (put) {
		after_put(pool);
		return;
	}
	element_kasan_unpark(pool, element);
	pool_free(pool, &element, 1, false);
}

/* mempool2_free(), when the reserve may have room, and nobody waits. */
void mempool2_free_slow(struct mempool2 *pool, void *element)
{
	if (refused(element, _RET_IP_))
		return;
	rcu_read_lock_sched();
	if (unlikely(pool_is_watched(pool))) {
		rcu_read_unlock_sched();
		pool_free_one(pool, element, _RET_IP_);
		return;
	}
	/* KASAN has told what it was; it is nobody's now. */
	if (unlikely(!element_kasan_park(pool, element))) {
		rcu_read_unlock_sched();
		return;
	}
	/* At the CPU's hint, as in pool_take_here(). */
	if (likely(slot_put_here(reserve_hint_slot(rcu_dereference_sched(pool->reserve)),
				 element))) {
		rcu_read_unlock_sched();
		after_put(pool);
		return;
	}
	pool_free_parked(pool, element);
}
EXPORT_SYMBOL_GPL(mempool2_free_slow);

/*
 * mempool2_free() of a full pool, when pools are watched or somebody waits all the
 * same; or for no pool.
 */
void mempool2_free_checked(struct mempool2 *pool, void *element)
{
	if (!mempool2_initialized(pool)) {
		if (!inside_freed_to_none(pool, element))
			not_initialised(pool);
	} else if (!refused(element, _RET_IP_)) {
		pool_free_one(pool, element, _RET_IP_);
	}
}
EXPORT_SYMBOL_GPL(mempool2_free_checked);

/* One by one: an element that rests already must not be put. It is as good as taken. */
static noinline unsigned int pool_return_watched(struct mempool2 *pool, void **elems,
						 unsigned int count, unsigned long caller)
{
	struct llist_head served = {};
	unsigned int nr;

	rcu_read_lock();
	/* Those that we do not take are not for us to count. */
	limit_freed(pool, count);
	for (nr = 0; nr < count; nr++) {
		if (inside_freed(pool, elems[nr], caller) &&
		    !pool_return(pool, &elems[nr], 1, &served)) {
			inside_left(pool, elems[nr]);
			break;
		}
	}
	functions_call(&served);
	rcu_read_unlock();
	return nr;
}

/* A batch into the reserve, unless somebody waits, or knows that it is full. */
static unsigned int pool_return_unseen(struct mempool2 *pool, void **elems, unsigned int count)
{
	int state = atomic_read(&pool->state);

	if (!count || (state & (MEMPOOL2_NOT_FULL | MEMPOOL2_WAITERS)) != MEMPOOL2_NOT_FULL)
		return 0;
	return pool_put_into_reserve(pool, elems, min_t(unsigned int, count, BATCH));
}

/**
 * mempool2_free_bulk() - give elements back to a pool that misses some
 * @pool: the pool
 * @elems: the elements, none of them %NULL, 1 or an ERR_PTR(); the array is not changed
 * @count: how many
 *
 * Gives elements, from the front of the array, to callers that wait and to the
 * reserve while it is not full. Never calls the pool's free function.
 *
 * Context: Any. Does not sleep.
 * Return: how many elements the pool took. The others, from there to the end of
 * the array, stay the caller's. With a warning: 0 if @pool is not initialised; and the
 * pool takes nothing from an address on that is no element.
 *
 * Matches mempool_free_bulk() (7.x).
 */
unsigned int mempool2_free_bulk(struct mempool2 *pool, void **elems,
				unsigned int count)
{
	struct llist_head served = {};
	unsigned int nr;

	if (not_initialised(pool))
		return 0;
	if (unlikely(elements_are_suspect(elems, count))) {
		for (nr = 0; nr < count && !refused(elems[nr], _RET_IP_); nr++)
			;
		count = nr;
	}
	/* As in mempool2_free(): pairs with slot_take() and waiter_queue(). */
	smp_rmb();
	if (unlikely(pool_has(pool, FEATURE_RECORDS | FEATURE_LIMIT)))
		return pool_return_watched(pool, elems, count, _RET_IP_);

	/* All that is to be done as long as nobody waits and the reserve misses so many. */
	nr = pool_return_unseen(pool, elems, count);
	if (likely(nr == count && !reserve_is_waited_for(pool)))
		return nr;
	rcu_read_lock();
	if (nr && reserve_is_waited_for(pool))
		waiters_serve(pool, &served);
	nr += pool_return(pool, elems + nr, count - nr, &served);
	functions_call(&served);
	rcu_read_unlock();
	return nr;
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

	if ((alloc_fn == mempool2_alloc_slab || free_fn == mempool2_free_slab) &&
	    mistake_by(caller, !pool_data, "slab cache is NULL"))
		return false;
	if (alloc_fn == mempool2_alloc_slab) {
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

static enum mempool2_kind pool_kind(mempool2_alloc_t *alloc_fn,
				    mempool2_free_t *free_fn)
{
	if (alloc_fn == mempool2_alloc_slab && free_fn == mempool2_free_slab)
		return MEMPOOL2_SLAB;
	if (alloc_fn == mempool2_kmalloc && free_fn == mempool2_kfree)
		return MEMPOOL2_KMALLOC;
	if (alloc_fn == mempool2_alloc_pages && free_fn == mempool2_free_pages)
		return MEMPOOL2_PAGES;
	return MEMPOOL2_CUSTOM;
}

/*
 * Fill and empty a reserve that nobody else uses. The pool is not in the registry then, so nothing is
 * switched on or off for it meanwhile.
 */
static void reserve_populate(struct mempool2 *pool, struct mempool2_reserve *reserve,
			     unsigned int slot, void *element)
{
	/* KASAN has told what it was; it is nobody's now. */
	if (!elements_park(pool, &element, 1))
		return;
	if (slot < reserve->nr_slots)
		WRITE_ONCE(reserve->slots[slot], element);
	else
		reserve->store[reserve->nr_stored++] = element;
	if (unlikely(pool_is_watched(pool))) {
		inside_filled(pool, element);
		inside_refilled(pool, 1);
	}
}

static void reserve_drain(struct mempool2 *pool, struct mempool2_reserve *reserve)
{
	void **slot = reserve->slots, **end = &reserve->slots[reserve->nr_slots], *element;

	for (;;) {
		if (slot < end) {
			element = *slot;
			WRITE_ONCE(*slot++, NULL);
		} else if (reserve->nr_stored) {
			element = reserve->store[--reserve->nr_stored];
		} else {
			return;
		}
		if (!is_element(element))
			continue;
		elements_unpark(pool, &element, 1);
		pool_call_free(pool, element);
	}
}

/* End @pool, of which nobody has anything to expect. Sleeps if its free function or vfree() does. */
static void pool_end(struct mempool2 *pool)
{
	struct mempool2_reserve *reserve;

	reserve = rcu_dereference_protected(pool->reserve, true);
	reserve_drain(pool, reserve);
	inside_ended(reserve);
	kvfree(reserve);
	RCU_INIT_POINTER(pool->reserve, NULL);
	atomic_set(&pool->state, 0);
	WRITE_ONCE(pool->kind, MEMPOOL2_NONE);
}

static int pool_init(struct mempool2 *pool, int min_nr,
		     mempool2_alloc_t *alloc_fn, mempool2_free_t *free_fn,
		     void *pool_data, gfp_t gfp_mask, int node_id,
		     unsigned long caller)
{
	struct mempool2_reserve *reserve;
	void *element, *last = NULL;
	int i;

	memset(pool, 0, sizeof(*pool));
	if (!pool_can_be(min_nr, alloc_fn, free_fn, pool_data, caller))
		return -EINVAL;

	reserve = reserve_create(min_nr, gfp_mask, node_id);
	if (!reserve)
		return -ENOMEM;

	init_waitqueue_head(&pool->wait);
	RCU_INIT_POINTER(pool->reserve, reserve);
	pool->kind = pool_kind(alloc_fn, free_fn);
	atomic_set(&pool->state, pool->kind | MEMPOOL2_NOT_FULL);
	pool->pool_data = pool_data;
	pool->alloc = alloc_fn;
	pool->free = free_fn;
	pool->node = node_id;
	pool->min_nr = min_nr;
	reserve->elements = elements_of(pool);
	maker_get(reserve, caller, gfp_mask);
	inside_created(reserve, gfp_mask);

	for (i = 0; i < reserve_size(min_nr); i++) {
		element = alloc_fn(gfp_mask, pool_data);
		if (!element || refused(element, alloc_fn)) {
			pool_end(pool);
			return element ? -EINVAL : -ENOMEM;
		}
		elements_compare(&reserve->elements, element, last);
		last = element;
		reserve_populate(pool, reserve, i, element);
	}
	registry_add(pool, reserve);
	return 0;
}

/**
 * mempool2_nr_reserved() - how many elements are in the reserve?
 * @pool: a pool
 *
 * A snapshot: it may be out of date when the caller looks at it.
 *
 * Context: Any. Does not sleep.
 * Return: the number; 0 if @pool is not initialised.
 *
 * Matches the member curr_nr of the kernel's struct mempool.
 */
int mempool2_nr_reserved(const struct mempool2 *pool)
{
	struct mempool2_reserve *reserve;
	int nr;

	rcu_read_lock_sched();
	reserve = rcu_dereference_sched(pool->reserve);
	nr = reserve ? reserve_count(reserve) : 0;
	rcu_read_unlock_sched();
	return nr;
}
EXPORT_SYMBOL_GPL(mempool2_nr_reserved);

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
 * Context: As the pool's free function. Sleeps only if that does, for pools whose
 * bookkeeping is larger than a page, on PREEMPT_RT, where it must not be called
 * from the function of a request either; and if a request of the pool was ended by
 * mempool2_cancel() a moment ago, without mempool2_cancel_sync() since.
 *
 * Matches mempool_exit().
 */
void mempool2_exit(struct mempool2 *pool)
{
	if (!mempool2_initialized(pool))
		return;
	if (unlikely(pool_is_watched(pool)))
		inside_exit(pool);
	pools_sync();
	retry_sync_pool(pool);
	registry_remove(rcu_dereference_protected(pool->reserve, true));
	pool_end(pool);
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
	kfree(inside_destroyed(pool));
}
EXPORT_SYMBOL_GPL(mempool2_destroy);

#include "core/resize.c"

static int nr_missing_now(const struct mempool2 *pool)
{
	return reserve_size(READ_ONCE(pool->min_nr)) - mempool2_nr_reserved(pool);
}

/* pool_return() of a single element, by a call that goes on to use the pool. */
static bool pool_return_one(struct mempool2 *pool, void *element)
{
	struct llist_head served = {};
	bool taken;

	rcu_read_lock();
	taken = pool_return(pool, &element, 1, &served);
	functions_call(&served);
	rcu_read_unlock();
	return taken;
}

/* For the reserve and for waiters, so nothing that is no element. */
static void *pool_alloc_new(struct mempool2 *pool, gfp_t gfp)
{
	void *element = pool->alloc(gfp, pool->pool_data);

	if (!element || refused(element, pool->alloc))
		return NULL;
	if (unlikely(pool_is_watched(pool)))
		inside_new(pool, element);
	return element;
}

/*
 * Allocate what the reserve misses, up to @nr_most elements: waiters get theirs
 * first, so this has to have a bound. Returns how many they and the reserve got.
 */
static unsigned int pool_fill(struct mempool2 *pool, gfp_t gfp, unsigned int nr_most)
{
	unsigned int nr = 0, nr_given = 0;
	void *element;
	int missing;

	do {
		missing = nr_missing_now(pool);
		for (element = NULL; missing > 0 && nr < nr_most; missing--, nr++) {
			element = pool_alloc_new(pool, gfp);
			if (!element)
				break;
			if (pool_return_one(pool, element))
				nr_given++;
			else
				pool_call_free(pool, element);
			if (gfp & __GFP_DIRECT_RECLAIM)
				cond_resched();
		}
	} while (element && nr < nr_most);
	return nr_given;
}

int mempool2_resize_noprof(struct mempool2 *pool, int new_min_nr)
{
	struct mempool2_reserve *reserve;
	int min_nr, nr_new;

	if (not_initialised(pool) ||
	    mistake(new_min_nr < 0, "resize to %d, which is negative", new_min_nr) ||
	    mistake(new_min_nr > MAX_MIN_NR, "resize to %d, which is more than %d",
		    new_min_nr, MAX_MIN_NR))
		return -EINVAL;
	might_sleep();

	min_nr = READ_ONCE(pool->min_nr);
	if (new_min_nr == min_nr)
		return 0;
	nr_new = pool_resize(pool, new_min_nr);
	if (nr_new > 0) {
		nr_new = pool_fill(pool, GFP_KERNEL, new_min_nr);
		reserve = pool_own(pool);
		reserve->nr_unfilled = max(reserve->nr_unfilled - nr_new, 0);
		pool_disown(pool);
		nr_new = 0;
	}
	inside_resized(pool, min_nr, new_min_nr, nr_new);
	return nr_new;
}
EXPORT_SYMBOL_GPL(mempool2_resize_noprof);

int mempool2_refill_noprof(struct mempool2 *pool, gfp_t gfp_mask)
{
	if (not_initialised(pool))
		return -EINVAL;
	might_alloc(gfp_mask);
	pool_fill(pool, gfp_mask, max(nr_missing_now(pool), 0));
	return max(nr_missing_now(pool), 0);
}
EXPORT_SYMBOL_GPL(mempool2_refill_noprof);

/* Who waited for the limit has not looked for memory since: do it in their stead. */
static void waiters_serve_fresh(struct mempool2 *pool)
{
	long nr_most = (long)READ_ONCE(pool->nr_waiters) * reserve_size(READ_ONCE(pool->min_nr));
	void *element;

	waiters_serve_and_call(pool);
	for (; nr_most > 0 && READ_ONCE(pool->nr_waiters); nr_most--) {
		element = pool_alloc_new(pool, GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
		if (!element)
			break;
		if (!pool_return_one(pool, element)) {
			pool_call_free(pool, element);
			break;
		}
		cond_resched();
	}
}

/**
 * mempool2_set_limit() - limit how many elements may be out
 * @pool: the pool
 * @limit: how many, 1 or more, and never less than the pool's @min_nr; 0 for no
 *	limit, as at first
 *
 * An allocation that would exceed the limit fails or waits like one for which there
 * is no memory, in the same queue, in turn. So the pool's user needs no throttle of
 * its own. While there is a limit each call costs more, also where there is memory;
 * without one, nothing.
 *
 * What was allocated before is not counted: best called before the pool is used. Of
 * what mempool2_free() is given each element is thought to have been out; so is what
 * mempool2_free_bulk() is given, also what it does not take. A lower limit takes
 * nothing away: what is out too much has to come back first.
 *
 * Context: Task context; sleeps.
 * Return: 0, or
 *
 * * %-ENOMEM - no memory for the count
 * * %-EINVAL - @pool is not initialised, or @limit is negative, or less than @min_nr;
 *   one warning says which; the pool is as it was
 */
int mempool2_set_limit(struct mempool2 *pool, int limit)
{
	int err;

	if (not_initialised(pool) ||
	    mistake(limit < 0, "limit %d is negative", limit) ||
	    mistake(limit && limit < READ_ONCE(pool->min_nr),
		    "limit %d is less than min_nr %d", limit, READ_ONCE(pool->min_nr)))
		return -EINVAL;
	might_sleep();
	err = inside_set_limit(pool, limit);
	if (!err)
		waiters_serve_fresh(pool);
	return err;
}
EXPORT_SYMBOL_GPL(mempool2_set_limit);

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

static int __init mempool2_load(void)
{
	return slab_find_ctor() ?: hints_init() ?: errands_init() ?: retriers_init() ?:
	       inside_load();
}
core_initcall(mempool2_load);

/* Pools are their users', who hold the module; but without this it stays. */
static void __exit mempool2_unload(void)
{
	/* Their functions have returned; we may not have, in whom they were called. */
	retriers_exit();
	errands_exit();
	inside_unload();
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

/*
 * Seeing inside
 */

#include "mempool2_inside.c"
#include "mempool2_checks.c"
#include "mempool2_debugfs.c"

MODULE_DESCRIPTION("Pools of preallocated elements whose allocation cannot fail");
MODULE_LICENSE("GPL");
