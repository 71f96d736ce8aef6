/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Not for callers: what the calls of mempool2.h need in each driver
 *
 * mempool2.h includes this file last. Its comments say what the calls do.
 */
#ifndef _MEMPOOL2_INLINE_H
#define _MEMPOOL2_INLINE_H

#ifndef _MEMPOOL2_H
#error "include mempool2.h"
#endif

/**
 * enum mempool2_kind - the kind of a pool: which alloc and free functions it has
 *
 * @MEMPOOL2_NONE: the pool is not initialized; 0, so that zeroed memory is such a pool
 * @MEMPOOL2_CUSTOM: functions that mempool2 does not know
 * @MEMPOOL2_SLAB: mempool2_alloc_slab() and mempool2_free_slab()
 * @MEMPOOL2_KMALLOC: mempool2_kmalloc() and mempool2_kfree()
 * @MEMPOOL2_PAGES: mempool2_alloc_pages() and mempool2_free_pages()
 * @MEMPOOL2_NO_KIND: no pool is of this kind, see &struct mempool2_inline_kinds
 *
 * mempool2 calls the functions that it knows directly. Where indirect calls are guarded against
 * speculation a direct call costs less. The values leave bits for the flags of a pool's state.
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
 * While any pool has a limit, a check or another feature, a tracepoint of the reserve is enabled,
 * or new pools get checks, both members are %MEMPOOL2_NO_KIND. So
 * the inline calls of all pools go out of line, where the pool is asked for its features. No pool
 * has to be written to for that.
 */
struct mempool2_inline_kinds {
	u8	custom;
	u8	slab;
};

extern struct mempool2_inline_kinds mempool2_inline_kinds;

/* The kinds may change meanwhile: a call that read the old value completes as before the change. */
#define mempool2_is_inline(kind, name)	((u8)(kind) == data_race(mempool2_inline_kinds.name))

/*
 * The state of a pool. While the reserve is full the lowest byte is the kind without any flag: one
 * comparison tells mempool2_free() both that the reserve is full and which function to call.
 */
#define MEMPOOL2_NOT_FULL	0x01	/* the reserve may have room */
#define MEMPOOL2_FULL_SCAN	0x02	/* a CPU scans the reserve: is it full, or empty? */
#define MEMPOOL2_OFFERED	0x40	/* the oldest waiter was woken to take a parked element */
#define MEMPOOL2_WAITERS	0x80	/* a waiter may be given an element */
/* Above the lowest byte: how many scans were begun. */
#define MEMPOOL2_SCAN_COUNT	0x100

/*
 * No call is __malloc: an element may be an object that the compiler knows, which it would take for
 * another one.
 */
void *__mempool2_alloc(struct mempool2 *pool, gfp_t gfp_mask);
void *__mempool2_alloc_slow(struct mempool2 *pool, gfp_t gfp_mask);
void __mempool2_free(struct mempool2 *pool, void *element);

#if IS_BUILTIN(CONFIG_MEMPOOL2) && defined(CONFIG_FAULT_INJECTION)
bool __mempool2_should_fail(void);
#else
static inline bool __mempool2_should_fail(void)
{
	return false;
}
#endif

static inline bool mempool2_initialized(const struct mempool2 *pool)
{
	/* The kind does not change from initialization until the end of the pool. */
	return data_race(pool->kind) != MEMPOOL2_NONE;
}

/*
 * The caller's mask for the alloc function. The pool replaces the emergency reserves and the
 * retries of the page allocator, so its allocations use neither; and a failure is no news.
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
 * Every inlined call makes its caller larger, so only the short cases are inline: pools of slab
 * objects and of custom functions, with a mask that the compiler knows. All else is one call.
 */
static __always_inline void *mempool2_alloc_noprof(struct mempool2 *pool,
						   gfp_t gfp_mask)
{
	gfp_t gfp = mempool2_gfp_first(gfp_mask);
	void *element;
	u8 kind;

	if (!__builtin_constant_p(gfp_mask) || gfp_mask & __GFP_ZERO)
		return __mempool2_alloc(pool, gfp_mask);
	might_alloc(gfp_mask);
	kind = READ_ONCE(pool->kind);
	if (likely(mempool2_is_inline(kind, custom)))
		element = __mempool2_backend_alloc(pool, MEMPOOL2_CUSTOM, gfp);
	else if (likely(mempool2_is_inline(kind, slab)))
		element = __mempool2_backend_alloc(pool, MEMPOOL2_SLAB, gfp);
	else
		return __mempool2_alloc(pool, gfp_mask);
	return likely(element) ? element : __mempool2_alloc_slow(pool, gfp_mask);
}

static __always_inline void mempool2_free(void *element, struct mempool2 *pool)
{
	if (unlikely(!element))
		return;
	/*
	 * The CPU that took the element from the reserve saw MEMPOOL2_NOT_FULL, or set it,
	 * before any other CPU could learn the address of the element. This CPU reads the
	 * state after it learned the address, whatever way that came (race D). Pairs with the
	 * full barriers of slot_take() and mp2_reserve_set_not_full() (address-passed,
	 * address-served), reserve_take_locked() (address-stored) and mp2_waiter_queue()
	 * (address-handed-over).
	 */
	smp_rmb();
	if (likely(mempool2_is_inline(atomic_read(&pool->state), slab)))
		__mempool2_backend_free(pool, MEMPOOL2_SLAB, element);
	else
		__mempool2_free(pool, element);
}

#endif /* _MEMPOOL2_INLINE_H */
