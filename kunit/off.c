// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: a build without debugging (CONFIG_MEMPOOL2_DEBUG=n)
 */
#include "../mempool2_debug.h"
#include "fixture.h"

static void calls_for_debugging_are_eopnotsupp(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct mempool2_stats stats;

	fixture_pool(fx, 1);
	KUNIT_EXPECT_EQ(test, mempool2_set_fail_interval(&fx->pool, 1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, mempool2_enable_stats(&fx->pool, true), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, mempool2_get_stats(&fx->pool, &stats), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, mempool2_set_checks(&fx->pool, MEMPOOL2_CHECK_ALL), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, mempool2_set_stall_timeout(&fx->pool, 1), -EOPNOTSUPP);
	expect_no_warning(fx);
}

/* A driver may name its pools whether or not the name shows anywhere. */
static void name_is_accepted(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	KUNIT_EXPECT_EQ(test, mempool2_set_name(&fx->pool, "name"), 0);
	expect_no_warning(fx);
}

static struct kunit_case off_cases[] = {
	KUNIT_CASE(calls_for_debugging_are_eopnotsupp),
	KUNIT_CASE(name_is_accepted),
	{}
};

static struct kunit_suite off_suite = {
	.name = "mempool2_off",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = off_cases,
};

kunit_test_suite(off_suite);
