// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: changing how many elements a pool guarantees
 */
#include <linux/cpumask.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "fixture.h"

/* promise 14: resize */

static void resize_to_the_same_size_changes_nothing(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void **elements;

	fixture_pool(fx, 4);
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	elements = fx->pool.elements;
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 4), 0);
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 4);
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, 3);
	KUNIT_EXPECT_TRUE(test, fx->pool.elements == elements);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

static void growing_fills_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 4);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 10), 0);
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 10);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 6);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 10);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 10);
}

static void growing_with_an_element_out_guarantees_the_new_size(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 4);
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 10), 0);
	KUNIT_EXPECT_GE(test, fx->pool.curr_nr + fx->nr_held, 10);
	fixture_put_all(fx);
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, 10);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 10);
}

/* promise 4: and the mask of resize is GFP_KERNEL, unchanged */
static void growing_hands_on_gfp_kernel_unchanged(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i;

	fixture_pool(fx, 1);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 4), 0);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, i), bits(GFP_KERNEL));
}

static void growing_keeps_the_elements_that_are_there(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *old[4];
	int i, j, nr_found = 0;

	fixture_pool(fx, 4);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 4);
	memcpy(old, fx->held, sizeof(old));
	fixture_put_all(fx);
	source_recover(&fx->src);

	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 8), 0);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 8);
	for (i = 0; i < fx->nr_held; i++)
		for (j = 0; j < 4; j++)
			nr_found += fx->held[i] == old[j];
	KUNIT_EXPECT_EQ(test, nr_found, 4);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

static void growing_returns_0_when_only_partly_filled(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i;

	fixture_pool(fx, 4);
	source_allow(&fx->src, 2);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 10), 0);
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 10);
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, 6);
	KUNIT_EXPECT_FALSE(test, mempool2_is_saturated(&fx->pool));

	/* Later frees fill it. */
	for (i = 0; i < 4; i++)
		mempool2_free(fixture_foreign(fx), &fx->pool);
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, 10);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	mempool2_free(fixture_foreign(fx), &fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 1);
}

static void growing_wakes_waiters(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *callers[3];
	int i;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	for (i = 0; i < 3; i++)
		callers[i] = caller_that_waits(fx);
	source_recover(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 5), 0);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_TRUE(test, caller_returns(callers[i]));
	/* And the guarantee of the new size holds beside them. */
	KUNIT_EXPECT_GE(test, fx->pool.curr_nr + 3 + fx->nr_held, 5);
}

static void growing_serves_waiters_in_their_order(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *callers[3];
	int i;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	for (i = 0; i < 3; i++)
		callers[i] = caller_that_waits(fx);
	/* Memory for two: the last one goes on waiting. */
	source_allow(&fx->src, 2);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 4), 0);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_TRUE(test, caller_returns(callers[i]));
	KUNIT_EXPECT_FALSE(test, caller_has_returned(callers[2]));
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 1);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(callers[2]));
	/* Three elements for four. */
	fx->incomplete = true;
}

static void growing_serves_a_bulk_waiter(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *bulk;

	fixture_pool(fx, 4);
	fixture_drain(fx);
	bulk = caller_that_waits_for(fx, 4);
	source_recover(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 12), 0);
	KUNIT_EXPECT_TRUE(test, caller_returns(bulk));
	KUNIT_EXPECT_EQ(test, bulk->ret, 0);
}

static void shrinking_frees_the_surplus_now(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 10);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 3), 0);
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 3);
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 7);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 3);
}

static void shrinking_lets_elements_that_are_out_go_to_free_fn(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 4);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 4);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 1), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	fixture_put_all(fx);
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 3);
}

static void shrinking_lets_waiters_sleep_on(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;

	fixture_pool(fx, 4);
	fixture_drain(fx);
	caller = caller_that_waits(fx);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 2), 0);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 1);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
}

static void shrinking_to_0_keeps_one_element(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 4);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 0), 0);
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 0);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 1);
	source_recover(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 2), 0);
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 2);
}

static void resize_survives_a_backend_that_sleeps(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	fx->src.sleeps = true;
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 4), 0);
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, 4);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 1), 0);
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, 1);
	fx->src.sleeps = false;
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_irqs_off), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_atomic), 0);
}

static void resize_without_memory_for_the_bookkeeping_changes_nothing(struct kunit *test)
{
	int min_nr = too_many_for_memory();
	struct fixture *fx = test->priv;
	void **elements;

	if (!min_nr)
		kunit_skip(test, "this machine has too much memory");
	fixture_pool(fx, 4);
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	elements = fx->pool.elements;
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, min_nr), -ENOMEM);
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 4);
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, 3);
	KUNIT_EXPECT_TRUE(test, fx->pool.elements == elements);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 3);
}

/*
 * A back end for large pools: its elements are numbers, so that the time goes
 * into the pool. The sum tells whether those that came back were the right ones.
 */
struct numbers {
	unsigned long	last;
	atomic_long_t	nr_live;
	atomic_long_t	sum;
};

static void *number_alloc(gfp_t gfp_mask, void *pool_data)
{
	struct numbers *numbers = pool_data;

	WRITE_ONCE(numbers->last, numbers->last + 1);
	atomic_long_inc(&numbers->nr_live);
	atomic_long_add(numbers->last, &numbers->sum);
	return (void *)numbers->last;
}

static void number_free(void *element, void *pool_data)
{
	struct numbers *numbers = pool_data;

	atomic_long_dec(&numbers->nr_live);
	atomic_long_sub((unsigned long)element, &numbers->sum);
}

/* Around a batch of elements, and far beyond. */
static const int big_sizes[] = { 31, 32, 33, 64, 1000, 100000 };

static void big_size_name(const int *min_nr, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%d elements", *min_nr);
}

KUNIT_ARRAY_PARAM(big_size, big_sizes, big_size_name);

static void pool_grows_and_shrinks_back(struct kunit *test)
{
	const int *min_nr = test->param_value;
	struct fixture *fx = test->priv;
	struct mempool2 *pool = &fx->spare;
	struct numbers numbers = {};

	KUNIT_ASSERT_EQ(test, mempool2_init(pool, 2, number_alloc, number_free,
					    &numbers), 0);
	KUNIT_EXPECT_EQ(test, mempool2_resize(pool, *min_nr), 0);
	KUNIT_EXPECT_EQ(test, pool->curr_nr, *min_nr);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&numbers.nr_live), *min_nr);
	/* Nothing was freed and allocated again. */
	KUNIT_EXPECT_EQ(test, numbers.last, (unsigned long)*min_nr);

	/* Once more, with as many to move. */
	KUNIT_EXPECT_EQ(test, mempool2_resize(pool, *min_nr + 1), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&numbers.nr_live), *min_nr + 1);
	KUNIT_EXPECT_EQ(test, mempool2_resize(pool, 2), 0);
	KUNIT_EXPECT_EQ(test, pool->curr_nr, 2);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&numbers.nr_live), 2);

	mempool2_exit(pool);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&numbers.nr_live), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&numbers.sum), 0L);
}

/*
 * A pool goes on while its reserve is moved: another CPU gets in between the
 * batches, and finds nothing but elements.
 */
#define MOVED_SIZE	20000

static void look_while_it_moves_loop(struct caller *caller)
{
	struct mempool2 *pool = caller->pool;
	struct numbers *numbers = pool->pool_data;
	unsigned long flags;
	void *element;

	while (!READ_ONCE(caller->fx->stop)) {
		spin_lock_irqsave(&pool->wait.lock, flags);
		WRITE_ONCE(caller->count, caller->count + (pool->moving_nr > 0));
		spin_unlock_irqrestore(&pool->wait.lock, flags);

		element = mempool2_alloc_preallocated(pool);
		if (element && (unsigned long)element <= READ_ONCE(numbers->last))
			mempool2_free(element, pool);
		else
			caller->ret++;
	}
}

static void reserve_is_whole_while_it_is_moved(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct mempool2 *pool = &fx->spare;
	struct numbers numbers = {};
	struct caller *caller;
	int i;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	KUNIT_ASSERT_EQ(test, mempool2_init(pool, MOVED_SIZE, number_alloc,
					    number_free, &numbers), 0);
	caller = caller_add(fx, look_while_it_moves_loop);
	caller->pool = pool;
	caller->count = 0;
	caller_run(caller, ANY_CPU);
	for (i = 1; i <= 100 || (!READ_ONCE(caller->count) && i < 1000); i++)
		KUNIT_EXPECT_EQ(test, mempool2_resize(pool, MOVED_SIZE + i), 0);
	WRITE_ONCE(fx->stop, true);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_EQ(test, caller->ret, 0L);
	KUNIT_EXPECT_GT(test, caller->count, 0u);
	mempool2_exit(pool);
}

static void large_pool_keeps_all_its_elements_apart(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void **elems;
	int i, nr;

	fixture_pool(fx, 1);
	KUNIT_ASSERT_EQ(test, mempool2_resize(&fx->pool, 1000), 0);
	elems = kunit_kcalloc(test, 1000, sizeof(*elems), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, elems);
	source_fail(&fx->src);
	for (nr = 0; nr < 1000; nr++) {
		elems[nr] = mempool2_alloc_preallocated(&fx->pool);
		if (!elems[nr])
			break;
		source_claim(&fx->src, elems[nr]);
	}
	KUNIT_EXPECT_EQ(test, nr, 1000);
	for (i = 0; i < nr; i++) {
		source_disclaim(&fx->src, elems[i]);
		mempool2_free(elems[i], &fx->pool);
	}
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, 1000);
}

/* Resize from inside a callback is legal: no lock of the pool is held there. */
static void resize_once(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	src->hook = NULL;
	if (mempool2_resize(&fx->pool, 6))
		src->hook_arg = NULL;
}

static void alloc_fn_may_resize_its_own_pool(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	fx->src.hook_arg = fx;
	fx->src.hook = resize_once;
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_KERNEL));
	KUNIT_EXPECT_PTR_EQ(test, fx->src.hook_arg, (void *)fx);
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 6);
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, 6);
}

static void alloc_fn_may_resize_while_its_pool_is_resized(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	fx->src.hook_arg = fx;
	fx->src.hook = resize_once;
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 4), 0);
	KUNIT_EXPECT_PTR_EQ(test, fx->src.hook_arg, (void *)fx);
	/* The inner one came last. */
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 6);
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, 6);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 6);
}

/* What others do to the pool while a resize is in the middle of its work. */
static void take_and_free(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;
	void *element = mempool2_alloc_preallocated(&fx->pool);

	mempool2_free(element, &fx->pool);
	mempool2_free(fixture_foreign(fx), &fx->pool);
}

static void growing_counts_what_others_free_meanwhile(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	fx->src.hook_arg = fx;
	fx->src.hook = take_and_free;
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 20), 0);
	fx->src.hook = NULL;
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, 20);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 20);
}

static struct kunit_case resize_cases[] = {
	KUNIT_CASE(resize_to_the_same_size_changes_nothing),
	KUNIT_CASE(growing_fills_the_reserve),
	KUNIT_CASE(growing_with_an_element_out_guarantees_the_new_size),
	KUNIT_CASE(growing_hands_on_gfp_kernel_unchanged),
	KUNIT_CASE(growing_keeps_the_elements_that_are_there),
	KUNIT_CASE(growing_returns_0_when_only_partly_filled),
	KUNIT_CASE(growing_wakes_waiters),
	KUNIT_CASE(growing_serves_waiters_in_their_order),
	KUNIT_CASE(growing_serves_a_bulk_waiter),
	KUNIT_CASE(shrinking_frees_the_surplus_now),
	KUNIT_CASE(shrinking_lets_elements_that_are_out_go_to_free_fn),
	KUNIT_CASE(shrinking_lets_waiters_sleep_on),
	KUNIT_CASE(shrinking_to_0_keeps_one_element),
	KUNIT_CASE(resize_survives_a_backend_that_sleeps),
	KUNIT_CASE(resize_without_memory_for_the_bookkeeping_changes_nothing),
	KUNIT_CASE_PARAM(pool_grows_and_shrinks_back, big_size_gen_params),
	KUNIT_CASE(reserve_is_whole_while_it_is_moved),
	KUNIT_CASE(large_pool_keeps_all_its_elements_apart),
	KUNIT_CASE(alloc_fn_may_resize_its_own_pool),
	KUNIT_CASE(alloc_fn_may_resize_while_its_pool_is_resized),
	KUNIT_CASE(growing_counts_what_others_free_meanwhile),
	{}
};

static struct kunit_suite resize_suite = {
	.name = "mempool2_resize",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = resize_cases,
};

kunit_test_suite(resize_suite);
