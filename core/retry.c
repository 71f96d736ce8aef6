// SPDX-License-Identifier: GPL-2.0-only
/*
 * Retriers: call the alloc function again for requests
 *
 * Memory may become available while no CPU frees an element. So the head of the queue calls the
 * alloc function from time to time. A sleeper does so itself, see mp2_waiter_sleep(). For a request
 * a retrier does it, a work of a workqueue. A retrier knows a request only while the request is the
 * head of its queue, so that a pool without requests costs nothing, and a long queue costs no more
 * than one request.
 *
 * The alloc function may sleep, and the request may be cancelled or served meanwhile. A cancel does
 * not wait for the alloc function: the retrier does not touch a cancelled request, and only
 * mempool2_exit() and mempool2_cancel_sync() wait for the retrier. If the request is served, the
 * retrier runs its callback after the alloc function has returned, because the callback may end the
 * pool.
 *
 * The lock of the queue is pool->wait.lock; retrier->lock nests in it.
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

/* All pools share the retriers. A hash of the address of a pool selects its retrier. */
#define NR_RETRIERS	16

/**
 * struct retrier - calls the alloc functions of some pools for their oldest requests
 *
 * @lock: protects the other members but @work; retrier_leave() clears @pool and @waiter, without it
 *	where no request waits. Nests in pool->wait.lock.
 * @heads: requests that are the heads of their queues, without @waiter
 * @work: calls the alloc function for requests that are due
 * @next: when @work runs, in jiffies
 * @is_armed: @work is queued
 * @pool: the pool of which the retrier calls the alloc function; %NULL for none
 * @waiter: the request for which it does
 * @is_over: @waiter was cancelled meanwhile: compare its address, do not dereference it
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

/* If mempool2 is built in, pools may be used before any initcall, which needs lock and list. */
static struct retrier retriers[NR_RETRIERS] = {
	[0 ... NR_RETRIERS - 1] = { .lock = __RAW_SPIN_LOCK_UNLOCKED(retriers.lock) },
};

/* Tasks that wait until a retrier is done with a pool or a waiter. */
static DECLARE_WAIT_QUEUE_HEAD(retriers_back);

/*
 * Not the workqueue that runs callbacks: an alloc function that reclaims memory may wait for I/O
 * that these callbacks complete, and callers that may not reclaim flush that workqueue.
 */
static struct workqueue_struct *retry_wq __read_mostly;

static struct retrier *retrier_of(const struct mempool2 *pool)
{
	return &retriers[hash_ptr(pool, ilog2(NR_RETRIERS))];
}

/* Under retrier->lock: have the work run at @due, or before. */
static void retrier_arm(struct retrier *retrier, unsigned long due)
{
	unsigned long now = jiffies;

	lockdep_assert_held(&retrier->lock);
	/* Before there is a workqueue requests stay in the list, see mp2_retriers_init(). */
	if (!READ_ONCE(retry_wq) || (retrier->is_armed && time_before_eq(retrier->next, due)))
		return;
	retrier->is_armed = true;
	retrier->next = due;
	mod_delayed_work(retry_wq, &retrier->work, time_after(due, now) ? due - now : 0);
}

/* Under both locks: call the alloc function for @waiter after @pause. */
static void retrier_add(struct retrier *retrier, struct mempool2_waiter *waiter,
			unsigned long pause)
{
	waiter->pause = pause;
	waiter->due = jiffies + pause;
	hlist_add_head(&waiter->retry, &retrier->heads);
	retrier_arm(retrier, waiter->due);
}

/* Under the lock of the queue: if the head is a request, make it known to its retrier. */
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
 * Under the lock of the queue: a request was served or cancelled, and has left the queue. True if
 * the retrier is calling the alloc function for it. Then the retrier runs the callback of a request
 * that was served.
 */
bool mp2_retry_end(struct mempool2_waiter *waiter, bool is_cancelled)
{
	struct retrier *retrier = retrier_of(waiter->pool);
	unsigned long flags;
	bool is_asking;

	lockdep_assert_held(&waiter->pool->wait.lock);
	/* The request was never the head. */
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
	/* Pairs with retrier_leave(), after which the retrier does not use the pool. */
	return smp_load_acquire(&retrier->pool) == pool;
}

static bool retrier_asks_for(const struct retrier *retrier, const struct mempool2_waiter *waiter)
{
	/* Pairs with retrier_leave(). */
	return smp_load_acquire(&retrier->waiter) == waiter;
}

/* Wait until no retrier uses @pool, which has no waiters. */
void mp2_retry_sync_pool(const struct mempool2 *pool)
{
	struct retrier *retrier = retrier_of(pool);

	if (unlikely(retrier_uses(retrier, pool)))
		wait_event(retriers_back, !retrier_uses(retrier, pool));
}

/*
 * Wait until no retrier uses a pool for @waiter. Looks at all retriers, as @waiter may never have
 * had a pool.
 */
void mp2_retry_sync(const struct mempool2_waiter *waiter)
{
	struct retrier *retrier;

	for (retrier = retriers; retrier < &retriers[NR_RETRIERS]; retrier++) {
		if (unlikely(retrier_asks_for(retrier, waiter)))
			wait_event(retriers_back, !retrier_asks_for(retrier, waiter));
	}
}

/*
 * The work of a retrier
 */

/* Take a request that is due. Without one, arm the work for the next request. */
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
		/* mempool2_exit() waits until this is NULL again. */
		WRITE_ONCE(retrier->pool, earliest->pool);
	}
	raw_spin_unlock_irq(&retrier->lock);
	return earliest;
}

/* Under the lock of the queue: the request; NULL if it was cancelled. */
static struct mempool2_waiter *retrier_waiter(struct retrier *retrier)
{
	lockdep_assert_held(&retrier->pool->wait.lock);
	return retrier->is_over ? NULL : retrier->waiter;
}

/* Set the mask with which the alloc function is called for the request. False if it is not. */
static bool retrier_ask_begin(struct retrier *retrier, gfp_t *gfp)
{
	struct mempool2 *pool = retrier->pool;
	struct mempool2_waiter *waiter;
	unsigned long flags;
	bool asks;

	waitq_lock_irqsave(pool, flags);
	waiter = retrier_waiter(retrier);
	asks = waiter && waiter->nr_missing && mp2_limit_has_room(pool);
	if (asks)
		*gfp = mp2_waiter_ask_begin(waiter, *gfp);
	waitq_unlock_irqrestore(pool, flags);
	return asks;
}

/*
 * The alloc function has returned @element. False if the request does not get it: it is %NULL, or
 * the request was served or cancelled, or the limit, which is charged only now, has no room left.
 * Sets @was_asking if the queue has to be served then.
 */
static bool retrier_ask_end(struct retrier *retrier, void *element, struct llist_head *completed,
			    bool *was_asking)
{
	struct handover hand = { .element = element, .completed = completed };
	struct mempool2 *pool = retrier->pool;
	struct mempool2_waiter *waiter;
	unsigned long flags;
	bool gets;

	waitq_lock_irqsave(pool, flags);
	waiter = retrier_waiter(retrier);
	*was_asking = waiter && mp2_waiter_ask_end(waiter);
	gets = hand.element && waiter && waiter->nr_missing && mp2_limit_charge_waiter(pool);
	if (gets)
		mp2_async_wake(&waiter->entry, TASK_NORMAL, WAKE_HANDOVER, &hand);
	waitq_unlock_irqrestore(pool, flags);
	return gets;
}

/* The request does not get the element: free it, to the next waiter first. */
static void retrier_free(struct mempool2 *pool, void *element, struct llist_head *completed)
	__must_hold(RCU)
{
	if (mp2_pool_return(pool, &element, 1, completed))
		return;
	/* The pool gave the element to no waiter, so @completed is empty. */
	rcu_read_unlock();
	mp2_backend_free(pool, element);
	rcu_read_lock();
}

/* The retrier is done with request and pool, which may end now. */
static void retrier_leave(struct retrier *retrier)
{
	/* Pairs with retrier_asks_for(), in mp2_retry_sync(). */
	smp_store_release(&retrier->waiter, NULL);
	/* Pairs with retrier_uses(), in mp2_retry_sync_pool(). */
	smp_store_release(&retrier->pool, NULL);
}

/*
 * Arm the retrier again for a request that still waits; add one that was served to @own. The
 * request that waits can be served, and its callback end the pool, as soon as the lock is free:
 * leave before. Otherwise leave after the lock is free: the pool may have no waiter, and so no
 * caller that needs the lock before the pool ends.
 */
static void retrier_put(struct retrier *retrier, struct llist_head *own)
{
	struct mempool2 *pool = retrier->pool;
	struct mempool2_waiter *waiter;
	unsigned long flags;

	waitq_lock_irqsave(pool, flags);
	raw_spin_lock(&retrier->lock);
	waiter = retrier_waiter(retrier);
	retrier->is_over = true;
	if (waiter && waiter->nr_missing) {
		retrier_add(retrier, waiter,
			    min_t(unsigned long, 2 * waiter->pause, LONGEST_PAUSE));
		retrier_leave(retrier);
	} else if (waiter && READ_ONCE(waiter->state) == WAITER_SERVED) {
		llist_add(&waiter->completion, own);
	}
	raw_spin_unlock(&retrier->lock);
	waitq_unlock_irqrestore(pool, flags);
	retrier_leave(retrier);
	wake_up_all(&retriers_back);
}

/*
 * Call the alloc function until the request is served or there is no memory. If it @looks, the
 * retrier serves the queue from the reserve first, and the alloc function may reclaim memory, as in
 * sleeper_retry(). While the request is the head of the queue and not asking no other one is
 * served, so @completed is empty when the RCU section is left. The callbacks run at the end:
 * mempool2_exit() in one of them would wait for this retrier.
 */
static void retrier_ask(struct retrier *retrier, gfp_t gfp_mask, bool looks)
{
	struct llist_head completed = {}, own = {};
	struct mempool2 *pool = retrier->pool;
	bool was_asking;
	void *element;
	gfp_t gfp;

	if (!looks)
		gfp_mask = mempool2_gfp_first(gfp_mask);
	gfp = gfp_mask;

	/* Pairs with mempool2_cancel_sync() (function-returned). */
	rcu_read_lock();
	if (looks && pool_has_waiters(pool))
		mp2_waiters_serve(pool, &completed);
	for (; retrier_ask_begin(retrier, &gfp); gfp = gfp_mask) {
		rcu_read_unlock();
		element = mp2_backend_alloc(pool, gfp);
		if (element && misuse_element(element, pool->alloc))
			element = NULL;
		rcu_read_lock();
		if (retrier_ask_end(retrier, element, &completed, &was_asking))
			continue;
		if (element)
			retrier_free(pool, element, &completed);
		if (was_asking && pool_has_waiters(pool))
			mp2_waiters_serve(pool, &completed);
		break;
	}
	retrier_put(retrier, &own);
	/* Last: a callback may end the pool. */
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
	int err;

	wq = alloc_workqueue(KBUILD_MODNAME "_retry", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!wq)
		return -ENOMEM;
	/* While nobody uses @wq: a load that fails leaves no workqueue behind. */
	err = mp2_completions_init();
	if (err) {
		destroy_workqueue(wq);
		return err;
	}
	/* Under the lock, for a caller that sees retry_wq to see an initialized work too. */
	for (retrier = retriers; retrier < &retriers[NR_RETRIERS]; retrier++) {
		raw_spin_lock_irqsave(&retrier->lock, flags);
		INIT_DELAYED_WORK(&retrier->work, retrier_work);
		raw_spin_unlock_irqrestore(&retrier->lock, flags);
	}
	WRITE_ONCE(retry_wq, wq);
	/* If mempool2 is built in, requests may wait already. */
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
	mp2_completions_exit();
}
