/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mempool2 - pools of preallocated elements whose allocation cannot fail
 *
 * Everything here stands for the call of the kernel's mempool that has the same
 * name without the "2": same arguments, same meaning. What mempool2 adds to it
 * is written at each call. The kernel's own <linux/mempool.h> is not needed, and
 * may be included beside this header.
 *
 * The shortest use, in a driver that has a slab cache "io_cache":
 *
 *	static struct mempool2 io_pool;
 *
 *	err = mempool2_init_slab_pool(&io_pool, 16, io_cache);
 *	...
 *	io = mempool2_alloc(&io_pool, GFP_NOIO);	never NULL
 *	...
 *	mempool2_free(io, &io_pool);			any context
 *	...
 *	mempool2_exit(&io_pool);
 *
 * examples/mempool2_example.c is a whole module.
 */
#ifndef _MEMPOOL2_H
#define _MEMPOOL2_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/kconfig.h>
#include <linux/llist.h>
#include <linux/sched/mm.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "core/compat.h"

struct kmem_cache;
struct mempool2_reserve;
struct mempool2_waiter;

/**
 * typedef mempool2_alloc_t - gets one element from where they come from
 * @gfp_mask: what the allocation may do, see mempool2_alloc() and
 *	mempool2_init_node() for the masks that a pool hands on
 * @pool_data: what the pool was made with
 *
 * May sleep if @gfp_mask has %__GFP_DIRECT_RECLAIM. Runs with no lock of the
 * pool held and with interrupts as the pool's caller had them. For a request, see
 * mempool2_alloc_async(), a thread of a workqueue calls it too.
 *
 * Return: the element, or %NULL when there is none. An element may be any value but 1 and
 * what IS_ERR() takes for an error, and several may have the same.
 */
typedef void *mempool2_alloc_t(gfp_t gfp_mask, void *pool_data);

/**
 * typedef mempool2_free_t - gives one element back to where it came from
 * @element: the element, never %NULL
 * @pool_data: what the pool was made with
 *
 * May sleep if no caller of mempool2_free() is in a context that cannot. Runs
 * with no lock of the pool held and with interrupts as the pool's caller had
 * them.
 */
typedef void mempool2_free_t(void *element, void *pool_data);

/**
 * enum mempool2_kind - where a pool's elements come from
 *
 * @MEMPOOL2_NONE: the pool is not initialized; 0, so that zeroed memory says so
 * @MEMPOOL2_CUSTOM: functions that mempool2 does not know
 * @MEMPOOL2_SLAB: mempool2_alloc_slab() and mempool2_free_slab()
 * @MEMPOOL2_KMALLOC: mempool2_kmalloc() and mempool2_kfree()
 * @MEMPOOL2_PAGES: mempool2_alloc_pages() and mempool2_free_pages()
 * @MEMPOOL2_NO_KIND: no pool is of this kind, see mempool2_inline_kinds
 *
 * What is known is called directly, which costs less than a call through a
 * pointer does where those are guarded against speculation. The values leave room
 * for the flags of a pool's state.
 */
enum mempool2_kind {
	MEMPOOL2_NONE		= 0x00,
	MEMPOOL2_CUSTOM		= 0x08,
	MEMPOOL2_SLAB		= 0x10,
	MEMPOOL2_KMALLOC	= 0x18,
	MEMPOOL2_PAGES		= 0x20,
	MEMPOOL2_NO_KIND	= 0x38,
};

/**
 * struct mempool2_inline_kinds - the kinds of pools that the inline calls serve
 *
 * @custom: %MEMPOOL2_CUSTOM or %MEMPOOL2_NO_KIND
 * @slab: %MEMPOOL2_SLAB or %MEMPOOL2_NO_KIND
 *
 * While something is on for any pool, a limit, a check or the like, there is no such
 * kind: so the inline calls of all pools go out of line, where the pool is asked
 * what is on for it. Nothing has to be written to a pool for that.
 */
struct mempool2_inline_kinds {
	u8	custom;
	u8	slab;
};

extern struct mempool2_inline_kinds mempool2_inline_kinds;

/* May change while it is read: a call that has read the old value does what was right before. */
#define mempool2_is_inline(kind, name)	((u8)(kind) == data_race(mempool2_inline_kinds.name))

/*
 * The state of a pool. Its lowest byte is the kind and no flag at all while the reserve is full,
 * so that mempool2_free() needs one comparison to know both that and which function to call.
 */
#define MEMPOOL2_NOT_FULL	0x01	/* the reserve may have room */
#define MEMPOOL2_FULL_SCAN	0x02	/* a CPU makes sure that it has none */
#define MEMPOOL2_OFFERED	0x40	/* the oldest was woken to take one that rests */
#define MEMPOOL2_WAITERS	0x80	/* callers wait for elements */
/* Above the lowest byte: how many scans were begun. */
#define MEMPOOL2_SCAN_COUNT	0x100

/**
 * struct mempool2 - a pool
 *
 * @wait: Callers that wait until an element is freed, oldest first. Its lock
 *	protects the queue and writes of @nr_waiters. Others may have entries in it: they
 *	are woken by each element that is given to a caller which waits behind them, and by
 *	nothing else.
 * @state: What is known of the reserve and of waiters, see %MEMPOOL2_NOT_FULL. All
 *	that mempool2_free() looks at while the reserve is full. Written when the reserve
 *	becomes full or stops being full, and with the first waiter and the last.
 * @kind: What @alloc and @free are, an &enum mempool2_kind.
 * @node: NUMA node for the pool's own bookkeeping, or %NUMA_NO_NODE.
 * @nr_waiters: Callers queued on @wait.
 * @min_nr: Elements that the caller asked the pool to guarantee. Read it with
 *	READ_ONCE(): mempool2_resize() changes it.
 * @reserve: Where elements rest, with room for @min_nr of them, but never for
 *	less than one, so that a pool with @min_nr 0 can make progress too.
 * @pool_data: What @alloc and @free are called with.
 * @alloc: Gets an element from where they come from.
 * @free: Gives an element back there.
 * @deferred: On PREEMPT_RT, in the list of pools whose waiters are to be served by
 *	a thread, as who freed an element could not take the lock of @wait.
 * @is_deferred: On PREEMPT_RT, whether it is in there.
 *
 * May be embedded in another structure or stand on the stack. The members are
 * shown so that this is possible; callers may read @min_nr and @pool_data and
 * write none.
 *
 * A pool that has been initialized and not used yet may be copied by value, once,
 * and the copy used instead of the original. Nothing in the structure points at
 * the structure but the list head in @wait: call init_waitqueue_head() on the
 * copy's @wait before the first use of the copy. A pool that is idle (nobody
 * waits, no call is under way) may be copied in order to pass the copy to
 * mempool2_exit() instead of the original. The original's memory may be used for
 * something else while the copy lives.
 *
 * Matches struct mempool (mempool_t).
 */
struct mempool2 {
	wait_queue_head_t	wait;
	atomic_t		state;
	u8			kind;
	short			node;
	int			nr_waiters;
	int			min_nr;
	struct mempool2_reserve __rcu *reserve;
	void			*pool_data;
	mempool2_alloc_t	*alloc;
	mempool2_free_t		*free;
#ifdef CONFIG_PREEMPT_RT
	struct llist_node	deferred;
	int			is_deferred;
#endif
};

/* The name that users of mempool_t expect. */
typedef struct mempool2 mempool2_t;

/**
 * DOC: Contexts
 *
 * "Any context" below means task, softirq and hardirq, with or without
 * interrupts disabled, but not NMI. That holds on PREEMPT_RT too, where the
 * kernel's mempool is not allowed in hardirq; but most alloc and free functions
 * are not allowed there either, such as those of slab pools.
 */

/*
 * Life
 */

/**
 * mempool2_initialized() - is the pool ready for use?
 * @pool: a pool, or zeroed memory
 *
 * Context: Any. Does not sleep.
 * Return: true from a successful mempool2_init() until mempool2_exit().
 *
 * Matches mempool_initialized().
 */
static inline bool mempool2_initialized(const struct mempool2 *pool)
{
	/* It changes while the pool is in use, but neither from this nor to it. */
	return data_race(pool->kind) != MEMPOOL2_NONE;
}

/**
 * mempool2_nr_reserved() - how many elements are in the reserve?
 * @pool: a pool
 *
 * A snapshot: it may be out of date when the caller looks at it.
 *
 * Context: Any. Does not sleep.
 * Return: the number; 0 if @pool is not initialized.
 *
 * Matches the member curr_nr of the kernel's struct mempool.
 */
int mempool2_nr_reserved(const struct mempool2 *pool);

/**
 * mempool2_is_saturated() - does the reserve hold all that it guarantees?
 * @pool: an initialized pool
 *
 * A snapshot: it may be out of date when the caller looks at it.
 *
 * Context: Any. Does not sleep.
 * Return: true when the reserve holds at least @min_nr elements.
 *
 * Matches mempool_is_saturated().
 */
static inline bool mempool2_is_saturated(const struct mempool2 *pool)
{
	return mempool2_nr_reserved(pool) >= READ_ONCE(pool->min_nr);
}

int mempool2_init_node_noprof(struct mempool2 *pool, int min_nr,
			      mempool2_alloc_t *alloc_fn,
			      mempool2_free_t *free_fn, void *pool_data,
			      gfp_t gfp_mask, int node_id);
struct mempool2 *mempool2_create_node_noprof(int min_nr,
					     mempool2_alloc_t *alloc_fn,
					     mempool2_free_t *free_fn,
					     void *pool_data, gfp_t gfp_mask,
					     int node_id);
int mempool2_resize_noprof(struct mempool2 *pool, int new_min_nr);

/**
 * mempool2_init_node() - make a pool in memory that the caller has
 * @pool: memory for it; what it held before does not matter
 * @min_nr: elements to guarantee, 0 or more
 * @alloc_fn: gets an element, see mempool2_alloc_t
 * @free_fn: gives an element back, see mempool2_free_t
 * @pool_data: handed to both
 * @gfp_mask: handed to @alloc_fn as it is, and used for the pool's bookkeeping
 * @node_id: NUMA node for the bookkeeping, or %NUMA_NO_NODE
 *
 * Fills the reserve with @min_nr elements. A pool with @min_nr 0 gets one.
 *
 * Context: Task context; sleeps if @gfp_mask or @alloc_fn does.
 * Return: 0, or
 *
 * * %-ENOMEM - @alloc_fn or the bookkeeping found no memory; what had been
 *   allocated is freed again
 * * %-EINVAL - @alloc_fn or @free_fn is %NULL, @min_nr is negative or too large
 *   to keep account of, or @pool_data is no valid cache, size or order for the
 *   stock functions below, or @alloc_fn returned 1 or an ERR_PTR(); one warning says which
 *
 * On an error @pool is as after mempool2_exit().
 *
 * Matches mempool_init_node(), which needs @pool to be zeroed.
 */
#define mempool2_init_node(pool, min_nr, alloc_fn, free_fn, pool_data,	\
			   gfp_mask, node_id)				\
	mempool2_hooks(mempool2_init_node_noprof(pool, min_nr, alloc_fn,	\
						 free_fn, pool_data,	\
						 gfp_mask, node_id))

/**
 * mempool2_init() - make a pool in memory that the caller has
 * @pool: memory for it
 * @min_nr: elements to guarantee, 0 or more
 * @alloc_fn: gets an element
 * @free_fn: gives an element back
 * @pool_data: handed to both
 *
 * mempool2_init_node() with %GFP_KERNEL on any node.
 *
 * Context: Task context; sleeps.
 * Return: as mempool2_init_node().
 *
 * Matches mempool_init().
 */
#define mempool2_init(pool, min_nr, alloc_fn, free_fn, pool_data)	\
	mempool2_init_node(pool, min_nr, alloc_fn, free_fn, pool_data,	\
			   GFP_KERNEL, NUMA_NO_NODE)

/**
 * mempool2_create_node() - allocate and make a pool
 * @min_nr: elements to guarantee, 0 or more
 * @alloc_fn: gets an element
 * @free_fn: gives an element back
 * @pool_data: handed to both
 * @gfp_mask: handed to @alloc_fn as it is, and used for the pool itself
 * @node_id: NUMA node for the pool itself, or %NUMA_NO_NODE
 *
 * Context: Task context; sleeps if @gfp_mask or @alloc_fn does.
 * Return: the pool, to be freed with mempool2_destroy(); %NULL where
 * mempool2_init_node() returns an error.
 *
 * Matches mempool_create_node().
 */
#define mempool2_create_node(min_nr, alloc_fn, free_fn, pool_data,	\
			     gfp_mask, node_id)				\
	mempool2_hooks(mempool2_create_node_noprof(min_nr, alloc_fn,	\
						   free_fn, pool_data,	\
						   gfp_mask, node_id))

/**
 * mempool2_create() - allocate and make a pool
 * @min_nr: elements to guarantee, 0 or more
 * @alloc_fn: gets an element
 * @free_fn: gives an element back
 * @pool_data: handed to both
 *
 * mempool2_create_node() with %GFP_KERNEL on any node.
 *
 * Context: Task context; sleeps.
 * Return: as mempool2_create_node().
 *
 * Matches mempool_create().
 */
#define mempool2_create(min_nr, alloc_fn, free_fn, pool_data)		\
	mempool2_create_node(min_nr, alloc_fn, free_fn, pool_data,	\
			     GFP_KERNEL, NUMA_NO_NODE)

/**
 * mempool2_resize() - change how many elements a pool guarantees
 * @pool: the pool
 * @new_min_nr: elements to guarantee from now on, 0 or more
 *
 * Growing allocates the missing elements with %GFP_KERNEL, and gives them to
 * callers that wait before it stores any. When no more can be had it stops
 * there; later frees fill the rest. Shrinking frees the surplus now. No lock is
 * held for longer than a few dozen elements take, however large the pool.
 *
 * Legal beside mempool2_alloc(), mempool2_free() and other calls of
 * mempool2_resize() on the same pool, and from inside an @alloc_fn or @free_fn.
 *
 * Context: Task context; sleeps.
 * Return: 0, also when the pool could only be filled in part, or
 *
 * * %-ENOMEM - no memory for the bookkeeping of the larger pool; the pool is as
 *   it was
 * * %-EINVAL - @pool is not initialized, or @new_min_nr is negative or too large
 *   to keep account of; one warning says which; the pool is as it was
 *
 * Matches mempool_resize(), which leaves waiters asleep for up to 5 s when it
 * grows, and moves the whole reserve with interrupts disabled.
 */
#define mempool2_resize(pool, new_min_nr)				\
	mempool2_hooks(mempool2_resize_noprof(pool, new_min_nr))

int mempool2_refill_noprof(struct mempool2 *pool, gfp_t gfp_mask);

/**
 * mempool2_refill() - fill the reserve now
 * @pool: the pool
 * @gfp_mask: handed to the alloc function as it is
 *
 * Allocates what the reserve misses, without waiting for frees: after a shortage,
 * or before one is to be expected. As ever, callers that wait are given theirs
 * first, and that does not fill the reserve. What was out meanwhile and comes back
 * to a full reserve is freed.
 *
 * Context: As the alloc function with @gfp_mask. Takes time in proportion to what the
 *	reserve misses.
 * Return: how many elements the reserve misses still, a snapshot; 0 if it is full.
 * %-EINVAL if @pool is not initialized, with a warning.
 */
#define mempool2_refill(pool, gfp_mask)					\
	mempool2_hooks(mempool2_refill_noprof(pool, gfp_mask))

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
void mempool2_exit(struct mempool2 *pool);

/**
 * mempool2_destroy() - end and free a pool that mempool2_create() made
 * @pool: the pool, or %NULL, which does nothing
 *
 * Context: As mempool2_exit().
 *
 * Matches mempool_destroy().
 */
void mempool2_destroy(struct mempool2 *pool);

/*
 * Use
 */

/* From here to mempool2_alloc_noprof(): what the inline calls are made of. */
void *__mempool2_alloc(struct mempool2 *pool, gfp_t gfp_mask) __malloc;
void *__mempool2_alloc_slow(struct mempool2 *pool, gfp_t gfp_mask) __malloc;
void __mempool2_free(struct mempool2 *pool, void *element);

#if IS_BUILTIN(CONFIG_MEMPOOL2) && defined(CONFIG_FAULT_INJECTION)
bool __mempool2_should_fail(void);
#else
static inline bool __mempool2_should_fail(void)
{
	return false;
}
#endif

/*
 * Of the caller's mask, what the alloc function may do. The pool stands in for
 * the emergency reserves of the page allocator and for its patience, so its
 * allocations use neither; and a failure is no news.
 */
static inline gfp_t mempool2_gfp(gfp_t gfp_mask)
{
	return gfp_mask | __GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN;
}

/* The first try is for what can be had at once. */
static inline gfp_t mempool2_gfp_first(gfp_t gfp_mask)
{
	return mempool2_gfp(gfp_mask) & ~(__GFP_DIRECT_RECLAIM | __GFP_IO);
}

/* @kind is the pool's, for the compiler to see what comes of it. */
static __always_inline void *__mempool2_backend_alloc(const struct mempool2 *pool,
						      u8 kind, gfp_t gfp)
{
	void *data = pool->pool_data;

	if (__mempool2_should_fail())
		return NULL;
	if (likely(kind == MEMPOOL2_CUSTOM))
		return pool->alloc(gfp, data);
	if (likely(kind == MEMPOOL2_SLAB))
		return mempool2_raw_slab_alloc(data, gfp);
	if (kind == MEMPOOL2_KMALLOC)
		return mempool2_raw_kmalloc((size_t)data, gfp);
	if (kind == MEMPOOL2_PAGES)
		return mempool2_raw_alloc_pages(gfp, (unsigned long)data);
	return NULL;
}

static __always_inline void __mempool2_backend_free(const struct mempool2 *pool,
						    u8 kind, void *element)
{
	void *data = pool->pool_data;

	if (likely(kind == MEMPOOL2_CUSTOM))
		pool->free(element, data);
	else if (likely(kind == MEMPOOL2_SLAB))
		kmem_cache_free(data, element);
	else if (kind == MEMPOOL2_KMALLOC)
		kfree(element);
	else if (kind == MEMPOOL2_PAGES)
		__free_pages(element, (unsigned long)data);
}

/*
 * Each call costs its caller code, so only what is short is inline: slab objects, and functions that
 * mempool2 does not know, with a mask that the compiler knows. All the rest is one call.
 */
static __always_inline void *mempool2_alloc_noprof(struct mempool2 *pool,
						   gfp_t gfp_mask)
{
	gfp_t gfp = mempool2_gfp_first(gfp_mask);
	u8 kind = READ_ONCE(pool->kind);
	void *element;

	if (!__builtin_constant_p(gfp_mask) || gfp_mask & __GFP_ZERO)
		return __mempool2_alloc(pool, gfp_mask);
	might_alloc(gfp_mask);
	if (likely(mempool2_is_inline(kind, custom)))
		element = __mempool2_backend_alloc(pool, MEMPOOL2_CUSTOM, gfp);
	else if (likely(mempool2_is_inline(kind, slab)))
		element = __mempool2_backend_alloc(pool, MEMPOOL2_SLAB, gfp);
	else
		return __mempool2_alloc(pool, gfp_mask);
	return likely(element) ? element : __mempool2_alloc_slow(pool, gfp_mask);
}

int mempool2_alloc_bulk_noprof(struct mempool2 *pool, void **elems,
			       unsigned int count);
void *mempool2_alloc_noreserve_noprof(struct mempool2 *pool, gfp_t gfp_mask)
	__malloc;

/**
 * mempool2_alloc() - allocate an element
 * @pool: the pool
 * @gfp_mask: what the allocation may do; not %__GFP_ZERO, as an element from the
 *	reserve holds what its last user left
 *
 * Tries, in this order: the pool's alloc function without %__GFP_DIRECT_RECLAIM
 * and %__GFP_IO; the reserve; the alloc function with the whole of @gfp_mask, if
 * that is more; the reserve; and then, if @gfp_mask has %__GFP_DIRECT_RECLAIM,
 * waits for its turn to be given a freed element. Meanwhile it tries the alloc
 * function again every 5 s; the oldest waiter does so after 10 ms, and then after
 * twice as long each time, up to every 1 s. The alloc function's mask always has
 * %__GFP_NOMEMALLOC, %__GFP_NORETRY and %__GFP_NOWARN.
 *
 * Elements that are freed while callers wait go to them in the order in which
 * they began to wait. Nobody takes one from the reserve before them, with one
 * exception: if a task frees an element that it has held without a context switch, since
 * it waited for it or took it in this way, the oldest waiter is woken to take it. Until
 * that waiter runs others may take elements. If it finds none then, the next element that
 * any CPU frees is given to it. So a waiter is overtaken for no longer than it takes to wake
 * it, once. Elements that are held over I/O, or freed by another task or in an interrupt,
 * are given strictly in order; so are those for requests, for callers that want several,
 * and for all where there is a limit.
 *
 * Context: With %__GFP_DIRECT_RECLAIM in @gfp_mask: task context, sleeps
 * uninterruptibly, accounted as I/O wait. Without it: any context, never sleeps.
 * Return: the element. %NULL only without %__GFP_DIRECT_RECLAIM: when there is no
 * memory, and the reserve is empty or other callers wait for what it gets; when as
 * many elements are out as mempool2_set_limit() allows; when other CPUs take and free
 * elements in just this moment, so that none was where this call looked; or when @pool
 * is not initialized, with a warning.
 *
 * Matches mempool_alloc(), which wakes all waiters for each freed element and
 * lets newcomers take it from them.
 */
#define mempool2_alloc(pool, gfp_mask)					\
	mempool2_hooks(mempool2_alloc_noprof(pool, gfp_mask))

/**
 * mempool2_alloc_bulk() - allocate several elements at once
 * @pool: the pool
 * @elems: array that receives them; what it held does not matter
 * @count: how many, at most the pool's @min_nr
 *
 * Works like @count calls of mempool2_alloc() with %GFP_KERNEL, narrowed by the
 * task's memalloc_noio_save() or memalloc_nofs_save() scope, but so that callers
 * for several elements cannot deadlock each other: what comes from the reserve
 * comes all at once, or is collected while the caller is the oldest waiter.
 *
 * Do not shrink the pool below @count meanwhile, and mind that a pool which
 * mempool2_resize() could only fill in part may have fewer elements than @count.
 * A caller that wants more than there are waits until memory comes back, and
 * those who came later wait behind it.
 *
 * Context: Task context; sleeps uninterruptibly, accounted as I/O wait. The
 * reserve is locked for a time proportional to @count.
 * Return: 0 with the whole array filled, or
 *
 * * %-EINVAL - @count is larger than @min_nr, or @pool is not initialized; one
 *   warning says which, and nothing is allocated
 *
 * Matches mempool_alloc_bulk() (7.x), in which a caller that needs several
 * elements starves beside callers that need one.
 */
#define mempool2_alloc_bulk(pool, elems, count)				\
	mempool2_hooks(mempool2_alloc_bulk_noprof(pool, elems, count))

/**
 * mempool2_alloc_noreserve() - call the pool's alloc function and no more
 * @pool: the pool
 * @gfp_mask: handed on as it is
 *
 * Context: as the alloc function with @gfp_mask.
 * Return: the element, to be freed with mempool2_free(). %NULL when the alloc
 * function has none; when as many elements are out as mempool2_set_limit() allows;
 * or when @pool is not initialized, with a warning.
 *
 * Matches mempool_alloc_noreserve() (7.x).
 */
#define mempool2_alloc_noreserve(pool, gfp_mask)			\
	mempool2_hooks(mempool2_alloc_noreserve_noprof(pool, gfp_mask))

/**
 * mempool2_alloc_preallocated() - take an element from the reserve
 * @pool: the pool
 *
 * Never calls the pool's alloc function.
 *
 * Context: Any. Does not sleep.
 * Return: the element, to be freed with mempool2_free(). %NULL when the reserve is
 * empty; while other callers wait for elements, as what the reserve still gets is
 * theirs, with the exception that mempool2_alloc() names; when as many elements are out as mempool2_set_limit() allows; or when
 * @pool is not initialized, with a warning. It may also be %NULL if other CPUs take and free
 * elements in just this moment, so that none was where this call looked.
 *
 * Matches mempool_alloc_preallocated() (6.7).
 */
void *mempool2_alloc_preallocated(struct mempool2 *pool) __malloc;

/*
 * Other ways to wait: all in the same queue, in the same order
 */

void *mempool2_alloc_timeout_noprof(struct mempool2 *pool, gfp_t gfp_mask,
				    unsigned long timeout);
void *mempool2_alloc_killable_noprof(struct mempool2 *pool, gfp_t gfp_mask);

/**
 * mempool2_alloc_timeout() - allocate an element, or wait no longer than a given time
 * @pool: the pool
 * @gfp_mask: what the allocation may do, as for mempool2_alloc()
 * @timeout: in jiffies; 0 not to wait at all, %MAX_SCHEDULE_TIMEOUT or more to wait
 *	for ever
 *
 * Works like mempool2_alloc(), and gives up its place in the queue when the time is
 * over. An element that arrives at that moment is returned. The time that the alloc
 * function takes is not limited.
 *
 * Context: as mempool2_alloc().
 * Return: the element; never %NULL, but an ERR_PTR() of
 *
 * * %-ETIMEDOUT - the time is over
 * * %-ENOMEM - mempool2_alloc() would return %NULL: @gfp_mask lacks
 *   %__GFP_DIRECT_RECLAIM, so the caller may not wait
 * * %-EINVAL - @pool is not initialized, with a warning
 *
 * So the elements must not have addresses that IS_ERR() takes for an error.
 */
#define mempool2_alloc_timeout(pool, gfp_mask, timeout)			\
	mempool2_hooks(mempool2_alloc_timeout_noprof(pool, gfp_mask, timeout))

/**
 * mempool2_alloc_killable() - allocate an element, unless killed while waiting
 * @pool: the pool
 * @gfp_mask: what the allocation may do, as for mempool2_alloc()
 *
 * Works like mempool2_alloc(), but its wait ends when the task is killed. An element
 * that arrives at that moment is returned.
 *
 * Context: as mempool2_alloc().
 * Return: as mempool2_alloc_timeout(), with %-EINTR for a task that is killed in
 * place of %-ETIMEDOUT.
 */
#define mempool2_alloc_killable(pool, gfp_mask)				\
	mempool2_hooks(mempool2_alloc_killable_noprof(pool, gfp_mask))

/**
 * typedef mempool2_callback_t - gets the elements that were requested
 * @waiter: what the request was made with; may be used for the next one or freed
 *	from now on
 * @elems: the elements, as many as were requested; an array of the caller's for several;
 *	for a single one, not to be used any more when the function has returned
 *
 * Is called in the context of whoever frees the element, or refills or resizes the
 * pool; or in an interrupt. So it must not sleep, and whoever calls mempool2_free()
 * must not hold a lock that it takes, unless that is by trying. No lock of the
 * pool is held. Interrupts are as whoever freed had them; preemption is disabled.
 * On PREEMPT_RT it is called in a thread, and may take locks that sleep.
 *
 * It may use the pool, as others may: what it frees goes to the next in turn, whose
 * function is called when this one has returned. One call or interrupt calls no more than
 * a few dozen functions; the others are called by a thread, and perhaps after those of
 * elements that are freed later.
 *
 * It may end the pool with mempool2_exit() or mempool2_destroy() if that has no more
 * elements out, no other request and no other call under way; not on PREEMPT_RT, and not if
 * the element may come from mempool2_resize(), mempool2_refill() or mempool2_set_limit(),
 * which go on to use the pool.
 */
typedef void mempool2_callback_t(struct mempool2_waiter *waiter, void **elems);

/**
 * struct mempool2_waiter - somebody who waits for elements
 *
 * @entry: In the queue of the pool.
 * @completion: In a list of those for whom something is left to be done.
 * @pool: The pool.
 * @elems: Where the elements go.
 * @count: How many it shall be.
 * @nr_missing: How many still have to come.
 * @element: Where a single one goes.
 * @callback: Gets them.
 * @state: Where in its life the request is; 0 if there is none.
 * @is_reported: It waits for so long that this was reported.
 * @caller: Who asked for the elements.
 * @since: When that was, in ns.
 * @task: The task that sleeps; %NULL for a request.
 * @pause: How long it waits until it looks for memory again, in jiffies; of a request, 0
 *	as long as it was not the head of the queue.
 * @due: When somebody asks the alloc function for a request again, in jiffies.
 * @look_at: When the queue is served in case that somebody has overlooked an element.
 * @is_head: A task that sleeps has seen that it is the head of the queue.
 * @is_offered: It is the head and was woken to take an element that rests.
 * @is_owed: It is offered nothing any more but given the next element, as it has looked or
 *	begun to ask the alloc function.
 * @gfp: What the alloc function may do for a request later.
 * @retry: In a list of requests for which the alloc function is asked again.
 * @listed: In a list of waiters, where debugging finds them.
 *
 * To request elements for code that may not sleep: set it up with
 * mempool2_waiter_init() and leave the members to mempool2 from then on. Callers
 * that sleep have one on their stack, which they need not know.
 */
struct mempool2_waiter {
	struct wait_queue_entry	entry;
	struct llist_node	completion;
	struct mempool2		*pool;
	void			**elems;
	unsigned int		count;
	unsigned int		nr_missing;
	void			*element;
	mempool2_callback_t	*callback;
	int			state;
	bool			is_reported;
	unsigned long		caller;
	u64			since;
	struct task_struct	*task;
	unsigned long		pause;
	unsigned long		due;
	unsigned long		look_at;
	bool			is_head;
	bool			is_offered;
	bool			is_owed;
	gfp_t			gfp;
	struct hlist_node	retry;
	struct list_head	listed;
};

/**
 * mempool2_waiter_init() - set up a waiter, for requests
 * @waiter: memory for it
 * @callback: will be called with the elements
 *
 * Once is enough for any number of requests, one at a time. Nothing needs to be
 * undone.
 *
 * Context: Any. Does not sleep.
 */
static inline void mempool2_waiter_init(struct mempool2_waiter *waiter,
					mempool2_callback_t *callback)
{
	waiter->callback = callback;
	waiter->state = 0;
}

void *mempool2_alloc_async_noprof(struct mempool2 *pool, gfp_t gfp_mask,
				  struct mempool2_waiter *waiter);
int mempool2_alloc_bulk_async_noprof(struct mempool2 *pool, gfp_t gfp_mask,
				     void **elems, unsigned int count,
				     struct mempool2_waiter *waiter);

/**
 * mempool2_alloc_async() - allocate an element, or have it sent
 * @pool: the pool
 * @gfp_mask: what the allocation may do; with %__GFP_DIRECT_RECLAIM the alloc
 *	function may sleep, but nobody waits for an element to be freed
 * @waiter: gets the element later if there is none now
 *
 * Works like mempool2_alloc(), but instead of sleeping joins the queue with @waiter,
 * in turn with all others who wait. When the element is there @waiter's function is
 * called with it, just once, perhaps before this returns; unless mempool2_cancel()
 * comes first.
 *
 * It then waits for an element to be freed, or for mempool2_resize() or
 * mempool2_refill(). As long as the request is the oldest of all that wait, a thread of a
 * workqueue tries the alloc function again, with @gfp_mask, after 10 ms, and then after
 * twice as long each time, up to every 1 s. So the alloc function has to be legal in a
 * thread with interrupts and softirqs enabled; it may sleep there if @gfp_mask allows that.
 * If an element is freed for the request meanwhile, the request's function is called when
 * the alloc function has returned.
 *
 * Context: Any, if the alloc function may be called there with @gfp_mask. Does not
 * sleep unless the alloc function does.
 * Return: the element, and the function is not called; or an ERR_PTR() of
 *
 * * %-EINPROGRESS - there is none, and the function will be called
 * * %-EBUSY - @waiter is in use: it has a request whose function was not called
 *   yet, or see mempool2_cancel() for PREEMPT_RT
 * * %-EINVAL - @pool is not initialized, or @waiter has no function; one warning says which
 *
 * All requests have to have come to their end before mempool2_exit().
 */
#define mempool2_alloc_async(pool, gfp_mask, waiter)			\
	mempool2_hooks(mempool2_alloc_async_noprof(pool, gfp_mask, waiter))

/**
 * mempool2_alloc_bulk_async() - allocate several elements, or have them sent
 * @pool: the pool
 * @gfp_mask: as for mempool2_alloc_async()
 * @elems: array that receives them; it has to stay until the function is called or
 *	the request cancelled
 * @count: how many, at most the pool's @min_nr
 * @waiter: gets the elements later if there are not enough now
 *
 * To mempool2_alloc_bulk() as mempool2_alloc_async() is to mempool2_alloc(). The
 * function is called once, with all of them.
 *
 * Context: as mempool2_alloc_async(); and as mempool2_free(), for what it has found when
 * that is not enough. The reserve is locked for a time proportional to @count.
 * Return: 0 with the whole array filled, and the function is not called; or
 * %-EINPROGRESS, %-EBUSY or %-EINVAL as mempool2_alloc_async(), the latter also for
 * a @count larger than @min_nr.
 */
#define mempool2_alloc_bulk_async(pool, gfp_mask, elems, count, waiter)	\
	mempool2_hooks(mempool2_alloc_bulk_async_noprof(pool, gfp_mask,	\
							elems, count, waiter))

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
bool mempool2_cancel(struct mempool2_waiter *waiter);

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
bool mempool2_cancel_sync(struct mempool2_waiter *waiter);

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
 * * %-EINVAL - @pool is not initialized, or @limit is negative, or less than @min_nr;
 *   one warning says which; the pool is as it was
 */
int mempool2_set_limit(struct mempool2 *pool, int limit);

/**
 * mempool2_free() - free an element
 * @element: the element, or %NULL, which does nothing
 * @pool: the pool
 *
 * Gives the element to the caller that has waited longest; else to the reserve,
 * if that is not full; else to the pool's free function.
 *
 * The element need not have come from the pool, but has to be of the kind that
 * its free function frees. What is no element (1, or an ERR_PTR()) is refused with a warning
 * where it would have gone to the reserve or to a caller that waits.
 *
 * Context: Any, if the free function may be called there. Sleeps only if the
 * free function does. If @pool is not initialized there is one warning, and the
 * element stays the caller's.
 *
 * Matches mempool_free().
 */
static __always_inline void mempool2_free(void *element, struct mempool2 *pool)
{
	if (unlikely(!element))
		return;
	/*
	 * Who took an element from the reserve saw that it has room before the
	 * element's address became known; we look after we learnt it. Pairs with
	 * the full barriers of slot_take() and of mp2_waiter_queue(), whatever way
	 * the address came here.
	 */
	smp_rmb();
	if (likely(mempool2_is_inline(atomic_read(&pool->state), slab)))
		__mempool2_backend_free(pool, MEMPOOL2_SLAB, element);
	else
		__mempool2_free(pool, element);
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
 * the array, stay the caller's. With a warning: 0 if @pool is not initialized; and the
 * pool takes nothing from an address on that is no element.
 *
 * Matches mempool_free_bulk() (7.x).
 */
unsigned int mempool2_free_bulk(struct mempool2 *pool, void **elems,
				unsigned int count);

/*
 * Seeing inside. Documentation/ABI/testing/debugfs-mempool2 has the same for people.
 */

/* A name's length, with the NUL at its end. */
#define MEMPOOL2_NAME_LEN	32

/**
 * struct mempool2_stats - what happened to a pool
 *
 * @reserve_allocs: elements that callers took from the reserve
 * @refills: freed elements that went into the reserve
 * @waits: callers that waited
 * @wait_ns: nanoseconds that they waited, all of them together
 * @max_wait_ns: nanoseconds that the one waited that waited longest
 * @handovers: freed elements that went to a waiter
 * @failed: calls that could not sleep and got nothing
 * @resizes: calls of mempool2_resize() that changed the pool
 */
struct mempool2_stats {
	u64	reserve_allocs;
	u64	refills;
	u64	waits;
	u64	wait_ns;
	u64	max_wait_ns;
	u64	handovers;
	u64	failed;
	u64	resizes;
};

/*
 * Checks. An element of a pool of slab objects, kmalloc() memory or pages is
 * poisoned while it rests; an element that rests is freed; a task waits while it
 * holds an element of the reserve; the pool ends with elements out or waiters.
 */
#define MEMPOOL2_CHECK_POISON	0x01
#define MEMPOOL2_CHECK_DOUBLE	0x02
#define MEMPOOL2_CHECK_NESTED	0x04
#define MEMPOOL2_CHECK_EXIT	0x08
#define MEMPOOL2_CHECK_ALL	0x0f

/**
 * mempool2_set_name() - say what a pool is for
 * @pool: the pool
 * @name: the name; of a longer one, the first %MEMPOOL2_NAME_LEN - 1 characters
 *
 * The name is shown in debugfs, events and reports, with "_" for each blank and each
 * other character that is not printable ASCII. Before, that is the name of the
 * function that made the pool. Not to be called while others use the pool's
 * name: best right after the pool was made.
 *
 * Context: Task context; sleeps.
 * Return: 0, or %-ENOMEM, or %-EINVAL with a warning if @pool is not initialized or
 * @name is empty.
 */
int mempool2_set_name(struct mempool2 *pool, const char *name);

/**
 * mempool2_set_fail_interval() - let a pool's alloc function count as failed
 * @pool: the pool
 * @one_in: 1 for each call, N for one call in N, 0 for none, as at first
 *
 * For tests: it drives a pool to its reserve, and its callers to waiting, without
 * a lack of memory. The alloc function is not called when it is to fail. Calls of
 * mempool2_alloc_noreserve(), mempool2_resize() and the like are not concerned.
 *
 * Context: Task context; sleeps.
 * Return: 0, or %-ENOMEM, or %-EINVAL with a warning if @pool is not initialized.
 */
int mempool2_set_fail_interval(struct mempool2 *pool, unsigned int one_in);

/**
 * mempool2_enable_stats() - count what happens to a pool, or no longer
 * @pool: the pool
 * @on: whether to count
 *
 * Only what happens off the way of an allocation that finds memory is counted. What
 * was counted before stays.
 *
 * Context: Task context; sleeps.
 * Return: 0, or %-ENOMEM, or %-EINVAL with a warning if @pool is not initialized.
 */
int mempool2_enable_stats(struct mempool2 *pool, bool on);

/**
 * mempool2_get_stats() - what has happened to a pool
 * @pool: the pool
 * @sum: where to put it
 *
 * Context: Any. Does not sleep.
 * Return: 0, or %-ENODATA if nothing was ever counted, or %-EINVAL with a warning if
 * @pool is not initialized.
 */
int mempool2_get_stats(struct mempool2 *pool, struct mempool2_stats *sum);

/**
 * mempool2_set_checks() - look for misuse of a pool
 * @pool: the pool
 * @checks: some of %MEMPOOL2_CHECK_POISON, %MEMPOOL2_CHECK_DOUBLE,
 *	%MEMPOOL2_CHECK_NESTED and %MEMPOOL2_CHECK_EXIT; the others are switched off
 *
 * What is found is reported in the kernel's log, as Documentation/debugging.rst
 * tells. While any check is on, who took an element of the reserve is recorded.
 *
 * Context: Task context; sleeps.
 * Return: 0, or %-ENOMEM, or %-EINVAL with a warning if @pool is not initialized or
 * there is no such check.
 */
int mempool2_set_checks(struct mempool2 *pool, unsigned int checks);

/**
 * mempool2_set_stall_timeout() - report callers that wait too long
 * @pool: the pool
 * @seconds: how long is too long, at most a day; 0 to report nobody, as at first
 *
 * The report names the waiters and, while any check is on, who holds elements of
 * the reserve; of many waiters the oldest ones, and how many more there are. Each waiter
 * is reported once.
 *
 * Context: Task context; sleeps.
 * Return: 0, or %-ENOMEM, or %-EINVAL with a warning if @pool is not initialized or
 * @seconds is too large.
 */
int mempool2_set_stall_timeout(struct mempool2 *pool, unsigned int seconds);

/*
 * Stock functions to make pools with: slab, kmalloc, kvmalloc, pages
 */

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
void *mempool2_alloc_slab(gfp_t gfp_mask, void *pool_data);

/**
 * mempool2_free_slab() - free function for pools of slab objects
 * @element: the object
 * @pool_data: the &struct kmem_cache
 *
 * Context: Any. Does not sleep.
 *
 * Matches mempool_free_slab().
 */
void mempool2_free_slab(void *element, void *pool_data);

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
void *mempool2_kmalloc(gfp_t gfp_mask, void *pool_data);

/**
 * mempool2_kfree() - free function for pools of kmalloc() memory
 * @element: the memory
 * @pool_data: not used
 *
 * Context: Any. Does not sleep.
 *
 * Matches mempool_kfree().
 */
void mempool2_kfree(void *element, void *pool_data);

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
void *mempool2_kvmalloc(gfp_t gfp_mask, void *pool_data);

/**
 * mempool2_kvfree() - free function for pools of kvmalloc() memory
 * @element: the memory
 * @pool_data: not used
 *
 * Context: As kvfree(): may sleep in task context, and is legal in interrupts.
 *
 * Matches mempool_kvfree() (to 6.12).
 */
void mempool2_kvfree(void *element, void *pool_data);

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
void *mempool2_alloc_pages(gfp_t gfp_mask, void *pool_data);

/**
 * mempool2_free_pages() - free function for pools of pages
 * @element: the first &struct page
 * @pool_data: the page order, as an integer
 *
 * Context: Any. Does not sleep.
 *
 * Matches mempool_free_pages().
 */
void mempool2_free_pages(void *element, void *pool_data);

/**
 * mempool2_init_slab_pool() - make a pool of slab objects
 * @pool: memory for it
 * @min_nr: elements to guarantee
 * @cache: the slab cache, without a constructor: an element from the reserve
 *	holds what its last user left
 *
 * Context: Task context; sleeps.
 * Return: as mempool2_init_node(). A cache that has a constructor is warned of
 * once and used all the same.
 *
 * Matches mempool_init_slab_pool().
 */
#define mempool2_init_slab_pool(pool, min_nr, cache)			\
	mempool2_init(pool, min_nr, mempool2_alloc_slab,		\
		      mempool2_free_slab, (void *)(cache))

/**
 * mempool2_create_slab_pool() - allocate and make a pool of slab objects
 * @min_nr: elements to guarantee
 * @cache: the slab cache, see mempool2_init_slab_pool()
 *
 * Context: Task context; sleeps.
 * Return: as mempool2_create_node().
 *
 * Matches mempool_create_slab_pool().
 */
#define mempool2_create_slab_pool(min_nr, cache)			\
	mempool2_create(min_nr, mempool2_alloc_slab,			\
			mempool2_free_slab, (void *)(cache))

/**
 * mempool2_init_kmalloc_pool() - make a pool of kmalloc() memory
 * @pool: memory for it
 * @min_nr: elements to guarantee
 * @size: bytes in an element, at most %KMALLOC_MAX_SIZE
 *
 * Context: Task context; sleeps.
 * Return: as mempool2_init_node().
 *
 * Matches mempool_init_kmalloc_pool().
 */
#define mempool2_init_kmalloc_pool(pool, min_nr, size)			\
	mempool2_init(pool, min_nr, mempool2_kmalloc, mempool2_kfree,	\
		      (void *)(unsigned long)(size))

/**
 * mempool2_create_kmalloc_pool() - allocate and make a pool of kmalloc() memory
 * @min_nr: elements to guarantee
 * @size: bytes in an element, at most %KMALLOC_MAX_SIZE
 *
 * Context: Task context; sleeps.
 * Return: as mempool2_create_node().
 *
 * Matches mempool_create_kmalloc_pool().
 */
#define mempool2_create_kmalloc_pool(min_nr, size)			\
	mempool2_create(min_nr, mempool2_kmalloc, mempool2_kfree,	\
			(void *)(unsigned long)(size))

/**
 * mempool2_init_kvmalloc_pool() - make a pool of kvmalloc() memory
 * @pool: memory for it
 * @min_nr: elements to guarantee
 * @size: bytes in an element, at most %INT_MAX
 *
 * The elements may lie in vmalloc space: mempool2_free() may then sleep.
 *
 * Context: Task context; sleeps.
 * Return: as mempool2_init_node().
 *
 * Matches mempool_init_kvmalloc_pool() (to 6.12).
 */
#define mempool2_init_kvmalloc_pool(pool, min_nr, size)			\
	mempool2_init(pool, min_nr, mempool2_kvmalloc, mempool2_kvfree,	\
		      (void *)(unsigned long)(size))

/**
 * mempool2_create_kvmalloc_pool() - allocate and make a pool of kvmalloc() memory
 * @min_nr: elements to guarantee
 * @size: bytes in an element, see mempool2_init_kvmalloc_pool()
 *
 * Context: Task context; sleeps.
 * Return: as mempool2_create_node().
 *
 * Matches mempool_create_kvmalloc_pool() (to 6.12).
 */
#define mempool2_create_kvmalloc_pool(min_nr, size)			\
	mempool2_create(min_nr, mempool2_kvmalloc, mempool2_kvfree,	\
			(void *)(unsigned long)(size))

/**
 * mempool2_init_page_pool() - make a pool of pages
 * @pool: memory for it
 * @min_nr: elements to guarantee
 * @order: each element is 2^@order pages, not compound
 *
 * The elements are &struct page pointers.
 *
 * Context: Task context; sleeps.
 * Return: as mempool2_init_node().
 *
 * Matches mempool_init_page_pool().
 */
#define mempool2_init_page_pool(pool, min_nr, order)			\
	mempool2_init(pool, min_nr, mempool2_alloc_pages,		\
		      mempool2_free_pages, (void *)(long)(order))

/**
 * mempool2_create_page_pool() - allocate and make a pool of pages
 * @min_nr: elements to guarantee
 * @order: each element is 2^@order pages, not compound
 *
 * Context: Task context; sleeps.
 * Return: as mempool2_create_node().
 *
 * Matches mempool_create_page_pool().
 */
#define mempool2_create_page_pool(min_nr, order)			\
	mempool2_create(min_nr, mempool2_alloc_pages,			\
			mempool2_free_pages, (void *)(long)(order))

#endif /* _MEMPOOL2_H */
