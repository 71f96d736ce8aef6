/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interfaces between the files of mempool2
 *
 * A file calls only files above it in this list; the exceptions stand beside the name:
 *
 *	core/reserve.c	the reserve: slots, store, FULL
 *	core/backend.c	stock alloc and free functions
 *	core/ext.c	what is enabled for a pool: features and the limit
 *	core/element.c	parks elements and unparks them
 *	core/wait.c	waiters, hand-over, offers, sleep; calls core/async.c and core/retry.c for
 *			requests, which are waiters with a callback, and mempool2_free()
 *	core/async.c	requests, cancellation, and the contexts that run callbacks; calls
 *			core/retry.c
 *	core/retry.c	calls the alloc function again for requests
 *	mempool2.c	allocate, free, create and destroy
 *	core/resize.c	resize, refill, limits
 *
 * All of them may call the debugging code, through debug/debug.h.
 */
#ifndef _MEMPOOL2_INTERNAL_H
#define _MEMPOOL2_INTERNAL_H

#include <linux/bug.h>
#include <linux/err.h>
#include <linux/kmemleak.h>
#include <linux/llist.h>
#include <linux/preempt.h>
#include <linux/wait.h>

#include "../mempool2.h"
#include "../debug/debug.h"
#include "compat_internal.h"
#include "reserve.h"

/*
 * A waiter calls the alloc function again after RETRY_JIFFIES without an element. The head of the
 * queue does so after FIRST_PAUSE, and doubles the pause each time, up to LONGEST_PAUSE.
 */
#define RETRY_JIFFIES	(5 * HZ)
#define FIRST_PAUSE	msecs_to_jiffies(10)
#define LONGEST_PAUSE	HZ

/* Elements, or callbacks, for which a lock may be held or preemption disabled at a stretch. */
#define BATCH		64

/* Warn once per site of misuse of the API, naming the caller and the violated rule. */
#define misuse_once_at(caller, condition, fmt, ...)			\
	WARN_ONCE(condition, "mempool2: %pS: " fmt "\n",		\
		  (void *)(caller), ##__VA_ARGS__)

#define misuse_once(condition, fmt, ...)				\
	misuse_once_at(_RET_IP_, condition, fmt, ##__VA_ARGS__)

#define misuse_uninit_at(caller, pool)					\
	misuse_once_at(caller, !mempool2_initialized(pool), "pool is not initialized")

#define misuse_uninit(pool)	misuse_uninit_at(_RET_IP_, pool)

#define misuse_waiter(waiter)						\
	misuse_once(!(waiter)->callback,				\
		    "the waiter has no callback: mempool2_waiter_init() sets one")

#define misuse_bulk(pool, count)					\
	(misuse_uninit(pool) ||						\
	 misuse_once((count) > READ_ONCE((pool)->min_nr),		\
		     "%u elements at once from a pool that guarantees %d", \
		     (count), READ_ONCE((pool)->min_nr)))

/*
 * An address that no element may have: %NULL, %SLOT_CLOSED or an ERR_PTR(). As numbers they are
 * adjacent, so that this is one comparison.
 */
static __always_inline bool is_no_element(const void *element)
{
	return unlikely((unsigned long)element + MAX_ERRNO <= MAX_ERRNO + 1UL);
}

/* Warn of such an address. The pool gives it to no waiter and puts it into no reserve. */
#define misuse_element(element, caller)						\
	(is_no_element(element) &&						\
	 misuse_once_at(caller, true, "%p is no element: %ld", element, (long)(element)))

/* May this context take pool->wait.lock? On PREEMPT_RT that is a sleeping lock. */
static inline bool can_lock_waitq(void)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) || preemptible();
}

/* The lock of the queue, where can_lock_waitq(). */
#define waitq_lock_irqsave(pool, flags)					\
	do {								\
		mempool2_not_rt_begin();				\
		spin_lock_irqsave(&(pool)->wait.lock, flags);		\
	} while (0)

#define waitq_unlock_irqrestore(pool, flags)				\
	do {								\
		spin_unlock_irqrestore(&(pool)->wait.lock, flags);	\
		mempool2_not_rt_end();					\
	} while (0)

/*
 * May the stack depot allocate in this context? The locks of the kernel's allocators sleep on
 * PREEMPT_RT, and on other kernels too lockdep forbids them in a hardirq (PROVE_RAW_LOCK_NESTING).
 */
static inline bool can_alloc_stack(void)
{
	return IS_ENABLED(CONFIG_PREEMPT_RT) ? preemptible() : !in_hardirq();
}

/* core/backend.c */

bool mp2_pool_args_valid(int min_nr, mempool2_alloc_t *alloc_fn, mempool2_free_t *free_fn,
			 void *pool_data, unsigned long caller);
enum mempool2_kind mp2_pool_kind(mempool2_alloc_t *alloc_fn, mempool2_free_t *free_fn);
int mp2_slab_find_members(void);
void *mp2_slab_ctor(const struct kmem_cache *cache);
bool mp2_slab_may_poison(const struct kmem_cache *cache);

/* core/element.c */

void *mp2_backend_alloc(struct mempool2 *pool, gfp_t gfp);
void mp2_backend_free(struct mempool2 *pool, void *element);
unsigned int mp2_elements_park(struct mempool2 *pool, void **elems, unsigned int nr);
void mp2_elements_unpark(struct mempool2 *pool, void **elems, unsigned int nr);
unsigned int mp2_pool_put_into_reserve(struct mempool2 *pool, void **elems, unsigned int nr);
void mp2_waiter_got_elems(struct mempool2 *pool, void **elems, unsigned int nr);

/*
 * Poison @element for KASAN while it is in the reserve. False if KASAN has reported an invalid or
 * double free: then the caller leaks the element.
 */
static __always_inline bool element_kasan_park(struct mempool2 *pool, void *element)
{
	if (pool->kind == MEMPOOL2_PAGES)
		return mempool2_kasan_poison_pages(element,
						   (unsigned long)pool->pool_data);
	/* kmalloc(0) returns no object of a slab. */
	if (pool->kind == MEMPOOL2_SLAB || (pool->kind == MEMPOOL2_KMALLOC && pool->pool_data))
		return mempool2_kasan_poison_object(element);
	return true;
}

static __always_inline void element_kasan_unpark(struct mempool2 *pool, void *element)
{
	if (pool->kind == MEMPOOL2_PAGES)
		mempool2_kasan_unpoison_pages(element,
					      (unsigned long)pool->pool_data);
	else if (pool->kind == MEMPOOL2_SLAB)
		mempool2_kasan_unpoison_object(element,
					       kmem_cache_size(pool->pool_data));
	else if (pool->kind == MEMPOOL2_KMALLOC && pool->pool_data)
		mempool2_kasan_unpoison_object(element, (size_t)pool->pool_data);
}

/*
 * mp2_reserve_take() of up to @nr elements, which are unparked then. @certain: for one element,
 * and with mp2_reserve_take_certain().
 */
static inline unsigned int pool_take_from_reserve(struct mempool2 *pool, void **elems,
						  unsigned int nr, bool certain)
{
	unsigned int taken;

	rcu_read_lock_sched();
	taken = mp2_reserve_take(pool, elems, nr);
	if (!taken && certain)
		taken = mp2_reserve_take_certain(pool, elems);
	if (taken)
		mp2_elements_unpark(pool, elems, taken);
	rcu_read_unlock_sched();
	return taken;
}

/*
 * Have kmemleak show the stack of the caller that holds an element, not of the one that filled the
 * pool. Skipped where kmemleak must not allocate memory for the stack.
 */
static inline void pool_update_kmemleak(void **elems, unsigned int nr)
{
	unsigned int i;

	if (!IS_ENABLED(CONFIG_DEBUG_KMEMLEAK) || !can_alloc_stack())
		return;
	for (i = 0; i < nr; i++)
		kmemleak_update_trace(elems[i]);
}

/* core/wait.c */

bool mp2_limit_try_charge(struct mempool2 *pool, unsigned int nr);
bool mp2_limit_has_room(struct mempool2 *pool);
int mp2_limit_charge(struct mempool2 *pool, unsigned int nr);
void mp2_limit_freed(struct mempool2 *pool, unsigned int nr);
void mp2_limit_release(struct mempool2 *pool, unsigned int nr);
void mp2_limit_uncharge(struct mempool2 *pool, unsigned int nr);

static inline bool pool_is_limited(const struct mempool2 *pool)
{
	return unlikely(pool_is_instrumented(pool)) && pool_has(pool, FEATURE_LIMIT);
}

/*
 * Charge @nr elements to the limit of the pool. Returns the number to pass to limit_uncharge(), 0
 * for a pool without limit; or a negative number if the pool has waiters or the limit is reached:
 * then the caller has to wait.
 */
static inline int limit_charge(struct mempool2 *pool, unsigned int nr)
{
	return unlikely(pool_is_instrumented(pool)) ? mp2_limit_charge(pool, nr) : 0;
}

/* For a call that was charged and then found no element. */
static inline void limit_uncharge(struct mempool2 *pool, int nr)
{
	if (nr > 0)
		mp2_limit_uncharge(pool, nr);
}

/*
 * Uncharge @nr elements that are freed. Call this before mp2_pool_return(), which serves waiters
 * for the limit too. This does not serve them, as a callback may end the pool.
 */
static inline void limit_freed(struct mempool2 *pool, unsigned int nr)
{
	if (unlikely(pool_is_instrumented(pool)))
		mp2_limit_freed(pool, nr);
}

/* Argument of the wake function of a waiter, which takes the element under pool->wait.lock. */
struct handover {
	void			*element;	/* NULL after a waiter has taken it */
	struct llist_head	*completed;	/* requests that have all elements: run callbacks */
};

/* The wake flags for a struct handover as key. Other wake-ups of pool->wait have other flags. */
#define WAKE_HANDOVER	BIT(30)

int mp2_waiter_sleep(struct mempool2_waiter *waiter, gfp_t gfp, unsigned int task_state,
		     unsigned long timeout);
struct mempool2_waiter *mp2_queue_head(struct mempool2 *pool);
void mp2_waiter_give(struct mempool2_waiter *waiter, void *element);
void mp2_waiter_leave(struct mempool2_waiter *waiter);
bool mp2_limit_charge_waiter(struct mempool2 *pool);
gfp_t mp2_waiter_ask_begin(struct mempool2_waiter *waiter, gfp_t gfp);
bool mp2_waiter_ask_end(struct mempool2_waiter *waiter);
bool mp2_waiter_queue(struct mempool2_waiter *waiter, struct handover *hand);
void mp2_waiters_serve(struct mempool2 *pool, struct llist_head *completed);
void mp2_waiters_serve_and_run(struct mempool2 *pool);
unsigned int mp2_pool_return(struct mempool2 *pool, void **elems, unsigned int count,
			     struct llist_head *completed);
void mp2_pool_free_elems(struct mempool2 *pool, void **elems, unsigned int count, bool later);

/**
 * struct hold - the last element that a task took on this CPU, after a wait or from an offer
 *
 * @element: the element
 * @task: the task
 * @nr_switches: number of context switches of the task when it took the element
 */
struct hold {
	const void		*element;
	struct task_struct	*task;
	unsigned long		nr_switches;
};

DECLARE_PER_CPU(struct hold, mp2_holds);

static inline unsigned long current_nr_switches(void)
{
	return current->nvcsw + current->nivcsw;
}

static inline void hold_begin(const void *element)
{
	struct hold *hold;

	if (!in_task())
		return;
	hold = get_cpu_ptr(&mp2_holds);
	hold->element = element;
	hold->task = current;
	hold->nr_switches = current_nr_switches();
	put_cpu_ptr(&mp2_holds);
}

/* Has the current task held @element without a context switch? */
static inline bool hold_is_short(const void *element)
{
	struct hold *hold = get_cpu_ptr(&mp2_holds);
	bool is_short;

	is_short = hold->element == element && hold->task == current && in_task() &&
		   hold->nr_switches == current_nr_switches();
	put_cpu_ptr(&mp2_holds);
	return is_short;
}

/* May a newcomer take from the reserve? With waiters only while an element is offered. */
static inline bool state_lets_take(int state)
{
	return (state & (MEMPOOL2_WAITERS | MEMPOOL2_OFFERED)) != MEMPOOL2_WAITERS;
}

/*
 * Serve the waiters, if there are any, after a put. A callback may end the pool, so this is the
 * last use of the pool in a call.
 *
 * Race A: the put was a full barrier. Pairs with mp2_waiter_queue() (queue-or-reserve,
 * queue-or-stored).
 */
static __always_inline void pool_kick_waiters(struct mempool2 *pool)
{
	if (pool_has_waiters(pool))
		mp2_waiters_serve_and_run(pool);
}

/* The states of a request. A cmpxchg() decides whether it is served or cancelled. */
enum waiter_state {
	WAITER_IDLE,		/* unknown to the pool; 0, as in zeroed memory */
	WAITER_SUBMITTED,	/* a completion has to queue it, if it is not queued at once */
	WAITER_QUEUED,
	WAITER_SERVED,		/* has all elements; a completion has to call its callback */
	WAITER_CANCELLED,	/* has to leave the queue, at once or by a completion */
};

static inline bool waiter_is_idle(const struct mempool2_waiter *waiter)
{
	/* Pairs with the release in waiter_set_idle() (dropped-and-used). */
	return smp_load_acquire(&waiter->state) == WAITER_IDLE;
}

/* core/async.c; core/wait.c calls the first four functions */

int mp2_async_wake(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key);
void mp2_callbacks_run(struct llist_head *completed);
void mp2_callbacks_defer(struct llist_head *completed);
void mp2_waiters_serve_later(struct mempool2 *pool);
int mp2_async_submit(struct mempool2 *pool, gfp_t gfp, struct mempool2_waiter *waiter,
		     void **elems, unsigned int count, unsigned int nr_missing,
		     unsigned long caller);
void mp2_irq_works_sync(void);
int mp2_completions_init(void);
void mp2_completions_exit(void);

/* The task that runs callbacks on this CPU; NULL if none does. */
DECLARE_PER_CPU(struct task_struct *, mp2_callback_task);

/* Is the caller a task outside callbacks, and no interrupt? */
static inline bool by_task(void)
{
	return in_task() && this_cpu_read(mp2_callback_task) != current;
}

/* core/retry.c; core/wait.c calls the first function, and core/async.c the next two */

void mp2_retry_begin(struct mempool2 *pool);
bool mp2_retry_end(struct mempool2_waiter *waiter, bool is_cancelled);
void mp2_retry_sync(const struct mempool2_waiter *waiter);
void mp2_retry_sync_pool(const struct mempool2 *pool);
int mp2_retriers_init(void);
void mp2_retriers_exit(void);

/* core/resize.c, for sweeps of the checks too */

extern struct wait_queue_head mp2_owner_wait;

bool mp2_reserve_own(struct mempool2_reserve *reserve);
void mp2_reserve_disown(struct mempool2_reserve *reserve);
void mp2_reserve_set_moving(struct mempool2_reserve *reserve, bool moving);

#ifndef CONFIG_MEMPOOL2_DEBUG
/* A pool that is instrumented has a limit, and nothing else. */
static inline void *mp2_debug_alloc(struct mempool2 *pool, gfp_t gfp, int *entered,
				    unsigned long caller)
{
	*entered = mp2_limit_charge(pool, 1);
	return *entered < 0 ? NULL : __mempool2_backend_alloc(pool, pool->kind, gfp);
}

static inline bool mp2_debug_free(struct mempool2 *pool, void *element, unsigned long caller)
{
	mp2_limit_freed(pool, 1);
	return false;
}
#endif

#endif /* _MEMPOOL2_INTERNAL_H */
