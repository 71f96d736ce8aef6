// SPDX-License-Identifier: GPL-2.0-only
/*
 * squeeze - while it is loaded, allocations that cannot reclaim memory fail
 *
 * Every millisecond a thread takes the free pages, down to the watermark below which the page
 * allocator refuses callers that do not reclaim, and a few more. Callers that may reclaim still
 * get memory, so the OOM killer does not run. But the first try of a pool's alloc function asks
 * only for memory that is available at once, and there is none. Several times a second, and when
 * it holds max_mib, the thread gives back all pages, so that other tasks can recover.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>

static unsigned int max_mib = 48;
module_param(max_mib, uint, 0444);
MODULE_PARM_DESC(max_mib, "most memory to hold, in MiB [48]");

#define PRESS_MS	160
#define REST_MS		20

/* So far below the watermark, in pages; interrupts may take more than twice as many. */
#define BELOW		64

static struct task_struct *squeezer;
static LIST_HEAD(held);
static unsigned long nr_held;

static bool is_too_much(void)
{
	return nr_held >= (unsigned long)max_mib << (20 - PAGE_SHIFT);
}

static bool take(gfp_t gfp_mask)
{
	struct page *page;

	if (is_too_much())
		return false;
	page = alloc_page(gfp_mask | __GFP_NOMEMALLOC | __GFP_NOWARN);
	if (!page)
		return false;
	list_add(&page->lru, &held);
	nr_held++;
	return true;
}

static void give_back(void)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &held, lru) {
		list_del(&page->lru);
		__free_page(page);
		cond_resched();
	}
	nr_held = 0;
}

static void press(void)
{
	int i;

	while (take(__GFP_KSWAPD_RECLAIM))
		cond_resched();
	for (i = 0; i < BELOW; i++)
		take(GFP_ATOMIC);
}

static int squeeze(void *unused)
{
	unsigned long end;

	while (!kthread_should_stop()) {
		end = jiffies + msecs_to_jiffies(PRESS_MS);
		while (time_before(jiffies, end) && !is_too_much()) {
			press();
			usleep_range(1000, 1100);
		}
		give_back();
		msleep(REST_MS);
	}
	return 0;
}

static int __init squeeze_init(void)
{
	squeezer = kthread_run(squeeze, NULL, "squeeze");
	return PTR_ERR_OR_ZERO(squeezer);
}

static void __exit squeeze_exit(void)
{
	kthread_stop(squeezer);
}

module_init(squeeze_init);
module_exit(squeeze_exit);
MODULE_DESCRIPTION("Makes allocations that cannot reclaim memory fail");
MODULE_AUTHOR("mempool2 developers");
MODULE_LICENSE("GPL");
