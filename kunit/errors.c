// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: misuse by callers
 *
 * Each misuse is made twice and causes one warning, which names the rule and the caller. It does
 * not allocate, free or change anything.
 */
#include <linux/err.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "../core/compat_internal.h"
#include "../mempool2_debug.h"
#include "fixture.h"

static void plain_ctor(void *object)
{
}

/* The pool that was misused works as before. */
static void expect_pool_as_before(struct fixture *fx, int min_nr)
{
	struct kunit *test = fx->test;

	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, min_nr);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), min_nr);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), min_nr);
	fixture_put_all(fx);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), min_nr);
}

/* Pools that cannot be created */

struct bad_pool {
	const char		*name;
	int			min_nr;
	mempool2_alloc_t	*alloc;
	mempool2_free_t		*free;
	unsigned long		data;
	const char		*text;
};

static const struct bad_pool bad_pools[] = {
	{ "alloc_fn is NULL", 1, NULL, source_free, 0, "alloc_fn is NULL" },
	{ "free_fn is NULL", 1, source_alloc, NULL, 0, "free_fn is NULL" },
	{ "min_nr is -1", -1, source_alloc, source_free, 0, "min_nr -1 is negative" },
	{ "min_nr is INT_MAX", INT_MAX, source_alloc, source_free, 0,
	  "min_nr 2147483647 is larger than" },
	{ "slab cache is NULL", 1, mempool2_alloc_slab, mempool2_free_slab, 0,
	  "slab cache is NULL" },
	{ "kmalloc size is too large", 1, mempool2_kmalloc, mempool2_kfree,
	  KMALLOC_MAX_SIZE + 1, "is larger than kmalloc's" },
	{ "kvmalloc size is too large", 1, mempool2_kvmalloc, mempool2_kvfree,
	  (unsigned long)INT_MAX + 1, "is larger than kvmalloc's" },
	{ "page order is too large", 1, mempool2_alloc_pages,
	  mempool2_free_pages, MEMPOOL2_MAX_ORDER + 1, "page order" },
};

static void bad_pool_name(const struct bad_pool *bad, char *name)
{
	strscpy(name, bad->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(bad_pool, bad_pools, bad_pool_name);

static void impossible_pool_is_refused_with_one_warning(struct kunit *test)
{
	static bool spent[ARRAY_SIZE(bad_pools)];
	const struct bad_pool *bad = test->param_value;
	struct fixture *fx = test->priv;
	void *data = bad->data ? (void *)bad->data : NULL;
	int i;

	if (bad->alloc == source_alloc || bad->free == source_free)
		data = &fx->src;
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, mempool2_init(&fx->spare, bad->min_nr,
						    bad->alloc, bad->free, data),
				-EINVAL);
		KUNIT_EXPECT_FALSE(test, mempool2_initialized(&fx->spare));
	}
	KUNIT_EXPECT_NULL(test, mempool2_create(bad->min_nr, bad->alloc,
						bad->free, data));
	mempool2_exit(&fx->spare);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
	expect_one_warning(fx, &spent[bad - bad_pools], bad->text);

	/* The memory can still hold a pool. */
	KUNIT_EXPECT_EQ(test, mempool2_init(&fx->spare, 1, source_alloc,
					    source_free, &fx->src), 0);
}

static void negative_page_order_is_refused(struct kunit *test)
{
	struct fixture *fx = test->priv;

	KUNIT_EXPECT_EQ(test, mempool2_init_page_pool(&fx->spare, 1, -1), -EINVAL);
	KUNIT_EXPECT_NULL(test, mempool2_create_page_pool(1, -1));
}

static void largest_kmalloc_size_is_no_mistake(struct kunit *test)
{
	struct fixture *fx = test->priv;

	/* Whether the kernel has so much memory in one piece or not: the request is legal. */
	if (!mempool2_init_node(&fx->spare, 1, mempool2_kmalloc, mempool2_kfree,
				(void *)KMALLOC_MAX_SIZE,
				GFP_KERNEL | __GFP_NOWARN, NUMA_NO_NODE))
		KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->spare), 1);
	expect_no_warning(fx);
}

/* Calls on a pool that is not initialized */

static void alloc_from_an_uninitialized_pool_returns_null(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;

	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	expect_one_warning(fx, &spent, "not initialized");
	fixture_pool(fx, 2);
	expect_pool_as_before(fx, 2);
}

static void alloc_bulk_from_an_uninitialized_pool_is_einval(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[1] = { fx };
	static bool spent;
	int i;

	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, 1),
				-EINVAL);
	KUNIT_EXPECT_PTR_EQ(test, elems[0], (void *)fx);
	expect_one_warning(fx, &spent, "not initialized");
	fixture_pool(fx, 2);
	expect_pool_as_before(fx, 2);
}

static void alloc_preallocated_from_an_uninitialized_pool_returns_null(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;
	int i;

	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_NULL(test, mempool2_alloc_preallocated(&fx->pool));
	expect_one_warning(fx, &spent, "not initialized");
	fixture_pool(fx, 2);
	expect_pool_as_before(fx, 2);
}

static void alloc_noreserve_from_an_uninitialized_pool_returns_null(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;
	int i;

	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_NULL(test, mempool2_alloc_noreserve(&fx->pool,
								 GFP_KERNEL));
	expect_one_warning(fx, &spent, "not initialized");
	fixture_pool(fx, 2);
	expect_pool_as_before(fx, 2);
}

static void free_to_an_uninitialized_pool_leaves_the_element_alone(struct kunit *test)
{
	void *element = fixture_foreign(test->priv);
	/* Memory in which there was never a pool, so the checks do not know it. */
	static struct mempool2 never_a_pool;
	struct fixture *fx = test->priv;
	static bool spent;
	int i;

	for (i = 0; i < 2; i++)
		mempool2_free(element, &never_a_pool);
	expect_one_warning(fx, &spent, "not initialized");
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 1);
	source_free(element, &fx->src);
	fixture_pool(fx, 2);
	expect_pool_as_before(fx, 2);
}

static void free_bulk_to_an_uninitialized_pool_takes_nothing(struct kunit *test)
{
	void *element = fixture_foreign(test->priv);
	struct fixture *fx = test->priv;
	static bool spent;
	int i;

	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, mempool2_free_bulk(&fx->pool, &element, 1), 0u);
	expect_one_warning(fx, &spent, "not initialized");
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 1);
	source_free(element, &fx->src);
	fixture_pool(fx, 2);
	expect_pool_as_before(fx, 2);
}

static void resize_of_an_uninitialized_pool_is_einval(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;
	int i;

	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 4), -EINVAL);
	expect_one_warning(fx, &spent, "not initialized");
	KUNIT_EXPECT_FALSE(test, mempool2_initialized(&fx->pool));
	fixture_pool(fx, 2);
	expect_pool_as_before(fx, 2);
}

/* Calls on an initialized pool with bad arguments */

static void alloc_bulk_of_more_than_min_nr_is_einval(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[3] = {};
	static bool spent;
	int i;

	fixture_pool(fx, 2);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, 3),
				-EINVAL);
	expect_one_warning(fx, &spent, "3 elements at once");
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_NULL(test, elems[i]);
	expect_pool_as_before(fx, 2);
}

/*
 * The same misuse as above, which may have caused the warning already: only the results count.
 * With min_nr 0 a pool keeps an element but guarantees none. A count that would be negative if
 * it were signed is just a large count.
 */
static void alloc_bulk_of_absurd_counts_is_einval(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[1] = {};

	fixture_pool(fx, 0);
	KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, UINT_MAX), -EINVAL);
	KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, 1u << 31), -EINVAL);
	KUNIT_EXPECT_NULL(test, elems[0]);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
}

static void resize_below_zero_is_einval(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;
	int i;

	fixture_pool(fx, 2);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, -1), -EINVAL);
	expect_one_warning(fx, &spent, "negative");
	expect_pool_as_before(fx, 2);
}

static void resize_to_more_than_can_be_counted_is_einval(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;
	int i;

	fixture_pool(fx, 2);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, INT_MAX), -EINVAL);
	expect_one_warning(fx, &spent, "2147483647");
	expect_pool_as_before(fx, 2);
}

/* A value that is no element is neither kept nor handed over */

static void *const no_elements[] = {
	(void *)1UL, (void *)-1UL, (void *)-EIO, (void *)-MAX_ERRNO,
};

static void freed_error_never_gets_into_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;
	int i;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	for (i = 0; i < ARRAY_SIZE(no_elements); i++)
		mempool2_free(no_elements[i], &fx->pool);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
	expect_one_warning(fx, &spent, "is no element");
}

static void freed_error_never_gets_to_a_waiter(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	void *element;
	int i;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_that_waits(fx);
	for (i = 0; i < ARRAY_SIZE(no_elements); i++)
		mempool2_free(no_elements[i], &fx->pool);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 1);
	element = fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], element);
}

/* While a pool is instrumented, mempool2_free() to a full pool calls another function. */
static void freed_error_never_gets_past_the_checks(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i;

	needs_debugging(test);
	fixture_pool(fx, 2);
	KUNIT_ASSERT_EQ(test, mempool2_set_checks(&fx->pool, MEMPOOL2_CHECK_DOUBLE), 0);
	mempool2_free(mempool2_alloc(&fx->pool, GFP_KERNEL), &fx->pool);
	KUNIT_ASSERT_EQ(test, atomic_read(&fx->src.nr_frees), 1);
	for (i = 0; i < ARRAY_SIZE(no_elements); i++)
		mempool2_free(no_elements[i], &fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 1);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
}

/*
 * free_bulk takes the elements before the error; the error and the elements behind it stay with
 * the caller.
 */
static void free_bulk_ends_at_an_error(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[4];
	static bool spent;
	int i;

	fixture_pool(fx, 4);
	KUNIT_ASSERT_EQ(test, fixture_drain(fx), 4);
	for (i = 0; i < ARRAY_SIZE(no_elements); i++) {
		elems[0] = fx->held[0];
		elems[1] = fx->held[1];
		elems[2] = no_elements[i];
		elems[3] = fx->held[2];
		KUNIT_EXPECT_EQ(test, mempool2_free_bulk(&fx->pool, elems, 4), 2u);
		KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
		fx->held[0] = mempool2_alloc_preallocated(&fx->pool);
		fx->held[1] = mempool2_alloc_preallocated(&fx->pool);
	}
	expect_one_warning(fx, &spent, "is no element");
}

/* What the back end returns when it fails. */
static void *failure;

static void *error_alloc(gfp_t gfp_mask, void *pool_data)
{
	struct source *src = pool_data;

	return atomic_read(&src->budget) ? source_alloc(gfp_mask, pool_data) : READ_ONCE(failure);
}

static void init_refuses_an_alloc_fn_that_returns_errors(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;
	int i;

	failure = ERR_PTR(-ENOMEM);
	for (i = 0; i < 2; i++) {
		source_allow(&fx->src, 1);
		KUNIT_EXPECT_EQ(test, mempool2_init(&fx->pool, 2, error_alloc, source_free,
						    &fx->src), -EINVAL);
		KUNIT_EXPECT_FALSE(test, mempool2_initialized(&fx->pool));
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 0);
	expect_one_warning_from(fx, &spent, "error_alloc", "is no element");
}

static void refill_keeps_no_error(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;

	failure = ERR_PTR(-ENOMEM);
	KUNIT_ASSERT_EQ(test, mempool2_init(&fx->pool, 2, error_alloc, source_free, &fx->src), 0);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 2);
	KUNIT_EXPECT_EQ(test, mempool2_refill(&fx->pool, GFP_KERNEL), 2);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 3), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
	fx->incomplete = true;
	expect_one_warning_from(fx, &spent, "error_alloc", "is no element");
}

static void bulk_call_takes_no_error(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;
	void *elems[3];
	int i;

	failure = ERR_PTR(-ENOMEM);
	KUNIT_ASSERT_EQ(test, mempool2_init(&fx->pool, 3, error_alloc, source_free, &fx->src), 0);
	source_fail(&fx->src);
	KUNIT_ASSERT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, 2), 0);
	/* A call for one element takes another way. */
	KUNIT_ASSERT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems + 2, 1), 0);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_NOT_ERR_OR_NULL(test, elems[i]);
		fixture_hold(fx, elems[i]);
	}
	expect_one_warning_from(fx, &spent, "error_alloc", "is no element");
}

/* While the alloc function reclaims memory the limit loses its room, and then that fails. */
static void *lose_room_and_fail(gfp_t gfp_mask, void *pool_data)
{
	struct source *src = pool_data;
	struct fixture *fx = src->hook_arg;

	if (!fx || !(gfp_mask & __GFP_DIRECT_RECLAIM) || nr_waiters(&fx->pool))
		return source_alloc(gfp_mask, pool_data);
	KUNIT_EXPECT_EQ(fx->test, mempool2_set_limit(&fx->pool, fx->pool.min_nr), 0);
	return ERR_PTR(-ENOMEM);
}

/* Of two elements that may be out the caller holds one. */
static void pool_that_loses_room(struct fixture *fx)
{
	struct kunit *test = fx->test;

	KUNIT_ASSERT_EQ(test, mempool2_init(&fx->pool, 1, lose_room_and_fail, source_free,
					    &fx->src), 0);
	KUNIT_ASSERT_EQ(test, mempool2_set_limit(&fx->pool, 2), 0);
	source_fail(&fx->src);
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	fx->src.hook_arg = fx;
}

static void error_gets_to_no_waiter_if_the_limit_has_no_room(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	static bool spent;

	pool_that_loses_room(fx);
	caller = caller_that_waits(fx);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, caller->elems[0]);
	expect_one_warning_from(fx, &spent, "lose_room_and_fail", "is no element");
}

static void alloc_noreserve_keeps_no_error_if_the_limit_has_no_room(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;

	pool_that_loses_room(fx);
	KUNIT_EXPECT_NULL(test, mempool2_alloc_noreserve(&fx->pool, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
	expect_one_warning_from(fx, &spent, "lose_room_and_fail", "is no element");
}

static void retry_of_a_waiter_takes_no_error(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	static bool spent;
	void *element;

	KUNIT_ASSERT_EQ(test, mempool2_init(&fx->pool, 1, error_alloc, source_free, &fx->src), 0);
	failure = NULL;
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 1);
	caller = caller_that_waits(fx);
	WRITE_ONCE(failure, ERR_PTR(-ENOMEM));
	wake_up(&fx->pool.wait);
	if (!spent)
		KUNIT_EXPECT_TRUE(test, report_comes_within(TIMEOUT));
	schedule_timeout_uninterruptible(2);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 1);
	element = fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], element);
	expect_one_warning_from(fx, &spent, "caller_alloc", "is no element");
}

/* Promise 18: what is legal but unwise causes one warning, and works */

static void gfp_zero_has_one_warning_and_works(struct kunit *test)
{
	struct fixture *fx = test->priv;
	gfp_t unknown = GFP_KERNEL | __GFP_ZERO;
	static bool spent;

	fixture_pool(fx, 3);
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_KERNEL | __GFP_ZERO));
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_NOWAIT | __GFP_ZERO));
	/* A mask that the compiler does not know takes another path. */
	OPTIMIZER_HIDE_VAR(unknown);
	fixture_hold(fx, mempool2_alloc(&fx->pool, unknown));
	expect_one_warning(fx, &spent, "__GFP_ZERO");
}

static void cache_with_a_constructor_has_one_warning_and_works(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct kmem_cache *cache;
	struct mempool2 *pool;
	static bool spent;

	cache = kmem_cache_create("mempool2_kunit_ctor", 64, 0, 0, plain_ctor);
	KUNIT_ASSERT_NOT_NULL(test, cache);
	KUNIT_EXPECT_EQ(test, mempool2_init_slab_pool(&fx->spare, 2, cache), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->spare), 2);
	pool = mempool2_create_slab_pool(2, cache);
	KUNIT_EXPECT_NOT_NULL(test, pool);
	mempool2_destroy(pool);
	mempool2_exit(&fx->spare);
	kmem_cache_destroy(cache);
	expect_one_warning(fx, &spent, "constructor");
}

static struct kunit_case errors_cases[] = {
	KUNIT_CASE_PARAM(impossible_pool_is_refused_with_one_warning,
			 bad_pool_gen_params),
	KUNIT_CASE(negative_page_order_is_refused),
	KUNIT_CASE(largest_kmalloc_size_is_no_mistake),
	KUNIT_CASE(alloc_from_an_uninitialized_pool_returns_null),
	KUNIT_CASE(alloc_bulk_from_an_uninitialized_pool_is_einval),
	KUNIT_CASE(alloc_preallocated_from_an_uninitialized_pool_returns_null),
	KUNIT_CASE(alloc_noreserve_from_an_uninitialized_pool_returns_null),
	KUNIT_CASE(free_to_an_uninitialized_pool_leaves_the_element_alone),
	KUNIT_CASE(free_bulk_to_an_uninitialized_pool_takes_nothing),
	KUNIT_CASE(resize_of_an_uninitialized_pool_is_einval),
	KUNIT_CASE(alloc_bulk_of_more_than_min_nr_is_einval),
	KUNIT_CASE(alloc_bulk_of_absurd_counts_is_einval),
	KUNIT_CASE(resize_below_zero_is_einval),
	KUNIT_CASE(resize_to_more_than_can_be_counted_is_einval),
	KUNIT_CASE(freed_error_never_gets_into_the_reserve),
	KUNIT_CASE(freed_error_never_gets_to_a_waiter),
	KUNIT_CASE(freed_error_never_gets_past_the_checks),
	KUNIT_CASE(free_bulk_ends_at_an_error),
	KUNIT_CASE(init_refuses_an_alloc_fn_that_returns_errors),
	KUNIT_CASE(refill_keeps_no_error),
	KUNIT_CASE(bulk_call_takes_no_error),
	KUNIT_CASE(error_gets_to_no_waiter_if_the_limit_has_no_room),
	KUNIT_CASE(alloc_noreserve_keeps_no_error_if_the_limit_has_no_room),
	KUNIT_CASE(retry_of_a_waiter_takes_no_error),
	KUNIT_CASE(gfp_zero_has_one_warning_and_works),
	KUNIT_CASE(cache_with_a_constructor_has_one_warning_and_works),
	{}
};

static struct kunit_suite errors_suite = {
	.name = "mempool2_errors",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = errors_cases,
};

kunit_test_suite(errors_suite);
