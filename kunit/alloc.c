// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: what alloc and free of single elements do, and in which order
 */
#include <linux/gfp.h>
#include <linux/random.h>

#include "fixture.h"

/* Promise 4: alloc adds its own flags to the mask */

struct use_mask {
	const char	*name;
	gfp_t		gfp;
};

static const struct use_mask use_masks[] = {
	{ "GFP_KERNEL", GFP_KERNEL },
	{ "GFP_NOIO", GFP_NOIO },
	{ "GFP_NOFS", GFP_NOFS },
	{ "__GFP_DIRECT_RECLAIM", __GFP_DIRECT_RECLAIM },
	{ "__GFP_IO", __GFP_IO },
	{ "GFP_NOWAIT", GFP_NOWAIT },
	{ "GFP_ATOMIC", GFP_ATOMIC },
	{ "no bit", (__force gfp_t)0 },
};

static void use_mask_name(const struct use_mask *mask, char *name)
{
	strscpy(name, mask->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(use_mask, use_masks, use_mask_name);

static void first_try_has_the_added_flags_and_neither_reclaim_nor_io(struct kunit *test)
{
	const struct use_mask *mask = test->param_value;
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	fixture_hold(fx, mempool2_alloc(&fx->pool, mask->gfp));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 1);
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 0),
			bits((mask->gfp | ADDED_GFP) & ~LATER_GFP));
}

static void second_try_has_the_full_mask_if_that_is_more(struct kunit *test)
{
	const struct use_mask *mask = test->param_value;
	struct fixture *fx = test->priv;
	void *element;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	source_fail_next(&fx->src, 1);
	element = mempool2_alloc(&fx->pool, mask->gfp);
	if (mask->gfp & LATER_GFP) {
		fixture_hold(fx, element);
		KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 2);
		KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 1),
				bits(mask->gfp | ADDED_GFP));
	} else {
		KUNIT_EXPECT_NULL(test, element);
		KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 1);
	}
}

/* Promise 5: the order in which alloc looks for an element */

static void healthy_alloc_leaves_the_reserve_alone(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 1);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
}

static void reserve_comes_before_reclaim(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	source_fail(&fx->src);
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 1);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
}

/* Another caller frees an element while alloc_fn reclaims. */
static void free_one_during_reclaim(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	if (gfp_mask & LATER_GFP)
		fixture_put(fx);
}

static void reserve_is_looked_at_again_after_reclaim(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *element, *was_held;

	fixture_pool(fx, 1);
	KUNIT_ASSERT_EQ(test, fixture_drain(fx), 1);
	was_held = fx->held[0];
	fx->src.hook_arg = fx;
	fx->src.hook = free_one_during_reclaim;

	element = mempool2_alloc(&fx->pool, GFP_KERNEL);
	fx->src.hook = NULL;
	KUNIT_EXPECT_PTR_EQ(test, element, was_held);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 2);
	fixture_hold(fx, element);
}

static void caller_that_cannot_wait_looks_at_the_reserve_again(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *element, *was_held;

	fixture_pool(fx, 1);
	KUNIT_ASSERT_EQ(test, fixture_drain(fx), 1);
	was_held = fx->held[0];
	fx->src.hook_arg = fx;
	fx->src.hook = free_one_during_reclaim;

	element = mempool2_alloc(&fx->pool, __GFP_IO);
	fx->src.hook = NULL;
	KUNIT_EXPECT_PTR_EQ(test, element, was_held);
	fixture_hold(fx, element);
}

static atomic_t nr_before_waiting;

static void count_before_waiting(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	if (!nr_waiters(&fx->pool))
		atomic_inc(&nr_before_waiting);
}

static void waiting_comes_last(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	void *element;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	atomic_set(&nr_before_waiting, 0);
	fx->src.hook_arg = fx;
	fx->src.hook = count_before_waiting;
	caller = caller_that_waits(fx);
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 0),
			bits((GFP_KERNEL | ADDED_GFP) & ~LATER_GFP));
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 1),
			bits(GFP_KERNEL | ADDED_GFP));
	element = fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], element);
	KUNIT_EXPECT_EQ(test, atomic_read(&nr_before_waiting), 2);
}

static void alloc_fn_that_sleeps_is_served_by_sleeping(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	fx->src.sleeps = true;
	source_fail_next(&fx->src, 1);
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 2);
	fx->src.sleeps = false;
}

/* Promise 7: without reclaim alloc may use the reserve and may fail */

static void alloc_without_reclaim_uses_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	source_fail(&fx->src);
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_ATOMIC));
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
}

static void alloc_without_reclaim_returns_null_when_all_is_gone(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 1);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_ATOMIC));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 2);
	/* __GFP_IO alone is worth a second try, but no wait. */
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, __GFP_IO));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 4);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
}

/* Promise 8: callbacks run unlocked and may sleep */

static void callbacks_run_without_locks_and_with_interrupts_on(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *element;

	fixture_pool(fx, 1);
	element = mempool2_alloc(&fx->pool, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, element);
	mempool2_free(element, &fx->pool);
	fixture_drain(fx);
	source_fail_next(&fx->src, 1);
	element = mempool2_alloc(&fx->pool, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, element);
	fixture_put_all(fx);
	mempool2_free(element, &fx->pool);

	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_irqs_off), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_atomic), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_locked), 0);
}

static void free_fn_may_sleep(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *element;

	fixture_pool(fx, 1);
	element = mempool2_alloc(&fx->pool, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, element);
	fx->src.sleeps = true;
	mempool2_free(element, &fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_atomic), 0);
}

/* Promise 9: elements that do not come from the pool */

static void foreign_element_fills_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *lost, *foreign;

	fixture_pool(fx, 2);
	lost = mempool2_alloc_preallocated(&fx->pool);
	KUNIT_ASSERT_NOT_NULL(test, lost);
	foreign = fixture_foreign(fx);
	mempool2_free(foreign, &fx->pool);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);

	/* The foreign element has taken the place of the pool's own one. */
	mempool2_free(lost, &fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 1);

	fixture_drain(fx);
	KUNIT_EXPECT_TRUE(test, fx->held[0] == foreign || fx->held[1] == foreign);
}

static void foreign_element_goes_to_free_fn_when_the_reserve_is_full(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	mempool2_free(fixture_foreign(fx), &fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 2);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
}

/*
 * A caller that queues sets MEMPOOL2_WAITERS before it looks into the reserve. The reserve may
 * be full by then. As ever, an element freed at that moment is surplus. This case makes the
 * moment last.
 */
static void free_to_a_full_pool_beside_a_caller_that_queues_goes_to_free_fn(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	mempool2_free(fixture_foreign(fx), &fx->pool);
	atomic_or(MEMPOOL2_WAITERS, &fx->pool.state);
	mempool2_free(fixture_foreign(fx), &fx->pool);
	atomic_andnot(MEMPOOL2_WAITERS, &fx->pool.state);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 2);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
}

/* Promise 10: the guarantee */

static void reserve_is_refilled_before_free_fn_is_called(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *extra[2];
	int i;

	fixture_pool(fx, 4);
	for (i = 0; i < 2; i++) {
		extra[i] = mempool2_alloc(&fx->pool, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, extra[i]);
	}
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 4);

	/* Six elements are out and four fit into the reserve, no matter which ones. */
	for (i = 0; i < 2; i++)
		mempool2_free(extra[i], &fx->pool);
	fixture_put(fx);
	fixture_put(fx);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 4);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	fixture_put(fx);
	fixture_put(fx);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 4);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 2);
}

static void every_element_of_the_reserve_is_another_one(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i, round;

	fixture_pool(fx, 8);
	for (round = 0; round < 3; round++) {
		KUNIT_EXPECT_EQ(test, fixture_drain(fx), 8);
		for (i = 0; i < fx->nr_held; i++)
			source_claim(&fx->src, fx->held[i]);
		KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_irregular), 0);
		for (i = 0; i < fx->nr_held; i++)
			source_disclaim(&fx->src, fx->held[i]);
		fixture_put_all(fx);
	}
	/* All elements went through the reserve, none through free_fn. */
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

static const int small_sizes[] = { 0, 1, 2, 3, 16 };

static void small_size_name(const int *min_nr, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "min_nr %d", *min_nr);
}

KUNIT_ARRAY_PARAM(small_size, small_sizes, small_size_name);

static void guarantee_holds_after_every_step(struct kunit *test)
{
	const int *min_nr = test->param_value;
	struct fixture *fx = test->priv;
	int step, broken = 0;
	void *element;

	fixture_pool(fx, *min_nr);
	for (step = 0; step < 2000; step++) {
		if (get_random_u32() % 4 == 0)
			source_recover(&fx->src);
		else
			source_fail(&fx->src);

		if (get_random_u32() % 2 && fx->nr_held < 32) {
			element = mempool2_alloc(&fx->pool, GFP_NOWAIT);
			/* Alloc returns NULL only if the reserve is empty. */
			if (element)
				fixture_hold(fx, element);
			else if (mempool2_nr_reserved(&fx->pool))
				broken++;
		} else if (fx->nr_held) {
			fixture_put(fx);
		}
		if (mempool2_nr_reserved(&fx->pool) + fx->nr_held < *min_nr ||
		    atomic_read(&fx->src.nr_live) != mempool2_nr_reserved(&fx->pool) + fx->nr_held)
			broken++;
	}
	KUNIT_EXPECT_EQ(test, broken, 0);
}

/* Promise 13: a pool with min_nr 0 allocates and frees like any other */

static void pool_with_min_nr_0_allocates_and_frees(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 0);
	source_fail(&fx->src);
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	fixture_put(fx);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	mempool2_free(fixture_foreign(fx), &fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 1);
}

/*
 * Promise 17: the parts of alloc: alloc_preallocated uses only the reserve, alloc_noreserve only
 * the alloc function
 */

static void alloc_preallocated_never_calls_alloc_fn(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i;

	fixture_pool(fx, 3);
	for (i = 0; i < 3; i++)
		fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	KUNIT_EXPECT_NULL(test, mempool2_alloc_preallocated(&fx->pool));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
}

static void alloc_noreserve_hands_on_its_mask_unchanged(struct kunit *test)
{
	const struct use_mask *mask = test->param_value;
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	fixture_hold(fx, mempool2_alloc_noreserve(&fx->pool, mask->gfp));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 1);
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 0), bits(mask->gfp));
}

static void alloc_noreserve_leaves_the_reserve_alone(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	source_fail(&fx->src);
	KUNIT_EXPECT_NULL(test, mempool2_alloc_noreserve(&fx->pool, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 1);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
}

/* Promise 26: an element may be an object that the compiler knows */

static int permit;

static void *permit_alloc(gfp_t gfp_mask, void *pool_data)
{
	return &permit;
}

static void permit_free(void *element, void *pool_data)
{
}

static void element_may_be_a_static_object(struct kunit *test)
{
	struct fixture *fx = test->priv;
	gfp_t unknown = GFP_KERNEL;
	int *element;

	KUNIT_ASSERT_EQ(test, mempool2_init(&fx->spare, 1, permit_alloc, permit_free, NULL), 0);
	OPTIMIZER_HIDE_VAR(unknown);
	element = mempool2_alloc(&fx->spare, unknown);
	permit = 1;
	*element = 2;
	KUNIT_EXPECT_EQ(test, permit, 2);
	KUNIT_EXPECT_TRUE(test, element == &permit);
	KUNIT_EXPECT_TRUE(test, mempool2_alloc(&fx->spare, GFP_KERNEL) == &permit);
	KUNIT_EXPECT_TRUE(test, mempool2_alloc_preallocated(&fx->spare) == &permit);
	KUNIT_EXPECT_TRUE(test, mempool2_alloc_noreserve(&fx->spare, unknown) == &permit);
	mempool2_free(&permit, &fx->spare);
}

static struct kunit_case alloc_cases[] = {
	KUNIT_CASE_PARAM(first_try_has_the_added_flags_and_neither_reclaim_nor_io,
			 use_mask_gen_params),
	KUNIT_CASE_PARAM(second_try_has_the_full_mask_if_that_is_more,
			 use_mask_gen_params),
	KUNIT_CASE(healthy_alloc_leaves_the_reserve_alone),
	KUNIT_CASE(reserve_comes_before_reclaim),
	KUNIT_CASE(reserve_is_looked_at_again_after_reclaim),
	KUNIT_CASE(caller_that_cannot_wait_looks_at_the_reserve_again),
	KUNIT_CASE(waiting_comes_last),
	KUNIT_CASE(alloc_fn_that_sleeps_is_served_by_sleeping),
	KUNIT_CASE(alloc_without_reclaim_uses_the_reserve),
	KUNIT_CASE(alloc_without_reclaim_returns_null_when_all_is_gone),
	KUNIT_CASE(callbacks_run_without_locks_and_with_interrupts_on),
	KUNIT_CASE(free_fn_may_sleep),
	KUNIT_CASE(foreign_element_fills_the_reserve),
	KUNIT_CASE(foreign_element_goes_to_free_fn_when_the_reserve_is_full),
	KUNIT_CASE(free_to_a_full_pool_beside_a_caller_that_queues_goes_to_free_fn),
	KUNIT_CASE(reserve_is_refilled_before_free_fn_is_called),
	KUNIT_CASE(every_element_of_the_reserve_is_another_one),
	KUNIT_CASE_PARAM(guarantee_holds_after_every_step, small_size_gen_params),
	KUNIT_CASE(pool_with_min_nr_0_allocates_and_frees),
	KUNIT_CASE(alloc_preallocated_never_calls_alloc_fn),
	KUNIT_CASE_PARAM(alloc_noreserve_hands_on_its_mask_unchanged,
			 use_mask_gen_params),
	KUNIT_CASE(alloc_noreserve_leaves_the_reserve_alone),
	KUNIT_CASE(element_may_be_a_static_object),
	{}
};

static struct kunit_suite alloc_suite = {
	.name = "mempool2_alloc",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = alloc_cases,
};

kunit_test_suite(alloc_suite);
