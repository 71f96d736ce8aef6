// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver without a device, to copy from: a kernel thread, a timer (softirq) and an hrtimer
 * (hardirq) allocate requests. These stay in flight for a while as on a disk, and another timer
 * completes and frees them.
 *
 * All requests come from one pool. When the machine runs out of memory, the thread still gets
 * each of its requests, if need be after waiting for a request in flight. The timers cannot wait
 * and have to cope with %NULL.
 *
 * The figures are in mempool2_example/stats in debugfs, as "name value" lines.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>

/* A module outside this tree includes "mempool2.h"; README.md shows its Kbuild. */
#include "../mempool2.h"
#include "hrtimer_compat.h"

/*
 * Enough for progress, not for speed: one request for each submitter plus one, so that a burst
 * in the timers does not make the thread wait at once.
 */
#define MIN_REQUESTS	4

#define PERIOD_MS	10	/* between two requests of a submitter */
#define FLIGHT_MS	20	/* and how long a request takes */

struct request {
	struct list_head	entry;
	unsigned long		due;	/* in jiffies */
	u8			payload[200];
};

/* One submitter writes its counters; any context may read them. */
struct submitter {
	const char		*name;
	atomic_long_t		nr_allocated;
	atomic_long_t		nr_failed;
};

static struct submitter from_task = { .name = "task" };
static struct submitter from_softirq = { .name = "softirq" };
static struct submitter from_hardirq = { .name = "hardirq" };

static struct kmem_cache *request_cache;
static struct mempool2 request_pool;

static LIST_HEAD(in_flight);			/* oldest first */
static DEFINE_SPINLOCK(in_flight_lock);		/* taken in hardirq too */

static struct task_struct *submit_task;
static struct timer_list submit_timer;
static struct hrtimer submit_hrtimer;
static struct timer_list complete_timer;
static struct dentry *debugfs_dir;

static bool submit(struct submitter *from, gfp_t gfp_mask)
{
	struct request *req = mempool2_alloc(&request_pool, gfp_mask);
	unsigned long flags;

	if (!req) {
		atomic_long_inc(&from->nr_failed);
		return false;
	}
	atomic_long_inc(&from->nr_allocated);

	/* The element has the contents of its last use: set every member. */
	req->due = jiffies + msecs_to_jiffies(FLIGHT_MS);
	memset(req->payload, 0, sizeof(req->payload));

	spin_lock_irqsave(&in_flight_lock, flags);
	list_add_tail(&req->entry, &in_flight);
	spin_unlock_irqrestore(&in_flight_lock, flags);
	return true;
}

static int submit_fn(void *unused)
{
	while (!kthread_should_stop()) {
		/*
		 * This thread stands for one that memory reclaim depends on, so it must not
		 * start I/O to get memory: GFP_NOIO. It may sleep, and therefore never gets
		 * NULL.
		 */
		submit(&from_task, GFP_NOIO);
		msleep(PERIOD_MS);
	}
	return 0;
}

static void submit_timer_fn(struct timer_list *timer)
{
	/* Never sleeps. A real driver would try a failed request again later. */
	submit(&from_softirq, GFP_ATOMIC);
	mod_timer(timer, jiffies + msecs_to_jiffies(PERIOD_MS));
}

static enum hrtimer_restart submit_hrtimer_fn(struct hrtimer *timer)
{
	submit(&from_hardirq, GFP_ATOMIC);
	hrtimer_forward_now(timer, ms_to_ktime(PERIOD_MS));
	return HRTIMER_RESTART;
}

/* Free the requests that are due, or all of them. */
static void complete_requests(bool all)
{
	struct request *req, *next;
	unsigned long flags;
	LIST_HEAD(done);

	spin_lock_irqsave(&in_flight_lock, flags);
	list_for_each_entry_safe(req, next, &in_flight, entry) {
		if (!all && time_before(jiffies, req->due))
			break;
		list_move_tail(&req->entry, &done);
	}
	spin_unlock_irqrestore(&in_flight_lock, flags);

	list_for_each_entry_safe(req, next, &done, entry)
		mempool2_free(req, &request_pool);
}

static void complete_timer_fn(struct timer_list *timer)
{
	complete_requests(false);
	mod_timer(timer, jiffies + 1);
}

static void show_submitter(struct seq_file *seq, struct submitter *from)
{
	seq_printf(seq, "%s_allocated %ld\n", from->name,
		   atomic_long_read(&from->nr_allocated));
	seq_printf(seq, "%s_failed %ld\n", from->name,
		   atomic_long_read(&from->nr_failed));
}

static int stats_show(struct seq_file *seq, void *unused)
{
	show_submitter(seq, &from_task);
	show_submitter(seq, &from_softirq);
	show_submitter(seq, &from_hardirq);
	seq_printf(seq, "min_nr %d\n", READ_ONCE(request_pool.min_nr));
	seq_printf(seq, "in_reserve %d\n", mempool2_nr_reserved(&request_pool));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static void stop_submitters(void)
{
	/*
	 * Stop the thread first, while complete_timer still runs: it may wait for a request in
	 * flight, and only a free ends that wait.
	 */
	kthread_stop(submit_task);
	hrtimer_cancel(&submit_hrtimer);
	/* The timers arm themselves again: shut them down, do not just delete them. */
	timer_shutdown_sync(&submit_timer);
	timer_shutdown_sync(&complete_timer);
	complete_requests(true);
}

static int __init mempool2_example_init(void)
{
	int err;

	request_cache = KMEM_CACHE(request, 0);
	if (!request_cache)
		return -ENOMEM;

	err = mempool2_init_slab_pool(&request_pool, MIN_REQUESTS, request_cache);
	if (err)
		goto err_cache;

	/* On PREEMPT_RT this mode runs in softirq, where pools may be used. */
	hrtimer_setup(&submit_hrtimer, submit_hrtimer_fn, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL);
	timer_setup(&submit_timer, submit_timer_fn, 0);
	timer_setup(&complete_timer, complete_timer_fn, 0);

	submit_task = kthread_run(submit_fn, NULL, KBUILD_MODNAME);
	if (IS_ERR(submit_task)) {
		err = PTR_ERR(submit_task);
		goto err_pool;
	}
	mod_timer(&complete_timer, jiffies + 1);
	mod_timer(&submit_timer, jiffies + 1);
	hrtimer_start(&submit_hrtimer, ms_to_ktime(PERIOD_MS), HRTIMER_MODE_REL);

	/* The module works without the figures, so errors are ignored. */
	debugfs_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("stats", 0444, debugfs_dir, NULL, &stats_fops);
	return 0;

err_pool:
	mempool2_exit(&request_pool);
err_cache:
	kmem_cache_destroy(request_cache);
	return err;
}

static void __exit mempool2_example_exit(void)
{
	debugfs_remove(debugfs_dir);
	stop_submitters();
	/* All requests are back. Destroy the pool before its cache. */
	mempool2_exit(&request_pool);
	kmem_cache_destroy(request_cache);
}

module_init(mempool2_example_init);
module_exit(mempool2_example_exit);

MODULE_DESCRIPTION("Example of a mempool2 user");
MODULE_AUTHOR("mempool2 developers");
MODULE_LICENSE("GPL");
