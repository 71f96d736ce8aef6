// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that send signals, fill the memory, preempt others and take CPUs away
 */
#include <linux/atomic.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>

#include "torture.h"

/* Sleeps for @ms. False if the thread has to stop. */
static bool rest(unsigned int ms)
{
	while (ms && !kthread_should_stop()) {
		unsigned int nap = min(ms, 100U);

		msleep(nap);
		ms -= nap;
	}
	return !kthread_should_stop();
}

int killer_fn(void *data)
{
	struct worker *me = data, *victim;

	while (rest(5 + random_below(&me->random, 20))) {
		victim = &torture_workers[random_below(&me->random, nr_workers)];
		if (READ_ONCE(victim->may_be_killed))
			send_sig(SIGKILL, victim->task, 1);
	}
	return 0;
}

/*
 * Takes all free memory for a moment, again and again. The pages go back at once if the kernel
 * would kill a process for memory.
 */
static LIST_HEAD(hogged);
static DEFINE_SPINLOCK(hogged_lock);
static bool hog_gives_up;
static unsigned long hogged_until;
static atomic_t hogged_leave;

static unsigned long hogged_free(void)
{
	unsigned long nr = 0, flags;
	struct page *page, *next;
	LIST_HEAD(pages);

	atomic_inc(&hogged_leave);
	spin_lock_irqsave(&hogged_lock, flags);
	list_splice_init(&hogged, &pages);
	spin_unlock_irqrestore(&hogged_lock, flags);
	list_for_each_entry_safe(page, next, &pages, lru) {
		list_del(&page->lru);
		__free_page(page);
		nr++;
	}
	if (nr)
		WRITE_ONCE(hogged_until, jiffies);
	atomic_dec(&hogged_leave);
	return nr;
}

static int hog_notify(struct notifier_block *block, unsigned long unused, void *freed)
{
	unsigned long nr;

	WRITE_ONCE(hog_gives_up, true);
	nr = hogged_free();
	/* The pages may be on their way back, or were not when the caller found no memory. */
	if (!nr && (atomic_read(&hogged_leave) > 0 ||
		    time_before(jiffies, READ_ONCE(hogged_until) + 10 * HZ)))
		nr = 1;
	*(unsigned long *)freed += nr;
	return NOTIFY_OK;
}

static struct notifier_block hog_notifier = { .notifier_call = hog_notify };

static void hog(void)
{
	unsigned long flags;
	struct page *page;

	WRITE_ONCE(hog_gives_up, false);
	while (!READ_ONCE(hog_gives_up) && !kthread_should_stop()) {
		page = alloc_page(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
		if (!page)
			break;
		spin_lock_irqsave(&hogged_lock, flags);
		list_add(&page->lru, &hogged);
		spin_unlock_irqrestore(&hogged_lock, flags);
		cond_resched();
	}
	count(NR_HOGGED);
}

int hog_fn(void *data)
{
	struct worker *me = data;
	bool may_hog;

	WRITE_ONCE(hogged_until, jiffies);
	may_hog = !register_oom_notifier(&hog_notifier);
	while (rest(2000 + random_below(&me->random, 4000))) {
		if (may_hog)
			hog();
		rest(random_below(&me->random, 1000));
		hogged_free();
	}
	if (may_hog)
		unregister_oom_notifier(&hog_notifier);
	hogged_free();
	return 0;
}

/* A task of the highest priority takes a CPU from whatever runs there. */
int preempter_fn(void *data)
{
	struct worker *me = data;
	unsigned int cpu;

	sched_set_fifo(current);
	while (rest(1 + random_below(&me->random, 10))) {
		cpu = cpumask_any_distribute(cpu_online_mask);
		/* The CPU may go meanwhile. Any other will do. */
		set_cpus_allowed_ptr(current, cpumask_of(cpu));
		udelay(random_below(&me->random, 3000));
		set_cpus_allowed_ptr(current, cpu_possible_mask);
		count(NR_PREEMPTED);
	}
	return 0;
}

#ifdef CONFIG_HOTPLUG_CPU
static void hotplug(struct worker *me, unsigned int cpu)
{
	if (!cpu_online(cpu) || num_online_cpus() < 2 || remove_cpu(cpu))
		return;
	count(NR_OFFLINE);
	rest(random_below(&me->random, 2000));
	add_cpu(cpu);
}
#else
static void hotplug(struct worker *me, unsigned int cpu) { }
#endif

int hotplug_fn(void *data)
{
	struct worker *me = data;

	while (rest(1000 + random_below(&me->random, 4000)))
		hotplug(me, random_below(&me->random, nr_cpu_ids));
	return 0;
}
