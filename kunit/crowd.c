// SPDX-License-Identifier: GPL-2.0-only
/*
 * mempool2_crowd - many pools that come and go, for scripts of scripts/guest
 *
 * Not a test by itself: a script loads the module, reads debugfs while the pools exist, and
 * unloads the module. The elements are numbers, so that a pool of a million elements costs next
 * to nothing.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../examples/hrtimer_compat.h"
#include "../mempool2.h"
#include "../mempool2_debug.h"

static unsigned int nr = 200;
module_param(nr, uint, 0400);
MODULE_PARM_DESC(nr, "Pools that stay until the module goes [200]");

static int min_nr = 1;
module_param(min_nr, int, 0400);
MODULE_PARM_DESC(min_nr, "Elements that each of them guarantees [1]");

static unsigned int churn;
module_param(churn, uint, 0400);
MODULE_PARM_DESC(churn, "Threads that make pools and end them all the time [0]");

static unsigned int waiters;
module_param(waiters, uint, 0400);
MODULE_PARM_DESC(waiters, "Threads that wait, and hold an element in turn, of the pool \"waited\", which has two [0]");

static unsigned int hold_ms = 10;
module_param(hold_ms, uint, 0400);
MODULE_PARM_DESC(hold_ms, "For so long [10]");

static bool odd_names;
module_param(odd_names, bool, 0400);
MODULE_PARM_DESC(odd_names, "Give pools and threads names that a table cannot show as they are [N]");

static struct mempool2 *pools;
static unsigned int nr_made;
static struct mempool2 odd_pool, waited_pool, asked_pool;

/* An element is a unique number, and no address. */
static void *number_alloc(gfp_t gfp_mask, void *unused)
{
	static atomic_long_t last = ATOMIC_LONG_INIT(PAGE_SIZE);

	return (void *)(atomic_long_inc_return(&last) & LONG_MAX);
}

static void number_free(void *element, void *unused)
{
}

/* No fresh elements: a caller has to wait for an element of the reserve. */
static void *number_alloc_at_first(gfp_t gfp_mask, void *unused)
{
	return gfp_mask & __GFP_NOMEMALLOC ? NULL : number_alloc(gfp_mask, unused);
}

/* Names that, shown as they are, would be a row of their own in the table or a line of a report. */

static const char * const names[] = {
	"two\nlines", " 1 begins-with-a-row", "tab\there", "clear\033[2J", "bell\a", "back\b\b\b",
	"del\177", "csi\233m", "\n", "quite-usual",
};

static int name_pools(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < min_t(unsigned int, nr_made, ARRAY_SIZE(names)) && !err; i++)
		err = mempool2_set_name(&pools[i], names[i]);
	return err;
}

/*
 * The name that a compiler gives to a copy of a function for some of its callers. (objtool would
 * look for the parent function of a ".cold" part.)
 */
noinline int odd_pool_init(void) asm("crowd_odd_pool.isra.0.constprop.0");

noinline int odd_pool_init(void)
{
	int err = mempool2_init(&odd_pool, 1, number_alloc, number_free, NULL);

	/* Prevents a tail call, which would hide this function as the creation site of the pool. */
	barrier();
	return err;
}

/* A request that is never served, for the only element of its pool. */

static struct mempool2_waiter request;
static void *asked_for;

/* A name as above. */
void asked_fn(struct mempool2_waiter *waiter, void **elems) asm("crowd_asked.constprop.0");

void asked_fn(struct mempool2_waiter *waiter, void **elems)
{
	mempool2_free(elems[0], &asked_pool);
}

static int request_make(void)
{
	void *element;

	mempool2_waiter_init(&request, asked_fn);
	asked_for = mempool2_alloc_preallocated(&asked_pool);
	element = mempool2_alloc_async(&asked_pool, GFP_NOWAIT, &request);
	if (PTR_ERR_OR_ZERO(element) != -EINPROGRESS) {
		mempool2_free(IS_ERR(element) ? NULL : element, &asked_pool);
		return -EINVAL;
	}
	return 0;
}

static void request_end(void)
{
	if (!asked_for)
		return;
	mempool2_cancel_sync(&request);
	mempool2_free(asked_for, &asked_pool);
}

/* Threads */

static struct task_struct **threads;
static unsigned int nr_threads;

static int churn_fn(void *unused)
{
	struct mempool2 *some[16];
	unsigned int i;

	while (!kthread_should_stop()) {
		for (i = 0; i < ARRAY_SIZE(some); i++)
			some[i] = mempool2_create(i * i, number_alloc, number_free, NULL);
		for (i = 0; i < ARRAY_SIZE(some); i++) {
			if (some[i] && i % 4 == 0)
				mempool2_resize(some[i], i + 100);
			cond_resched();
		}
		for (i = 0; i < ARRAY_SIZE(some); i++) {
			mempool2_destroy(some[i]);
			cond_resched();
		}
	}
	return 0;
}

static int wait_fn(void *unused)
{
	void *element;

	while (!kthread_should_stop()) {
		element = mempool2_alloc(&waited_pool, GFP_KERNEL);
		msleep(hold_ms);
		mempool2_free(element, &waited_pool);
	}
	return 0;
}

static int thread_add(int (*fn)(void *data))
{
	/* A process could set such a name with prctl(PR_SET_NAME). */
	const char *name = odd_names ? "crowd\n1 x" : "crowd";
	struct task_struct *thread = kthread_run(fn, NULL, "%s", name);

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	threads[nr_threads++] = thread;
	return 0;
}

static int threads_run(void)
{
	unsigned int i;
	int err = 0;

	threads = kcalloc(churn + waiters, sizeof(*threads), GFP_KERNEL);
	if (!threads)
		return -ENOMEM;
	for (i = 0; i < churn && !err; i++)
		err = thread_add(churn_fn);
	for (i = 0; i < waiters && !err; i++)
		err = thread_add(wait_fn);
	return err;
}

/* How long interrupts are disabled, measured by the delay of a timer */

#define PROBE_NS	20000

static struct hrtimer probe_timer;
static u64 longest_off_ns;
static bool probe_runs;
static DEFINE_MUTEX(probe_mutex);

static enum hrtimer_restart probe_fn(struct hrtimer *timer)
{
	ktime_t now = ktime_get();
	u64 late = ktime_to_ns(ktime_sub(now, hrtimer_get_expires(timer)));

	if (late > longest_off_ns)
		WRITE_ONCE(longest_off_ns, late);
	hrtimer_forward(timer, now, ns_to_ktime(PROBE_NS));
	return HRTIMER_RESTART;
}

static void probe_stop(void)
{
	if (probe_runs)
		hrtimer_cancel(&probe_timer);
	probe_runs = false;
}

static int longest_off_set(const char *text, const struct kernel_param *param)
{
	bool on;
	int err = kstrtobool(text, &on);

	if (err)
		return err;
	mutex_lock(&probe_mutex);
	probe_stop();
	if (on) {
		longest_off_ns = 0;
		hrtimer_setup(&probe_timer, probe_fn, CLOCK_MONOTONIC,
			      HRTIMER_MODE_REL_PINNED_HARD);
		hrtimer_start(&probe_timer, ns_to_ktime(PROBE_NS),
			      HRTIMER_MODE_REL_PINNED_HARD);
		probe_runs = true;
	}
	mutex_unlock(&probe_mutex);
	return 0;
}

static int longest_off_get(char *text, const struct kernel_param *param)
{
	return sysfs_emit(text, "%llu\n", READ_ONCE(longest_off_ns));
}

static const struct kernel_param_ops longest_off_ops = {
	.set	= longest_off_set,
	.get	= longest_off_get,
};
module_param_cb(longest_off_ns, &longest_off_ops, NULL, 0600);
MODULE_PARM_DESC(longest_off_ns, "Since 1 was written: the longest time for which the CPU took no interrupt");

static void crowd_leave(void)
{
	unsigned int i;

	probe_stop();
	while (nr_threads)
		kthread_stop(threads[--nr_threads]);
	kfree(threads);
	for (i = 0; i < nr_made; i++)
		mempool2_exit(&pools[i]);
	request_end();
	mempool2_exit(&asked_pool);
	mempool2_exit(&odd_pool);
	mempool2_exit(&waited_pool);
	kvfree(pools);
}

static int crowd_make(void)
{
	int err;

	pools = kvcalloc(nr, sizeof(*pools), GFP_KERNEL);
	if (!pools)
		return -ENOMEM;
	for (nr_made = 0; nr_made < nr; nr_made++) {
		err = mempool2_init(&pools[nr_made], min_nr, number_alloc, number_free, NULL);
		if (err)
			return err;
		cond_resched();
	}
	err = odd_pool_init() ?:
	      mempool2_init(&waited_pool, 2, number_alloc_at_first, number_free, NULL) ?:
	      mempool2_set_name(&waited_pool, "waited") ?:
	      mempool2_init(&asked_pool, 1, number_alloc_at_first, number_free, NULL) ?:
	      mempool2_set_name(&asked_pool, "asked");
	if (!err && odd_names)
		err = name_pools();
	return err ?: request_make() ?: threads_run();
}

static int __init crowd_init(void)
{
	int err = crowd_make();

	if (err)
		crowd_leave();
	return err;
}

static void __exit crowd_exit(void)
{
	crowd_leave();
}

module_init(crowd_init);
module_exit(crowd_exit);

MODULE_DESCRIPTION("Many pools of mempool2 that come and go");
MODULE_AUTHOR("mempool2 developers");
MODULE_VERSION(MEMPOOL2_VERSION);
MODULE_LICENSE("GPL");
