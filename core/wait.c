// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for elements: the queue, the hand-over, and callers that sleep
 */
#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "internal.h"

/* Elements given to waiters in one go, as each may wake a task. */
#define GIVE_BATCH	3U

/*
 * Limits
 *
 * Where the elements that are out are limited their number is in @nr_inflight of the
 * pool's struct mempool2_ext. Who allocates enters first; who may not, waits like
 * everybody else, and so does who finds no element then, after leaving again. Who
 * hands an element to a waiter enters for it. Who frees leaves, and then looks for
 * waiters: of a waiter that queues and does not see that somebody has left, and
 * somebody who leaves and does not see that it waits, there is only one at a time.
 */

static int limit_of(const struct mempool2 *pool)
{
	/* Never less than those who may wait for several at once could ask for. */
	return max(READ_ONCE(pool_ext(pool)->limit), reserve_size(READ_ONCE(pool->min_nr)));
}

/*
 * A full barrier if it succeeds; and if not, the number is read after what the caller
 * did before with one. Pairs with mp2_limit_uncharge().
 */
bool mp2_limit_try_charge(struct mempool2 *pool, unsigned int nr)
{
	atomic_t *nr_inflight = &pool_ext(pool)->nr_inflight;
	int out = atomic_read(nr_inflight);

	do {
		if (out + (int)nr > limit_of(pool))
			return false;
	} while (!atomic_try_cmpxchg(nr_inflight, &out, out + nr));
	return true;
}

int mp2_limit_charge(struct mempool2 *pool, unsigned int nr)
{
	if (!pool_is_limited(pool))
		return 0;
	if (atomic_read(&pool->state) & MEMPOOL2_WAITERS || !mp2_limit_try_charge(pool, nr))
		return -EAGAIN;
	return nr;
}

/* The same for a waiter, under the lock. */
static bool limit_charge_waiter(struct mempool2 *pool)
{
	return !pool_is_limited(pool) || mp2_limit_try_charge(pool, 1);
}

/* Elements that are freed need not have been counted: they may be older than the limit. */
void mp2_limit_release(struct mempool2 *pool, unsigned int nr)
{
	atomic_t *nr_inflight = &pool_ext(pool)->nr_inflight;
	int out = atomic_read(nr_inflight);

	/* A full barrier before we look for waiters. Pairs with mp2_waiter_queue(). */
	while (!atomic_try_cmpxchg(nr_inflight, &out, max(out - (int)nr, 0)))
		;
}

/* For a call that wants elements: its caller may have locks that functions want. */
void mp2_limit_uncharge(struct mempool2 *pool, unsigned int nr)
{
	struct llist_head completed = {};

	mp2_limit_release(pool, nr);
	if (!(atomic_read(&pool->state) & MEMPOOL2_WAITERS))
		return;
	rcu_read_lock();
	mp2_waiters_serve(pool, &completed);
	mp2_callbacks_defer(&completed);
	rcu_read_unlock();
}

void mp2_limit_freed(struct mempool2 *pool, unsigned int nr)
{
	if (pool_is_limited(pool))
		mp2_limit_release(pool, nr);
}

/*
 * Waiters
 *
 * A waiter is an exclusive entry of pool->wait with a place for its elements.
 * Only the one at the head is given any; one that needs several stays there and
 * collects them. So it cannot starve, and no two of them can each hold what the
 * other one needs. What happens to one that has all its elements is its entry's
 * function: a task is woken, or a function is called, see core/async.c.
 */

/* Under the lock: the next element goes to its place. */
void mp2_waiter_give(struct mempool2_waiter *waiter, void *element)
{
	lockdep_assert_held(&waiter->pool->wait.lock);
	waiter->elems[waiter->count - waiter->nr_missing] = element;
	/* Pairs with waiter_is_served(): who sees 0 there sees the elements. */
	smp_store_release(&waiter->nr_missing, waiter->nr_missing - 1);
}

/*
 * Offers
 *
 * To be given an element a waiter has to be woken, and while it is on its way to a CPU nobody can
 * use the element. Where tasks hold elements for less time than that, all of them end up
 * waiting for each other. So a task that frees an element which it has held without a context
 * switch, since it waited for it or took one that was offered, does not give it to the oldest
 * waiter but offers it:
 *
 *	- it puts the element into the reserve, sets MEMPOOL2_OFFERED and wakes the waiter;
 *	- until that runs and clears the bit anybody may take what rests, the task itself included;
 *	- then what rests is given to the waiters, this one first. If there is nothing, the next
 *	  element that any CPU frees is given to it.
 *
 * So each waiter is overtaken for as long as it takes to wake it once. Requests, callers that want
 * several elements and those that have begun to ask the alloc function are not offered any. As long as
 * the bit is set somebody is about to look at the reserve, so a CPU that puts an element leaves
 * it there. The last look, and the look of the CPU that puts an element at the bit, are each behind
 * a full barrier (offered-or-looked).
 */

DEFINE_PER_CPU(struct hold, mp2_holds);

/* Under the lock: no longer offered. The caller has to look at the reserve then. */
static void offer_end(struct mempool2_waiter *waiter)
{
	lockdep_assert_held(&waiter->pool->wait.lock);
	if (!waiter->is_offered)
		return;
	WRITE_ONCE(waiter->is_offered, false);
	/*
	 * A full barrier before we look. Pairs with slot_put_here() and reserve_put_locked():
	 * offered-or-looked.
	 */
	atomic_fetch_andnot(MEMPOOL2_OFFERED, &waiter->pool->state);
}

/* Under the lock: leave the queue. */
void mp2_waiter_leave(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;

	lockdep_assert_held(&pool->wait.lock);
	offer_end(waiter);
	if (!--pool->nr_waiters)
		atomic_andnot(MEMPOOL2_WAITERS, &pool->state);
	/*
	 * A waiter that sleeps may be gone as soon as its entry is off the list,
	 * so this comes last. Pairs with finish_wait() in mp2_waiter_sleep().
	 */
	list_del_init_careful(&waiter->entry.entry);
	if (pool->nr_waiters)
		mp2_retry_begin(pool);
}

/* Under the lock: the same for one that sleeps. With the last one it is woken. */
static void sleeper_accept(struct mempool2_waiter *waiter, void *element)
{
	mp2_waiter_give(waiter, element);
	if (waiter->nr_missing)
		return;
	wake_up_process(waiter->entry.private);
	mp2_waiter_leave(waiter);
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

static bool entry_is_ours(const struct wait_queue_entry *entry)
{
	return entry->func == sleeper_wake || entry->func == mp2_async_wake;
}

/* Under the lock: the head of the queue, which is the oldest waiter; or %NULL. */
struct mempool2_waiter *mp2_queue_head(struct mempool2 *pool)
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
	mp2_debug_handover(pool, element);
}

/*
 * Under the lock: give waiters what the reserve has, but no more than a batch.
 * False if there are either no waiters or no elements any more.
 */
static bool waiters_serve_batch(struct mempool2 *pool, struct handover *hand)
{
	int i;

	for (i = 0; i < GIVE_BATCH; i++) {
		if (!pool->nr_waiters || !limit_charge_waiter(pool))
			return false;
		if (!pool_take_from_reserve(pool, &hand->element, 1)) {
			if (pool_is_limited(pool))
				mp2_limit_release(pool, 1);
			return false;
		}
		waiters_accept(pool, hand);
	}
	return true;
}

/*
 * To be called after an element was put, if there are waiters then. With rcu_read_lock(),
 * which is kept until the functions of @completed have been called or are left to others.
 */
void mp2_waiters_serve(struct mempool2 *pool, struct llist_head *completed)
{
	struct handover hand = { .completed = completed };
	unsigned long flags;
	bool more;

	if (!can_lock_waitq()) {
		mp2_waiters_serve_later(pool);
		return;
	}
	do {
		spin_lock_irqsave(&pool->wait.lock, flags);
		more = waiters_serve_batch(pool, &hand);
		spin_unlock_irqrestore(&pool->wait.lock, flags);
	} while (more);
}

void mp2_waiters_serve_and_run(struct mempool2 *pool)
{
	struct llist_head completed = {};

	/* Pairs with mempool2_cancel_sync(). */
	rcu_read_lock();
	mp2_waiters_serve(pool, &completed);
	/* The functions may end the pool, so they come last. */
	mp2_callbacks_run(&completed);
	rcu_read_unlock();
}

/*
 * Give elements to callers that wait, oldest first, but no more than a batch. Returns how many. As
 * mp2_waiters_serve().
 */
static noinline unsigned int waiters_give(struct mempool2 *pool, void **elems,
					  unsigned int nr, struct llist_head *completed)
{
	struct handover hand = { .completed = completed };
	bool was_offered, more;
	unsigned long flags;
	unsigned int i;

	/*
	 * Where the lock may not be taken they come by way of the reserve. If that is full
	 * and these go where they came from, there may be waiters for the limit all the same.
	 */
	if (!can_lock_waitq()) {
		mp2_waiters_serve_later(pool);
		return 0;
	}

	nr = min(nr, GIVE_BATCH);
	spin_lock_irqsave(&pool->wait.lock, flags);
	was_offered = atomic_read(&pool->state) & MEMPOOL2_OFFERED;
	for (i = 0; i < nr; i++) {
		if (!pool->nr_waiters || !limit_charge_waiter(pool))
			break;
		hand.element = elems[i];
		waiters_accept(pool, &hand);
	}
	more = was_offered && !(atomic_read(&pool->state) & MEMPOOL2_OFFERED);
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	/* What rests was offered to one that has got another element. */
	if (unlikely(more) && pool_has_waiters(pool))
		mp2_waiters_serve(pool, completed);
	return i;
}

static bool waiter_is_served(const struct mempool2_waiter *waiter)
{
	/* Pairs with the release in mp2_waiter_give(). */
	return !smp_load_acquire(&waiter->nr_missing);
}

/*
 * Under the lock: queue, and have those who wait served, among them the waiter
 * itself, if they can be. True if mp2_waiters_serve() has to go on with that.
 */
bool mp2_waiter_queue(struct mempool2_waiter *waiter, struct handover *hand)
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
	mp2_retry_begin(pool);
	return more;
}

/*
 * After a task has put an element that it held for a short time. As mp2_waiters_serve(), but if the
 * oldest waiter sleeps it is woken and takes the element itself.
 */
static void waiters_offer(struct mempool2 *pool, struct llist_head *completed)
{
	struct mempool2_waiter *head;
	unsigned long flags;
	bool offered;

	/* The waiter to which it is offered is about to look. */
	if (atomic_read(&pool->state) & MEMPOOL2_OFFERED)
		return;
	if (!can_lock_waitq()) {
		mp2_waiters_serve(pool, completed);
		return;
	}
	spin_lock_irqsave(&pool->wait.lock, flags);
	head = mp2_queue_head(pool);
	offered = head && head->entry.func == sleeper_wake && head->count == 1 && !head->is_owed;
	if (offered && !head->is_offered) {
		WRITE_ONCE(head->is_offered, true);
		atomic_or(MEMPOOL2_OFFERED, &pool->state);
		wake_up_process(head->entry.private);
	}
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	if (!offered)
		mp2_waiters_serve(pool, completed);
}

/*
 * Elements that come back
 */

/*
 * Give elements, from the front of the array, to those who wait and then to the
 * reserve while it has room. Returns how many that were. Those whose functions are to be
 * called then are added to @completed; as mp2_waiters_serve().
 */
unsigned int mp2_pool_return(struct mempool2 *pool, void **elems,
			     unsigned int count, struct llist_head *completed)
{
	unsigned int nr = 0, batch, given;
	int state;

	while (nr < count) {
		batch = min_t(unsigned int, count - nr, BATCH);
		state = atomic_read(&pool->state);
		if (state & MEMPOOL2_WAITERS && count == 1 && !pool_is_limited(pool) &&
		    hold_is_short(elems[0]) && mp2_pool_put_into_reserve(pool, elems, 1)) {
			if (pool_has_waiters(pool))
				waiters_offer(pool, completed);
			return 1;
		}
		if (state & MEMPOOL2_WAITERS) {
			given = waiters_give(pool, elems + nr, batch, completed);
			if (given) {
				nr += given;
				continue;
			}
		} else if (!(state & MEMPOOL2_NOT_FULL)) {
			break;
		}
		given = mp2_pool_put_into_reserve(pool, elems + nr, batch);
		if (!given)
			break;
		nr += given;
		if (pool_has_waiters(pool))
			mp2_waiters_serve(pool, completed);
	}
	return nr;
}

/*
 * Back to where they are missed, or else to where they came from. @later: functions are left
 * to others, as they are if the pool is still needed here, for the free function.
 */
void mp2_pool_free_elems(struct mempool2 *pool, void **elems, unsigned int count, bool later)
{
	struct llist_head completed = {};
	unsigned int nr;

	rcu_read_lock();
	nr = mp2_pool_return(pool, elems, count, &completed);
	if (later || nr < count)
		mp2_callbacks_defer(&completed);
	else
		mp2_callbacks_run(&completed);
	rcu_read_unlock();
	while (nr < count)
		backend_free(pool, elems[nr++]);
}

/*
 * Waiters that sleep
 */

static void sleeper_queue(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	struct llist_head completed = {};
	struct handover hand = { .completed = &completed };
	unsigned long flags;
	bool more;

	init_waitqueue_func_entry(&waiter->entry, sleeper_wake);
	waiter->entry.private = current;

	rcu_read_lock();
	spin_lock_irqsave(&pool->wait.lock, flags);
	more = mp2_waiter_queue(waiter, &hand);
	waiter->is_head = mp2_queue_head(pool) == waiter;
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	if (unlikely(more))
		mp2_waiters_serve(pool, &completed);
	mp2_callbacks_run(&completed);
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
		waiter->is_head = mp2_queue_head(pool) == waiter;
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
	return first && mp2_limit_try_charge(pool, 1);
}

/* Take what was offered, and have the others served. From now on the waiter is offered nothing. */
static void sleeper_look(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	bool was_offered;
	unsigned long flags;

	spin_lock_irqsave(&pool->wait.lock, flags);
	waiter->is_owed = true;
	was_offered = waiter->is_offered;
	offer_end(waiter);
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	if (was_offered)
		pool_kick_waiters(pool);
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

	/* The alloc function may sleep, and what is offered would rest meanwhile. */
	sleeper_look(waiter);
	while (!waiter_is_served(waiter) && sleeper_may_retry(waiter)) {
		element = backend_alloc(pool, gfp);
		if (!element || misuse_element(element, waiter->caller)) {
			if (pool_is_limited(pool))
				mp2_limit_uncharge(pool, 1);
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
		pool_kick_waiters(waiter->pool);
	sleeper_ask(waiter, gfp);
}

/* Give up, unless the waiter is served at the same moment: then it is too late. */
static bool sleeper_gives_up(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	bool waits, was_offered;
	unsigned long flags;

	spin_lock_irqsave(&pool->wait.lock, flags);
	waits = waiter->nr_missing;
	was_offered = waiter->is_offered;
	if (waits)
		mp2_waiter_leave(waiter);
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	/* What rests is for the next one. */
	if (was_offered)
		pool_kick_waiters(pool);
	return waits;
}

/*
 * Sleep in the given task state until the waiter has all its elements. Then 0; or
 * an error, and no element, if the time was over or the task killed before. A
 * @timeout of MAX_SCHEDULE_TIMEOUT is never over.
 */
int mp2_waiter_sleep(struct mempool2_waiter *waiter, gfp_t gfp,
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
		if (READ_ONCE(waiter->is_offered)) {
			__set_current_state(TASK_RUNNING);
			sleeper_look(waiter);
			continue;
		}
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
	/* Returns only when mp2_waiter_leave() is done with the entry. */
	finish_wait(&waiter->pool->wait, &waiter->entry);
	return err;
}
