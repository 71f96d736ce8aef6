// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: several elements at once
 */
#include <linux/minmax.h>
#include <linux/prandom.h>
#include <linux/sched/mm.h>

#include "fixture.h"

/* A bulk allocation fills the whole array */

/* Promise 15: alloc_bulk fills the whole array */

/* Hold the elements that a bulk call returned, and check that none is missing or returned twice. */
static void keep(struct fixture *fx, void **elems, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		KUNIT_ASSERT_NOT_NULL(fx->test, elems[i]);
		source_claim(&fx->src, elems[i]);
	}
	KUNIT_EXPECT_EQ(fx->test, atomic_read(&fx->src.nr_irregular), 0);
	for (i = 0; i < count; i++) {
		source_disclaim(&fx->src, elems[i]);
		fixture_hold(fx, elems[i]);
		elems[i] = NULL;
	}
}

static void alloc_bulk_fills_the_array_with_fresh_memory(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[8];

	fixture_pool(fx, 8);
	memset(elems, 0xa5, sizeof(elems));
	KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, 8), 0);
	keep(fx, elems, 8);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 8);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 8);
}

static void alloc_bulk_fills_the_array_from_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[8];

	fixture_pool(fx, 8);
	source_fail(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, 8), 0);
	keep(fx, elems, 8);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 1);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
}

static void alloc_bulk_takes_the_rest_from_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[8];

	fixture_pool(fx, 8);
	source_allow(&fx->src, 3);
	KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, 8), 0);
	keep(fx, elems, 8);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 3);
}

static void alloc_bulk_of_fewer_takes_no_more_than_these(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[8] = {};

	fixture_pool(fx, 8);
	source_fail(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, 5), 0);
	KUNIT_EXPECT_NULL(test, elems[5]);
	keep(fx, elems, 5);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 3);
}

static void alloc_bulk_of_one_element_works(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[1];

	fixture_pool(fx, 1);
	source_fail(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, 1), 0);
	keep(fx, elems, 1);
}

static void alloc_bulk_of_nothing_does_nothing(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[1] = {};

	fixture_pool(fx, 1);
	source_fail(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, 0), 0);
	KUNIT_EXPECT_NULL(test, elems[0]);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
	expect_no_warning(fx);
}

static void alloc_bulk_reclaims_for_what_the_reserve_lacks(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[4];

	fixture_pool(fx, 4);
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	source_fail_next(&fx->src, 1);
	KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, 4), 0);
	keep(fx, elems, 4);
	/* Three elements were not enough, so they stay in the reserve. */
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 3);
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 0),
			bits((GFP_KERNEL | ADDED_GFP) & ~LATER_GFP));
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 1),
			bits(GFP_KERNEL | ADDED_GFP));
}

/* Alloc twice with two masks, so that the second call shows the complete mask. */
static void bulk_with_two_tries(struct fixture *fx)
{
	void *elems[1];

	fixture_pool(fx, 1);
	fixture_drain(fx);
	source_fail_next(&fx->src, 1);
	KUNIT_ASSERT_EQ(fx->test, mempool2_alloc_bulk(&fx->pool, elems, 1), 0);
	fixture_hold(fx, elems[0]);
	KUNIT_ASSERT_EQ(fx->test, atomic_read(&fx->src.nr_allocs), 2);
}

static void alloc_bulk_uses_gfp_kernel(struct kunit *test)
{
	struct fixture *fx = test->priv;

	bulk_with_two_tries(fx);
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 1),
			bits(GFP_KERNEL | ADDED_GFP));
}

static void alloc_bulk_keeps_to_a_noio_scope(struct kunit *test)
{
	struct fixture *fx = test->priv;
	unsigned int scope = memalloc_noio_save();

	bulk_with_two_tries(fx);
	memalloc_noio_restore(scope);
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 1),
			bits(GFP_NOIO | ADDED_GFP));
}

static void alloc_bulk_keeps_to_a_nofs_scope(struct kunit *test)
{
	struct fixture *fx = test->priv;
	unsigned int scope = memalloc_nofs_save();

	bulk_with_two_tries(fx);
	memalloc_nofs_restore(scope);
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 1),
			bits(GFP_NOFS | ADDED_GFP));
}

/* Bulk callers in the queue are served in turn, and get all their elements */

static void bulk_waiter_collects_elements_as_they_come(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *bulk;
	void *elems[4];
	int i;

	fixture_pool(fx, 4);
	fixture_drain(fx);
	bulk = caller_that_waits_for(fx, 4);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 1);
		KUNIT_EXPECT_FALSE(test, caller_has_returned(bulk));
		elems[i] = fixture_put(fx);
		KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
	}
	KUNIT_EXPECT_TRUE(test, caller_returns(bulk));
	KUNIT_EXPECT_EQ(test, bulk->ret, 0);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_PTR_EQ(test, bulk->elems[i], elems[i]);
}

static void bulk_waiter_takes_what_is_there_when_it_queues(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *bulk;

	fixture_pool(fx, 4);
	fixture_drain(fx);
	fixture_put(fx);
	fixture_put(fx);
	bulk = caller_that_waits_for(fx, 4);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
	fixture_put(fx);
	KUNIT_EXPECT_FALSE(test, caller_has_returned(bulk));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(bulk));
}

static void bulk_waiter_is_woken_once(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i, j, nr_woken = 0;
	struct caller *bulk;

	fixture_pool(fx, 4);
	/* The waiter may have just looked for memory and still be awake. */
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_EQ(test, fixture_drain(fx), 4);
		bulk = caller_that_waits_for(fx, 4);
		KUNIT_EXPECT_TRUE(test, caller_sleeps(bulk));
		if (!wakes_watch(fx)) {
			fixture_put_all(fx);
			kunit_skip(test, "no sched_waking tracepoint in this kernel");
		}
		fixture_put(fx);
		fixture_put(fx);
		fixture_put(fx);
		KUNIT_EXPECT_EQ(test, wakes_of(bulk), 0);
		KUNIT_EXPECT_TRUE(test, caller_sleeps(bulk));
		fixture_put(fx);
		KUNIT_EXPECT_LE(test, wakes_of(bulk), 1);
		nr_woken += wakes_of(bulk);
		KUNIT_EXPECT_TRUE(test, caller_returns(bulk));
		for (j = 0; j < 4; j++) {
			mempool2_free(bulk->elems[j], &fx->pool);
			bulk->elems[j] = NULL;
		}
	}
	KUNIT_EXPECT_GE(test, nr_woken, 2);
}

static void bulk_waiter_is_served_before_younger_single_waiters(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *bulk, *singles[2];
	void *element;
	int i;

	fixture_pool(fx, 3);
	fixture_drain(fx);
	bulk = caller_that_waits_for(fx, 3);
	for (i = 0; i < 2; i++)
		singles[i] = caller_that_waits(fx);

	fixture_put_all(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(bulk));
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_FALSE(test, caller_has_returned(singles[i]));
	for (i = 0; i < 2; i++) {
		element = bulk->elems[i];
		bulk->elems[i] = NULL;
		mempool2_free(element, &fx->pool);
		KUNIT_EXPECT_TRUE(test, caller_returns(singles[i]));
		KUNIT_EXPECT_PTR_EQ(test, singles[i]->elems[0], element);
	}
}

static void bulk_waiter_is_served_after_older_single_waiters(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *bulk, *single, *younger;

	fixture_pool(fx, 4);
	fixture_drain(fx);
	single = caller_that_waits(fx);
	bulk = caller_that_waits_for(fx, 2);
	younger = caller_that_waits(fx);

	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(single));
	fixture_put(fx);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 2);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(bulk));
	KUNIT_EXPECT_FALSE(test, caller_has_returned(younger));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(younger));
}

static void bulk_caller_does_not_overtake_a_waiter(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *single, *bulk;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	single = caller_that_waits(fx);
	bulk = caller_that_waits_for(fx, 2);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(single));
	fixture_put(fx);
	KUNIT_EXPECT_FALSE(test, caller_has_returned(bulk));
	mempool2_free(single->elems[0], &fx->pool);
	single->elems[0] = NULL;
	KUNIT_EXPECT_TRUE(test, caller_returns(bulk));
}

static void bulk_waiter_keeps_what_it_has_while_it_looks_for_memory(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *bulk;
	void *element;

	fixture_pool(fx, 3);
	fixture_drain(fx);
	bulk = caller_that_waits_for(fx, 3);
	KUNIT_EXPECT_TRUE(test, caller_sleeps(bulk));
	element = fixture_put(fx);
	source_recover(&fx->src);
	wake_up(&fx->pool.wait);
	KUNIT_EXPECT_TRUE(test, caller_returns(bulk));
	KUNIT_EXPECT_PTR_EQ(test, bulk->elems[0], element);
	KUNIT_EXPECT_NOT_NULL(test, bulk->elems[1]);
	KUNIT_EXPECT_NOT_NULL(test, bulk->elems[2]);
}

/* Both callers want all elements, again and again; neither may keep a part of them. */
static void bulk_loop(struct caller *caller)
{
	int i;

	for (i = 0; i < 50 && !READ_ONCE(caller->fx->stop); i++) {
		if (mempool2_alloc_bulk(caller->pool, caller->elems, 8))
			return;
		if (i % 3 == 0)
			cond_resched();
		else if (i % 8 == 1)
			schedule_timeout_uninterruptible(1);
		caller->ret++;
		while (caller->count < 8) {
			mempool2_free(caller->elems[caller->count], caller->pool);
			caller->elems[caller->count++] = NULL;
		}
		caller->count = 0;
	}
}

static void two_bulk_callers_do_not_deadlock(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *callers[2];
	int i;

	fixture_pool(fx, 8);
	fx->src.pool = NULL;
	source_fail(&fx->src);
	for (i = 0; i < 2; i++) {
		callers[i] = caller_add(fx, bulk_loop);
		callers[i]->count = 0;
		caller_run(callers[i], ANY_CPU);
	}
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_TRUE(test, caller_returns_within(callers[i], 2 * TIMEOUT));
		KUNIT_EXPECT_EQ(test, callers[i]->ret, 50L);
	}
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 8);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

/*
 * The deadlock, forced: each bulk caller has looked into a reserve that had only a part of what
 * the caller wants. Only then do both queue. If each had kept its part, each would now wait for
 * the part of the other one.
 */

struct meeting {
	atomic_t	nr_there;
	bool		go;
};

static void wait_before_queueing(struct source *src, gfp_t gfp_mask)
{
	struct meeting *meeting = src->hook_arg;
	struct patience patience = patience_of(2 * TIMEOUT);

	/* The second try is the last step of a caller before it queues. */
	if (!(gfp_mask & __GFP_DIRECT_RECLAIM))
		return;
	atomic_inc(&meeting->nr_there);
	while (!READ_ONCE(meeting->go) && patience_lasts(&patience))
		schedule_timeout_uninterruptible(1);
}

static bool meeting_has(struct meeting *meeting, int nr)
{
	return comes_true(atomic_read(&meeting->nr_there) == nr, TIMEOUT);
}

static void two_bulk_callers_that_saw_a_part_each_do_not_deadlock(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct meeting meeting = {};
	struct caller *callers[2];
	int i, j, nr_first = 0;

	fixture_pool(fx, 8);
	KUNIT_ASSERT_EQ(test, fixture_drain(fx), 8);
	fx->src.hook_arg = &meeting;
	fx->src.hook = wait_before_queueing;

	/*
	 * Four elements for the first caller, if it keeps them; three for the second; one is
	 * left.
	 */
	for (i = 0; i < 2; i++) {
		for (j = 0; j < 4 - i; j++)
			fixture_put(fx);
		callers[i] = caller_add(fx, caller_alloc_bulk);
		callers[i]->count = 8;
		caller_run(callers[i], ANY_CPU);
		KUNIT_EXPECT_TRUE(test, meeting_has(&meeting, i + 1));
	}
	WRITE_ONCE(meeting.go, true);
	KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, 2));
	fx->src.hook = NULL;
	fixture_put_all(fx);

	/* The first waiter has all its elements; when it has freed them the other one gets them. */
	KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, 1));
	KUNIT_ASSERT_TRUE(test, comes_true(caller_has_returned(callers[0]) ||
					   caller_has_returned(callers[1]), TIMEOUT));
	nr_first = !caller_has_returned(callers[0]);
	for (i = 0; i < 8; i++) {
		mempool2_free(callers[nr_first]->elems[i], &fx->pool);
		callers[nr_first]->elems[i] = NULL;
	}
	KUNIT_EXPECT_TRUE(test, caller_returns(callers[!nr_first]));
	KUNIT_EXPECT_EQ(test, callers[0]->ret, 0);
	KUNIT_EXPECT_EQ(test, callers[1]->ret, 0);
}

/* A single waiter does not wait for elements that a bulk caller saw and did not take. */
static void part_that_a_bulk_caller_saw_serves_others(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct meeting meeting = {};
	struct caller *bulk;
	int i;

	fixture_pool(fx, 8);
	KUNIT_ASSERT_EQ(test, fixture_drain(fx), 8);
	fx->src.hook_arg = &meeting;
	fx->src.hook = wait_before_queueing;
	for (i = 0; i < 5; i++)
		fixture_put(fx);
	bulk = caller_add(fx, caller_alloc_bulk);
	bulk->count = 8;
	caller_run(bulk, ANY_CPU);
	KUNIT_EXPECT_TRUE(test, meeting_has(&meeting, 1));
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 5);
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	WRITE_ONCE(meeting.go, true);
	KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, 1));
	fx->src.hook = NULL;
	fixture_put_all(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(bulk));
}

/*
 * One call gets all elements of the reserve, wherever they are, also across its end. If the call
 * missed one, the second try would show it.
 */

static const int bulk_sizes[] = { 1, 2, 3, 8, 16, 63, 64 };

static void bulk_size_name(const int *min_nr, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%d elements", *min_nr);
}

KUNIT_ARRAY_PARAM(bulk_size, bulk_sizes, bulk_size_name);

static void alloc_bulk_takes_all_wherever_they_lie(struct kunit *test)
{
	const int *min_nr = test->param_value;
	int round, i, nr, nr_wrong = 0;
	struct fixture *fx = test->priv;
	struct rnd_state random;
	void **elems;

	elems = kunit_kcalloc(test, *min_nr, sizeof(*elems), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, elems);
	prandom_seed_state(&random, *min_nr);
	fixture_pool(fx, *min_nr);
	for (round = 0; round < 200; round++) {
		/* Take a random number of elements out. */
		source_fail(&fx->src);
		for (i = prandom_u32_state(&random) % (*min_nr + 1); i; i--)
			if (mempool2_nr_reserved(&fx->pool) > 0)
				fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
		for (i = prandom_u32_state(&random) % (*min_nr + 1); i; i--)
			if (fx->nr_held)
				fixture_put(fx);

		nr = mempool2_nr_reserved(&fx->pool);
		source_fail_next(&fx->src, 1);
		source_forget(&fx->src);
		if (mempool2_alloc_bulk(&fx->pool, elems, nr))
			break;
		nr_wrong += atomic_read(&fx->src.nr_allocs) != !!nr;
		nr_wrong += mempool2_nr_reserved(&fx->pool) != 0;
		if (round % 2) {
			nr_wrong += mempool2_free_bulk(&fx->pool, elems, nr) != nr;
		} else {
			for (i = 0; i < nr; i++)
				mempool2_free(elems[i], &fx->pool);
		}
		nr_wrong += mempool2_nr_reserved(&fx->pool) != nr;
	}
	KUNIT_EXPECT_EQ(test, round, 200);
	KUNIT_EXPECT_EQ(test, nr_wrong, 0);
}

/* A bulk of more than one batch: from the reserve, by waiting, and back. */
static void bulk_of_more_than_a_batch_is_whole(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void **elems;

	elems = kunit_kcalloc(test, 150, sizeof(*elems), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, elems);
	fixture_pool(fx, 150);
	source_fail(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, 150), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
	KUNIT_EXPECT_EQ(test, mempool2_free_bulk(&fx->pool, elems, 150), 150u);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 150);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

static void wait_for_all(struct caller *caller)
{
	void **elems = kcalloc(150, sizeof(*elems), GFP_KERNEL);
	int i;

	if (!elems)
		return;
	caller->ret = -1;
	if (!mempool2_alloc_bulk(caller->pool, elems, 150)) {
		for (i = 0; i < 150; i++) {
			source_claim(&caller->fx->src, elems[i]);
			source_disclaim(&caller->fx->src, elems[i]);
			mempool2_free(elems[i], caller->pool);
		}
		caller->ret = 0;
	}
	kfree(elems);
}

static void bulk_waiter_for_more_than_a_batch_is_served(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *bulk;

	fixture_pool(fx, 150);
	source_fail(&fx->src);
	while (fx->nr_held < 3)
		fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	bulk = caller_add(fx, wait_for_all);
	caller_run(bulk, ANY_CPU);
	KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, 1));
	KUNIT_EXPECT_TRUE(test, reserved_become(&fx->pool, 0));
	fixture_put_all(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(bulk));
	KUNIT_EXPECT_EQ(test, bulk->ret, 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 150);
}

/* The pool is full, and the call takes elements from the store. */
static void bulk_of_the_store_leaves_room_that_is_known(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[MAX_BULK];
	int i;

	fixture_pool(fx, 200);
	mempool2_free(fixture_foreign(fx), &fx->pool);
	KUNIT_ASSERT_EQ(test, atomic_read(&fx->src.nr_frees), 1);
	source_fail(&fx->src);
	KUNIT_ASSERT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, MAX_BULK), 0);
	for (i = 0; i < MAX_BULK; i++)
		mempool2_free(elems[i], &fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 1);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 200);
}

static void two_bulk_waiters_are_served_one_after_the_other(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *first, *second;
	int i;

	fixture_pool(fx, 4);
	fixture_drain(fx);
	first = caller_that_waits_for(fx, 3);
	second = caller_that_waits_for(fx, 3);
	fixture_put_all(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(first));
	KUNIT_EXPECT_FALSE(test, caller_has_returned(second));
	for (i = 0; i < 2; i++) {
		mempool2_free(first->elems[i], &fx->pool);
		first->elems[i] = NULL;
	}
	KUNIT_EXPECT_TRUE(test, caller_returns(second));
}

/* Promise 16: a bulk free fills the reserve, and frees the surplus */

struct lack {
	unsigned int	nr;
	/*
	 * All 4 were out, and some came back: the elements that are missing are not the last
	 * ones taken.
	 */
	bool		after_all;
};

static const struct lack lacks[] = { { 0 }, { 1 }, { 3 }, { 4 }, { 3, true }, { 2, true } };

static void lack_name(const struct lack *lack, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%u of 4 are missing%s", lack->nr,
		 lack->after_all ? ", after all were" : "");
}

KUNIT_ARRAY_PARAM(lack, lacks, lack_name);

static void free_bulk_takes_what_is_missing_from_the_front(struct kunit *test)
{
	const struct lack *lack = test->param_value;
	struct fixture *fx = test->priv;
	void *elems[6], *copy[6];
	unsigned int i;

	fixture_pool(fx, 4);
	for (i = 0; i < 6; i++)
		elems[i] = mempool2_alloc(&fx->pool, GFP_KERNEL);
	memcpy(copy, elems, sizeof(copy));
	for (i = 0; i < (lack->after_all ? 4 : lack->nr); i++)
		fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	for (; i > lack->nr; i--)
		fixture_put(fx);

	KUNIT_EXPECT_EQ(test, mempool2_free_bulk(&fx->pool, elems, 6), lack->nr);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 4);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	KUNIT_EXPECT_EQ(test, memcmp(copy, elems, sizeof(copy)), 0);
	/* If free_bulk had taken others than the first ones, this would free them twice. */
	for (i = lack->nr; i < 6; i++)
		mempool2_free(elems[i], &fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 6 - lack->nr);
}

static void free_bulk_of_few_takes_all(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[2];
	int i;

	fixture_pool(fx, 4);
	for (i = 0; i < 2; i++)
		elems[i] = mempool2_alloc_preallocated(&fx->pool);
	KUNIT_EXPECT_EQ(test, mempool2_free_bulk(&fx->pool, elems, 2), 2u);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 4);
}

static void free_bulk_of_nothing_takes_nothing(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[1] = {};

	fixture_pool(fx, 2);
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	KUNIT_EXPECT_EQ(test, mempool2_free_bulk(&fx->pool, elems, 0), 0u);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
}

static void free_bulk_of_many_elements_takes_them_all(struct kunit *test)
{
	struct fixture *fx = test->priv;

	/* More than one batch. */
	fixture_pool(fx, MAX_HELD);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), MAX_HELD);
	KUNIT_EXPECT_EQ(test, mempool2_free_bulk(&fx->pool, fx->held, MAX_HELD),
			(unsigned int)MAX_HELD);
	fx->nr_held = 0;
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), MAX_HELD);
}

static void free_bulk_serves_waiters_before_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *single, *bulk;
	void *elems[5];
	int i;

	fixture_pool(fx, 5);
	source_fail(&fx->src);
	for (i = 0; i < 5; i++)
		elems[i] = mempool2_alloc_preallocated(&fx->pool);
	single = caller_that_waits(fx);
	bulk = caller_that_waits_for(fx, 2);

	KUNIT_EXPECT_EQ(test, mempool2_free_bulk(&fx->pool, elems, 5), 5u);
	KUNIT_EXPECT_TRUE(test, caller_returns(single));
	KUNIT_EXPECT_TRUE(test, caller_returns(bulk));
	KUNIT_EXPECT_PTR_EQ(test, single->elems[0], elems[0]);
	KUNIT_EXPECT_PTR_EQ(test, bulk->elems[0], elems[1]);
	KUNIT_EXPECT_PTR_EQ(test, bulk->elems[1], elems[2]);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
}

static struct kunit_case bulk_cases[] = {
	KUNIT_CASE(alloc_bulk_fills_the_array_with_fresh_memory),
	KUNIT_CASE(alloc_bulk_fills_the_array_from_the_reserve),
	KUNIT_CASE(alloc_bulk_takes_the_rest_from_the_reserve),
	KUNIT_CASE(alloc_bulk_of_fewer_takes_no_more_than_these),
	KUNIT_CASE(alloc_bulk_of_one_element_works),
	KUNIT_CASE(alloc_bulk_of_nothing_does_nothing),
	KUNIT_CASE(alloc_bulk_reclaims_for_what_the_reserve_lacks),
	KUNIT_CASE(alloc_bulk_uses_gfp_kernel),
	KUNIT_CASE(alloc_bulk_keeps_to_a_noio_scope),
	KUNIT_CASE(alloc_bulk_keeps_to_a_nofs_scope),
	KUNIT_CASE(bulk_waiter_collects_elements_as_they_come),
	KUNIT_CASE(bulk_waiter_takes_what_is_there_when_it_queues),
	KUNIT_CASE(bulk_waiter_is_woken_once),
	KUNIT_CASE(bulk_waiter_is_served_before_younger_single_waiters),
	KUNIT_CASE(bulk_waiter_is_served_after_older_single_waiters),
	KUNIT_CASE(bulk_caller_does_not_overtake_a_waiter),
	KUNIT_CASE(bulk_waiter_keeps_what_it_has_while_it_looks_for_memory),
	KUNIT_CASE(two_bulk_callers_do_not_deadlock),
	KUNIT_CASE(two_bulk_callers_that_saw_a_part_each_do_not_deadlock),
	KUNIT_CASE(part_that_a_bulk_caller_saw_serves_others),
	KUNIT_CASE_PARAM(alloc_bulk_takes_all_wherever_they_lie, bulk_size_gen_params),
	KUNIT_CASE(bulk_of_more_than_a_batch_is_whole),
	KUNIT_CASE(bulk_waiter_for_more_than_a_batch_is_served),
	KUNIT_CASE(bulk_of_the_store_leaves_room_that_is_known),
	KUNIT_CASE(two_bulk_waiters_are_served_one_after_the_other),
	KUNIT_CASE_PARAM(free_bulk_takes_what_is_missing_from_the_front,
			 lack_gen_params),
	KUNIT_CASE(free_bulk_of_few_takes_all),
	KUNIT_CASE(free_bulk_of_nothing_takes_nothing),
	KUNIT_CASE(free_bulk_of_many_elements_takes_them_all),
	KUNIT_CASE(free_bulk_serves_waiters_before_the_reserve),
	{}
};

static struct kunit_suite bulk_suite = {
	.name = "mempool2_bulk",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = bulk_cases,
};

kunit_test_suite(bulk_suite);
