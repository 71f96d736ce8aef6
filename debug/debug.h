/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls from the core into debug/
 *
 * Without CONFIG_MEMPOOL2_DEBUG they do nothing, and the limit is the only feature of a pool.
 */
#ifndef _MEMPOOL2_DEBUG_HOOKS_H
#define _MEMPOOL2_DEBUG_HOOKS_H

#include "../core/ext.h"

#ifdef CONFIG_MEMPOOL2_DEBUG

/* Called only while pools are instrumented. Out of line, to keep their callers small. */
void *mp2_debug_alloc(struct mempool2 *pool, gfp_t gfp, int *entered, unsigned long caller);
bool mp2_debug_free(struct mempool2 *pool, void *element, unsigned long caller);
bool mp2_debug_should_fail(struct mempool2 *pool);
void mp2_debug_park(struct mempool2 *pool, void **elems, unsigned int nr);
void mp2_debug_unpark(struct mempool2 *pool, void **elems, unsigned int nr);
void mp2_debug_refill(struct mempool2 *pool, unsigned int nr);
void mp2_debug_track_alloc(struct mempool2 *pool, void **elems, unsigned int nr);
void mp2_debug_reserve_alloc(struct mempool2 *pool, void **elems, unsigned int nr,
			     unsigned long caller);
bool mp2_debug_track_free(struct mempool2 *pool, void *element, unsigned long caller);
bool mp2_debug_track_free_bulk(struct mempool2 *pool, void *element, unsigned long caller);
void mp2_debug_put_back(struct mempool2 *pool, void **elems, unsigned int nr);
void mp2_debug_track(struct mempool2 *pool, void *element);
void mp2_debug_filled(struct mempool2 *pool, void *element);
void mp2_debug_untrack(struct mempool2 *pool, void *element);

/* Called for any pool, but only on slow paths. */
struct mempool2_elements mp2_elements_of(const struct mempool2 *pool);
void mp2_elements_compare(struct mempool2_reserve *reserve, const void *element, unsigned int nr);
void mp2_site_get(struct mempool2_reserve *reserve, unsigned long caller, gfp_t gfp);
struct mempool2_site *mp2_site_put(struct mempool2_site *site);
void mp2_debug_created(struct mempool2_reserve *reserve, gfp_t gfp);
void mp2_debug_resized(struct mempool2 *pool, int from, int to, int err);
void mp2_debug_wait_begin(struct mempool2_waiter *waiter, unsigned long timeout);
void mp2_debug_wait_end(struct mempool2_waiter *waiter);
void mp2_debug_handover(struct mempool2 *pool, const void *element);
void mp2_debug_failed(struct mempool2 *pool, unsigned long caller);
void mp2_debug_exit(struct mempool2 *pool);
struct mempool2 *mp2_debug_destroyed(struct mempool2 *pool);
bool mp2_debug_free_uninit(const struct mempool2 *pool, const void *element);
int mp2_debug_init(void);
void mp2_debug_unload(void);

/* Called by core/ext.c. */
void mp2_records_free(struct mempool2_ext *ext);
void mp2_ext_remove_dir(struct mempool2_ext *ext);
void mp2_stall_schedule(void);

#else

/* core/internal.h defines mp2_debug_alloc() and mp2_debug_free(), which charge the limit. */

static inline bool mp2_debug_should_fail(struct mempool2 *pool) { return false; }
static inline void mp2_debug_park(struct mempool2 *pool, void **elems, unsigned int nr) {}
static inline void mp2_debug_unpark(struct mempool2 *pool, void **elems, unsigned int nr) {}
static inline void mp2_debug_refill(struct mempool2 *pool, unsigned int nr) {}
static inline void mp2_debug_track_alloc(struct mempool2 *pool, void **elems, unsigned int nr) {}
static inline void mp2_debug_reserve_alloc(struct mempool2 *pool, void **elems, unsigned int nr,
					   unsigned long caller) {}
static inline void mp2_debug_put_back(struct mempool2 *pool, void **elems, unsigned int nr) {}
static inline void mp2_debug_track(struct mempool2 *pool, void *element) {}
static inline void mp2_debug_filled(struct mempool2 *pool, void *element) {}
static inline void mp2_debug_untrack(struct mempool2 *pool, void *element) {}
static inline void mp2_elements_compare(struct mempool2_reserve *reserve, const void *element,
					unsigned int nr) {}
static inline void mp2_site_get(struct mempool2_reserve *reserve, unsigned long caller,
				gfp_t gfp) {}
static inline void mp2_debug_created(struct mempool2_reserve *reserve, gfp_t gfp) {}
static inline void mp2_debug_resized(struct mempool2 *pool, int from, int to, int err) {}
static inline void mp2_debug_wait_begin(struct mempool2_waiter *waiter, unsigned long timeout) {}
static inline void mp2_debug_wait_end(struct mempool2_waiter *waiter) {}
static inline void mp2_debug_handover(struct mempool2 *pool, const void *element) {}
static inline void mp2_debug_failed(struct mempool2 *pool, unsigned long caller) {}
static inline void mp2_debug_exit(struct mempool2 *pool) {}
static inline int mp2_debug_init(void) { return 0; }
static inline void mp2_debug_unload(void) { mp2_ext_unload(); }
static inline void mp2_records_free(struct mempool2_ext *ext) {}
static inline void mp2_ext_remove_dir(struct mempool2_ext *ext) {}
static inline void mp2_stall_schedule(void) {}

static inline bool mp2_debug_track_free(struct mempool2 *pool, void *element, unsigned long caller)
{
	return true;
}

static inline bool mp2_debug_track_free_bulk(struct mempool2 *pool, void *element,
					     unsigned long caller)
{
	return true;
}

static inline struct mempool2_elements mp2_elements_of(const struct mempool2 *pool)
{
	return (struct mempool2_elements){};
}

static inline struct mempool2_site *mp2_site_put(struct mempool2_site *site)
{
	return NULL;
}

static inline struct mempool2 *mp2_debug_destroyed(struct mempool2 *pool)
{
	return pool;
}

static inline bool mp2_debug_free_uninit(const struct mempool2 *pool, const void *element)
{
	return false;
}

#endif /* CONFIG_MEMPOOL2_DEBUG */
#endif /* _MEMPOOL2_DEBUG_HOOKS_H */
