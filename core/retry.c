// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that comes back
 *
 * Memory may come back while nobody frees an element. The head of the queue notices that: a
 * sleeper wakes and asks the alloc function itself, see mp2_waiter_sleep(). For a request a
 * retrier does it, which is a work of a workqueue. A request is known to its retrier only
 * while it is the head, so a pool without requests costs nothing, and a queue of any length
 * costs as much as one request.
 *
 * The alloc function may sleep for a request that somebody cancels or serves meanwhile.
 * A cancel does not wait for it: the retrier does not touch the request any more, and only
 * the end of the pool waits. A request that is served is not called before the retrier has
 * come back, as its function may end the pool.
 */
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "internal.h"

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
	/* Before there is a workqueue requests wait in the list, see mp2_retriers_init(). */
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

/* Under the lock: if a request has become the head it has a retrier from now on. */
void mp2_retry_begin(struct mempool2 *pool)
{
	struct mempool2_waiter *head = mp2_queue_head(pool);
	struct retrier *retrier;
	unsigned long flags;

	if (!head || head->entry.func != mp2_async_wake || head->pause)
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
bool mp2_retry_end(struct mempool2_waiter *waiter, bool is_cancelled)
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
void mp2_retry_sync_pool(const struct mempool2 *pool)
{
	struct retrier *retrier = retrier_of(pool);

	if (unlikely(retrier_uses(retrier, pool)))
		wait_event(retriers_back, !retrier_uses(retrier, pool));
}

/* The same for a request, of which the pool may be unknown. */
void mp2_retry_sync(const struct mempool2_waiter *waiter)
{
	struct retrier *retrier;

	for (retrier = retriers; retrier < &retriers[NR_RETRIERS]; retrier++) {
		if (unlikely(retrier_asks_for(retrier, waiter)))
			wait_event(retriers_back, !retrier_asks_for(retrier, waiter));
	}
}

/*
 * What a retrier does
 */

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
static bool retrier_give(struct retrier *retrier, void **element, struct llist_head *completed)
{
	struct handover hand = { .element = *element, .completed = completed };
	struct mempool2 *pool = retrier->pool;
	struct mempool2_waiter *waiter;
	unsigned long flags;
	bool waits;

	spin_lock_irqsave(&pool->wait.lock, flags);
	waiter = retrier_waiter(retrier);
	if (hand.element && waiter && waiter->nr_missing)
		mp2_async_wake(&waiter->entry, TASK_NORMAL, WAKE_HANDOVER, &hand);
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

	if (is_limited && !mp2_limit_try_charge(pool, 1))
		return NULL;
	element = backend_alloc(pool, gfp);
	if (element && !misuse_element(element, pool->alloc))
		return element;
	if (is_limited)
		mp2_limit_uncharge(pool, 1);
	return NULL;
}

/* The request does not need it any more: it is for the next, or as freed by anybody. */
static void retrier_free(struct mempool2 *pool, void *element, struct llist_head *completed)
	__must_hold(RCU)
{
	limit_freed(pool, 1);
	if (mp2_pool_return(pool, &element, 1, completed))
		return;
	/* Nobody was served then. */
	rcu_read_unlock();
	backend_free(pool, element);
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
		llist_add(&waiter->completion, own);
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
	struct llist_head completed = {}, own = {};
	struct mempool2 *pool = retrier->pool;
	void *element = NULL;

	/* Pairs with mempool2_cancel_sync(). */
	rcu_read_lock();
	if (looks && pool_has_waiters(pool))
		mp2_waiters_serve(pool, &completed);
	while (retrier_give(retrier, &element, &completed)) {
		rcu_read_unlock();
		element = retrier_alloc(pool, gfp);
		rcu_read_lock();
		if (!element)
			break;
	}
	if (element)
		retrier_free(pool, element, &completed);
	retrier_put(retrier, &own);
	retrier_leave(retrier);
	/* The functions may end the pool, so they come last. */
	mp2_callbacks_run(&own);
	mp2_callbacks_run(&completed);
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

int __init mp2_retriers_init(void)
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

void __exit mp2_retriers_exit(void)
{
	struct retrier *retrier;

	for (retrier = retriers; retrier < &retriers[NR_RETRIERS]; retrier++)
		cancel_delayed_work_sync(&retrier->work);
	destroy_workqueue(retry_wq);
}
