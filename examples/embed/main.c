// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver without a device that has its own copy of mempool2, to copy from
 *
 * A thread and a work allocate requests, the thread by waiting, the work without. A timer completes
 * each request after a while. While the parameter no_memory is set all requests come from the
 * reserve of the pool. Documentation/embed.rst has the commands that build this.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#include "mempool2/mempool2.h"

#define MIN_REQUESTS	4
#define PERIOD_MS	10	/* between two requests of the work */
#define FLIGHT_MS	50	/* how long a request takes */

static bool no_memory;
module_param(no_memory, bool, 0644);
MODULE_PARM_DESC(no_memory, "whether the alloc function finds no memory [N]");

static unsigned long nr_completed;
module_param(nr_completed, ulong, 0444);
MODULE_PARM_DESC(nr_completed, "requests that are completed");

static unsigned long nr_waits;
module_param(nr_waits, ulong, 0444);
MODULE_PARM_DESC(nr_waits, "requests that the thread waited for");

static unsigned long nr_callbacks;
module_param(nr_callbacks, ulong, 0444);
MODULE_PARM_DESC(nr_callbacks, "requests that the callback received");

struct request {
	struct list_head	entry;
	unsigned long		due;	/* in jiffies */
};

static struct mempool2 request_pool;
static LIST_HEAD(in_flight);			/* oldest first */
static DEFINE_SPINLOCK(in_flight_lock);

static struct task_struct *submit_task;
static struct mempool2_waiter waiter;
static struct delayed_work submit_work;
static struct timer_list complete_timer;

static void *request_alloc(gfp_t gfp_mask, void *unused)
{
	return READ_ONCE(no_memory) ? NULL : kmalloc(sizeof(struct request), gfp_mask);
}

static void request_free(void *request, void *unused)
{
	kfree(request);
}

static void start(struct request *req)
{
	unsigned long flags;

	spin_lock_irqsave(&in_flight_lock, flags);
	req->due = jiffies + msecs_to_jiffies(FLIGHT_MS);
	list_add_tail(&req->entry, &in_flight);
	spin_unlock_irqrestore(&in_flight_lock, flags);
}

static int submit_fn(void *unused)
{
	struct request *req;

	while (!kthread_should_stop()) {
		req = mempool2_alloc(&request_pool, GFP_NOWAIT);
		if (!req) {
			nr_waits++;
			req = mempool2_alloc(&request_pool, GFP_NOIO);
		}
		start(req);
		usleep_range(1000, 2000);
	}
	return 0;
}

static void got_request(struct mempool2_waiter *unused, void **elems)
{
	nr_callbacks++;
	start(elems[0]);
}

static void submit_work_fn(struct work_struct *unused)
{
	struct request *req = mempool2_alloc_async(&request_pool, GFP_NOWAIT, &waiter);

	/* -EINPROGRESS: got_request() will start it. -EBUSY: it has not done so yet. */
	if (!IS_ERR(req))
		start(req);
	schedule_delayed_work(&submit_work, msecs_to_jiffies(PERIOD_MS));
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
		nr_completed++;
	}
	spin_unlock_irqrestore(&in_flight_lock, flags);

	/* May call got_request(), so without the lock. */
	list_for_each_entry_safe(req, next, &done, entry)
		mempool2_free(req, &request_pool);
}

static void complete_timer_fn(struct timer_list *timer)
{
	complete_requests(false);
	mod_timer(timer, jiffies + 1);
}

static int __init mydrv_init(void)
{
	int err;

	/* Before anything else of mempool2. */
	err = mempool2_embedded_init();
	if (err)
		return err;
	err = mempool2_init(&request_pool, MIN_REQUESTS, request_alloc, request_free, NULL);
	if (err)
		goto err_embedded;

	mempool2_waiter_init(&waiter, got_request);
	INIT_DELAYED_WORK(&submit_work, submit_work_fn);
	timer_setup(&complete_timer, complete_timer_fn, 0);
	submit_task = kthread_run(submit_fn, NULL, KBUILD_MODNAME);
	if (IS_ERR(submit_task)) {
		err = PTR_ERR(submit_task);
		goto err_pool;
	}
	mod_timer(&complete_timer, jiffies + 1);
	schedule_delayed_work(&submit_work, 0);
	return 0;

err_pool:
	mempool2_exit(&request_pool);
err_embedded:
	mempool2_embedded_exit();
	return err;
}

static void __exit mydrv_exit(void)
{
	/* While the timer still runs: the thread may wait for a request in flight. */
	kthread_stop(submit_task);
	cancel_delayed_work_sync(&submit_work);
	mempool2_cancel_sync(&waiter);
	timer_shutdown_sync(&complete_timer);
	complete_requests(true);
	mempool2_exit(&request_pool);
	/* After everything else of mempool2. */
	mempool2_embedded_exit();
}

module_init(mydrv_init);
module_exit(mydrv_exit);

MODULE_DESCRIPTION("Example of a driver with its own copy of mempool2");
MODULE_AUTHOR("mempool2 developers");
MODULE_LICENSE("GPL");
