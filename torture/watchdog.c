// SPDX-License-Identifier: GPL-2.0-only
/*
 * The thread that looks for waiters that wait for too long
 *
 * A heartbeat takes a tenth of a second or longer. In it the thread has run on each CPU, and so has
 * each worker that was ready to run, and each thread of a workqueue. So neither a host that does
 * not run this machine nor a task that was woken and has no CPU yet lets a wait seem long.
 */
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/debug.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <linux/wait.h>

#include "torture.h"

/* So many heartbeats in a row are no coincidence. */
#define PATIENCE	5

static unsigned long nr_heartbeats;

unsigned long heartbeats(void)
{
	return READ_ONCE(nr_heartbeats);
}

/* A task that has a CPU does not wait for one, however long it runs. */
static bool is_on_cpu(struct task_struct *task)
{
#ifdef CONFIG_SMP
	return READ_ONCE(task->on_cpu);
#else
	return task == current;
#endif
}

/* Has a worker been ready to run since the heartbeat began, and not run? */
static bool a_worker_lacks_cpu(void)
{
	struct worker *worker;

	for (worker = torture_workers; worker < torture_workers + nr_workers; worker++) {
		if (task_is_running(worker->task) && !is_on_cpu(worker->task) &&
		    READ_ONCE(worker->task->se.sum_exec_runtime) == worker->ran)
			return true;
	}
	return false;
}

/* Is a thread of a workqueue ready to run? Such threads run callbacks of requests. */
static bool a_work_lacks_cpu(void)
{
	struct task_struct *task;
	bool lacks = false;

	rcu_read_lock();
	for_each_process(task) {
		if (task->flags & PF_WQ_WORKER && task_is_running(task) && !is_on_cpu(task))
			lacks = true;
	}
	rcu_read_unlock();
	return lacks;
}

/* Run on @cpu, unless it is offline. A CPU that is on its way there refuses the thread. */
static void run_on(int cpu)
{
	while (cpu_online(cpu) && !kthread_should_stop()) {
		set_cpus_allowed_ptr(current, cpumask_of(cpu));
		cond_resched();
		if (raw_smp_processor_id() == cpu)
			break;
		schedule_timeout_uninterruptible(1);
	}
}

static void beat(void)
{
	int cpu, i;

	for (i = 0; i < nr_workers; i++)
		torture_workers[i].ran = READ_ONCE(torture_workers[i].task->se.sum_exec_runtime);
	for_each_possible_cpu(cpu)
		run_on(cpu);
	set_cpus_allowed_ptr(current, cpu_possible_mask);
	schedule_timeout_uninterruptible(HZ / 10);
	while ((a_worker_lacks_cpu() || a_work_lacks_cpu()) && !kthread_should_stop())
		schedule_timeout_uninterruptible(1);
	WRITE_ONCE(nr_heartbeats, nr_heartbeats + 1);
}

/*
 * Waiters may wait beside elements if there is a limit, or while the alloc function reclaims memory
 * for them.
 */
static bool is_stranded(struct torture_pool *tp)
{
	/* No barrier: the answer counts only if it is the same several times. */
	return !READ_ONCE(tp->limit) &&
	       READ_ONCE(tp->pool.nr_waiters) > READ_ONCE(tp->pool.nr_asking) &&
	       mempool2_nr_reserved(&tp->pool) > 0;
}

/* An element that is neither in the reserve nor with an owner is with a waiter that sleeps on. */
static bool is_asleep(struct torture_pool *tp)
{
	return tp->is_exact && !atomic_read(&tp->nr_bulk) &&
	       atomic_read(&arena_taken) > mempool2_nr_reserved(&tp->pool) +
					   atomic_read(&tp->nr_owned);
}

/* With a finding: what each worker waits for. */
static void workers_show(void)
{
	int i;

	for (i = 0; i < nr_workers; i++)
		sched_show_task(torture_workers[i].task);
}

static void pool_watch(struct torture_pool *tp)
{
	long taken = atomic_long_read(&tp->nr_taken);
	bool progress = taken != tp->seen;

	tp->seen = taken;
	tp->nr_stranded = !progress && is_stranded(tp) ? tp->nr_stranded + 1 : 0;
	tp->nr_asleep = !progress && is_asleep(tp) ? tp->nr_asleep + 1 : 0;
	if (tp->nr_stranded == PATIENCE)
		found(FOUND_STRANDED, "%s has %d elements and a waiter", tp->name,
		      mempool2_nr_reserved(&tp->pool));
	if (tp->nr_asleep == PATIENCE)
		found(FOUND_STRANDED, "%s: a waiter has an element and sleeps on", tp->name);
	if (tp->nr_stranded == PATIENCE || tp->nr_asleep == PATIENCE)
		workers_show();
}

static void worker_watch(struct worker *worker)
{
	unsigned long since = READ_ONCE(worker->since);

	if (since && heartbeats() - since == wait_limit)
		found(FOUND_LATE, "worker %d waits for %d heartbeats", worker->index, wait_limit);
}

int watchdog_fn(void *data)
{
	int i;

	while (!kthread_should_stop()) {
		beat();
		for (i = 0; i < NR_POOLS; i++)
			pool_watch(&torture_pools[i]);
		for (i = 0; i < nr_workers; i++)
			worker_watch(&torture_workers[i]);
	}
	return 0;
}
