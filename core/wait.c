// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiters: the queue, the hand-over, offers, and callers that sleep
 *
 * "Under the lock" means pool->wait.lock.
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

#ifdef MEMPOOL2_NOT_RT_MAP
DEFINE_WAIT_OVERRIDE_MAP(MEMPOOL2_NOT_RT_MAP, LD_WAIT_CONFIG);
#endif

/* Elements given to waiters while the lock is held: each of them may wake a task. */
#define GIVE_BATCH	3U

/*
 * Limits
 *
 * A pool with a limit counts the elements in flight in mempool2_ext::nr_inflight. An allocation
 * charges the limit first. If that fails, or if the allocation then finds no element (and
 * uncharges), the caller queues like any other waiter. A CPU that hands an element to a waiter
 * charges the limit for the waiter. A free uncharges and then looks for waiters. That is race A:
 * either the waiter sees the uncharge, or the freeing CPU sees the waiter (limit-or-queue).
 */

static int limit_of(const struct mempool2 *pool)
{
	/* Never below min_nr: a waiter may ask for that many elements at once. */
	return max(READ_ONCE(pool_ext(pool)->limit), reserve_size(READ_ONCE(pool->min_nr)));
}

/*
 * Race A: a waiter that sets MEMPOOL2_WAITERS reads nr_inflight after a full barrier, whether the
 * charge succeeds or not. Pairs with mp2_limit_release() (limit-or-queue).
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

/* Could one element be charged? */
bool mp2_limit_has_room(struct mempool2 *pool)
{
	return !pool_is_limited(pool) ||
	       atomic_read(&pool_ext(pool)->nr_inflight) < limit_of(pool);
}

int mp2_limit_charge(struct mempool2 *pool, unsigned int nr)
{
	if (!pool_is_limited(pool))
		return 0;
	if (atomic_read(&pool->state) & MEMPOOL2_WAITERS || !mp2_limit_try_charge(pool, nr))
		return -EAGAIN;
	return nr;
}

/* Under the lock: charge one element for a waiter. */
bool mp2_limit_charge_waiter(struct mempool2 *pool)
{
	return !pool_is_limited(pool) || mp2_limit_try_charge(pool, 1);
}

/* Uncharge. Elements that were allocated before the limit was set are not in the count. */
void mp2_limit_release(struct mempool2 *pool, unsigned int nr)
{
	atomic_t *nr_inflight = &pool_ext(pool)->nr_inflight;
	int out = atomic_read(nr_inflight);

	/*
	 * Race A: a full barrier before the caller reads MEMPOOL2_WAITERS. Pairs with
	 * mp2_waiter_queue() (limit-or-queue).
	 */
	while (!atomic_try_cmpxchg(nr_inflight, &out, max(out - (int)nr, 0)))
		;
}

/* For an allocation: defer callbacks, as the caller may hold locks that the callbacks take. */
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
 * A waiter is an exclusive entry of pool->wait with an array for its elements. Elements go to
 * the head of the queue, but for waiters that are asking, see below. A waiter for several elements
 * stays the head until it has all of them: it cannot starve, and no two waiters can each hold what
 * the other one needs. The wake function of the entry takes the element. With the last one it wakes
 * the task that sleeps, or has the callback of a request run, see core/async.c.
 */

/*
 * Waiters that ask
 *
 * From time to time the alloc function is called for a waiter. If it reclaims memory it may wait
 * for I/O that needs an element of this very pool. An element that was given to the waiter would be
 * idle until the alloc function returns, which may be never. So the waiter keeps its position in
 * the queue, but is passed over until then: it is asking.
 *
 * A waiter for several elements is never asking, because elements that it has collected would be
 * idle too. The alloc function must not reclaim for it, and for no more than MOST_ASKING others, as
 * each of them has to be passed over.
 */

#define MOST_ASKING	8

/*
 * Under the lock: is there a waiter that may be given an element? While there is none
 * MEMPOOL2_WAITERS is clear, so newcomers take what is freed.
 */
static bool pool_has_takers(const struct mempool2 *pool)
{
	return pool->nr_waiters > pool->nr_asking;
}

/*
 * Under the lock: the alloc function is about to be called for @waiter. Returns the mask for it.
 */
gfp_t mp2_waiter_ask_begin(struct mempool2_waiter *waiter, gfp_t gfp)
{
	struct mempool2 *pool = waiter->pool;

	lockdep_assert_held(&pool->wait.lock);
	if (!(gfp & __GFP_DIRECT_RECLAIM))
		return gfp;
	if (waiter->count > 1 || pool->nr_asking == MOST_ASKING)
		return mempool2_gfp_first(gfp);
	waiter->is_asking = true;
	pool->nr_asking++;
	if (!pool_has_takers(pool))
		atomic_andnot(MEMPOOL2_WAITERS, &pool->state);
	return gfp;
}

/*
 * Under the lock: the alloc function has returned. True if the waiter was asking. Then elements may
 * have come into the reserve that it was not given, and the caller has to serve the queue.
 * Otherwise the caller must not, or no test would notice that a hand-over is lost.
 */
bool mp2_waiter_ask_end(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;

	lockdep_assert_held(&pool->wait.lock);
	if (!waiter->is_asking)
		return false;
	waiter->is_asking = false;
	pool->nr_asking--;
	/*
	 * Races A and D: a full barrier before the look at the reserve. Pairs with slot_put() and
	 * the others that mp2_waiter_queue() names (queue-or-reserve, address-handed-over).
	 */
	atomic_fetch_or(MEMPOOL2_WAITERS, &pool->state);
	return true;
}

/* Under the lock: store an element in the waiter's array. */
void mp2_waiter_give(struct mempool2_waiter *waiter, void *element)
{
	lockdep_assert_held(&waiter->pool->wait.lock);
	waiter->elems[waiter->count - waiter->nr_missing] = element;
	/*
	 * Pairs with waiter_is_served(): a waiter that reads 0 sees all elements (elements-before-
	 * count).
	 */
	smp_store_release(&waiter->nr_missing, waiter->nr_missing - 1);
}

/*
 * Offers
 *
 * An element that is handed to a sleeper is idle until the sleeper runs. If tasks hold elements for
 * less time than a wake-up takes, all of them end up waiting for each other. So a task that frees
 * an element after a short hold (without a context switch since it waited for the element or took
 * an offered one) does not hand the element to the oldest waiter but offers it:
 *
 *	- The task puts the element into the reserve, sets MEMPOOL2_OFFERED and wakes the waiter.
 *	- Until the waiter runs and clears the bit, any caller for one element may take parked
 *	  elements.
 *	- Then parked elements are handed to the waiters, to this waiter first. If the reserve is
 *	  empty, the waiter is handed the next element that any CPU frees.
 *
 * So newcomers overtake a waiter once, for no longer than its wake-up takes. Requests, waiters for
 * several elements and waiters that have begun to call the alloc function are offered nothing.
 *
 * While MEMPOOL2_OFFERED is set, the woken waiter is about to look at the reserve, so a CPU that
 * puts an element need not serve the queue. This is race A: the waiter clears the bit before it
 * looks, the CPU puts its element before it reads the bit (offered-or-looked).
 */

DEFINE_PER_CPU(struct hold, mp2_holds);

/* Under the lock: end the offer to @waiter. The caller has to serve the queue after this. */
static void offer_end(struct mempool2_waiter *waiter)
{
	lockdep_assert_held(&waiter->pool->wait.lock);
	if (!waiter->is_offered)
		return;
	WRITE_ONCE(waiter->is_offered, false);
	/*
	 * Race A: a full barrier before the look at the reserve. Pairs with slot_put_here() and
	 * reserve_put_locked() (offered-or-looked).
	 */
	atomic_fetch_andnot(MEMPOOL2_OFFERED, &waiter->pool->state);
}

/* Under the lock: take @waiter off the queue. */
void mp2_waiter_leave(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;

	lockdep_assert_held(&pool->wait.lock);
	offer_end(waiter);
	pool->nr_asking -= waiter->is_asking;
	waiter->is_asking = false;
	pool->nr_waiters--;
	if (!pool_has_takers(pool))
		atomic_andnot(MEMPOOL2_WAITERS, &pool->state);
	/*
	 * A sleeper may return, and its stack may go, as soon as its entry is off the list: do not
	 * touch it afterwards. Pairs with finish_wait() in mp2_waiter_sleep() (served-and-gone).
	 */
	list_del_init_careful(&waiter->entry.entry);
	if (pool->nr_waiters)
		mp2_retry_begin(pool);
}

/* Under the lock: give an element to a sleeper. Wake it with the last element. */
static void sleeper_accept(struct mempool2_waiter *waiter, void *element)
{
	mp2_waiter_give(waiter, element);
	if (waiter->nr_missing)
		return;
	/* A full barrier after nr_missing. Pairs with mp2_waiter_sleep() (served-or-woken). */
	wake_up_process(waiter->entry.private);
	mp2_waiter_leave(waiter);
}

/*
 * The wake function of a sleeper. With WAKE_HANDOVER @key is a struct handover with an element for
 * the sleeper. A wake_up() by other code has the oldest sleeper call the alloc function again.
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
		/* The sleeper may be awake, and about to sleep. */
		WRITE_ONCE(waiter->look_at, jiffies);
		wake_up_process(entry->private);
	}
	return 1;
}

static bool entry_is_ours(const struct wait_queue_entry *entry)
{
	return entry->func == sleeper_wake || entry->func == mp2_async_wake;
}

/* Under the lock: the head of the queue, which is the oldest waiter; %NULL without waiters. */
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

/* Under the lock: is it the entry of a waiter that is asking? */
static bool entry_is_asking(const struct wait_queue_entry *entry)
{
	return container_of(entry, struct mempool2_waiter, entry)->is_asking;
}

/*
 * Under the lock: give an element to the oldest waiter that is not asking, for which the limit was
 * charged. Other code may have entries in the queue, as in any wait queue. Entries before the
 * waiter are woken too, and even exclusive ones do not consume the element.
 */
static void waiters_accept(struct mempool2 *pool, struct handover *hand)
{
	struct wait_queue_entry *entry, *next;
	const void *element = hand->element;

	lockdep_assert_held(&pool->wait.lock);
	list_for_each_entry_safe(entry, next, &pool->wait.head, entry) {
		if (entry_is_ours(entry)) {
			if (entry_is_asking(entry))
				continue;
			entry->func(entry, TASK_NORMAL, WAKE_HANDOVER, hand);
			break;
		}
		/* Before 6.7 a wake-up of many entries leaves a bookmark without a function. */
		if (entry->func)
			entry->func(entry, TASK_NORMAL, 0, NULL);
	}
	mp2_debug_handover(pool, element);
}

/*
 * Under the lock: hand a batch of elements from the reserve to waiters. False if no waiter, no
 * element or no room below the limit is left. Without a waiter the caller must not touch the pool
 * after this, as the callback of the last one may end it: that is not always for the caller to run.
 */
static bool waiters_serve_batch(struct mempool2 *pool, struct handover *hand)
{
	bool is_limited;
	int i;

	for (i = 0; i < GIVE_BATCH && pool_has_takers(pool); i++) {
		is_limited = pool_is_limited(pool);
		if (is_limited && !mp2_limit_try_charge(pool, 1))
			return false;
		if (!pool_take_from_reserve(pool, &hand->element, 1, false)) {
			if (is_limited)
				mp2_limit_release(pool, 1);
			return false;
		}
		waiters_accept(pool, hand);
	}
	return pool_has_takers(pool);
}

/*
 * Serve the waiters from the reserve, after a put. Adds requests that have all elements to
 * @completed. The caller holds rcu_read_lock() until it has passed these to mp2_callbacks_run() or
 * mp2_callbacks_defer(). Pairs with the synchronize_rcu() of mempool2_cancel_sync()
 * (function-returned).
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
		waitq_lock_irqsave(pool, flags);
		more = waiters_serve_batch(pool, &hand);
		waitq_unlock_irqrestore(pool, flags);
	} while (more);
}

void mp2_waiters_serve_and_run(struct mempool2 *pool)
{
	struct llist_head completed = {};

	/* Pairs with mempool2_cancel_sync() (function-returned). */
	rcu_read_lock();
	mp2_waiters_serve(pool, &completed);
	/* Last: a callback may end the pool. */
	mp2_callbacks_run(&completed);
	rcu_read_unlock();
}

/*
 * Hand up to a batch of the elements to waiters, oldest first. Returns how many. Otherwise as
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
	 * Where the lock cannot be taken the elements go to the reserve, and a thread serves the
	 * waiters. It does so too if the reserve is full, as waiters may wait for the limit alone.
	 */
	if (!can_lock_waitq()) {
		mp2_waiters_serve_later(pool);
		return 0;
	}

	nr = min(nr, GIVE_BATCH);
	waitq_lock_irqsave(pool, flags);
	was_offered = atomic_read(&pool->state) & MEMPOOL2_OFFERED;
	for (i = 0; i < nr; i++) {
		if (!pool_has_takers(pool) || !mp2_limit_charge_waiter(pool))
			break;
		hand.element = elems[i];
		waiters_accept(pool, &hand);
	}
	more = was_offered && !(atomic_read(&pool->state) & MEMPOOL2_OFFERED);
	waitq_unlock_irqrestore(pool, flags);
	/* The offer ended, as its waiter was given another element: serve from the reserve. */
	if (unlikely(more) && pool_has_waiters(pool))
		mp2_waiters_serve(pool, completed);
	return i;
}

static bool waiter_is_served(const struct mempool2_waiter *waiter)
{
	/* Pairs with the release in mp2_waiter_give() (elements-before-count). */
	return !smp_load_acquire(&waiter->nr_missing);
}

/*
 * Under the lock: queue @waiter, then serve the queue from the reserve. True if the caller has to
 * call mp2_waiters_serve() for more.
 */
bool mp2_waiter_queue(struct mempool2_waiter *waiter, struct handover *hand)
{
	struct mempool2 *pool = waiter->pool;
	bool more;

	__add_wait_queue_entry_tail_exclusive(&pool->wait, &waiter->entry);
	pool->nr_waiters++;
	/*
	 * Race A: a full barrier before the look at the reserve. Pairs with slot_put()
	 * (queue-or-reserve, queue-or-new-reserve), reserve_put_locked() (queue-or-stored,
	 * queue-or-moved) and mp2_limit_release() (limit-or-queue): either the freeing CPU sees
	 * WAITERS, or this CPU sees the element.
	 * Race D: a CPU that learns the address of an element from this waiter sees this state or
	 * a later one. Pairs with the smp_rmb() of mempool2_free() (address-handed-over).
	 */
	atomic_fetch_or(MEMPOOL2_WAITERS, &pool->state);
	more = waiters_serve_batch(pool, hand);
	mp2_retry_begin(pool);
	return more;
}

/*
 * After a put of an element that the task held for a short time. As mp2_waiters_serve(), but if the
 * oldest waiter is a sleeper that may be offered an element, only wake it.
 */
static void waiters_offer(struct mempool2 *pool, struct llist_head *completed)
{
	struct mempool2_waiter *head;
	unsigned long flags;
	bool offered;

	/* The waiter that has the offer is about to look at the reserve. */
	if (atomic_read(&pool->state) & MEMPOOL2_OFFERED)
		return;
	if (!can_lock_waitq()) {
		mp2_waiters_serve(pool, completed);
		return;
	}
	waitq_lock_irqsave(pool, flags);
	head = mp2_queue_head(pool);
	offered = head && head->entry.func == sleeper_wake && head->count == 1 && !head->is_owed;
	if (offered && !head->is_offered) {
		WRITE_ONCE(head->is_offered, true);
		atomic_or(MEMPOOL2_OFFERED, &pool->state);
		wake_up_process(head->entry.private);
	}
	waitq_unlock_irqrestore(pool, flags);
	if (!offered)
		mp2_waiters_serve(pool, completed);
}

/*
 * Elements that are freed
 */

/*
 * Give elements, from the front of the array, to the waiters, and then to the reserve while it has
 * room. Returns how many. For @completed and RCU see mp2_waiters_serve().
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
 * Free elements: to waiters, to the reserve, else to the free function. Callbacks are deferred if
 * @later, or if the free function has to be called: a callback may end the pool.
 */
void mp2_pool_free_elems(struct mempool2 *pool, void **elems, unsigned int count, bool later)
{
	struct llist_head completed = {};
	unsigned int nr;

	/* What a call puts back, unlike what its caller frees. */
	if (later && unlikely(pool_is_instrumented(pool)))
		mp2_debug_put_back(pool, elems, count);
	rcu_read_lock();
	nr = mp2_pool_return(pool, elems, count, &completed);
	if (later || nr < count)
		mp2_callbacks_defer(&completed);
	else
		mp2_callbacks_run(&completed);
	rcu_read_unlock();
	while (nr < count)
		mp2_backend_free(pool, elems[nr++]);
}

/*
 * Sleepers: waiters that are tasks
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
	waitq_lock_irqsave(pool, flags);
	more = mp2_waiter_queue(waiter, &hand);
	waiter->is_head = mp2_queue_head(pool) == waiter;
	waitq_unlock_irqrestore(pool, flags);
	if (unlikely(more))
		mp2_waiters_serve(pool, &completed);
	mp2_callbacks_run(&completed);
	rcu_read_unlock();
}

/*
 * How long a sleeper sleeps, unless it is woken. The pause doubles. The head calls the alloc
 * function after each; the longer memory has been gone, the less an instant reaction matters. The
 * others wake to see whether they are the head by now. No CPU wakes them for that: each free makes
 * another sleeper the head, and most of these are served before they would have called the alloc
 * function.
 */
static long sleeper_nap(const struct mempool2_waiter *waiter)
{
	return clamp_t(long, READ_ONCE(waiter->look_at) - jiffies, 0, waiter->pause);
}

/* After a nap: should the sleeper call the alloc function, as it is the head? */
static bool sleeper_asks(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	unsigned long flags;

	if (!waiter->is_head) {
		waitq_lock_irqsave(pool, flags);
		waiter->is_head = mp2_queue_head(pool) == waiter;
		waitq_unlock_irqrestore(pool, flags);
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
 * Under the lock: may a sleeper call the alloc function? With a limit only the oldest sleeper may:
 * the others must not get room below the limit that it may need. If it needs several elements it
 * must be the head too, or it and a request before it could each hold room that the other one
 * needs. Sleepers that are asking and no more than a batch of requests are passed over.
 */
static bool sleeper_may_ask(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	struct wait_queue_entry *entry;
	int nr = 0;

	if (!pool_is_limited(pool))
		return true;
	if (!mp2_limit_has_room(pool))
		return false;
	list_for_each_entry(entry, &pool->wait.head, entry) {
		if (entry == &waiter->entry)
			return true;
		if (!entry_is_ours(entry))
			continue;
		if (waiter->count > 1 || ++nr > BATCH ||
		    (entry->func == sleeper_wake && !entry_is_asking(entry)))
			return false;
	}
	return false;
}

/* End the offer to the waiter and serve the queue. The waiter is offered nothing after this. */
static void sleeper_look(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	bool was_offered;
	unsigned long flags;

	waitq_lock_irqsave(pool, flags);
	waiter->is_owed = true;
	was_offered = waiter->is_offered;
	offer_end(waiter);
	waitq_unlock_irqrestore(pool, flags);
	if (was_offered)
		pool_kick_waiters(pool);
}

/* Set the mask with which the sleeper calls the alloc function. False if it must not. */
static bool sleeper_ask_begin(struct mempool2_waiter *waiter, gfp_t *gfp)
{
	struct mempool2 *pool = waiter->pool;
	unsigned long flags;
	bool asks;

	waitq_lock_irqsave(pool, flags);
	asks = waiter->nr_missing && sleeper_may_ask(waiter);
	if (asks)
		*gfp = mp2_waiter_ask_begin(waiter, *gfp);
	waitq_unlock_irqrestore(pool, flags);
	return asks;
}

/*
 * The alloc function has returned @element. False if the sleeper does not get it: it is %NULL or
 * surplus, or the limit, which is charged only now, has no room any more.
 */
static bool sleeper_ask_end(struct mempool2_waiter *waiter, void *element)
{
	struct mempool2 *pool = waiter->pool;
	bool gets, was_asking;
	unsigned long flags;

	if (element && misuse_element(element, waiter->caller))
		element = NULL;
	waitq_lock_irqsave(pool, flags);
	was_asking = mp2_waiter_ask_end(waiter);
	gets = element && waiter->nr_missing && mp2_limit_charge_waiter(pool);
	if (gets)
		sleeper_accept(waiter, element);
	waitq_unlock_irqrestore(pool, flags);
	if (gets)
		return true;
	if (element)
		mp2_pool_free_elems(pool, &element, 1, false);
	if (was_asking)
		pool_kick_waiters(pool);
	return false;
}

/* A queued sleeper calls the alloc function, and keeps its position in the queue. */
static void sleeper_ask(struct mempool2_waiter *waiter, gfp_t gfp_mask)
{
	gfp_t gfp;

	/* The alloc function may sleep, and the offered element would be idle meanwhile. */
	sleeper_look(waiter);
	do {
		gfp = gfp_mask;
	} while (sleeper_ask_begin(waiter, &gfp) &&
		 sleeper_ask_end(waiter, mp2_backend_alloc(waiter->pool, gfp)));
}

/*
 * sleeper_ask(), but serve the queue from the reserve first. Should a hand-over ever be lost, it
 * costs seconds then and is not for ever.
 */
static void sleeper_retry(struct mempool2_waiter *waiter, gfp_t gfp)
{
	unsigned long look_at = jiffies + RETRY_JIFFIES;

	if (waiter_is_served(waiter))
		return;
	/* First, or this would undo a wake_up() by other code that comes meanwhile. */
	WRITE_ONCE(waiter->look_at, look_at);
	pool_kick_waiters(waiter->pool);
	sleeper_ask(waiter, gfp);
	/*
	 * The alloc function may have taken longer than that. Unless other code has woken the
	 * waiter, do not call it again at once, as the waiter was passed over meanwhile.
	 */
	cmpxchg(&waiter->look_at, look_at, jiffies + RETRY_JIFFIES);
}

/* Leave the queue without all elements. False if the waiter was served before. */
static bool sleeper_gives_up(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	unsigned long flags;
	bool waits;

	/* After this look it is offered nothing: what was offered goes to it or to the next one. */
	sleeper_look(waiter);
	waitq_lock_irqsave(pool, flags);
	waits = waiter->nr_missing;
	if (waits)
		mp2_waiter_leave(waiter);
	waitq_unlock_irqrestore(pool, flags);
	return waits;
}

/*
 * Queue @waiter and sleep in @task_state until it has all elements. Returns 0; or, without an
 * element, -ETIMEDOUT or -EINTR. A @timeout of MAX_SCHEDULE_TIMEOUT never expires.
 */
int mp2_waiter_sleep(struct mempool2_waiter *waiter, gfp_t gfp,
		     unsigned int task_state, unsigned long timeout)
{
	unsigned long end = jiffies + timeout;
	long left, nap, woken;
	int err = 0;

	waiter->pause = FIRST_PAUSE;
	waiter->look_at = jiffies + RETRY_JIFFIES;
	sleeper_queue(waiter);
	for (;;) {
		/*
		 * A full barrier before nr_missing is read. Pairs with wake_up_process() in
		 * sleeper_accept() (served-or-woken).
		 */
		set_current_state(task_state);
		if (waiter_is_served(waiter))
			break;
		if (READ_ONCE(waiter->is_offered)) {
			__set_current_state(TASK_RUNNING);
			sleeper_look(waiter);
			continue;
		}
		/* Without a timeout @end means nothing: 32-bit jiffies wrap within days. */
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
		woken = io_schedule_timeout(nap);
		/* Reclaim only seldom, as the waiter is passed over meanwhile. */
		if ((nap == left && !woken) || time_after_eq(jiffies, READ_ONCE(waiter->look_at)))
			sleeper_retry(waiter, gfp);
		else if (woken)
			sleeper_retry(waiter, mempool2_gfp_first(gfp));
		else if (sleeper_asks(waiter))
			sleeper_ask(waiter, mempool2_gfp_first(gfp));
	}
	/* Returns after mp2_waiter_leave() is done with the entry (served-and-gone). */
	finish_wait(&waiter->pool->wait, &waiter->entry);
	return err;
}
