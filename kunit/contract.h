/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract of a pool as a model: what each call returns and does if one thread makes all calls
 *
 * Written from the comments in mempool2.h and mempool2_debug.h, not from the code of mempool2. The
 * model counts elements and does not know them.
 */
#ifndef _MEMPOOL2_KUNIT_CONTRACT_H
#define _MEMPOOL2_KUNIT_CONTRACT_H

#include <linux/gfp.h>
#include <linux/types.h>

#include "../mempool2_debug.h"

/* Requests are numbered from 0 on. The last one is the caller itself, while it is in the queue. */
#define NR_REQUESTS	8
#define ITSELF		NR_REQUESTS

/* Entries of other code in the queue. */
#define NR_ENTRIES	2

/* More callbacks than one call runs. */
#define MAX_CALLS	16

/* What a call of the model returns if the real call would sleep until another thread helps. */
#define SLEEPS		1

/**
 * struct contract_request - a waiter
 *
 * @is_pending: it waits
 * @count: how many elements it wants
 * @nr_missing: how many it still lacks
 * @frees: its callback frees the elements at once, and does not keep them
 */
struct contract_request {
	bool	is_pending;
	int	count;
	int	nr_missing;
	bool	frees;
};

/**
 * struct contract - what is known of a pool and of the back end
 *
 * @budget: as in struct source
 * @to_fail: as in struct source
 * @fail_at: this call of the alloc function fails, counted from 1 on; 0 for none
 * @nr_allocs: calls of the alloc function
 * @nr_frees: calls of the free function
 * @nr_live: elements that were allocated and not freed
 * @nr_held: elements of the caller
 * @is_initialized: the pool is initialized
 * @min_nr: of the pool
 * @nr_reserved: elements in the reserve
 * @limit: of the pool, 0 for none
 * @nr_inflight: elements that count for the limit
 * @injects: each call of the alloc function is to fail, by mempool2_set_fail_interval()
 * @counts: statistics are on
 * @had_stats: statistics were on at some time
 * @stats: statistics, without times
 * @requests: all requests, and the caller itself
 * @queue: the queue, oldest first: numbers of requests, or -1 - the number of an entry
 * @nr_queued: how many are in @queue
 * @nr_waiters: how many of them are no entries
 * @nr_wakes: how often each entry was woken
 * @served: requests that have all elements and wait for their callbacks to run, oldest first
 * @nr_served: how many they are
 * @called: requests of the callbacks that ran in this step, in their order
 * @nr_called: how many they are
 */
struct contract {
	int			budget;
	int			to_fail;
	int			fail_at;
	int			nr_allocs;
	int			nr_frees;
	int			nr_live;
	int			nr_held;

	bool			is_initialized;
	int			min_nr;
	int			nr_reserved;
	int			limit;
	int			nr_inflight;
	bool			injects;
	bool			counts;
	bool			had_stats;
	struct mempool2_stats	stats;

	struct contract_request	requests[NR_REQUESTS + 1];
	int			queue[NR_REQUESTS + 1 + NR_ENTRIES];
	int			nr_queued;
	int			nr_waiters;
	int			nr_wakes[NR_ENTRIES];

	int			served[MAX_CALLS];
	int			nr_served;
	int			called[MAX_CALLS];
	int			nr_called;
};

/*
 * The calls, named as those of mempool2. They return 0 for an element, -ENOMEM for NULL, SLEEPS, or
 * what the real calls return. @gets_memory: mempool2 gets the memory that it needs for itself.
 */
int contract_init(struct contract *pool, int min_nr, bool gets_memory);
void contract_exit(struct contract *pool);

int contract_alloc(struct contract *pool, gfp_t gfp);
int contract_alloc_preallocated(struct contract *pool);
int contract_alloc_noreserve(struct contract *pool, gfp_t gfp);
int contract_alloc_at_once(struct contract *pool, gfp_t gfp);
int contract_alloc_bulk(struct contract *pool, int count);
int contract_alloc_async(struct contract *pool, gfp_t gfp, int request, bool frees);
int contract_alloc_bulk_async(struct contract *pool, gfp_t gfp, int count, int request,
			      bool frees);
bool contract_cancel(struct contract *pool, int request);

void contract_free(struct contract *pool);
int contract_free_bulk(struct contract *pool, int count);

int contract_set_limit(struct contract *pool, int limit);
int contract_resize(struct contract *pool, int min_nr, bool gets_memory);
int contract_refill(struct contract *pool);
void contract_enable_stats(struct contract *pool, bool on);

void contract_add_entry(struct contract *pool, int entry, bool at_end);
void contract_remove_entry(struct contract *pool, int entry);

/* How many elements the reserve is to have. */
static inline int contract_size(const struct contract *pool)
{
	return pool->min_nr ?: 1;
}

#endif /* _MEMPOOL2_KUNIT_CONTRACT_H */
