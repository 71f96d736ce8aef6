// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the suites in kernels that are built without KUnit, as stock kernels are.
 *
 * There KUnit is a module too (see scripts/kunit-module), and the kernel's module loader finds
 * no suites in other modules. So this module finds its own suites and passes them to KUnit.
 */
#include <linux/glob.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/string.h>

#include "fixture.h"

static char *filter_glob = "";
module_param(filter_glob, charp, 0444);
MODULE_PARM_DESC(filter_glob, "SUITE or SUITE.CASE, with * and ?: run only these");

/* The guest unloads the module when this is N. */
static bool running = true;
module_param(running, bool, 0444);
MODULE_PARM_DESC(running, "Are the suites still running?");

/* From stock.lds. */
extern struct kunit_suite *mempool2_kunit_suites[];
extern struct kunit_suite *mempool2_kunit_suites_end[];

static struct task_struct *runner;

/* Keep only the cases that match. Returns whether there are any. */
static bool suite_filter(struct kunit_suite *suite, const char *glob)
{
	struct kunit_case *from, *to = suite->test_cases;

	for (from = to; from->run_case; from++)
		if (glob_match(glob, from->name))
			*to++ = *from;
	*to = (struct kunit_case) {};
	return to != suite->test_cases;
}

/* Keep only the suites that match. Returns their number. */
static int suites_filter(char *glob)
{
	char *suite_glob = strsep(&glob, ".");
	struct kunit_suite **from, **to = mempool2_kunit_suites;

	for (from = to; from < mempool2_kunit_suites_end; from++)
		if ((!*suite_glob || glob_match(suite_glob, (*from)->name)) &&
		    suite_filter(*from, glob ?: "*"))
			*to++ = *from;
	return to - mempool2_kunit_suites;
}

static int runner_thread(void *unused)
{
	int nr = suites_filter(filter_glob);

	/* Wait, as when the module is loaded by hand, until its init function has returned. */
	while (READ_ONCE(THIS_MODULE->state) != MODULE_STATE_LIVE && !kthread_should_stop())
		schedule_timeout_uninterruptible(1);

	/* The header that KUnit prints where it finds the suites itself. */
	pr_info("KTAP version 1\n");
	pr_info("1..%d\n", nr);
	suites_run(mempool2_kunit_suites, nr);
	WRITE_ONCE(running, false);
	return nr;
}

int __init stock_start(void)
{
	runner = kthread_create(runner_thread, NULL, "mempool2_kunit");
	if (IS_ERR(runner))
		return PTR_ERR(runner);
	get_task_struct(runner);
	wake_up_process(runner);
	return 0;
}

void stock_stop(void)
{
	int nr = kthread_stop(runner);

	put_task_struct(runner);
	if (nr > 0)
		__kunit_test_suites_exit(mempool2_kunit_suites, nr);
}
