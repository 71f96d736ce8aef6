/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mempool2 - pools of preallocated elements, for allocations that cannot fail
 *
 * A pool keeps a number of elements in its reserve. An allocation calls the pool's alloc function,
 * and if that finds no memory, takes an element from the reserve. If the reserve is empty, a caller
 * that may sleep waits until an element is freed. So an allocation that may sleep always succeeds,
 * as long as the elements in flight are freed some time.
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
 * mempool2_create_slab_pool() and mempool2_destroy() do that for a pool which mempool2 allocates.
 * examples/mempool2_example.c is a whole module.
 *
 * A line "Matches mempool_x()" names the call of the kernel's mempool that has the arguments and
 * the meaning of the call here, and says where the two differ. Versions stand behind the name if
 * not all of 6.1, 6.12 and 7.3 have the call. A call without this line is new. A driver needs no
 * <linux/mempool.h>, and may include both headers.
 *
 * Words:
 *
 *	in flight	an element is in flight from its allocation until it is freed
 *	reserve		the elements that the pool keeps; they are parked there
 *	waiter		a caller that waits for elements, or a request
 *	request		asks for elements without sleeping; a callback receives them
 *	queue		all waiters of the pool, the oldest one first
 *
 * The calls stand in the order of a pool's life. mempool2_debug.h has names, statistics and checks
 * for pools. core/inline.h, at the end, is not for callers.
 *
 * A macro that allocates is followed by its function. Allocation profiling charges the elements to
 * the line of the macro. An allocator with an alloc_hooks() of its own calls the function instead.
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
 * DOC: Errors
 *
 * How a call reports that it failed:
 *
 * * %NULL - mempool2_create() and the like, mempool2_alloc(), mempool2_alloc_noreserve(),
 *   mempool2_alloc_preallocated(): as the calls of the kernel's mempool that they match
 * * an ERR_PTR() - mempool2_alloc_timeout(), mempool2_alloc_killable(), mempool2_alloc_async():
 *   they are new, return an element, and can fail in several ways, which their callers have to
 *   tell apart. They never return %NULL.
 * * a negative error number - all calls that return an int, except mempool2_nr_reserved(). They
 *   return 0 on success; only mempool2_refill() returns a positive number too.
 *
 * Misuse, for example of a pool that is not initialized, has one warning, which names the caller
 * and what is wrong. The call then returns %NULL, an ERR_PTR() of %-EINVAL, or %-EINVAL. mempool2
 * has no BUG().
 */

/**
 * DOC: Contexts
 *
 * "Any context" means task, softirq and hardirq, with or without interrupts disabled, but not NMI.
 * PREEMPT_RT makes no difference, although the kernel's mempool is not allowed in hardirq there.
 * But most alloc and free functions are not allowed in hardirq on PREEMPT_RT, for example those for
 * slab objects. Then a call that may call such a function is not allowed there.
 *
 * "Sleeps" means that a call may sleep. All allocations that sleep do so uninterruptibly, unless
 * their description says otherwise.
 */

/**
 * DOC: Elements
 *
 * An element may be any value but %NULL, 1, and those that IS_ERR() takes for an error. Several
 * elements may have the same value. Values that are no elements:
 *
 * * An alloc function returns %NULL when it has no element. It must return neither 1 nor an
 *   ERR_PTR(): mempool2_init_node() fails with %-EINVAL then, and no such value gets into the
 *   reserve or to a waiter.
 * * mempool2_free() ignores %NULL. It refuses 1 and an ERR_PTR() with a warning where the value
 *   would go to the reserve or to a waiter. If the reserve is full, the free function may get the
 *   value.
 * * mempool2_free_bulk() takes nothing from the first such value in the array on, %NULL included,
 *   with a warning.
 *
 * An element from the reserve holds what its last user left in it.
 */

/**
 * typedef mempool2_alloc_t - alloc function: allocates one element
 * @gfp_mask: what the allocation may do; mempool2_alloc() and mempool2_init_node() say which masks
 *	a pool hands on
 * @pool_data: the value with which the pool was initialized
 *
 * May sleep if @gfp_mask has %__GFP_DIRECT_RECLAIM. A pool holds no lock when it calls the
 * function, and interrupts are as the pool's caller has them. A thread of a workqueue calls the
 * function too, for requests: see mempool2_alloc_async().
 *
 * Return: the element; %NULL if there is none. See "Elements".
 *
 * Matches mempool_alloc_t.
 */
typedef void *mempool2_alloc_t(gfp_t gfp_mask, void *pool_data);

/**
 * typedef mempool2_free_t - free function: frees one element
 * @element: the element, never %NULL
 * @pool_data: the value with which the pool was initialized
 *
 * May sleep if mempool2_free() is never called where sleeping is not allowed. A pool holds no lock
 * when it calls the function, and interrupts are as the pool's caller has them.
 *
 * Matches mempool_free_t.
 */
typedef void mempool2_free_t(void *element, void *pool_data);

/**
 * struct mempool2 - a pool
 *
 * @wait: The queue: waiters, oldest first. Other code may add entries to it. Such an entry is woken
 *	by each element that is given to a waiter behind the entry, and by nothing else.
 * @min_nr: How many elements the pool guarantees. Read it with READ_ONCE(), as mempool2_resize()
 *	changes it.
 * @pool_data: The argument of the alloc and the free function.
 *
 * A pool may be embedded in another structure or be on the stack. Callers may read @min_nr and
 * @pool_data, and must write no member.
 *
 * An initialized pool that has not been used yet may be copied by value, once, to use the copy
 * instead of the original. Only the list head in @wait points at the structure: call
 * init_waitqueue_head() for the @wait of the copy before the first use of the copy. An idle pool
 * (without waiters and without a call in progress) may be copied to pass the copy to
 * mempool2_exit() instead of the original. While the copy is in use, the memory of the original
 * may be used for something else.
 *
 * Matches struct mempool (mempool_t).
 */
struct mempool2 {
	/* Its lock protects the queue, and writes of @nr_waiters. */
	wait_queue_head_t	wait;
	/* private: */
	/*
	 * What is known of the reserve and of waiters, see MEMPOOL2_NOT_FULL. While the reserve
	 * is full mempool2_free() reads nothing else that changes. Written when the reserve
	 * becomes full or ceases to be full, with the first and the last waiter, by a scan and by
	 * an offer.
	 */
	atomic_t		state;
	/* An enum mempool2_kind: what @alloc and @free are. */
	u8			kind;
	/* Waiters that are asking, see &struct mempool2_waiter. Under the lock of @wait. */
	u8			nr_asking;
	/* NUMA node for the pool's own bookkeeping, or NUMA_NO_NODE. */
	short			node;
	/* Waiters in @wait. */
	int			nr_waiters;
	/* public: */
	int			min_nr;
	/* private: */
	/* Has room for @min_nr elements, and for one if @min_nr is 0, so that waiters progress. */
	struct mempool2_reserve __rcu *reserve;
	/* public: */
	void			*pool_data;
	/* private: */
	mempool2_alloc_t	*alloc;
	mempool2_free_t		*free;
#ifdef CONFIG_PREEMPT_RT
	/* In a list of pools that a thread serves, as a freeing CPU could not lock @wait. */
	struct llist_node	deferred;
	/* Is the pool in this list? */
	int			is_deferred;
#endif
};

/* The name that users of mempool_t expect. */
typedef struct mempool2 mempool2_t;

/*
 * Init and create
 */

/**
 * mempool2_init_node() - initialize a pool in memory of the caller
 * @pool: memory for the pool; its content does not matter
 * @min_nr: how many elements to guarantee, 0 or more
 * @alloc_fn: allocates an element, see mempool2_alloc_t
 * @free_fn: frees an element, see mempool2_free_t
 * @pool_data: the argument of both functions
 * @gfp_mask: passed to @alloc_fn unchanged, and used for the pool's bookkeeping
 * @node_id: NUMA node for the bookkeeping, or %NUMA_NO_NODE
 *
 * Fills the reserve with @min_nr elements; with one element if @min_nr is 0.
 *
 * Context: Task context. Sleeps if @gfp_mask or @alloc_fn does.
 * Return:
 * * 0 on success
 * * %-ENOMEM - @alloc_fn returned %NULL, or there is no memory for the bookkeeping; the elements
 *   allocated until then are freed
 * * %-EINVAL - @alloc_fn or @free_fn is %NULL; @min_nr is negative or too large; @pool_data is no
 *   valid cache, size or order for the stock functions below; or @alloc_fn returned a value that is
 *   no element; one warning says which
 *
 * After an error @pool is as after mempool2_exit().
 *
 * Matches mempool_init_node(), which needs a zeroed @pool.
 */
#define mempool2_init_node(pool, min_nr, alloc_fn, free_fn, pool_data,	\
			   gfp_mask, node_id)				\
	mempool2_hooks(mempool2_init_node_noprof(pool, min_nr, alloc_fn,	\
						 free_fn, pool_data,	\
						 gfp_mask, node_id))
int mempool2_init_node_noprof(struct mempool2 *pool, int min_nr,
			      mempool2_alloc_t *alloc_fn,
			      mempool2_free_t *free_fn, void *pool_data,
			      gfp_t gfp_mask, int node_id);

/**
 * mempool2_init() - initialize a pool in memory of the caller
 * @pool: memory for the pool; its content does not matter
 * @min_nr: how many elements to guarantee, 0 or more
 * @alloc_fn: allocates an element
 * @free_fn: frees an element
 * @pool_data: the argument of both functions
 *
 * mempool2_init_node() with %GFP_KERNEL and %NUMA_NO_NODE.
 *
 * Context: Task context. Sleeps.
 * Return: as mempool2_init_node().
 *
 * Matches mempool_init().
 */
#define mempool2_init(pool, min_nr, alloc_fn, free_fn, pool_data)	\
	mempool2_init_node(pool, min_nr, alloc_fn, free_fn, pool_data,	\
			   GFP_KERNEL, NUMA_NO_NODE)

/**
 * mempool2_create_node() - allocate and initialize a pool
 * @min_nr: how many elements to guarantee, 0 or more
 * @alloc_fn: allocates an element
 * @free_fn: frees an element
 * @pool_data: the argument of both functions
 * @gfp_mask: passed to @alloc_fn unchanged, and used for the pool and its bookkeeping
 * @node_id: NUMA node for the pool and its bookkeeping, or %NUMA_NO_NODE
 *
 * Context: Task context. Sleeps if @gfp_mask or @alloc_fn does.
 * Return: the pool, to be freed with mempool2_destroy(). %NULL if there is no memory for the pool,
 * and where mempool2_init_node() returns an error.
 *
 * Matches mempool_create_node().
 */
#define mempool2_create_node(min_nr, alloc_fn, free_fn, pool_data,	\
			     gfp_mask, node_id)				\
	mempool2_hooks(mempool2_create_node_noprof(min_nr, alloc_fn,	\
						   free_fn, pool_data,	\
						   gfp_mask, node_id))
struct mempool2 *mempool2_create_node_noprof(int min_nr,
					     mempool2_alloc_t *alloc_fn,
					     mempool2_free_t *free_fn,
					     void *pool_data, gfp_t gfp_mask,
					     int node_id);

/**
 * mempool2_create() - allocate and initialize a pool
 * @min_nr: how many elements to guarantee, 0 or more
 * @alloc_fn: allocates an element
 * @free_fn: frees an element
 * @pool_data: the argument of both functions
 *
 * mempool2_create_node() with %GFP_KERNEL and %NUMA_NO_NODE.
 *
 * Context: Task context. Sleeps.
 * Return: as mempool2_create_node().
 *
 * Matches mempool_create().
 */
#define mempool2_create(min_nr, alloc_fn, free_fn, pool_data)		\
	mempool2_create_node(min_nr, alloc_fn, free_fn, pool_data,	\
			     GFP_KERNEL, NUMA_NO_NODE)

/*
 * Stock functions, and pools that have them: slab, kmalloc, kvmalloc, pages
 */

/**
 * mempool2_alloc_slab() - alloc function for pools of slab objects
 * @gfp_mask: passed on
 * @pool_data: the &struct kmem_cache
 *
 * Context: As kmem_cache_alloc() with @gfp_mask.
 * Return: the object, or %NULL.
 *
 * Matches mempool_alloc_slab().
 */
void *mempool2_alloc_slab(gfp_t gfp_mask, void *pool_data);

/**
 * mempool2_free_slab() - free function for pools of slab objects
 * @element: the object
 * @pool_data: the &struct kmem_cache
 *
 * Context: Any; on PREEMPT_RT as kmem_cache_free(). Does not sleep.
 *
 * Matches mempool_free_slab().
 */
void mempool2_free_slab(void *element, void *pool_data);

/**
 * mempool2_kmalloc() - alloc function for pools of kmalloc() memory
 * @gfp_mask: passed on
 * @pool_data: the size in bytes, as an integer
 *
 * Context: As kmalloc() with @gfp_mask.
 * Return: the memory, or %NULL.
 *
 * Matches mempool_kmalloc().
 */
void *mempool2_kmalloc(gfp_t gfp_mask, void *pool_data);

/**
 * mempool2_kfree() - free function for pools of kmalloc() memory
 * @element: the memory
 * @pool_data: not used
 *
 * Context: Any; on PREEMPT_RT as kfree(). Does not sleep.
 *
 * Matches mempool_kfree().
 */
void mempool2_kfree(void *element, void *pool_data);

/**
 * mempool2_kvmalloc() - alloc function for pools of kvmalloc() memory
 * @gfp_mask: passed on
 * @pool_data: the size in bytes, as an integer
 *
 * Context: As kvmalloc() with @gfp_mask.
 * Return: the memory, or %NULL.
 *
 * Matches mempool_kvmalloc() (6.12).
 */
void *mempool2_kvmalloc(gfp_t gfp_mask, void *pool_data);

/**
 * mempool2_kvfree() - free function for pools of kvmalloc() memory
 * @element: the memory
 * @pool_data: not used
 *
 * Context: As kvfree(): preemptible task context, where it sleeps, or an interrupt.
 *
 * Matches mempool_kvfree() (6.12).
 */
void mempool2_kvfree(void *element, void *pool_data);

/**
 * mempool2_alloc_pages() - alloc function for pools of pages
 * @gfp_mask: passed on
 * @pool_data: the page order, as an integer
 *
 * Context: As alloc_pages() with @gfp_mask.
 * Return: the first &struct page, not compound; or %NULL.
 *
 * Matches mempool_alloc_pages().
 */
void *mempool2_alloc_pages(gfp_t gfp_mask, void *pool_data);

/**
 * mempool2_free_pages() - free function for pools of pages
 * @element: the first &struct page
 * @pool_data: the page order, as an integer
 *
 * Context: Any; on PREEMPT_RT as __free_pages(). Does not sleep.
 *
 * Matches mempool_free_pages().
 */
void mempool2_free_pages(void *element, void *pool_data);

/**
 * mempool2_init_slab_pool() - initialize a pool of slab objects
 * @pool: memory for the pool
 * @min_nr: how many elements to guarantee
 * @cache: the slab cache, without a constructor, as an element from the reserve holds what its last
 *	user left in it
 *
 * A cache with a constructor has one warning, and the pool uses the cache nevertheless.
 *
 * Context: Task context. Sleeps.
 * Return: as mempool2_init_node().
 *
 * Matches mempool_init_slab_pool().
 */
#define mempool2_init_slab_pool(pool, min_nr, cache)			\
	mempool2_init(pool, min_nr, mempool2_alloc_slab,		\
		      mempool2_free_slab, (void *)(cache))

/**
 * mempool2_create_slab_pool() - allocate and initialize a pool of slab objects
 * @min_nr: how many elements to guarantee
 * @cache: the slab cache, see mempool2_init_slab_pool()
 *
 * Context: Task context. Sleeps.
 * Return: as mempool2_create_node().
 *
 * Matches mempool_create_slab_pool().
 */
#define mempool2_create_slab_pool(min_nr, cache)			\
	mempool2_create(min_nr, mempool2_alloc_slab,			\
			mempool2_free_slab, (void *)(cache))

/**
 * mempool2_init_kmalloc_pool() - initialize a pool of kmalloc() memory
 * @pool: memory for the pool
 * @min_nr: how many elements to guarantee
 * @size: bytes in an element, at most %KMALLOC_MAX_SIZE
 *
 * Context: Task context. Sleeps.
 * Return: as mempool2_init_node().
 *
 * Matches mempool_init_kmalloc_pool().
 */
#define mempool2_init_kmalloc_pool(pool, min_nr, size)			\
	mempool2_init(pool, min_nr, mempool2_kmalloc, mempool2_kfree,	\
		      (void *)(unsigned long)(size))

/**
 * mempool2_create_kmalloc_pool() - allocate and initialize a pool of kmalloc() memory
 * @min_nr: how many elements to guarantee
 * @size: bytes in an element, at most %KMALLOC_MAX_SIZE
 *
 * Context: Task context. Sleeps.
 * Return: as mempool2_create_node().
 *
 * Matches mempool_create_kmalloc_pool().
 */
#define mempool2_create_kmalloc_pool(min_nr, size)			\
	mempool2_create(min_nr, mempool2_kmalloc, mempool2_kfree,	\
			(void *)(unsigned long)(size))

/**
 * mempool2_init_kvmalloc_pool() - initialize a pool of kvmalloc() memory
 * @pool: memory for the pool
 * @min_nr: how many elements to guarantee
 * @size: bytes in an element, at most %INT_MAX
 *
 * Elements may be in vmalloc space; mempool2_free() may sleep for them.
 *
 * Context: Task context. Sleeps.
 * Return: as mempool2_init_node().
 *
 * Matches mempool_init_kvmalloc_pool() (6.12).
 */
#define mempool2_init_kvmalloc_pool(pool, min_nr, size)			\
	mempool2_init(pool, min_nr, mempool2_kvmalloc, mempool2_kvfree,	\
		      (void *)(unsigned long)(size))

/**
 * mempool2_create_kvmalloc_pool() - allocate and initialize a pool of kvmalloc() memory
 * @min_nr: how many elements to guarantee
 * @size: bytes in an element, see mempool2_init_kvmalloc_pool()
 *
 * Context: Task context. Sleeps.
 * Return: as mempool2_create_node().
 *
 * Matches mempool_create_kvmalloc_pool() (6.12).
 */
#define mempool2_create_kvmalloc_pool(min_nr, size)			\
	mempool2_create(min_nr, mempool2_kvmalloc, mempool2_kvfree,	\
			(void *)(unsigned long)(size))

/**
 * mempool2_init_page_pool() - initialize a pool of pages
 * @pool: memory for the pool
 * @min_nr: how many elements to guarantee
 * @order: each element is 2^@order pages, not compound
 *
 * The elements are &struct page pointers.
 *
 * Context: Task context. Sleeps.
 * Return: as mempool2_init_node().
 *
 * Matches mempool_init_page_pool().
 */
#define mempool2_init_page_pool(pool, min_nr, order)			\
	mempool2_init(pool, min_nr, mempool2_alloc_pages,		\
		      mempool2_free_pages, (void *)(long)(order))

/**
 * mempool2_create_page_pool() - allocate and initialize a pool of pages
 * @min_nr: how many elements to guarantee
 * @order: each element is 2^@order pages, not compound
 *
 * Context: Task context. Sleeps.
 * Return: as mempool2_create_node().
 *
 * Matches mempool_create_page_pool().
 */
#define mempool2_create_page_pool(min_nr, order)			\
	mempool2_create(min_nr, mempool2_alloc_pages,			\
			mempool2_free_pages, (void *)(long)(order))

/*
 * Alloc and free
 */

/**
 * mempool2_alloc() - allocate an element
 * @pool: the pool
 * @gfp_mask: what the allocation may do; not %__GFP_ZERO, as an element from the reserve holds what
 *	its last user left in it
 *
 * Tries, in this order:
 *
 * * the alloc function without %__GFP_DIRECT_RECLAIM and %__GFP_IO
 * * the reserve
 * * the alloc function with all of @gfp_mask, if that is more
 * * the reserve
 *
 * Then, if @gfp_mask has %__GFP_DIRECT_RECLAIM, the caller joins the queue and sleeps until it is
 * given a freed element. While it waits it also calls the alloc function again, every 5 s. The
 * oldest waiter calls it without %__GFP_DIRECT_RECLAIM and %__GFP_IO besides, after 10 ms, and then
 * after pauses that double each time, up to 1 s. In a pool with a limit only the oldest task that
 * sleeps calls it, and only below the limit. If 8 waiters of the pool are reclaiming memory in this
 * way, others call it without these two flags. The mask of the alloc function always has
 * %__GFP_NOMEMALLOC, %__GFP_NORETRY and %__GFP_NOWARN.
 *
 * Freed elements go to the waiters in the order in which the waiters joined the queue, and
 * newcomers take nothing from the reserve before the waiters do, with one exception, the offer. It
 * is for a task that frees an element which the task has held without a context switch, since it
 * waited for the element or took one that was offered. Such an element is parked in the reserve,
 * and the oldest waiter is woken to take it. Until that waiter runs, newcomers that want one
 * element may take elements. If the waiter then finds none, the next element that any CPU frees is
 * given to it. So newcomers overtake a waiter only once, and only for the time of its wake-up.
 *
 * While a waiter calls the alloc function with %__GFP_DIRECT_RECLAIM, freed elements go to the
 * waiters behind it, or to the reserve, as reclaim may need one of them. It keeps its position.
 *
 * Nothing is offered, and the order is strict: for elements that are held over I/O, or that another
 * task or an interrupt frees; for requests; for callers that want several elements; and in a pool
 * with a limit.
 *
 * Context: With %__GFP_DIRECT_RECLAIM in @gfp_mask: task context. Sleeps uninterruptibly, and the
 * wait counts as I/O wait. Without: any, and does not sleep.
 * Return:
 * * the element
 * * %NULL - @pool is not initialized, with a warning
 * * %NULL - @gfp_mask lacks %__GFP_DIRECT_RECLAIM, there is no memory, and the reserve is empty; or
 *   it may seem so, if there are more callers than elements, or callers that hold several
 * * %NULL - the same mask, no memory, and callers wait: the elements of the reserve are for them
 * * %NULL - the same mask, and as many elements are in flight as mempool2_set_limit() allows
 *
 * Matches mempool_alloc(), which wakes all waiters for each freed element and lets newcomers take
 * the element from them.
 */
#define mempool2_alloc(pool, gfp_mask)					\
	mempool2_hooks(mempool2_alloc_noprof(pool, gfp_mask))
static __always_inline void *mempool2_alloc_noprof(struct mempool2 *pool,
						   gfp_t gfp_mask);

/**
 * mempool2_free() - free an element
 * @element: the element, or %NULL, which does nothing
 * @pool: the pool
 *
 * Gives the element to the oldest waiter; without waiters, to the reserve; and if the reserve is
 * full, to the free function. An offer is an exception from this order, see mempool2_alloc().
 *
 * The element need not be from the pool, but the free function must be able to free it. See
 * "Elements" for 1 and an ERR_PTR().
 *
 * Context: Any in which the free function is allowed. Sleeps only if the free function does. May
 * call callbacks of requests, see mempool2_callback_t. If @pool is not initialized this has one
 * warning, and the element is not freed.
 *
 * Matches mempool_free().
 */
static __always_inline void mempool2_free(void *element, struct mempool2 *pool);

/**
 * mempool2_alloc_preallocated() - take an element from the reserve
 * @pool: the pool
 *
 * Never calls the alloc function.
 *
 * Context: Any. Does not sleep.
 * Return:
 * * the element, to be freed with mempool2_free()
 * * %NULL - the reserve is empty; or it may seem so, as for mempool2_alloc()
 * * %NULL - callers wait: the elements of the reserve are for them, except for an offer, see
 *   mempool2_alloc()
 * * %NULL - as many elements are in flight as mempool2_set_limit() allows
 * * %NULL - @pool is not initialized, with a warning
 *
 * Matches mempool_alloc_preallocated() (6.12, 7.3).
 */
void *mempool2_alloc_preallocated(struct mempool2 *pool);

/**
 * mempool2_alloc_bulk() - allocate several elements at once
 * @pool: the pool
 * @elems: array for the elements; its content does not matter
 * @count: how many elements, at most the @min_nr of the pool
 *
 * Works like @count calls of mempool2_alloc() with %GFP_KERNEL, within the memalloc_noio_save() or
 * memalloc_nofs_save() scope of the task. But callers that want several elements cannot deadlock
 * each other: a caller takes from the reserve either all elements that it lacks, or collects them
 * while it is the oldest waiter. While it waits it calls the alloc function without
 * %__GFP_DIRECT_RECLAIM and %__GFP_IO, if it wants several elements.
 *
 * Do not shrink the pool below @count meanwhile. If mempool2_resize() could only fill the pool in
 * part, the pool may have fewer elements than @count. A caller that wants more elements than there
 * are waits until memory comes back, and younger waiters wait behind it.
 *
 * Context: Task context. Sleeps uninterruptibly, and the wait counts as I/O wait. Locks the reserve
 * for a time in proportion to @count.
 * Return:
 * * 0 - the array is full
 * * %-EINVAL - @count is larger than @min_nr, or @pool is not initialized; one warning says which,
 *   and nothing is allocated
 *
 * Matches mempool_alloc_bulk() (7.3), in which a caller that needs several elements starves beside
 * callers that need one.
 */
#define mempool2_alloc_bulk(pool, elems, count)				\
	mempool2_hooks(mempool2_alloc_bulk_noprof(pool, elems, count))
int mempool2_alloc_bulk_noprof(struct mempool2 *pool, void **elems,
			       unsigned int count);

/**
 * mempool2_free_bulk() - free as many elements as waiters and the reserve take
 * @pool: the pool
 * @elems: the elements; the array is not changed
 * @count: how many elements
 *
 * Gives elements, from the front of the array, to waiters, and to the reserve while it is not full.
 * Never calls the free function.
 *
 * Context: Any. Does not sleep. May call callbacks of requests, see mempool2_callback_t.
 * Return: how many elements the pool took. The caller still has the others, from there to the end
 * of the array. With a warning: 0 if @pool is not initialized, and fewer if a value in the array
 * is no element, see "Elements".
 *
 * Matches mempool_free_bulk() (7.3).
 */
unsigned int mempool2_free_bulk(struct mempool2 *pool, void **elems,
				unsigned int count);

/**
 * mempool2_alloc_noreserve() - call the alloc function and do no more
 * @pool: the pool
 * @gfp_mask: passed on unchanged
 *
 * With a limit and %__GFP_DIRECT_RECLAIM, if there is no room below the limit any more when the
 * alloc function returns, the element is freed as by mempool2_free(). Callbacks run later then.
 *
 * Context: As the alloc function with @gfp_mask. Sleeps only if the alloc function does, or the
 * free function, with %__GFP_DIRECT_RECLAIM.
 * Return:
 * * the element, to be freed with mempool2_free()
 * * %NULL - the alloc function has none
 * * %NULL - as many elements are in flight as mempool2_set_limit() allows, or callers wait in a
 *   pool with a limit
 * * %NULL - @pool is not initialized, with a warning
 *
 * Matches mempool_alloc_noreserve() (late releases of 6.12, 7.3).
 */
#define mempool2_alloc_noreserve(pool, gfp_mask)			\
	mempool2_hooks(mempool2_alloc_noreserve_noprof(pool, gfp_mask))
void *mempool2_alloc_noreserve_noprof(struct mempool2 *pool, gfp_t gfp_mask);

/*
 * Other ways to wait: all in the queue, in the order in which waiters join it
 */

/**
 * mempool2_alloc_timeout() - allocate an element, or give up after a time
 * @pool: the pool
 * @gfp_mask: what the allocation may do, as for mempool2_alloc()
 * @timeout: the longest wait, in jiffies; 0 for no wait at all, %MAX_SCHEDULE_TIMEOUT or more for
 *	no end
 *
 * Works like mempool2_alloc(), but leaves the queue when the time is over. An element that arrives
 * at this moment is returned. @timeout does not limit the time that the alloc function takes.
 *
 * Context: As mempool2_alloc().
 * Return:
 * * the element
 * * ERR_PTR(%-ETIMEDOUT) - the time is over
 * * ERR_PTR(%-ENOMEM) - @gfp_mask lacks %__GFP_DIRECT_RECLAIM, so the caller may not wait, and
 *   mempool2_alloc() would return %NULL
 * * ERR_PTR(%-EINVAL) - @pool is not initialized, with a warning
 */
#define mempool2_alloc_timeout(pool, gfp_mask, timeout)			\
	mempool2_hooks(mempool2_alloc_timeout_noprof(pool, gfp_mask, timeout))
void *mempool2_alloc_timeout_noprof(struct mempool2 *pool, gfp_t gfp_mask,
				    unsigned long timeout);

/**
 * mempool2_alloc_killable() - allocate an element, or give up when killed
 * @pool: the pool
 * @gfp_mask: what the allocation may do, as for mempool2_alloc()
 *
 * Works like mempool2_alloc(), but leaves the queue when the task is killed. An element that
 * arrives at this moment is returned.
 *
 * Context: As mempool2_alloc(), but the wait is killable.
 * Return:
 * * the element
 * * ERR_PTR(%-EINTR) - the task is killed
 * * ERR_PTR(%-ENOMEM) - @gfp_mask lacks %__GFP_DIRECT_RECLAIM, so the caller may not wait, and
 *   mempool2_alloc() would return %NULL
 * * ERR_PTR(%-EINVAL) - @pool is not initialized, with a warning
 */
#define mempool2_alloc_killable(pool, gfp_mask)				\
	mempool2_hooks(mempool2_alloc_killable_noprof(pool, gfp_mask))
void *mempool2_alloc_killable_noprof(struct mempool2 *pool, gfp_t gfp_mask);

/**
 * typedef mempool2_callback_t - receives the elements of a request
 * @waiter: the waiter of the request; from now on it may be used for another request, or freed
 * @elems: the elements, as many as were requested. For several elements, the array of the caller;
 *	for a single one, an array that is gone when the callback has returned.
 *
 * Without PREEMPT_RT a callback runs in the call that supplies the last element, mostly
 * mempool2_free(), or mempool2_resize(), mempool2_refill() and the like, with interrupts as the
 * caller of that call has them; or in an interrupt, or in a thread of a workqueue. Preemption is
 * disabled, so the callback must not sleep. A caller of mempool2_free() must not hold a lock that a
 * callback takes, except with a trylock. With PREEMPT_RT a callback runs in a thread and may take
 * locks that sleep. The pool holds no lock.
 *
 * A callback may use the pool like any other code. Elements that it frees go to the next waiters.
 * Their callbacks run when this one has returned. One call runs at most a few dozen callbacks and
 * leaves the others to an interrupt, which after as many leaves the rest to a thread. So these may
 * run after the callbacks for elements that are freed later.
 *
 * A callback may end the pool with mempool2_exit() or mempool2_destroy() if the pool has no other
 * elements in flight, no other request and no other call in progress. But not on PREEMPT_RT, and
 * not if the element may be from mempool2_resize(), mempool2_refill() or mempool2_set_limit(),
 * which use the pool afterwards.
 *
 * Context: Softirq, hardirq or task, as above. Must not sleep, and may take sleeping locks on
 * PREEMPT_RT.
 */
typedef void mempool2_callback_t(struct mempool2_waiter *waiter, void **elems);

/**
 * struct mempool2_waiter - a waiter, for requests
 *
 * Set up by mempool2_waiter_init(). Callers must not read or write the members. A caller that
 * sleeps needs none: mempool2 has one on the stack of the task.
 */
struct mempool2_waiter {
	/* private: */
	/* In the queue of the pool. */
	struct wait_queue_entry	entry;
	/* In a list of waiters that are to be queued, to be dequeued, or to be called back. */
	struct llist_node	completion;
	struct mempool2		*pool;
	/* Where the elements go. */
	void			**elems;
	/* How many elements the waiter wants, and how many it still lacks. */
	unsigned int		count;
	unsigned int		nr_missing;
	/* Where a single element goes. */
	void			*element;
	mempool2_callback_t	*callback;
	/* Of a request, an enum waiter_state; 0 if there is no request. */
	int			state;
	/* The waiter waits for so long that it was reported. */
	bool			is_reported;
	/* The caller that wants the elements, and since when, in ns. */
	unsigned long		caller;
	u64			since;
	/* The task that sleeps; NULL for a request. */
	struct task_struct	*task;
	/* Jiffies between calls of the alloc function; 0 for a request that was never the head. */
	unsigned long		pause;
	/* When a retrier calls the alloc function for the request again, in jiffies. */
	unsigned long		due;
	/* When the queue is served in case that a CPU has overlooked an element, in jiffies. */
	unsigned long		look_at;
	/* The task that sleeps has seen that it is the head of the queue. */
	bool			is_head;
	/* The waiter is the head and was woken to take a parked element. */
	bool			is_offered;
	/* The waiter has looked, or called the alloc function: it is given the next element. */
	bool			is_owed;
	/* The alloc function reclaims memory for the waiter, which is passed over meanwhile. */
	bool			is_asking;
	/* What the alloc function may do for the request later. */
	gfp_t			gfp;
	/* In a list of requests for which the alloc function is called again. */
	struct hlist_node	retry;
	/* In a list of waiters for debugging. */
	struct list_head	listed;
};

/**
 * mempool2_waiter_init() - set up a waiter for requests
 * @waiter: memory for the waiter, whatever it holds
 * @callback: will be called with the elements
 *
 * Once for any number of requests, one at a time. There is nothing to undo.
 *
 * Context: Any. Does not sleep.
 */
static inline void mempool2_waiter_init(struct mempool2_waiter *waiter,
					mempool2_callback_t *callback)
{
	*waiter = (struct mempool2_waiter){ .callback = callback };
}

/**
 * mempool2_alloc_async() - allocate an element, or request one
 * @pool: the pool
 * @gfp_mask: what the allocation may do; with %__GFP_DIRECT_RECLAIM the alloc function may sleep,
 *	but the call never waits for an element to be freed
 * @waiter: for the request if there is no element now; set up by mempool2_waiter_init()
 *
 * Works like mempool2_alloc(), but @waiter joins the queue instead of the task, in the order of
 * all waiters. When there is an element, the callback of @waiter is called with it, once, perhaps
 * before this call returns; unless mempool2_cancel() comes first.
 *
 * The request waits for an element from mempool2_free(), mempool2_resize() or mempool2_refill().
 * While it is the oldest waiter, a thread of a workqueue calls the alloc function again, with
 * @gfp_mask every 5 s, and without %__GFP_DIRECT_RECLAIM and %__GFP_IO after 10 ms, and then after
 * pauses that double each time, up to 1 s. So the alloc function has to be legal in a thread with
 * interrupts and softirqs enabled; it may sleep there if the mask allows that. While it is called
 * with %__GFP_DIRECT_RECLAIM, the request is given no freed element, and younger waiters may be
 * served before it; see mempool2_alloc(). Otherwise, if the request gets one, its callback is
 * called when the alloc function has returned.
 *
 * No request may be left when mempool2_exit() is called.
 *
 * Context: Any in which the alloc function is allowed with @gfp_mask. Sleeps only if the alloc
 * function does.
 * Return:
 * * the element, and the callback is not called
 * * ERR_PTR(%-EINPROGRESS) - there is none, and the callback will be called
 * * ERR_PTR(%-EBUSY) - @waiter is in use: the callback of its last request was not called yet, or
 *   for PREEMPT_RT see mempool2_cancel()
 * * ERR_PTR(%-EINVAL) - @pool is not initialized, or @waiter has no callback; one warning says
 *   which
 */
#define mempool2_alloc_async(pool, gfp_mask, waiter)			\
	mempool2_hooks(mempool2_alloc_async_noprof(pool, gfp_mask, waiter))
void *mempool2_alloc_async_noprof(struct mempool2 *pool, gfp_t gfp_mask,
				  struct mempool2_waiter *waiter);

/**
 * mempool2_alloc_bulk_async() - allocate several elements, or request them
 * @pool: the pool
 * @gfp_mask: as for mempool2_alloc_async()
 * @elems: array for the elements; to be kept until the callback is called or the request cancelled
 * @count: how many elements, at most the @min_nr of the pool
 * @waiter: for the request if there are not enough elements now
 *
 * To mempool2_alloc_bulk() as mempool2_alloc_async() is to mempool2_alloc(). The callback is called
 * once, with all elements.
 *
 * Context: As mempool2_alloc_async(); and as mempool2_free(), which it may call for elements that
 * are too few. Locks the reserve for a time in proportion to @count.
 * Return:
 * * 0 - the array is full, and the callback is not called
 * * %-EINPROGRESS - there are not enough, and the callback will be called
 * * %-EBUSY - as mempool2_alloc_async()
 * * %-EINVAL - as mempool2_alloc_async(); or @count is larger than @min_nr, with a warning
 */
#define mempool2_alloc_bulk_async(pool, gfp_mask, elems, count, waiter)	\
	mempool2_hooks(mempool2_alloc_bulk_async_noprof(pool, gfp_mask,	\
							elems, count, waiter))
int mempool2_alloc_bulk_async_noprof(struct mempool2 *pool, gfp_t gfp_mask,
				     void **elems, unsigned int count,
				     struct mempool2_waiter *waiter);

/**
 * mempool2_cancel() - cancel a request
 * @waiter: the waiter of the request
 *
 * Must not run beside the call that makes the request. Elements that the request has collected, or
 * is given at this moment, are freed as by mempool2_free(), but the callbacks of other requests are
 * left to an interrupt or a thread.
 *
 * After true the caller may use @waiter and the array for the elements again. One exception: on
 * PREEMPT_RT, if the request was made or cancelled with interrupts or preemption disabled, only
 * after mempool2_cancel_sync() has returned.
 *
 * At this moment a thread may be in the alloc function for the request. The thread does not use
 * @waiter any more, but it uses the pool, until mempool2_cancel_sync() has returned.
 * mempool2_exit() waits for the thread too.
 *
 * Context: Any in which the free function is allowed. Sleeps only if the free function does.
 * Return: true if there was a request and its callback will not be called. false if the callback
 * has been called, is being called, or is about to be called; or if there was no request, or the
 * call that made it returned all elements at once.
 */
bool mempool2_cancel(struct mempool2_waiter *waiter);

/**
 * mempool2_cancel_sync() - cancel a request and wait until its callback has returned
 * @waiter: the waiter of the request
 *
 * When this returns, neither @waiter nor its array is in use, the pool is not in use for them, and
 * the callback is not running; unless a new request is made with @waiter after this call has begun,
 * which the caller has to prevent. Call it before the waiter, the array, the code of the callback
 * or the pool is freed.
 *
 * Waits for the alloc function if a thread is in it for the request. Otherwise waits only if the
 * callback is about to be called or is running: for a grace period of RCU, and for the callbacks
 * that all CPUs have left to interrupts and threads. To end many requests, call mempool2_cancel()
 * for each of them, and then mempool2_cancel_sync() for each of them: after the first wait the
 * others mostly find that they need not wait.
 *
 * Context: Task context, not in a callback. Sleeps.
 * Return: as mempool2_cancel(), but false also means that the callback has returned.
 */
bool mempool2_cancel_sync(struct mempool2_waiter *waiter);

/*
 * Limit, resize and refill
 */

/**
 * mempool2_set_limit() - limit how many elements may be in flight
 * @pool: the pool
 * @limit: how many elements, 1 or more and at least the @min_nr of the pool; 0 for no limit, as
 *	initially
 *
 * An allocation above the limit fails or waits like an allocation without memory, in the queue and
 * in order. So the user of the pool needs no throttle. While any pool has a limit each call on
 * every pool costs more, even if there is memory; while none has, nothing.
 *
 * Elements allocated before the call are not counted, so set a limit before the pool is used. Each
 * element that mempool2_free() is called with counts as having been in flight; so does each that
 * mempool2_free_bulk() is called with, even those that it does not take. A lower limit takes
 * nothing away: further allocations wait until enough elements are freed. If mempool2_resize()
 * raises @min_nr above the limit, the limit is @min_nr until the pool is smaller again.
 *
 * Context: Task context. Sleeps. May run callbacks of requests.
 * Return:
 * * 0 on success
 * * %-ENOMEM - no memory for the count
 * * %-EINVAL - @pool is not initialized, or @limit is negative or less than @min_nr; one warning
 *   says which, and the pool does not change
 */
int mempool2_set_limit(struct mempool2 *pool, int limit);

/**
 * mempool2_resize() - change how many elements a pool guarantees
 * @pool: the pool
 * @new_min_nr: how many elements to guarantee from now on, 0 or more
 *
 * A growing pool allocates the missing elements with %GFP_KERNEL and gives them to waiters first,
 * then to the reserve. If the alloc function returns %NULL the pool stops there, and elements that
 * are freed later fill the rest. A shrinking pool frees the surplus at once. No lock is held for
 * longer than a few dozen elements need, however large the pool is.
 *
 * May run beside mempool2_alloc(), mempool2_free() and other calls of mempool2_resize() on @pool,
 * and within the alloc and the free function.
 *
 * Context: Task context. Sleeps. May call callbacks of requests.
 * Return:
 * * 0 on success, even if the pool could only be filled in part
 * * %-ENOMEM - no memory for the bookkeeping of the larger pool, and the pool does not change
 * * %-EINVAL - @pool is not initialized, or @new_min_nr is negative or too large; one warning says
 *   which, and the pool does not change
 *
 * Matches mempool_resize(), which leaves waiters asleep for up to 5 s when it grows, and moves the
 * whole reserve with interrupts disabled.
 */
#define mempool2_resize(pool, new_min_nr)				\
	mempool2_hooks(mempool2_resize_noprof(pool, new_min_nr))
int mempool2_resize_noprof(struct mempool2 *pool, int new_min_nr);

/**
 * mempool2_refill() - fill the reserve now
 * @pool: the pool
 * @gfp_mask: passed to the alloc function unchanged
 *
 * Allocates what the reserve lacks, without waiting for elements to be freed: after a shortage of
 * memory, or before an expected one. Waiters come first as always, and their elements do not fill
 * the reserve. Elements in flight that are freed later, when the reserve is full, go to the free
 * function.
 *
 * Context: As the alloc function with @gfp_mask, and as mempool2_free(). Takes time in proportion
 * to the number of missing elements. May call callbacks of requests.
 * Return:
 * * 0 - the reserve is full
 * * a positive number - how many elements the reserve lacks; may have changed when the caller looks
 * * %-EINVAL - @pool is not initialized, with a warning
 */
#define mempool2_refill(pool, gfp_mask)					\
	mempool2_hooks(mempool2_refill_noprof(pool, gfp_mask))
int mempool2_refill_noprof(struct mempool2 *pool, gfp_t gfp_mask);

/*
 * What a pool tells of itself
 */

/**
 * mempool2_nr_reserved() - number of elements in the reserve
 * @pool: a pool
 *
 * The number may have changed when the caller looks at it.
 *
 * Context: Any. Does not sleep.
 * Return: the number; 0 if @pool is not initialized.
 *
 * Matches the member curr_nr of the kernel's struct mempool.
 */
int mempool2_nr_reserved(const struct mempool2 *pool);

/**
 * mempool2_is_saturated() - does the reserve hold all elements that the pool guarantees?
 * @pool: an initialized pool
 *
 * The answer may have changed when the caller looks at it.
 *
 * Context: Any. Does not sleep.
 * Return: true if the reserve holds at least @min_nr elements.
 *
 * Matches mempool_is_saturated() (6.12, 7.3).
 */
static inline bool mempool2_is_saturated(const struct mempool2 *pool)
{
	return mempool2_nr_reserved(pool) >= READ_ONCE(pool->min_nr);
}

/**
 * mempool2_initialized() - is the pool ready for use?
 * @pool: a pool, or zeroed memory
 *
 * Context: Any. Does not sleep.
 * Return: true from a successful mempool2_init() until mempool2_exit().
 *
 * Matches mempool_initialized().
 */
static inline bool mempool2_initialized(const struct mempool2 *pool);

/*
 * Exit and destroy
 */

/**
 * mempool2_exit() - end a pool that mempool2_init() initialized
 * @pool: the pool; zeroed memory, a pool for which mempool2_init() failed, and a pool that has
 *	ended already are left alone
 *
 * Frees the elements in the reserve. Elements still in flight must not be freed to @pool any more.
 * No other call may be using the pool, and no request may be left.
 *
 * Context: As the free function. Sleeps only
 *
 * * if the free function does
 * * if the pool's bookkeeping is larger than a page
 * * if mempool2_cancel() has cancelled a request of the pool a moment ago, without
 *   mempool2_cancel_sync() since
 * * on PREEMPT_RT, where it must not be called in a callback
 *
 * Matches mempool_exit().
 */
void mempool2_exit(struct mempool2 *pool);

/**
 * mempool2_destroy() - end and free a pool that mempool2_create() allocated
 * @pool: the pool, or %NULL, which does nothing
 *
 * Context: As mempool2_exit().
 *
 * Matches mempool_destroy().
 */
void mempool2_destroy(struct mempool2 *pool);

/* Not for callers */
#include "core/inline.h"

#endif /* _MEMPOOL2_H */
