// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that start together, work for a time, and never hang their creator
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "bench.h"

#define TICK_MS		10

/*
 * In both kinds of pool a waiter looks for memory again after 5 s: a longer wait means a stuck
 * thread.
 */
#define GRACE		(12 * HZ)

static unsigned long switches(void)
{
	return current->nvcsw + current->nivcsw;
}

int mp2b_await_stop(void)
{
	set_current_state(TASK_IDLE);
	while (!kthread_should_stop()) {
		schedule();
		set_current_state(TASK_IDLE);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static int crew_fn(void *data)
{
	struct mp2b_worker *worker = data;
	struct mp2b_crew *crew = worker->crew;

	wait_for_completion(&crew->go);
	if (!mp2b_stopping(crew)) {
		/* Only the thread itself can read its count without a race. */
		worker->nr_switches = switches();
		crew->work(worker);
		worker->nr_switches = switches() - worker->nr_switches;
	}
	if (atomic_dec_and_test(&crew->nr_working))
		complete(&crew->finished);

	return mp2b_await_stop();
}

/**
 * mp2b_crew_create() - create the threads, which then wait for mp2b_crew_run()
 * @nr_workers: number of threads
 * @cpu: CPU to bind them to, %MP2B_CPU_ANY, or %MP2B_CPU_EACH: the n-th worker to the n-th CPU
 *	that is online
 * @work: what each thread runs, until mp2b_stopping()
 * @private: for @work
 *
 * Return: the crew, or an ERR_PTR(): %-EINVAL if there are too few CPUs.
 */
struct mp2b_crew *mp2b_crew_create(int nr_workers, int cpu,
				   void (*work)(struct mp2b_worker *worker),
				   void *private)
{
	struct task_struct *task;
	struct mp2b_crew *crew;
	int i;

	if (cpu == MP2B_CPU_EACH && nr_workers > num_online_cpus()) {
		pr_notice("%d threads want a CPU each, and %u are online\n",
			  nr_workers, num_online_cpus());
		return ERR_PTR(-EINVAL);
	}
	crew = kvzalloc(struct_size(crew, workers, nr_workers), GFP_KERNEL);
	if (!crew)
		return ERR_PTR(-ENOMEM);
	crew->work = work;
	crew->private = private;
	init_completion(&crew->go);
	init_completion(&crew->finished);
	atomic_set(&crew->nr_working, nr_workers);
	crew->nr_workers = nr_workers;

	for (i = 0; i < nr_workers; i++) {
		crew->workers[i].crew = crew;
		crew->workers[i].index = i;
		task = kthread_create(crew_fn, &crew->workers[i], "mempool2_bench/%d", i);
		if (IS_ERR(task)) {
			mp2b_crew_destroy(crew);
			return ERR_CAST(task);
		}
		if (cpu == MP2B_CPU_EACH)
			kthread_bind(task, cpumask_nth(i, cpu_online_mask));
		else if (cpu != MP2B_CPU_ANY)
			kthread_bind(task, cpu);
		crew->workers[i].task = task;
	}
	/* Each thread runs up to its wait for @go, on the CPU of its work. */
	for (i = 0; i < nr_workers; i++)
		wake_up_process(crew->workers[i].task);
	return crew;
}

static void crew_stop(struct mp2b_crew *crew)
{
	WRITE_ONCE(crew->stop, true);
	complete_all(&crew->go);
}

/**
 * mp2b_crew_run() - let the crew work
 * @crew: the crew
 * @seconds: for how long
 * @each_tick: called every few milliseconds with the crew's @private, or NULL
 * @rescue: set to true when workers do not finish, which may let them finish, or NULL
 *
 * Return: 0, %-EINTR if a signal ended the run early, or %-ETIMEDOUT if workers are stuck. After
 * %-ETIMEDOUT neither the crew nor anything that it uses may be freed, see mp2b_crew_abandon().
 */
int mp2b_crew_run(struct mp2b_crew *crew, int seconds, void (*each_tick)(void *private),
		  bool *rescue)
{
	unsigned long end = jiffies + seconds * HZ;
	u64 start = ktime_get_ns();
	int err = 0;

	complete_all(&crew->go);
	while (time_before(jiffies, end)) {
		if (msleep_interruptible(TICK_MS)) {
			err = -EINTR;
			break;
		}
		if (each_tick)
			each_tick(crew->private);
	}
	crew_stop(crew);
	crew->elapsed_ns = ktime_get_ns() - start;

	if (wait_for_completion_timeout(&crew->finished, GRACE))
		return err;
	if (rescue) {
		WRITE_ONCE(*rescue, true);
		if (wait_for_completion_timeout(&crew->finished, GRACE)) {
			mp2b_report("error=stuck rescued=1\n");
			return -EIO;
		}
	}
	mp2b_report("error=stuck threads=%d\n", atomic_read(&crew->nr_working));
	return -ETIMEDOUT;
}

/**
 * mp2b_crew_destroy() - end the threads, which have all finished or not begun
 * @crew: the crew
 */
void mp2b_crew_destroy(struct mp2b_crew *crew)
{
	int i;

	crew_stop(crew);
	for (i = 0; i < crew->nr_workers && crew->workers[i].task; i++)
		kthread_stop(crew->workers[i].task);
	kvfree(crew);
}

/**
 * mp2b_crew_abandon() - leave stuck threads alone, and this module in memory
 * @crew: the crew
 */
void mp2b_crew_abandon(struct mp2b_crew *crew)
{
	__module_get(THIS_MODULE);
	pr_err("%d threads are stuck in an allocation\n",
	       atomic_read(&crew->nr_working));
}

/**
 * mp2b_run_crew() - create a pool, let a crew work on it, and report
 * @run: with the parameters and the size of an element; the crew's @private
 * @nr_workers: number of threads
 * @alloc_fn: an exhausted back end
 * @work: what each thread runs, until mp2b_stopping()
 * @report: reports the figures
 *
 * Return: 0, or an error; after %-ETIMEDOUT nothing that the crew uses may be freed.
 */
int mp2b_run_crew(struct mp2b_run *run, int nr_workers,
		  void *(*alloc_fn)(gfp_t gfp_mask, void *exhausted),
		  void (*work)(struct mp2b_worker *worker),
		  void (*report)(struct mp2b_crew *crew))
{
	const struct mp2b_params *params = &run->params;
	struct mp2b_crew *crew;
	int err;

	if (params->kind->create) {
		run->pool = params->kind->create(params->elements, alloc_fn,
						 mp2b_exhausted_free, &run->exhausted);
		if (!run->pool)
			return -ENOMEM;
	}
	crew = mp2b_crew_create(nr_workers, params->cpu, work, run);
	if (IS_ERR(crew)) {
		err = PTR_ERR(crew);
		goto destroy;
	}
	err = mp2b_crew_run(crew, params->seconds, NULL, &run->exhausted.serves);
	if (err == -ETIMEDOUT) {
		mp2b_crew_abandon(crew);
		return err;
	}
	report(crew);
	mp2b_crew_destroy(crew);
destroy:
	if (run->pool)
		params->kind->destroy(run->pool);
	return err;
}

/**
 * mp2b_hold() - keep an element for the time in @params
 * @params: with the time, which may be 0
 */
void mp2b_hold(const struct mp2b_params *params)
{
	if (params->busy_us)
		udelay(params->busy_us);
	if (params->hold_us)
		usleep_range(params->hold_us, params->hold_us + 1);
	else
		cond_resched();
}

/**
 * mp2b_timed_alloc() - allocate, and add the time to the figures of @worker
 * @worker: the calling thread
 * @kind: kind of @pool
 * @pool: the pool
 * @gfp_mask: for the allocation
 * @wait_ns: the time that the allocation took
 *
 * Return: the element.
 */
void *mp2b_timed_alloc(struct mp2b_worker *worker, const struct mp2b_kind *kind,
		       void *pool, gfp_t gfp_mask, u64 *wait_ns)
{
	u64 start = ktime_get_ns();
	void *element;

	worker->nr_asked = 0;
	element = kind->alloc(pool, gfp_mask);
	*wait_ns = ktime_get_ns() - start;
	worker->wait_ns += *wait_ns;
	worker->longest_ns = max(worker->longest_ns, *wait_ns);
	if (element)
		worker->nr_done++;
	else
		worker->nr_null++;
	return element;
}
