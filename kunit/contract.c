// SPDX-License-Identifier: GPL-2.0-only
/*
 * The contract of a pool as a model, see contract.h
 */
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "contract.h"

/*
 * The back end
 */

/* A call of the alloc function. Does it find memory? */
static bool memory(struct contract *pool)
{
	if (++pool->nr_allocs == pool->fail_at)
		return false;
	if (pool->to_fail) {
		pool->to_fail--;
		return false;
	}
	if (!pool->budget)
		return false;
	pool->budget--;
	pool->nr_live++;
	return true;
}

/* The same for an allocation, for which failures may be injected. */
static bool memory_unless_injected(struct contract *pool)
{
	return !pool->injects && memory(pool);
}

static void free_fn(struct contract *pool)
{
	pool->nr_frees++;
	pool->nr_live--;
}

/* Without these flags the first try; with them there is a second one. */
static bool has_second_try(gfp_t gfp)
{
	return gfp & (__GFP_DIRECT_RECLAIM | __GFP_IO);
}

static bool may_sleep(gfp_t gfp)
{
	return gfp & __GFP_DIRECT_RECLAIM;
}

/*
 * Statistics
 */

static void tally(const struct contract *pool, u64 *figure, int nr)
{
	if (pool->counts)
		*figure += nr;
}

/*
 * The limit
 */

static int limit_now(const struct contract *pool)
{
	return max(pool->limit, contract_size(pool));
}

static bool charge_for_waiter(struct contract *pool)
{
	if (!pool->limit)
		return true;
	if (pool->nr_inflight >= limit_now(pool))
		return false;
	pool->nr_inflight++;
	return true;
}

/* For a newcomer, which stands behind the waiters. */
static bool charge(struct contract *pool, int nr)
{
	if (!pool->limit)
		return true;
	if (pool->nr_waiters || pool->nr_inflight + nr > limit_now(pool))
		return false;
	pool->nr_inflight += nr;
	return true;
}

static void uncharge(struct contract *pool, int nr)
{
	if (pool->limit)
		pool->nr_inflight = max(pool->nr_inflight - nr, 0);
}

/*
 * The queue
 */

static void enqueue(struct contract *pool, int member, bool at_end)
{
	int *place = at_end ? &pool->queue[pool->nr_queued] : pool->queue;

	if (!at_end)
		memmove(place + 1, place, pool->nr_queued * sizeof(*place));
	*place = member;
	pool->nr_queued++;
	pool->nr_waiters += member >= 0;
}

static void dequeue(struct contract *pool, int member)
{
	int i;

	for (i = 0; i < pool->nr_queued && pool->queue[i] != member; i++)
		;
	if (i == pool->nr_queued)
		return;
	pool->nr_queued--;
	memmove(&pool->queue[i], &pool->queue[i + 1], (pool->nr_queued - i) * sizeof(int));
	pool->nr_waiters -= member >= 0;
}

static void end_wait(struct contract *pool, int request)
{
	pool->requests[request].is_pending = false;
	dequeue(pool, request);
	tally(pool, &pool->stats.waits, 1);
}

/* Give an element to the oldest waiter, and wake the entries before it. */
static void give(struct contract *pool)
{
	int i, head;

	for (i = 0; pool->queue[i] < 0; i++)
		pool->nr_wakes[-1 - pool->queue[i]]++;
	head = pool->queue[i];
	tally(pool, &pool->stats.handovers, 1);
	if (--pool->requests[head].nr_missing)
		return;
	end_wait(pool, head);
	if (head != ITSELF)
		pool->served[pool->nr_served++] = head;
}

/* No element stays in the reserve beside a waiter, unless the limit is reached. */
static void serve(struct contract *pool)
{
	while (pool->nr_waiters && pool->nr_reserved && charge_for_waiter(pool)) {
		pool->nr_reserved--;
		give(pool);
	}
}

/* Give elements to the waiters and to the reserve. Returns how many they took. */
static int return_elements(struct contract *pool, int nr)
{
	int i;

	for (i = 0; i < nr; i++) {
		if (pool->nr_waiters && charge_for_waiter(pool)) {
			give(pool);
		} else if (pool->nr_reserved < contract_size(pool)) {
			pool->nr_reserved++;
			tally(pool, &pool->stats.refills, 1);
		} else {
			break;
		}
	}
	return i;
}

/* Run the callbacks that are due, and those that become due by that. */
static void run_callbacks(struct contract *pool)
{
	const struct contract_request *request;
	int i;

	while (pool->nr_served) {
		request = &pool->requests[pool->served[0]];
		pool->called[pool->nr_called++] = pool->served[0];
		pool->nr_served--;
		memmove(pool->served, pool->served + 1, pool->nr_served * sizeof(int));
		if (!request->frees) {
			pool->nr_held += request->count;
			continue;
		}
		for (i = 0; i < request->count; i++) {
			uncharge(pool, 1);
			if (!return_elements(pool, 1))
				free_fn(pool);
		}
	}
}

static void return_all(struct contract *pool, int nr)
{
	int taken = return_elements(pool, nr);

	while (taken++ < nr)
		free_fn(pool);
	run_callbacks(pool);
}

/*
 * Init and exit
 */

int contract_init(struct contract *pool, int min_nr, bool gets_memory)
{
	if (!gets_memory)
		return -ENOMEM;
	pool->min_nr = min_nr;
	for (pool->nr_reserved = 0; pool->nr_reserved < contract_size(pool); pool->nr_reserved++) {
		if (memory(pool))
			continue;
		for (; pool->nr_reserved; pool->nr_reserved--)
			free_fn(pool);
		return -ENOMEM;
	}
	pool->is_initialized = true;
	pool->limit = 0;
	pool->injects = false;
	pool->counts = false;
	pool->had_stats = false;
	memset(&pool->stats, 0, sizeof(pool->stats));
	return 0;
}

void contract_exit(struct contract *pool)
{
	for (; pool->nr_reserved; pool->nr_reserved--)
		free_fn(pool);
	pool->is_initialized = false;
}

/*
 * Alloc
 */

/* From the reserve, not before the waiters. Elements that are too few are put back. */
static bool take(struct contract *pool, int nr)
{
	if (pool->nr_waiters)
		return false;
	if (pool->nr_reserved < nr) {
		tally(pool, &pool->stats.refills, pool->nr_reserved);
		return false;
	}
	pool->nr_reserved -= nr;
	tally(pool, &pool->stats.reserve_allocs, nr);
	return true;
}

/* All that comes before the wait. */
static bool alloc_now(struct contract *pool, gfp_t gfp)
{
	if (!charge(pool, 1))
		return false;
	if (memory_unless_injected(pool) || take(pool, 1) ||
	    (has_second_try(gfp) && memory_unless_injected(pool)))
		return true;
	uncharge(pool, 1);
	return false;
}

static int fail(struct contract *pool)
{
	tally(pool, &pool->stats.failed, 1);
	return -ENOMEM;
}

int contract_alloc(struct contract *pool, gfp_t gfp)
{
	if (!alloc_now(pool, gfp))
		return may_sleep(gfp) ? SLEEPS : fail(pool);
	pool->nr_held++;
	return 0;
}

int contract_alloc_preallocated(struct contract *pool)
{
	if (!charge(pool, 1))
		return fail(pool);
	if (!take(pool, 1)) {
		uncharge(pool, 1);
		return fail(pool);
	}
	pool->nr_held++;
	return 0;
}

int contract_alloc_noreserve(struct contract *pool, gfp_t gfp)
{
	if (charge(pool, 1)) {
		if (memory(pool)) {
			pool->nr_held++;
			return 0;
		}
		uncharge(pool, 1);
	}
	return may_sleep(gfp) ? -ENOMEM : fail(pool);
}

/* Join the queue. Is that all, as the reserve has what the waiter lacks? */
static bool join(struct contract *pool, int request, int count, int nr_missing)
{
	pool->requests[request].is_pending = true;
	pool->requests[request].count = count;
	pool->requests[request].nr_missing = nr_missing;
	enqueue(pool, request, true);
	serve(pool);
	return !pool->requests[request].is_pending;
}

/* mempool2_alloc_timeout() with a timeout of 0. */
int contract_alloc_at_once(struct contract *pool, gfp_t gfp)
{
	int err = contract_alloc(pool, gfp);

	if (err != SLEEPS)
		return err;
	if (join(pool, ITSELF, 1, 1)) {
		pool->nr_held++;
		return 0;
	}
	end_wait(pool, ITSELF);
	return -ETIMEDOUT;
}

/* As @count calls, but from the reserve all that is missing, or nothing. Returns how many. */
static int bulk_now(struct contract *pool, gfp_t gfp, int count)
{
	int nr = 0;

	if (!charge(pool, count))
		return 0;
	while (nr < count && memory_unless_injected(pool))
		nr++;
	if (nr < count && take(pool, count - nr))
		return count;
	while (nr < count && has_second_try(gfp) && memory_unless_injected(pool))
		nr++;
	/* It waits with nothing that counts for the limit. */
	if (pool->limit && nr < count) {
		uncharge(pool, count);
		return_all(pool, nr);
		nr = 0;
	}
	return nr;
}

int contract_alloc_bulk(struct contract *pool, int count)
{
	int nr = bulk_now(pool, GFP_KERNEL, count);

	if (nr < count && !join(pool, ITSELF, count - nr, count - nr))
		return SLEEPS;
	run_callbacks(pool);
	pool->nr_held += count;
	return 0;
}

/*
 * Requests
 */

/* A request that was served at once has no callback. */
static int submit(struct contract *pool, int request, int count, int nr_missing, bool frees)
{
	pool->requests[request].frees = frees;
	if (join(pool, request, count, nr_missing)) {
		pool->nr_served--;
		pool->nr_held += count;
		run_callbacks(pool);
		return 0;
	}
	run_callbacks(pool);
	return -EINPROGRESS;
}

int contract_alloc_async(struct contract *pool, gfp_t gfp, int request, bool frees)
{
	if (pool->requests[request].is_pending)
		return -EBUSY;
	if (!alloc_now(pool, gfp))
		return submit(pool, request, 1, 1, frees);
	pool->nr_held++;
	return 0;
}

int contract_alloc_bulk_async(struct contract *pool, gfp_t gfp, int count, int request,
			      bool frees)
{
	int nr;

	if (pool->requests[request].is_pending)
		return -EBUSY;
	nr = bulk_now(pool, gfp, count);
	if (nr < count)
		return submit(pool, request, count, count - nr, frees);
	pool->nr_held += count;
	return 0;
}

bool contract_cancel(struct contract *pool, int request)
{
	int nr_collected = pool->requests[request].count - pool->requests[request].nr_missing;

	if (!pool->requests[request].is_pending)
		return false;
	end_wait(pool, request);
	uncharge(pool, nr_collected);
	return_all(pool, nr_collected);
	return true;
}

/*
 * Free
 */

void contract_free(struct contract *pool)
{
	pool->nr_held--;
	uncharge(pool, 1);
	return_all(pool, 1);
}

int contract_free_bulk(struct contract *pool, int count)
{
	int taken;

	uncharge(pool, count);
	taken = return_elements(pool, count);
	pool->nr_held -= taken;
	run_callbacks(pool);
	return taken;
}

/*
 * Limit, resize and refill
 */

/* Allocate what the reserve lacks, for the waiters first. */
static void fill(struct contract *pool, int nr_most)
{
	while (nr_most-- > 0 && pool->nr_reserved < contract_size(pool) && memory(pool))
		return_all(pool, 1);
}

/* Waiters that have waited for the limit get what there is now, as if they came again. */
int contract_set_limit(struct contract *pool, int limit)
{
	int nr_most = pool->nr_waiters * contract_size(pool), taken;

	if (limit && !pool->limit)
		pool->nr_inflight = 0;
	pool->limit = limit;
	serve(pool);
	run_callbacks(pool);
	while (nr_most-- > 0 && pool->nr_waiters && memory(pool)) {
		taken = return_elements(pool, 1);
		run_callbacks(pool);
		if (taken)
			continue;
		free_fn(pool);
		break;
	}
	return 0;
}

int contract_resize(struct contract *pool, int min_nr, bool gets_memory)
{
	int before = contract_size(pool);

	if (min_nr == pool->min_nr)
		return 0;
	if (min_nr > pool->min_nr && !gets_memory)
		return -ENOMEM;
	pool->min_nr = min_nr;
	while (pool->nr_reserved > contract_size(pool)) {
		pool->nr_reserved--;
		free_fn(pool);
	}
	/* The limit is min_nr at least, so it may be larger now. */
	serve(pool);
	run_callbacks(pool);
	if (contract_size(pool) > before)
		fill(pool, contract_size(pool));
	tally(pool, &pool->stats.resizes, 1);
	return 0;
}

int contract_refill(struct contract *pool)
{
	fill(pool, contract_size(pool) - pool->nr_reserved);
	return contract_size(pool) - pool->nr_reserved;
}

void contract_enable_stats(struct contract *pool, bool on)
{
	pool->counts = on;
	pool->had_stats |= on;
}

/*
 * Entries of other code
 */

void contract_add_entry(struct contract *pool, int entry, bool at_end)
{
	enqueue(pool, -1 - entry, at_end);
}

void contract_remove_entry(struct contract *pool, int entry)
{
	dequeue(pool, -1 - entry);
}
