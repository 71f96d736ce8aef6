/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of mempool2 have of each other
 *
 * A part calls those above it in this list, and those below it only where it says so here:
 *
 *	core/reserve.c	where elements rest
 *	core/backend.c	the stock functions
 *	core/element.c	elements on their way into the reserve and out of it
 *	core/wait.c	waiters, hand-over, sleeping; calls core/async.c and core/retry.c for the
 *			waiters that have functions
 *	core/async.c	requests, their functions and who calls them
 *	core/retry.c	asks the alloc function again for requests
 *	mempool2.c	allocating, freeing, making and ending pools
 *	core/resize.c	resize, refill, limits
 *
 *	core/ext.c	what is on for a pool, and for any at all; the limit
 *
 * debug/debug.h says what all of them call of the part that is for debugging.
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
#include "reserve.h"

/*
 * A waiter asks the alloc function again after this time without an element. The head of the
 * queue asks after the first pause already, and doubles the pause each time, up to the longest.
 */
#define RETRY_JIFFIES	(5 * HZ)
#define FIRST_PAUSE	msecs_to_jiffies(10)
#define LONGEST_PAUSE	HZ

/* Elements handled in one go, with a lock held or preemption disabled. */
#define BATCH		64

/* A caller's misuse_once: said once, with who made it and what was wrong. */
#define misuse_once_at(caller, condition, fmt, ...)			\
	WARN_ONCE(condition, "mempool2: %pS: " fmt "\n",		\
		  (void *)(caller), ##__VA_ARGS__)

#define misuse_once(condition, fmt, ...)				\
	misuse_once_at(_RET_IP_, condition, fmt, ##__VA_ARGS__)

#define misuse_uninit_at(caller, pool)					\
	misuse_once_at(caller, !mempool2_initialized(pool), "pool is not initialized")

#define misuse_uninit(pool)	misuse_uninit_at(_RET_IP_, pool)

#define misuse_waiter(waiter)						\
	misuse_once(!(waiter)->callback, "the waiter has no function: mempool2_waiter_init() sets one")

#define misuse_bulk(pool, count)					\
	(misuse_uninit(pool) ||						\
	 misuse_once((count) > READ_ONCE((pool)->min_nr),		\
		     "%u elements at once from a pool that guarantees %d", \
		     (count), READ_ONCE((pool)->min_nr)))

/*
 * Is this what no pool can keep: %NULL, 1, or what IS_ERR() takes for an error? These are
 * next to each other, so it is one comparison.
 */
static __always_inline bool is_no_element(const void *element)
{
	return unlikely((unsigned long)element + MAX_ERRNO <= MAX_ERRNO + 1UL);
}

/* Neither the reserve nor a waiter gets that; it stays whose it was. */
#define misuse_element(element, caller)						\
	(is_no_element(element) &&						\
	 misuse_once_at(caller, true, "%p is no element: %ld", element, (long)(element)))

/* PREEMPT_RT: the lock of the queue sleeps. */
static inline bool can_lock_waitq(void)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) || preemptible();
}

/*
 * May memory be asked for in passing, to keep a stack? The locks of the kernel's
 * allocators sleep on PREEMPT_RT, and lockdep holds those who take them in a hardirq
 * to that on other kernels too (PROVE_RAW_LOCK_NESTING).
 */
static inline bool can_alloc_stack(void)
{
	return IS_ENABLED(CONFIG_PREEMPT_RT) ? preemptible() : !in_hardirq();
}

/* core/backend.c */

bool mp2_pool_args_valid(int min_nr, mempool2_alloc_t *alloc_fn, mempool2_free_t *free_fn,
			 void *pool_data, unsigned long caller);
enum mempool2_kind mp2_pool_kind(mempool2_alloc_t *alloc_fn, mempool2_free_t *free_fn);
int mp2_slab_find_ctor(void);
void *mp2_slab_ctor(const struct kmem_cache *cache);

/* core/element.c */

unsigned int mp2_elements_park(struct mempool2 *pool, void **elems, unsigned int nr);
void mp2_elements_unpark(struct mempool2 *pool, void **elems, unsigned int nr);
unsigned int mp2_pool_put_into_reserve(struct mempool2 *pool, void **elems, unsigned int nr);
void mp2_waiter_got_elems(struct mempool2 *pool, void **elems, unsigned int nr);

/* False if KASAN has reported that it must not be freed: it is lost rather than given out again. */
static __always_inline bool element_kasan_park(struct mempool2 *pool, void *element)
{
	if (pool->kind == MEMPOOL2_PAGES)
		return mempool2_kasan_poison_pages(element,
						   (unsigned long)pool->pool_data);
	/* Memory of no size is no object of any slab. */
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

/* Up to @nr elements for a caller or for waiters: mp2_reserve_take(). */
static inline unsigned int pool_take_from_reserve(struct mempool2 *pool, void **elems,
						  unsigned int nr)
{
	unsigned int taken;

	rcu_read_lock_sched();
	taken = mp2_reserve_take(pool, elems, nr);
	if (taken)
		mp2_elements_unpark(pool, elems, taken);
	rcu_read_unlock_sched();
	return taken;
}

/*
 * Who has an element now is of more interest than who filled the pool. It is left out
 * where kmemleak could not keep another stack: it would ask for memory then.
 */
static inline void pool_update_kmemleak(void **elems, unsigned int nr)
{
	unsigned int i;

	if (!IS_ENABLED(CONFIG_DEBUG_KMEMLEAK) || !can_alloc_stack())
		return;
	for (i = 0; i < nr; i++)
		kmemleak_update_trace(elems[i]);
}

/* The alloc and the free function of a pool */

static __always_inline void *backend_alloc(struct mempool2 *pool, gfp_t gfp)
{
	void *element;

	if (likely(!pool_is_instrumented(pool)))
		return __mempool2_backend_alloc(pool, pool->kind, gfp);
	if (mp2_debug_should_fail(pool))
		return NULL;
	element = __mempool2_backend_alloc(pool, pool->kind, gfp);
	if (element)
		mp2_debug_track(pool, element);
	return element;
}

static inline void backend_free(struct mempool2 *pool, void *element)
{
	if (unlikely(pool_is_instrumented(pool)))
		mp2_debug_untrack(pool, element);
	__mempool2_backend_free(pool, pool->kind, element);
}

/* core/wait.c */

bool mp2_limit_try_charge(struct mempool2 *pool, unsigned int nr);
int mp2_limit_charge(struct mempool2 *pool, unsigned int nr);
void mp2_limit_freed(struct mempool2 *pool, unsigned int nr);
void mp2_limit_release(struct mempool2 *pool, unsigned int nr);
void mp2_limit_uncharge(struct mempool2 *pool, unsigned int nr);

static inline bool pool_is_limited(const struct mempool2 *pool)
{
	return unlikely(pool_is_instrumented(pool)) && pool_has(pool, FEATURE_LIMIT);
}

/*
 * Enter with @nr elements, unless somebody waits: how many that are for limit_uncharge(), 0 if there
 * is no limit; or a negative number, and one has to wait.
 */
static inline int limit_charge(struct mempool2 *pool, unsigned int nr)
{
	return unlikely(pool_is_instrumented(pool)) ? mp2_limit_charge(pool, nr) : 0;
}

/* For a call that has entered and finds no elements. */
static inline void limit_uncharge(struct mempool2 *pool, int nr)
{
	if (nr > 0)
		mp2_limit_uncharge(pool, nr);
}

/*
 * Elements come back. To be called before they are offered to waiters or put: that looks
 * for waiters, so it is not done here, and no function is called while there still is
 * something to be done with the pool.
 */
static inline void limit_freed(struct mempool2 *pool, unsigned int nr)
{
	if (unlikely(pool_is_instrumented(pool)))
		mp2_limit_freed(pool, nr);
}

/* What is given to the oldest waiter under the lock, and what comes after that. */
struct handover {
	void			*element;	/* NULL as soon as somebody has it */
	struct llist_head	*completed;	/* whose functions are to be called */
};

/*
 * The wake flags that come with a struct handover. A wake-up of the queue by anybody else
 * has other flags, whatever its key is.
 */
#define WAKE_HANDOVER	BIT(30)

int mp2_waiter_sleep(struct mempool2_waiter *waiter, gfp_t gfp, unsigned int task_state,
		     unsigned long timeout);
struct mempool2_waiter *mp2_queue_head(struct mempool2 *pool);
void mp2_waiter_give(struct mempool2_waiter *waiter, void *element);
void mp2_waiter_leave(struct mempool2_waiter *waiter);
bool mp2_waiter_queue(struct mempool2_waiter *waiter, struct handover *hand);
void mp2_waiters_serve(struct mempool2 *pool, struct llist_head *completed);
void mp2_waiters_serve_and_run(struct mempool2 *pool);
unsigned int mp2_pool_return(struct mempool2 *pool, void **elems, unsigned int count,
			     struct llist_head *completed);
void mp2_pool_free_elems(struct mempool2 *pool, void **elems, unsigned int count, bool later);

/**
 * struct hold - an element that a task on this CPU has taken
 *
 * @element: the element
 * @task: the task
 * @nr_switches: how many context switches the task had until then
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

/* Is the element freed by the task that took it, without a context switch since? */
static inline bool hold_is_short(const void *element)
{
	struct hold *hold = get_cpu_ptr(&mp2_holds);
	bool is_short;

	is_short = hold->element == element && hold->task == current && in_task() &&
		   hold->nr_switches == current_nr_switches();
	put_cpu_ptr(&mp2_holds);
	return is_short;
}

/* May a newcomer take an element that rests? Not before the waiters, unless it is offered. */
static inline bool state_lets_take(int state)
{
	return (state & (MEMPOOL2_WAITERS | MEMPOOL2_OFFERED)) != MEMPOOL2_WAITERS;
}

/*
 * After an element was put, which is a full barrier. The last thing that a call does with the pool:
 * functions may end it.
 */
static __always_inline void pool_kick_waiters(struct mempool2 *pool)
{
	if (pool_has_waiters(pool))
		mp2_waiters_serve_and_run(pool);
}

/* The states of a waiter that has a function. */
enum waiter_state {
	WAITER_IDLE,		/* the pool knows nothing of it; 0, as is zeroed memory */
	WAITER_SUBMITTED,	/* an errand: it has to join the queue */
	WAITER_QUEUED,
	WAITER_SERVED,		/* an errand: its function has to be called */
	WAITER_CANCELLED,	/* an errand, perhaps: it has to leave the queue */
};

static inline bool waiter_is_idle(const struct mempool2_waiter *waiter)
{
	/* Pairs with the release in waiter_set_idle(). */
	return smp_load_acquire(&waiter->state) == WAITER_IDLE;
}

/* core/async.c; core/wait.c calls the first four */

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

/* The task that is calling functions. */
DECLARE_PER_CPU(struct task_struct *, mp2_callback_task);

/* Does the task itself call this, and not a function of a request, or an interrupt? */
static inline bool by_task(void)
{
	return in_task() && this_cpu_read(mp2_callback_task) != current;
}

/* core/retry.c; core/wait.c calls the first one, and core/async.c the next two */

void mp2_retry_begin(struct mempool2 *pool);
bool mp2_retry_end(struct mempool2_waiter *waiter, bool is_cancelled);
void mp2_retry_sync(const struct mempool2_waiter *waiter);
void mp2_retry_sync_pool(const struct mempool2 *pool);
int mp2_retriers_init(void);
void mp2_retriers_exit(void);

/* core/resize.c, for sweeps */

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
