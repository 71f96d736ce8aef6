// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parameters, threads, statistics and the verdict
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kstrtox.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "torture.h"

static int workers;
module_param(workers, int, 0644);
MODULE_PARM_DESC(workers, "threads that call the pools; 0: four for each CPU");

int max_nr = 12;
module_param(max_nr, int, 0644);
MODULE_PARM_DESC(max_nr, "elements that each pool guarantees at most");

int hold_us = 500;
module_param(hold_us, int, 0644);
MODULE_PARM_DESC(hold_us, "longest sleep of a thread that has an element, in microseconds");

static int runtime;
module_param(runtime, int, 0644);
MODULE_PARM_DESC(runtime, "length of the test in seconds; 0: until it is stopped");

static int stat_interval = 30;
module_param(stat_interval, int, 0644);
MODULE_PARM_DESC(stat_interval, "seconds between two lines of statistics");

int wait_limit = 600;
module_param(wait_limit, int, 0644);
MODULE_PARM_DESC(wait_limit, "longest wait of a thread, in heartbeats of a tenth of a second or more");

unsigned int features = 0xfff;
module_param(features, uint, 0644);
MODULE_PARM_DESC(features, "sum of: 1 debugging, 2 limits, 4 resize and refill, 8 functions that fail, 16 signals, 32 requests, 64 several elements, 128 interrupts, 256 pools that live for a moment, 512 memory that is full, 1024 preemption, 2048 CPUs that go and come");

bool switch_code = true;
module_param(switch_code, bool, 0644);
MODULE_PARM_DESC(switch_code, "0: a pool with a limit keeps mempool2's static keys on, so that no code is patched; QEMU before 8.1 trips over such code");

static unsigned long seed;
module_param(seed, ulong, 0644);
MODULE_PARM_DESC(seed, "of the random numbers; 0: from the clock");

DEFINE_PER_CPU(unsigned long [NR_COUNTERS], torture_counters);

struct worker *torture_workers;
int nr_workers;

/* The threads that are no workers. They are stopped in the reverse order. */
static const struct {
	int		(*fn)(void *data);
	const char	*name;
	unsigned int	feature;
} helpers[] = {
	{ watchdog_fn, "watchdog" },
	{ control_fn, "control" },
	{ killer_fn, "killer", FEATURE_KILL },
	{ hog_fn, "hog", FEATURE_HOG },
	{ preempter_fn, "preempter", FEATURE_PREEMPT },
	{ hotplug_fn, "hotplug", FEATURE_HOTPLUG },
};

static struct worker helper_threads[ARRAY_SIZE(helpers)];

/* For the start and the stop of a test. */
static DEFINE_MUTEX(torture_mutex);
static struct task_struct *report_task;

static const char * const finding_names[NR_FINDINGS] = {
	[FOUND_TWICE]		= "twice",
	[FOUND_DAMAGED]		= "damaged",
	[FOUND_LOST]		= "lost",
	[FOUND_STRANDED]	= "stranded",
	[FOUND_LATE]		= "late",
	[FOUND_ORDER]		= "order",
	[FOUND_CALLBACK]	= "callback",
	[FOUND_RESULT]		= "result",
	[FOUND_CONTEXT]		= "context",
	[FOUND_AFTER_END]	= "after end",
};

static const char * const counter_names[NR_COUNTERS] = {
	[NR_ALLOC]		= "alloc",
	[NR_ATOMIC]		= "atomic",
	[NR_TIMEOUT]		= "timeout",
	[NR_KILLABLE]		= "killable",
	[NR_BULK]		= "bulk",
	[NR_ASYNC]		= "async",
	[NR_BULK_ASYNC]		= "bulk_async",
	[NR_PREALLOCATED]	= "preallocated",
	[NR_NORESERVE]		= "noreserve",
	[NR_FREE]		= "free",
	[NR_FREE_BULK]		= "free_bulk",
	[NR_FOREIGN]		= "foreign",
	[NR_CANCEL]		= "cancel",
	[NR_SOFTIRQ]		= "softirq",
	[NR_HARDIRQ]		= "hardirq",
	[NR_RESIZE]		= "resize",
	[NR_REFILL]		= "refill",
	[NR_LIMIT]		= "limit",
	[NR_FEATURE]		= "feature",
	[NR_SHORT_LIVED]	= "short_lived",
	[NR_NULL]		= "null",
	[NR_TIMED_OUT]		= "timed_out",
	[NR_KILLED]		= "killed",
	[NR_CANCELED]		= "canceled",
	[NR_CALLBACK]		= "callback",
	[NR_ORDERED]		= "ordered",
	[NR_WAITED]		= "waited",
	[NR_HOGGED]		= "hogged",
	[NR_OFFLINE]		= "offline",
	[NR_PREEMPTED]		= "preempted",
	[NR_AUDIT]		= "audit",
};

static atomic_t nr_found[NR_FINDINGS];

void found(enum finding what, const char *fmt, ...)
{
	struct va_format vaf;
	va_list args;

	if (atomic_inc_return(&nr_found[what]) > 3)
		return;
	va_start(args, fmt);
	vaf.fmt = fmt;
	vaf.va = &args;
	pr_err("FOUND %s: %pV\n", finding_names[what], &vaf);
	va_end(args);
}

static int findings(void)
{
	int i, nr = 0;

	for (i = 0; i < NR_FINDINGS; i++)
		nr += atomic_read(&nr_found[i]);
	return nr;
}

static unsigned long counted(enum counter what)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(torture_counters, cpu)[what]);
	return sum;
}

static void counters_clear(void)
{
	int cpu, i;

	for_each_possible_cpu(cpu)
		memset(per_cpu(torture_counters, cpu), 0, sizeof(torture_counters));
	for (i = 0; i < NR_FINDINGS; i++)
		atomic_set(&nr_found[i], 0);
}

static void report(const char *head, unsigned long seconds)
{
	static char line[1024];
	int i, len = 0;

	for (i = 0; i < NR_COUNTERS; i++)
		len += scnprintf(line + len, sizeof(line) - len, " %s=%lu", counter_names[i],
				 counted(i));
	pr_info("%s: seconds=%lu findings=%d%s\n", head, seconds, findings(), line);
}

static int thread_start(struct worker *worker, int (*fn)(void *data), const char *name, int index)
{
	worker->index = index;
	prandom_seed_state(&worker->random, seed + index);
	worker->task = kthread_run(fn, worker, "torture_%s/%d", name, index);
	return PTR_ERR_OR_ZERO(worker->task);
}

static void thread_stop(struct worker *worker)
{
	if (!IS_ERR_OR_NULL(worker->task))
		kthread_stop(worker->task);
	worker->task = NULL;
}

static int threads_start(void)
{
	int i, err = 0;

	for (i = 0; i < nr_workers && !err; i++)
		err = thread_start(&torture_workers[i], worker_fn, "worker", i + 1);
	if (!err)
		irqs_start();
	for (i = 0; i < ARRAY_SIZE(helpers) && !err; i++) {
		if (!helpers[i].feature || features & helpers[i].feature)
			err = thread_start(&helper_threads[i], helpers[i].fn, helpers[i].name,
					   nr_workers + 1 + i);
	}
	return err;
}

static void threads_stop(void)
{
	int i;

	/* The control thread makes a last audit, for which it needs the workers. */
	for (i = ARRAY_SIZE(helpers) - 1; i >= 0; i--)
		thread_stop(&helper_threads[i]);
	for (i = 0; i < nr_workers; i++)
		thread_stop(&torture_workers[i]);
	irqs_stop();
	places_empty();
}

static void memory_free(void)
{
	pools_destroy();
	short_lived_destroy();
	kfree(torture_workers);
	torture_workers = NULL;
}

static int report_fn(void *data)
{
	unsigned long begin = jiffies, next = begin + stat_interval * HZ, seconds = 0;

	while (!kthread_should_stop() && !(runtime && seconds >= runtime)) {
		schedule_timeout_interruptible(HZ);
		seconds = (jiffies - begin) / HZ;
		if (time_after_eq(jiffies, next)) {
			next += stat_interval * HZ;
			report("so far", seconds);
		}
	}
	threads_stop();
	memory_free();
	report("end", seconds);
	pr_alert("End of test: %s\n", findings() ? "FAILURE" : "SUCCESS");
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ);
	return 0;
}

static int torture_begin(void)
{
	int err;

	if (max_nr < 1 || max_nr > 100000 || stat_interval < 1 || wait_limit < 1 || hold_us < 0 ||
	    workers < 0 || workers > 1000) {
		pr_err("a parameter is out of range\n");
		return -EINVAL;
	}
	nr_workers = workers ?: 4 * num_online_cpus();
	if (!seed)
		seed = ktime_get_real_seconds();
	counters_clear();
	torture_workers = kcalloc(nr_workers, sizeof(*torture_workers), GFP_KERNEL);
	err = torture_workers && short_lived_create() ? pools_create() : -ENOMEM;
	if (err) {
		memory_free();
		return err;
	}
	pr_info("start: workers=%d max_nr=%d hold_us=%d runtime=%d features=%#x seed=%lu\n",
		nr_workers, max_nr, hold_us, runtime, features, seed);
	err = threads_start();
	if (!err) {
		report_task = kthread_run(report_fn, NULL, "torture_report");
		err = PTR_ERR_OR_ZERO(report_task);
	}
	if (err) {
		report_task = NULL;
		threads_stop();
		memory_free();
	}
	return err;
}

static int torture_start(bool on)
{
	int err = 0;

	mutex_lock(&torture_mutex);
	if (report_task)
		kthread_stop(report_task);
	report_task = NULL;
	if (on)
		err = torture_begin();
	mutex_unlock(&torture_mutex);
	return err;
}

/* When the module is loaded, torture_init() starts the test, after all parameters are known. */
static bool start = __is_defined(MODULE);
static bool is_up;

static int start_set(const char *value, const struct kernel_param *param)
{
	int err = param_set_bool(value, param);

	if (!err && is_up)
		err = torture_start(start);
	return err;
}

static const struct kernel_param_ops start_ops = {
	.set = start_set,
	.get = param_get_bool,
};

module_param_cb(start, &start_ops, &start, 0644);
MODULE_PARM_DESC(start, "1 starts a test, 0 stops it; a module starts one when it is loaded");

static int __init torture_init(void)
{
	is_up = true;
	return start ? torture_start(true) : 0;
}

static void __exit torture_exit(void)
{
	torture_start(false);
}

module_init(torture_init);
module_exit(torture_exit);

MODULE_DESCRIPTION("Torture test of mempool2");
MODULE_AUTHOR("mempool2 developers");
MODULE_VERSION(MEMPOOL2_VERSION);
MODULE_LICENSE("GPL");
