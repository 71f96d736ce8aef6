// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests of threads: callbacks, cancels and their order; and pools that live for a moment
 */
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "torture.h"

/* Requests in one comparison of their order. */
#define ORDERED		4

/**
 * struct request - a request and what came of it
 *
 * @waiter: of the request
 * @done: completed by the callback
 * @nr_calls: calls of the callback
 * @elems: the elements
 * @nr: how many
 * @tp: their pool, %NULL for a pool that lives for a moment
 * @owner: their owner from the callback on
 */
struct request {
	struct mempool2_waiter	waiter;
	struct torture_pool	*tp;
	int			owner;
	struct completion	done;
	atomic_t		nr_calls;
	void			*elems[BULK];
	unsigned int		nr;
};

static void request_done(struct mempool2_waiter *waiter, void **elems)
{
	struct request *request = container_of(waiter, struct request, waiter);
	unsigned int i;

	count(NR_CALLBACK);
	if (atomic_inc_return(&request->nr_calls) != 1)
		found(FOUND_CALLBACK, "a callback came %d times", atomic_read(&request->nr_calls));
	for (i = 0; i < request->nr; i++) {
		if (!elems[i]) {
			found(FOUND_CALLBACK, "a callback without an element");
			continue;
		}
		if (request->tp)
			element_own(request->tp, elems[i], request->owner);
	}
	/* Of a request for several the array is @elems itself. */
	request->elems[0] = elems[0];
	complete(&request->done);
}

/* Returns 0 with the elements, or -EINPROGRESS. */
static int request_make(struct worker *me, struct torture_pool *tp, struct request *request,
			unsigned int nr, gfp_t gfp_mask)
{
	void *element;
	unsigned int i;
	int err;

	memset(request, 0, sizeof(*request));
	/* The memory of a waiter may hold anything. */
	memset(&request->waiter, 0xff, sizeof(request->waiter));
	request->nr = nr;
	request->tp = tp;
	request->owner = me->index;
	init_completion(&request->done);
	mempool2_waiter_init(&request->waiter, request_done);
	if (nr > 1) {
		count(NR_BULK_ASYNC);
		atomic_inc(&tp->nr_bulk);
		err = mempool2_alloc_bulk_async(&tp->pool, gfp_mask, request->elems, nr,
						&request->waiter);
	} else {
		count(NR_ASYNC);
		element = mempool2_alloc_async(&tp->pool, gfp_mask, &request->waiter);
		err = PTR_ERR_OR_ZERO(element);
		if (!err)
			request->elems[0] = element;
	}
	if (err && err != -EINPROGRESS)
		found(FOUND_RESULT, "a request returned %d", err);
	for (i = 0; !err && i < nr; i++)
		element_own(tp, request->elems[i], me->index);
	return err;
}

static void request_use(struct worker *me, struct torture_pool *tp, struct request *request)
{
	unsigned int i;

	hold(me);
	for (i = 0; i < request->nr; i++)
		release(me, tp, request->elems[i]);
}

/* Cancel the request. True if it was served before, and the callback has returned. */
static bool request_was_served(struct request *request)
{
	bool canceled = mempool2_cancel_sync(&request->waiter);
	int nr = atomic_read(&request->nr_calls);

	count(NR_CANCEL);
	if (canceled)
		count(NR_CANCELED);
	if (canceled && nr)
		found(FOUND_CALLBACK, "a callback came, and there was something to cancel");
	if (!canceled && !nr)
		found(FOUND_CALLBACK, "no callback came, and there was nothing to cancel");
	return nr;
}

/* Wait for the callback, or cancel the request. True if the elements are there. */
static bool request_ends(struct worker *me, struct request *request)
{
	if (random_below(&me->random, 3)) {
		wait_begin(me);
		wait_for_completion(&request->done);
		wait_end(me);
		if (mempool2_cancel_sync(&request->waiter))
			found(FOUND_CALLBACK, "a request that was served could be canceled");
		return true;
	}
	if (random_below(&me->random, 2))
		schedule_timeout_uninterruptible(random_below(&me->random, 3));
	return request_was_served(request);
}

void do_async(struct worker *me, struct torture_pool *tp)
{
	bool is_bulk = features & FEATURE_BULK && !random_below(&me->random, 3);
	gfp_t gfp_mask = random_below(&me->random, 2) ? GFP_NOWAIT : GFP_NOIO;
	struct request request;
	int err;

	err = request_make(me, tp, &request, is_bulk ? random_bulk(me) : 1, gfp_mask);
	if (!err || (err == -EINPROGRESS && request_ends(me, &request)))
		request_use(me, tp, &request);
	if (request.nr > 1)
		atomic_dec(&tp->nr_bulk);
}

/*
 * Requests of one caller for one element each are served in their order. They are canceled in the
 * reverse order: after one that was served there must be none that was not.
 */
void do_ordered(struct worker *me, struct torture_pool *tp)
{
	bool queued[ORDERED], canceled, younger_was_served = false;
	struct request *requests;
	int i, err;

	requests = kcalloc(ORDERED, sizeof(*requests), GFP_KERNEL);
	if (!requests)
		return;
	for (i = 0; i < ORDERED; i++) {
		err = request_make(me, tp, &requests[i], 1, GFP_NOWAIT);
		queued[i] = err == -EINPROGRESS;
		if (!err)
			request_use(me, tp, &requests[i]);
	}
	hold(me);
	for (i = ORDERED - 1; i >= 0; i--) {
		if (!queued[i])
			continue;
		canceled = mempool2_cancel(&requests[i].waiter);
		if (canceled && younger_was_served)
			found(FOUND_ORDER, "of %d requests number %d waits, not a younger one",
			      ORDERED, i);
		if (!canceled)
			younger_was_served = true;
		mempool2_cancel_sync(&requests[i].waiter);
		if (canceled == atomic_read(&requests[i].nr_calls))
			found(FOUND_CALLBACK, "canceled %d, and %d callbacks", canceled,
			      atomic_read(&requests[i].nr_calls));
		if (!canceled)
			request_use(me, tp, &requests[i]);
		count(NR_ORDERED);
	}
	kfree(requests);
}

/*
 * Pools that live for a moment. What their functions get as pool_data is never freed, so a call
 * after the end of the pool is found, and not a crash.
 */
#define NR_LIVES	1024U

struct life {
	bool		has_ended;
	atomic_t	nr_elements;
};

static struct life *lives;
static atomic_t nr_lives;

static void life_check(struct life *life)
{
	if (READ_ONCE(life->has_ended))
		found(FOUND_AFTER_END, "a function of a pool was called after its end");
}

/* A thread that asks again for a request takes its time. */
static void *life_alloc(gfp_t gfp_mask, void *pool_data)
{
	struct life *life = pool_data;
	void *element = NULL;

	life_check(life);
	if (current->flags & PF_WQ_WORKER && gfp_mask & __GFP_DIRECT_RECLAIM)
		usleep_range(500, 2000);
	else if (gfp_mask & __GFP_IO && !(gfp_mask & __GFP_NOMEMALLOC))
		element = kmalloc(64, gfp_mask);
	life_check(life);
	if (element)
		atomic_inc(&life->nr_elements);
	return element;
}

static void life_free(void *element, void *pool_data)
{
	struct life *life = pool_data;

	life_check(life);
	atomic_dec(&life->nr_elements);
	kfree(element);
}

/* The alloc function has memory for the reserve alone, so a request to an empty pool waits. */
static void live(struct worker *me, struct mempool2 *pool, int nr)
{
	struct request request = { .nr = 1 };
	void *elems[BULK];
	int i;

	for (i = 0; i < nr; i++)
		elems[i] = mempool2_alloc(pool, GFP_NOIO);
	init_completion(&request.done);
	mempool2_waiter_init(&request.waiter, request_done);
	if (mempool2_alloc_async(pool, GFP_NOIO, &request.waiter) != ERR_PTR(-EINPROGRESS)) {
		found(FOUND_RESULT, "a request to an empty pool did not wait");
		return;
	}
	/* The first retry comes after 10 ms. */
	schedule_timeout_uninterruptible(random_below(&me->random, HZ / 50 + 2));
	if (random_below(&me->random, 2)) {
		/* A thread may be in the alloc function now. The end of the pool waits for it. */
		if (!mempool2_cancel(&request.waiter))
			found(FOUND_CALLBACK, "a request to an empty pool could not be canceled");
	} else {
		mempool2_free(elems[--nr], pool);
		wait_begin(me);
		wait_for_completion(&request.done);
		wait_end(me);
		mempool2_cancel_sync(&request.waiter);
		mempool2_free(request.elems[0], pool);
	}
	while (nr)
		mempool2_free(elems[--nr], pool);
}

/* A pool may be copied before its first use, and then it is the copy that ends. */
static struct mempool2 *maybe_copy(struct worker *me, struct mempool2 *pool)
{
	struct mempool2 *copy = NULL;

	if (random_below(&me->random, 2))
		copy = kmalloc(sizeof(*copy), GFP_KERNEL);
	if (!copy)
		return pool;
	*copy = *pool;
	init_waitqueue_head(&copy->wait);
	memset(pool, 0x5a, sizeof(*pool));
	kfree(pool);
	return copy;
}

void do_short_lived(struct worker *me, struct torture_pool *unused)
{
	struct life *life = &lives[atomic_inc_return(&nr_lives) % NR_LIVES];
	int nr = random_bulk(me), err;
	struct mempool2 *pool;

	count(NR_SHORT_LIVED);
	pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	if (!pool)
		return;
	/* The former life ended a thousand pools ago. */
	WRITE_ONCE(life->has_ended, false);
	err = mempool2_init(pool, nr, life_alloc, life_free, life);
	if (!err) {
		pool = maybe_copy(me, pool);
		live(me, pool, nr);
		mempool2_exit(pool);
		WRITE_ONCE(life->has_ended, true);
		if (atomic_read(&life->nr_elements))
			found(FOUND_LOST, "%d elements of a pool that has ended",
			      atomic_read(&life->nr_elements));
	} else if (err != -ENOMEM) {
		found(FOUND_RESULT, "mempool2_init() returned %d", err);
	}
	/* A pointer of the list of waiters to this would not go unnoticed. */
	memset(pool, 0x5a, sizeof(*pool));
	kfree(pool);
}

bool short_lived_create(void)
{
	lives = kcalloc(NR_LIVES, sizeof(*lives), GFP_KERNEL);
	return lives;
}

void short_lived_destroy(void)
{
	kfree(lives);
	lives = NULL;
}
