// SPDX-License-Identifier: GPL-2.0-only
/*
 * mempool2 - pools of preallocated elements, for allocations that cannot fail
 *
 * A pool guarantees min_nr elements, parked in its reserve or in flight. So an allocation that may
 * sleep always succeeds, as long as each caller frees its element without another one: while memory
 * is gone, the wait ends with such a free. All ways to wait share one FIFO queue.
 *
 * Elements come from a back end and go there: the pair alloc_fn and free_fn, of the caller or one
 * of the stock pairs, which the kind of the pool names.
 *
 * An element is in one of four places:
 *
 *	             alloc_fn                                free, if the reserve is FULL: free_fn
 *	back end -----------------> in flight: a caller has it ---------------------> back end
 *	                             |    ^         |
 *	         free, if there are  |    | alloc:  | free, if there are waiters:
 *	          no waiters: park,  |    | take,   | hand-over under pool->wait.lock
 *	                        put  v    | unpark  v
 *	                            reserve ---> oldest waiter ---> in flight, when the waiter has
 *	                                hand-over                   all the elements that it wants
 *
 * (Creation, refill and growth fill the reserve too; shrinking and the end of the pool empty it; a
 * waiter that gives up passes its elements on.) To park is to poison for KASAN and the checks.
 *
 * While there is memory and the reserve is FULL, neither allocation nor free writes to the pool:
 * mempool2_free() reads pool->state, one word. It has the kind of the pool; NOT_FULL, clear while
 * the reserve is FULL; FULL_SCAN and the number of scans; WAITERS and OFFERED. A state that is the
 * kind alone says that the reserve is FULL, that no caller waits, and which back end to call.
 *
 * Reserve. Elements are in slots, a cache line of slots for each CPU but 16 to 128, and never more
 * slots than elements. Any CPU fills or empties any slot by one cmpxchg(), a full barrier. A CPU
 * begins at the slot of its hint. What a slot holds:
 *
 *	NULL --put--> element --take--> NULL			cmpxchg(), without a lock
 *	NULL or element --shrink in place--> SLOT_CLOSED	xchg(), for good
 *	element --sweep--> SLOT_CLOSED --> element		cmpxchg(), then a store-release
 *
 * More elements are in the store, an array under reserve->lock. A CPU that needs the store, as the
 * slots were empty or full, moves as many elements as fill half of the slots at the same time.
 *
 * FULL is proved, not counted, so that CPUs write no common cache line but that of a slot. A CPU
 * that finds no room scans all slots, under reserve->lock. It commits FULL if it has found all of
 * them filled, the store has no room, and pool->state did not change but for WAITERS and OFFERED:
 *
 *	NOT_FULL ---scan begins---> NOT_FULL|FULL_SCAN ---all slots filled, commit---> FULL
 *	    ^                              |                                            |
 *	    +--- taker clears FULL_SCAN ---+-------------- taker sets NOT_FULL ---------+
 *
 * Empty is no state: a CPU looks at all slots, and under the lock if the store was not empty,
 * elements were moving or another CPU was scanning. A caller for one element then scans too, so
 * that no element passes it by (mp2_reserve_take_certain()).
 *
 * Waiters are exclusive entries of the wait queue pool->wait. A CPU that frees an element and sees
 * WAITERS, or has set WAITERS and finds an element, takes pool->wait.lock and hands the element to
 * the head. The head remains the head until it has all elements, and is woken with the last one. A
 * caller for several takes from the reserve only as the head, or all that it lacks at once: no two
 * callers each hold what the other one needs. A CPU that may not take the lock (PREEMPT_RT) puts
 * the element into the reserve, and a thread hands it over. While WAITERS is set a newcomer may get
 * an element from alloc_fn, but none from the reserve, except by an offer: a task that has held an
 * element without a context switch, since it waited for the element or took an offered one, puts
 * the element into the reserve, sets OFFERED and wakes the head. Until the head runs, any caller
 * for one element may take elements; if the head finds none, it is handed the next one. See
 * "Offers" in core/wait.c. The head calls alloc_fn again after 10 ms, 20 ms and so on; for a
 * request core/retry.c does so.
 *
 * Requests are waiters with a callback instead of a task:
 *
 *	IDLE ---> SUBMITTED ---> QUEUED ---last element---> SERVED ---> IDLE, then the callback runs
 *	              |             |
 *	              +-------------+---mempool2_cancel()---> CANCELLED ---dequeued---> IDLE
 *
 * A thread queues a SUBMITTED request if the caller may not take pool->wait.lock. A cmpxchg() of
 * the state decides: the callback runs once, or never if mempool2_cancel() returns true. The owner
 * of a pool cancels its requests before mempool2_exit(). A callback may make the next request.
 *
 * A resize publishes a new reserve by RCU, with is_moving set, and new->old leading to the old one.
 * After a grace period it moves elements in batches under the locks of both, then clears is_moving.
 * It frees elements without room, and does not wait for those in flight, which are freed later to
 * the new reserve. Without memory for a smaller reserve it shrinks the old one in place. A sweep
 * prepares parked elements for checks that are switched on. A reserve has one owner at a time
 * (is_owned): a step of a resize, or a sweep.
 *
 * Features (limit, statistics, checks) are in reserve->ext. While a pool has one, all calls go out
 * of line and read the features of their pool. While none has, a static key skips that; only a wait
 * enters a list, for debugfs.
 *
 * Races. In A and B each side writes, issues a full barrier and reads the word of the other side,
 * so that at least one side sees the other. C and D pass a message. An mb is an atomic operation
 * or a barrier at reserve->lock. Its comment and Documentation/ordering.rst name all litmus tests.
 *
 *	A  waiter   sets WAITERS       mb  looks at the reserve		queue-or-reserve.litmus
 *	   free     puts the element   mb  reads WAITERS
 *	B  scanner  sets FULL_SCAN     mb  looks at the slots, commits	full-or-taken.litmus
 *	   taker    reads the state, takes the element  mb  reads the state again
 *	C  mover    sets is_moving, waits for a grace period, moves under the lock, clears is_moving
 *	   taker    reads is_moving, nr_stored; looks at slots; if either was not 0, takes the lock
 *	D  taker    has seen or set NOT_FULL  mb  passes on the address of the element
 *	   free     gets the address  rmb  reads the state
 *
 * So (A) no element stays in the reserve beside a waiter, unless the limit of the pool is reached;
 * (B) a CPU that frees an element which the reserve lacks never sees FULL; (C) a taker misses no
 * element that moves; (D) what B says holds in whatever way the address reached the freeing CPU.
 *
 * Lock order, from the outside in; "or" separates locks that do not nest. The first two chains do
 * not nest in each other; the third goes on where they name reserve->lock. Locks with a star, and
 * mutexes, sleep on PREEMPT_RT; the others are raw, so a hard interrupt may take them there:
 *
 *	mp2_features_mutex (switches features), or dirs_mutex of debugfs
 *	  lock of a list of waiters (debug/stall.c), or ext->lock, or:
 *	  mp2_registry_lock*			registry of all reserves, is_owned
 *	    mp2_owner_wait.lock*, or reserve->lock
 *	pool->wait.lock*			the queue
 *	  retrier->lock (requests to retry), or reserve->lock, or ext->lock, or report_lock
 *	reserve->lock				store, scan, moves
 *	  old->lock of the reserve being replaced, or ext->lock (records of the checks)
 *
 * While alloc_fn, free_fn or a callback runs, no lock or mutex is held and no reserve is owned.
 * Files:
 *	mempool2.h		the API; core/inline.h has its inline fast paths
 *	mempool2.c		allocate, free, create, destroy
 *	core/internal.h		interfaces, which file may call which, warnings of misuse
 *	core/reserve.[ch]	slots, store, FULL
 *	core/backend.c		stock functions, checks arguments; core/element.c parks elements
 *	core/wait.c		waiters, hand-over, offers, sleep, charging a limit
 *	core/async.c		requests, callbacks; core/retry.c calls alloc_fn for requests
 *	core/resize.c		resize, refill, setting a limit
 *	core/compat*.h		differences between the supported kernels
 *	core/ext.[ch]		registry; features; core/modinfo.c has what modinfo shows
 *	debug/			debugfs.c, trace.h (tracepoints), checks.c, report.c and more: left
 *				out by CONFIG_MEMPOOL2_DEBUG=n; mempool2_debug.h is their API
 */
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/fault-inject.h>
#include <linux/init.h>
#include <linux/limits.h>
#include <linux/llist.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "core/internal.h"

/*
 * May the array have an address that is_no_element()? Cheaper than a test of each: NULL or 1 clears
 * all bits but the lowest of the AND, and an ERR_PTR() sets all upper bits of the OR.
 */
static bool elems_are_suspect(void **elems, unsigned int nr)
{
	unsigned long all = ULONG_MAX, any = 0;
	unsigned int i;

	/* Two loops: each step is one instruction. */
#pragma GCC unroll 16
	for (i = 0; i < nr; i++)
		all &= (unsigned long)elems[i];
#pragma GCC unroll 16
	for (i = 0; i < nr; i++)
		any |= (unsigned long)elems[i];
	return all <= 1 || IS_ERR_VALUE(any);
}

/*
 * Allocate
 */

#if IS_BUILTIN(CONFIG_MEMPOOL2) && defined(CONFIG_FAULT_INJECTION)
/* Only for a built-in mempool2: the kernel does not export should_fail_ex(). */
static DECLARE_FAULT_ATTR(alloc_fault);

bool __mempool2_should_fail(void)
{
	return should_fail_ex(&alloc_fault, 1, FAULT_NOWARN);
}
EXPORT_SYMBOL_GPL(__mempool2_should_fail);

static int __init alloc_fault_debugfs(void)
{
	struct dentry *dir;

	dir = fault_create_debugfs_attr("fail_mempool2_alloc", NULL, &alloc_fault);
	return PTR_ERR_OR_ZERO(dir);
}
late_initcall(alloc_fault_debugfs);
#endif

/* Take @nr elements from the reserve, or none. Not before waiters, unless an element is offered. */
static __always_inline bool pool_alloc_reserve(struct mempool2 *pool, void **elems, unsigned int nr,
					       unsigned long caller)
{
	int state = atomic_read(&pool->state);
	unsigned int taken;

	/* A caller for several elements takes no offered element. */
	if (nr > 1 ? state & MEMPOOL2_WAITERS : !state_lets_take(state))
		return false;
	taken = pool_take_from_reserve(pool, elems, nr, nr == 1);
	if (unlikely(taken < nr)) {
		if (taken)
			mp2_pool_free_elems(pool, elems, taken, true);
		return false;
	}
	if (unlikely(state & MEMPOOL2_OFFERED))
		hold_begin(elems[0]);
	pool_update_kmemleak(elems, nr);
	if (unlikely(pool_is_instrumented(pool)))
		mp2_debug_reserve_alloc(pool, elems, nr, caller);
	return true;
}

/*
 * Take the element at the CPU's hint. Inline in its callers, as this mostly suffices. Takes nothing
 * unless NOT_FULL alone is set of the bits in @mask, or while pools are instrumented.
 *
 * Race B: the state is read before and after slot_take(). If *@not_full is false, the caller has to
 * call mp2_reserve_set_not_full() before it passes on the element (full-or-taken, full-counted).
 */
static __always_inline void *pool_alloc_reserve_fast(struct mempool2 *pool, int mask,
						     bool *not_full)
{
	void *element = NULL;
	int state;

	rcu_read_lock_sched();
	state = atomic_read(&pool->state);
	if (likely((state & mask) == MEMPOOL2_NOT_FULL) && !pool_is_instrumented(pool))
		slot_take(reserve_hint_slot(rcu_dereference_sched(pool->reserve)), &element);
	*not_full = atomic_read(&pool->state) == state;
	rcu_read_unlock_sched();
	if (likely(element)) {
		element_kasan_unpark(pool, element);
		pool_update_kmemleak(&element, 1);
	}
	return element;
}

/* Queue and sleep until the caller has @nr elements. Returns as mp2_waiter_sleep(). */
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

	mp2_debug_wait_begin(&waiter, timeout);
	err = mp2_waiter_sleep(&waiter, gfp, task_state, timeout);
	mp2_debug_wait_end(&waiter);
	if (err)
		return err;
	mp2_waiter_got_elems(pool, elems, nr);
	if (nr == 1)
		hold_begin(elems[0]);
	return 0;
}

/*
 * The alloc function reclaims memory, and may wait for I/O that needs room below the limit: do not
 * hold any meanwhile. *@entered is as from limit_charge().
 */
static noinline void *pool_alloc_uncharged(struct mempool2 *pool, gfp_t gfp, int *entered)
{
	void *element;

	limit_uncharge(pool, *entered);
	*entered = 0;
	element = mp2_backend_alloc(pool, gfp);
	if (!element)
		return NULL;
	*entered = limit_charge(pool, 1);
	if (*entered >= 0)
		return element;
	/* Not to a waiter what is no element. */
	if (!misuse_element(element, pool->alloc))
		mp2_pool_free_elems(pool, &element, 1, true);
	return NULL;
}

/*
 * After the first try has failed: the reserve, then the alloc function with the whole mask. A
 * caller that may not wait tries the reserve again; one that waits does so when it queues.
 */
static void *pool_alloc_nowait(struct mempool2 *pool, gfp_t gfp_mask, int *entered,
			       unsigned long caller)
{
	gfp_t gfp = mempool2_gfp(gfp_mask);
	void *element = NULL;

	if (pool_alloc_reserve(pool, &element, 1, caller))
		return element;
	if (gfp == mempool2_gfp_first(gfp_mask))
		return NULL;
	if (gfp & __GFP_DIRECT_RECLAIM)
		return unlikely(*entered) ? pool_alloc_uncharged(pool, gfp, entered) :
					    mp2_backend_alloc(pool, gfp);

	element = mp2_backend_alloc(pool, gfp);
	if (!element)
		pool_alloc_reserve(pool, &element, 1, caller);
	return element;
}

/* Allocate without waiting, from the first try on, and charge the limit. */
static void *pool_try_alloc(struct mempool2 *pool, gfp_t gfp_mask, unsigned long caller)
{
	int entered = 0;
	void *element;

	if (pool_is_instrumented(pool))
		element = mp2_debug_alloc(pool, mempool2_gfp_first(gfp_mask), &entered, caller);
	else
		element = mp2_backend_alloc(pool, mempool2_gfp_first(gfp_mask));
	if (!element && entered >= 0)
		element = pool_alloc_nowait(pool, gfp_mask, &entered, caller);
	if (!element)
		limit_uncharge(pool, entered);
	return element;
}

/* Take an offered element, despite the waiters. */
static inline void *pool_alloc_offered(struct mempool2 *pool)
{
	bool not_full;
	void *element = pool_alloc_reserve_fast(pool, FAST_TAKE_MASK & ~MEMPOOL2_WAITERS,
						&not_full);

	if (!element)
		return NULL;
	hold_begin(element);
	return likely(not_full) ? element : mp2_reserve_set_not_full(pool, element);
}

/* noinline: keeps its register spills out of the callers. */
static noinline void *pool_alloc_slowpath(struct mempool2 *pool, gfp_t gfp_mask, int entered,
					  unsigned long caller)
{
	void *element = NULL;

	/* No kind, so __mempool2_backend_alloc() returned NULL. */
	if (misuse_uninit_at(caller, pool))
		return NULL;
	if (entered >= 0 && atomic_read(&pool->state) & MEMPOOL2_OFFERED)
		element = pool_alloc_offered(pool);
	if (entered >= 0 && !element)
		element = pool_alloc_nowait(pool, gfp_mask, &entered, caller);
	if (element)
		return element;
	limit_uncharge(pool, entered);
	if (gfp_mask & __GFP_DIRECT_RECLAIM)
		pool_wait(pool, &element, 1, mempool2_gfp(gfp_mask),
			  TASK_UNINTERRUPTIBLE, MAX_SCHEDULE_TIMEOUT, caller);
	else if (unlikely(pool_is_instrumented(pool)))
		mp2_debug_failed(pool, caller);
	return element;
}

/*
 * mempool2_alloc(), after the first try has failed. If a limit was set since, this call is not
 * charged.
 */
static __always_inline void *pool_alloc_after_backend(struct mempool2 *pool, gfp_t gfp_mask,
						      unsigned long caller)
{
	bool not_full;
	void *element = pool_alloc_reserve_fast(pool, FAST_TAKE_MASK, &not_full);

	if (unlikely(!element))
		return pool_alloc_slowpath(pool, gfp_mask, 0, caller);
	return likely(not_full) ? element : mp2_reserve_set_not_full(pool, element);
}

void *__mempool2_alloc_slow(struct mempool2 *pool, gfp_t gfp_mask)
{
	return pool_alloc_after_backend(pool, gfp_mask, _RET_IP_);
}
EXPORT_SYMBOL_GPL(__mempool2_alloc_slow);

/* One site for all of mempool2_alloc(), for one warning. */
static noinline void warn_zero(unsigned long caller)
{
	misuse_once_at(caller, true, "__GFP_ZERO, but an element of the reserve is not zeroed");
}

static __always_inline void misuse_zero(gfp_t gfp_mask, unsigned long caller)
{
	if (unlikely(gfp_mask & __GFP_ZERO))
		warn_zero(caller);
}

/* mempool2_alloc() while pools are instrumented; also warns of an uninitialized pool. */
static noinline void *pool_alloc_instrumented(struct mempool2 *pool, gfp_t gfp_mask,
					      unsigned long caller)
{
	int entered = 0;
	void *element;

	if (misuse_uninit_at(caller, pool))
		return NULL;
	misuse_zero(gfp_mask, caller);
	might_alloc(gfp_mask);
	element = mp2_debug_alloc(pool, mempool2_gfp_first(gfp_mask), &entered, caller);
	return element ?: pool_alloc_slowpath(pool, gfp_mask, entered, caller);
}

/* mempool2_alloc() while no pool is instrumented. */
static noinline void *pool_alloc_first(struct mempool2 *pool, gfp_t gfp_mask, unsigned long caller)
{
	void *element;

	misuse_zero(gfp_mask, caller);
	might_alloc(gfp_mask);
	element = __mempool2_backend_alloc(pool, READ_ONCE(pool->kind),
					   mempool2_gfp_first(gfp_mask));
	return likely(element) ? element : pool_alloc_after_backend(pool, gfp_mask, caller);
}

/* The part of mempool2_alloc() that is not inline. */
void *__mempool2_alloc(struct mempool2 *pool, gfp_t gfp_mask)
{
	return pool_is_instrumented(pool) ? pool_alloc_instrumented(pool, gfp_mask, _RET_IP_) :
	       pool_alloc_first(pool, gfp_mask, _RET_IP_);
}
EXPORT_SYMBOL_GPL(__mempool2_alloc);

/* Call the alloc function up to @count times. Returns the number of elements. */
static __always_inline unsigned int backend_alloc_bulk(struct mempool2 *pool, void **elems,
						       unsigned int count, gfp_t gfp)
{
	unsigned int nr;

	for (nr = 0; nr < count; nr++) {
		elems[nr] = mp2_backend_alloc(pool, gfp);
		if (!elems[nr] || misuse_element(elems[nr], pool->alloc))
			break;
	}
	return nr;
}

/* Allocate up to @count elements without waiting. Returns how many. */
static __always_inline unsigned int pool_alloc_bulk_now(struct mempool2 *pool, void **elems,
							unsigned int count, gfp_t gfp,
							unsigned long caller)
{
	int entered = limit_charge(pool, count);
	unsigned int nr;

	if (entered < 0)
		return 0;
	nr = backend_alloc_bulk(pool, elems, count, mempool2_gfp_first(gfp));
	/*
	 * Outside the queue take from the reserve only what completes the array. Two callers that
	 * each held a part of the reserve could wait for each other for ever.
	 */
	if (nr == count || pool_alloc_reserve(pool, elems + nr, count - nr, caller))
		return count;
	/* As pool_alloc_uncharged(). */
	limit_uncharge(pool, entered);
	if (gfp != mempool2_gfp_first(gfp))
		nr += backend_alloc_bulk(pool, elems + nr, count - nr, gfp);
	/* With a limit this is so for all elements: do not wait with some of them charged. */
	if (entered && (nr < count || limit_charge(pool, count) < 0)) {
		mp2_pool_free_elems(pool, elems, nr, true);
		nr = 0;
	}
	return nr;
}

int mempool2_alloc_bulk_noprof(struct mempool2 *pool, void **elems, unsigned int count)
{
	gfp_t gfp = mempool2_gfp(current_gfp_context(GFP_KERNEL));
	unsigned int nr;

	if (misuse_bulk(pool, count))
		return -EINVAL;
	/* Like mempool2_alloc(): no array to complete. The other way refuses what is no element. */
	if (count == 1 && !pool_is_instrumented(pool)) {
		elems[0] = pool_alloc_first(pool, gfp, _RET_IP_);
		if (likely(!is_no_element(elems[0])))
			return 0;
	}
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
	bool reclaims = gfp_mask & __GFP_DIRECT_RECLAIM;
	void *element = NULL;
	int entered;

	if (misuse_uninit(pool))
		return NULL;
	entered = limit_charge(pool, 1);
	if (entered >= 0) {
		/* As pool_alloc_uncharged(). The free function may sleep where this call may. */
		if (reclaims)
			limit_uncharge(pool, entered);
		/* Not mp2_backend_alloc(): injected failures test nothing here. */
		element = __mempool2_backend_alloc(pool, pool->kind, gfp_mask);
		if (element && unlikely(pool_is_instrumented(pool)))
			mp2_debug_track(pool, element);
		if (!element && !reclaims)
			limit_uncharge(pool, entered);
		if (element && reclaims && limit_charge(pool, 1) < 0) {
			if (!misuse_element(element, pool->alloc))
				mp2_pool_free_elems(pool, &element, 1, true);
			element = NULL;
		}
	}
	if (!element && !reclaims)
		mp2_debug_failed(pool, _RET_IP_);
	return element;
}
EXPORT_SYMBOL_GPL(mempool2_alloc_noreserve_noprof);

/*
 * Other ways to wait
 */

/* Allocate without waiting. Inline, for _RET_IP_ to be the caller of mempool2. */
static __always_inline void *pool_alloc_or_null(struct mempool2 *pool, gfp_t gfp_mask)
{
	misuse_once(gfp_mask & __GFP_ZERO,
		    "__GFP_ZERO, but an element of the reserve is not zeroed");
	might_alloc(gfp_mask);
	return pool_try_alloc(pool, gfp_mask, _RET_IP_);
}

/* mempool2_alloc(), but the wait may end with an error. */
static __always_inline void *pool_alloc_wait(struct mempool2 *pool, gfp_t gfp_mask,
					     unsigned int task_state, unsigned long timeout)
{
	void *element = pool_alloc_or_null(pool, gfp_mask);
	int err;

	if (element)
		return element;
	if (!(gfp_mask & __GFP_DIRECT_RECLAIM)) {
		mp2_debug_failed(pool, _RET_IP_);
		return ERR_PTR(-ENOMEM);
	}
	err = pool_wait(pool, &element, 1, mempool2_gfp(gfp_mask), task_state,
			min_t(unsigned long, timeout, MAX_SCHEDULE_TIMEOUT), _RET_IP_);
	return err ? ERR_PTR(err) : element;
}

void *mempool2_alloc_timeout_noprof(struct mempool2 *pool, gfp_t gfp_mask, unsigned long timeout)
{
	if (misuse_uninit(pool))
		return ERR_PTR(-EINVAL);
	return pool_alloc_wait(pool, gfp_mask, TASK_UNINTERRUPTIBLE, timeout);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_timeout_noprof);

void *mempool2_alloc_killable_noprof(struct mempool2 *pool, gfp_t gfp_mask)
{
	if (misuse_uninit(pool))
		return ERR_PTR(-EINVAL);
	return pool_alloc_wait(pool, gfp_mask, TASK_KILLABLE, MAX_SCHEDULE_TIMEOUT);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_killable_noprof);

void *mempool2_alloc_async_noprof(struct mempool2 *pool, gfp_t gfp_mask,
				  struct mempool2_waiter *waiter)
{
	void *element;
	int err;

	if (misuse_uninit(pool) || misuse_waiter(waiter))
		return ERR_PTR(-EINVAL);
	if (!waiter_is_idle(waiter))
		return ERR_PTR(-EBUSY);
	element = pool_alloc_or_null(pool, gfp_mask);
	if (element)
		return element;
	err = mp2_async_submit(pool, mempool2_gfp(gfp_mask), waiter, &waiter->element, 1, 1,
			       _RET_IP_);
	return err ? ERR_PTR(err) : waiter->element;
}
EXPORT_SYMBOL_GPL(mempool2_alloc_async_noprof);

int mempool2_alloc_bulk_async_noprof(struct mempool2 *pool, gfp_t gfp_mask, void **elems,
				     unsigned int count, struct mempool2_waiter *waiter)
{
	gfp_t gfp = mempool2_gfp(gfp_mask);
	unsigned int nr;

	if (misuse_bulk(pool, count) || misuse_waiter(waiter))
		return -EINVAL;
	if (!waiter_is_idle(waiter))
		return -EBUSY;
	might_alloc(gfp);

	nr = pool_alloc_bulk_now(pool, elems, count, gfp, _RET_IP_);
	if (nr == count)
		return 0;
	return mp2_async_submit(pool, gfp, waiter, elems, count, count - nr, _RET_IP_);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_bulk_async_noprof);

static noinline void *pool_alloc_preallocated(struct mempool2 *pool, unsigned long caller)
{
	int entered = limit_charge(pool, 1);
	void *element;

	if (entered >= 0 && pool_alloc_reserve(pool, &element, 1, caller))
		return element;
	limit_uncharge(pool, entered);
	mp2_debug_failed(pool, caller);
	return NULL;
}

void *mempool2_alloc_preallocated(struct mempool2 *pool)
{
	void *element;
	bool not_full;

	/* NULL for an uninitialized pool, of which the state is 0. */
	element = pool_alloc_reserve_fast(pool, FAST_TAKE_MASK, &not_full);
	if (unlikely(!element))
		return misuse_uninit(pool) ? NULL : pool_alloc_preallocated(pool, _RET_IP_);
	return likely(not_full) ? element : mp2_reserve_set_not_full(pool, element);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_preallocated);

/*
 * Free
 */

/* noinline: needs an array, for which the callers would need a stack slot. */
static noinline void pool_free_elem(struct mempool2 *pool, void *element, unsigned long caller)
{
	if (unlikely(pool_is_instrumented(pool)) && mp2_debug_free(pool, element, caller))
		return;
	mp2_pool_free_elems(pool, &element, 1, false);
}

/*
 * Put a parked element for which the slot at the CPU's hint has no room. In the RCU section in
 * which the element was parked: after it checks may be on that require more of a parked element.
 */
static noinline void pool_free_parked(struct mempool2 *pool, void *element)
	__releases(RCU_SCHED)
{
	bool put = mp2_reserve_put_one(pool, element);

	rcu_read_unlock_sched();
	if (put) {
		pool_kick_waiters(pool);
		return;
	}
	element_kasan_unpark(pool, element);
	mp2_pool_free_elems(pool, &element, 1, false);
}

/*
 * Park an element and put it into the slot at the CPU's hint. False if that is filled. The caller
 * has rcu_read_lock_sched(). Not while pools are instrumented.
 */
static __always_inline bool pool_put_here(struct mempool2 *pool, void *element)
{
	/* KASAN has reported a bad free: leak the element. */
	if (unlikely(!element_kasan_park(pool, element)))
		return true;
	if (likely(slot_put_here(reserve_hint_slot(rcu_dereference_sched(pool->reserve)),
				 element)))
		return true;
	element_kasan_unpark(pool, element);
	return false;
}

/* While an element is offered, put this one too after a short hold. False if it was not put. */
static inline bool pool_free_offered(struct mempool2 *pool, void *element)
{
	bool put;

	rcu_read_lock_sched();
	put = !pool_is_instrumented(pool) && hold_is_short(element) && pool_put_here(pool, element);
	rcu_read_unlock_sched();
	/*
	 * Race A: the offer has ended, so the waiter may have missed the element (offered-or-
	 * looked).
	 */
	if (put && unlikely(!state_lets_take(atomic_read(&pool->state))))
		mp2_waiters_serve_and_run(pool);
	return put;
}

/* mempool2_free() while pools are instrumented or callers wait; warns of an uninitialized pool. */
static noinline void pool_free_instrumented(struct mempool2 *pool, void *element,
					    unsigned long caller)
{
	if (!mempool2_initialized(pool)) {
		if (!mp2_debug_free_uninit(pool, element))
			misuse_uninit_at(caller, pool);
	} else if (!misuse_element(element, caller)) {
		if (atomic_read(&pool->state) & MEMPOOL2_OFFERED &&
		    pool_free_offered(pool, element))
			return;
		pool_free_elem(pool, element, caller);
	}
}

/* mempool2_free() while the reserve is FULL, in which case @state is the kind, or callers wait. */
static noinline void pool_free_full(struct mempool2 *pool, void *element, u8 state,
				    unsigned long caller)
{
	if (likely(!pool_is_instrumented(pool) && state && state == READ_ONCE(pool->kind)))
		__mempool2_backend_free(pool, state, element);
	else
		pool_free_instrumented(pool, element, caller);
}

/*
 * The part of mempool2_free() that is not inline. Mostly the reserve has room and no caller waits.
 */
void __mempool2_free(struct mempool2 *pool, void *element)
{
	u8 state = atomic_read(&pool->state);

	if (!state_has_room(state)) {
		if (likely(mempool2_is_inline(state, custom)))
			__mempool2_backend_free(pool, MEMPOOL2_CUSTOM, element);
		else
			pool_free_full(pool, element, state, _RET_IP_);
		return;
	}
	if (misuse_element(element, _RET_IP_))
		return;
	rcu_read_lock_sched();
	if (unlikely(pool_is_instrumented(pool))) {
		rcu_read_unlock_sched();
		pool_free_elem(pool, element, _RET_IP_);
		return;
	}
	/* KASAN has reported a bad free: leak the element. */
	if (unlikely(!element_kasan_park(pool, element))) {
		rcu_read_unlock_sched();
		return;
	}
	if (likely(slot_put_here(reserve_hint_slot(rcu_dereference_sched(pool->reserve)),
				 element))) {
		rcu_read_unlock_sched();
		pool_kick_waiters(pool);
		return;
	}
	pool_free_parked(pool, element);
}
EXPORT_SYMBOL_GPL(__mempool2_free);

/*
 * One by one: the checks refuse an element that is in the reserve already. To the caller it counts
 * as taken.
 */
static noinline unsigned int pool_return_instrumented(struct mempool2 *pool, void **elems,
						      unsigned int count, unsigned long caller)
{
	struct llist_head completed = {};
	unsigned int nr, i;

	rcu_read_lock();
	/* Elements that the pool does not take are the caller's, and not in flight any more. */
	limit_freed(pool, count);
	for (nr = 0; nr < count; nr++) {
		if (mp2_debug_track_free_bulk(pool, elems[nr], caller) &&
		    !mp2_pool_return(pool, &elems[nr], 1, &completed))
			break;
	}
	for (i = nr; i < count; i++)
		mp2_debug_untrack(pool, elems[i]);
	mp2_callbacks_run(&completed);
	rcu_read_unlock();
	return nr;
}

/* Put one element into the reserve, as __mempool2_free() does. False if it was not put. */
static inline bool pool_return_one(struct mempool2 *pool, void *element)
{
	bool put;

	rcu_read_lock_sched();
	put = state_has_room(atomic_read(&pool->state)) && !pool_is_instrumented(pool) &&
	      pool_put_here(pool, element);
	rcu_read_unlock_sched();
	return put;
}

/* Put a batch into the reserve, unless callers wait or the reserve is FULL. */
static unsigned int pool_return_batch(struct mempool2 *pool, void **elems, unsigned int count)
{
	int state = atomic_read(&pool->state);

	if (!count || (state & (MEMPOOL2_NOT_FULL | MEMPOOL2_WAITERS)) != MEMPOOL2_NOT_FULL)
		return 0;
	return mp2_pool_put_into_reserve(pool, elems, min_t(unsigned int, count, BATCH));
}

unsigned int mempool2_free_bulk(struct mempool2 *pool, void **elems,
				unsigned int count)
{
	struct llist_head completed = {};
	unsigned int nr;

	if (misuse_uninit(pool))
		return 0;
	if (unlikely(elems_are_suspect(elems, count))) {
		for (nr = 0; nr < count && !misuse_element(elems[nr], _RET_IP_); nr++)
			;
		count = nr;
	}
	/*
	 * Race D: before the state is read, as in mempool2_free(). Pairs with slot_take()
	 * (address-passed), reserve_take_locked() (address-stored) and mp2_waiter_queue()
	 * (address-handed-over).
	 */
	smp_rmb();
	if (unlikely(pool_has(pool, FEATURE_RECORDS | FEATURE_LIMIT)))
		return pool_return_instrumented(pool, elems, count, _RET_IP_);
	if (count == 1 && likely(pool_return_one(pool, elems[0]))) {
		pool_kick_waiters(pool);
		return 1;
	}

	/* Mostly no caller waits, and the reserve has room for all of them. */
	nr = pool_return_batch(pool, elems, count);
	if (likely(nr == count && !pool_has_waiters(pool)))
		return nr;
	rcu_read_lock();
	if (nr && pool_has_waiters(pool))
		mp2_waiters_serve(pool, &completed);
	nr += mp2_pool_return(pool, elems + nr, count - nr, &completed);
	mp2_callbacks_run(&completed);
	rcu_read_unlock();
	return nr;
}
EXPORT_SYMBOL_GPL(mempool2_free_bulk);

/*
 * Create and destroy
 */

/*
 * Populate and drain a reserve that no other CPU uses. The pool is not in the registry, so its
 * features do not change meanwhile.
 */
static void reserve_populate(struct mempool2 *pool, struct mempool2_reserve *reserve,
			     unsigned int slot, void *element)
{
	if (unlikely(pool_is_instrumented(pool)))
		mp2_debug_filled(pool, element);
	/* KASAN has reported a bad free: leak the element. */
	if (!mp2_elements_park(pool, &element, 1))
		return;
	if (slot < reserve->nr_slots)
		WRITE_ONCE(reserve->slots[slot], element);
	else
		reserve->store[reserve->nr_stored++] = element;
	if (unlikely(pool_is_instrumented(pool)))
		mp2_debug_refill(pool, 1);
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
		mp2_elements_unpark(pool, &element, 1);
		mp2_backend_free(pool, element);
	}
}

/* Free the reserve of a pool that is not in use. Sleeps if the free function or vfree() does. */
static void pool_teardown(struct mempool2 *pool)
{
	struct mempool2_reserve *reserve;

	reserve = rcu_dereference_protected(pool->reserve, true);
	reserve_drain(pool, reserve);
	mp2_ext_ended(reserve);
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
	void *element;
	int i;

	memset(pool, 0, sizeof(*pool));
	if (!mp2_pool_args_valid(min_nr, alloc_fn, free_fn, pool_data, caller))
		return -EINVAL;

	reserve = mp2_reserve_create(min_nr, gfp_mask, node_id);
	if (!reserve)
		return -ENOMEM;

	init_waitqueue_head(&pool->wait);
	RCU_INIT_POINTER(pool->reserve, reserve);
	pool->kind = mp2_pool_kind(alloc_fn, free_fn);
	atomic_set(&pool->state, pool->kind | MEMPOOL2_NOT_FULL);
	pool->pool_data = pool_data;
	pool->alloc = alloc_fn;
	pool->free = free_fn;
	pool->node = node_id;
	pool->min_nr = min_nr;
	reserve->elements = mp2_elements_of(pool);
	mp2_site_get(reserve, caller, gfp_mask);
	mp2_debug_created(reserve, gfp_mask);

	for (i = 0; i < reserve_size(min_nr); i++) {
		element = alloc_fn(gfp_mask, pool_data);
		if (!element || misuse_element(element, alloc_fn)) {
			pool_teardown(pool);
			return element ? -EINVAL : -ENOMEM;
		}
		mp2_elements_compare(reserve, element, i);
		reserve_populate(pool, reserve, i, element);
	}
	mp2_registry_add(pool, reserve);
	return 0;
}

int mempool2_nr_reserved(const struct mempool2 *pool)
{
	struct mempool2_reserve *reserve;
	int nr;

	rcu_read_lock_sched();
	reserve = rcu_dereference_sched(pool->reserve);
	nr = reserve ? mp2_reserve_count(reserve) : 0;
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

void mempool2_exit(struct mempool2 *pool)
{
	if (!mempool2_initialized(pool))
		return;
	if (unlikely(pool_is_instrumented(pool)))
		mp2_debug_exit(pool);
	mp2_irq_works_sync();
	mp2_retry_sync_pool(pool);
	mp2_registry_remove(rcu_dereference_protected(pool->reserve, true));
	pool_teardown(pool);
}
EXPORT_SYMBOL_GPL(mempool2_exit);

void mempool2_destroy(struct mempool2 *pool)
{
	if (!pool)
		return;
	mempool2_exit(pool);
	kfree(mp2_debug_destroyed(pool));
}
EXPORT_SYMBOL_GPL(mempool2_destroy);

static int __init mempool2_load(void)
{
	return mp2_slab_find_members() ?: mp2_hints_init() ?: mp2_retriers_init() ?:
	       mp2_debug_init();
}
core_initcall(mempool2_load);

/* Users pin the module, so no pool is left. Without an exit function it could not be unloaded. */
static void __exit mempool2_unload(void)
{
	/* All callbacks have returned, but the works that ran them may not have. */
	mp2_retriers_exit();
	mp2_debug_unload();
}
module_exit(mempool2_unload);
