// SPDX-License-Identifier: GPL-2.0-only
/*
 * Benchmark of mempool2 beside the kernel's mempool
 *
 * A scenario runs when a line is written to mempool2_bench/run in debugfs:
 *
 *	SCENARIO pool=NAME [work=NAME] [seconds=N] [threads=N] [elements=N]
 *		 [to=N] [hold_us=N] [busy_us=N] [irq_us=N] [depth=N] [cpu=N] [count=N]
 *		 [batches=N] [rounds=N]
 *
 * The write returns when the scenario is over. mempool2_bench/result then shows its figures,
 * lines of "key=value" words, after those of earlier runs; the line "clear" empties it. The
 * buffer is fixed, so that reading the result needs no memory: a scenario may have run because
 * there is none.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "bench.h"

static const struct mp2b_scenario *const scenarios[] = {
	&mp2b_exhaust,
	&mp2b_waiters,
	&mp2b_bulk,
	&mp2b_async,
	&mp2b_pairs,
	&mp2b_scaling,
	&mp2b_resize,
	&mp2b_resize_irq,
	&mp2b_latency,
	&mp2b_memory,
	&mp2b_flat,
	&mp2b_comeback,
	&mp2b_stretch,
};

/* One run at a time; also protects the result. */
static DEFINE_MUTEX(run_lock);
static char result[131072];
static size_t result_len;

static struct dentry *debugfs_dir;

void mp2b_report(const char *fmt, ...)
{
	va_list args;

	lockdep_assert_held(&run_lock);
	va_start(args, fmt);
	result_len += vscnprintf(result + result_len, sizeof(result) - result_len,
				 fmt, args);
	va_end(args);
}

const char *const mp2b_work_names[MP2B_NR_WORKS] = {
	[MP2B_NO_WORK]		= "none",
	[MP2B_NOTHING]		= "empty",
	[MP2B_HEALTHY_SLAB]	= "healthy_slab",
	[MP2B_TEN_SITES]	= "ten_sites",
	[MP2B_HEALTHY_CUSTOM]	= "healthy_custom",
	[MP2B_RESERVE]		= "reserve",
	[MP2B_PREALLOCATED]	= "preallocated",
	[MP2B_CHECKED]		= "checked",
	[MP2B_BULK]		= "bulk",
};

static const struct {
	const char	*name;
	size_t		offset;
	int		least;
	int		most;
} numbers[] = {
	{ "seconds",	offsetof(struct mp2b_params, seconds),	1,	600 },
	{ "threads",	offsetof(struct mp2b_params, threads),	1,	1024 },
	{ "elements",	offsetof(struct mp2b_params, elements),	1,	1 << 20 },
	{ "to",		offsetof(struct mp2b_params, to),	1,	1 << 20 },
	{ "hold_us",	offsetof(struct mp2b_params, hold_us),	0,	1000000 },
	{ "busy_us",	offsetof(struct mp2b_params, busy_us),	0,	1000 },
	{ "irq_us",	offsetof(struct mp2b_params, irq_us),	0,	1000 },
	{ "depth",	offsetof(struct mp2b_params, depth),	1,	1 << 20 },
	{ "cpu",	offsetof(struct mp2b_params, cpu),	MP2B_CPU_ANY,	8191 },
	{ "count",	offsetof(struct mp2b_params, count),	1,	4096 },
	{ "batches",	offsetof(struct mp2b_params, batches),	1,	1 << 20 },
	/* Interrupts may be disabled for so many pairs. */
	{ "rounds",	offsetof(struct mp2b_params, rounds),	1,	10000 },
};

static int parse_word(struct mp2b_params *params, char *word)
{
	char *value = word;
	char *key = strsep(&value, "=");
	unsigned int i;
	int number;

	if (!value)
		goto bad;
	if (!strcmp(key, "pool")) {
		for (i = 0; i < MP2B_NR_KINDS; i++) {
			if (strcmp(mp2b_kinds[i].name, value))
				continue;
			params->kind = &mp2b_kinds[i];
			return 0;
		}
		goto bad;
	}
	if (!strcmp(key, "work")) {
		for (i = MP2B_NO_WORK + 1; i < MP2B_NR_WORKS; i++) {
			if (strcmp(mp2b_work_names[i], value))
				continue;
			params->work = i;
			return 0;
		}
		goto bad;
	}
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (strcmp(numbers[i].name, key))
			continue;
		if (kstrtoint(value, 0, &number) || number < numbers[i].least ||
		    number > numbers[i].most)
			goto bad;
		*(int *)((void *)params + numbers[i].offset) = number;
		return 0;
	}
bad:
	pr_notice("no such parameter, or out of its range: %s\n", key);
	return -EINVAL;
}

static int run_line(char *line)
{
	const struct mp2b_scenario *scenario = NULL;
	struct mp2b_params params;
	char *word = strsep(&line, " ");
	unsigned int i;
	int err;

	if (!strcmp(word, "clear")) {
		result_len = 0;
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(scenarios); i++) {
		if (!strcmp(scenarios[i]->name, word))
			scenario = scenarios[i];
	}
	if (!scenario) {
		pr_notice("no such scenario: %s\n", word);
		return -EINVAL;
	}

	params = scenario->defaults;
	while ((word = strsep(&line, " "))) {
		if (!*word)
			continue;
		err = parse_word(&params, word);
		if (err)
			return err;
	}
	if (!params.kind) {
		pr_notice("pool= is missing\n");
		return -EINVAL;
	}
	if (params.cpu >= 0 &&
	    (params.cpu >= nr_cpu_ids || !cpu_online(params.cpu))) {
		pr_notice("CPU %d is not online\n", params.cpu);
		return -EINVAL;
	}
	if (!scenario->supports(&params)) {
		mp2b_report("scenario=%s pool=%s ", scenario->name, params.kind->name);
		if (params.work)
			mp2b_report("work=%s ", mp2b_work_names[params.work]);
		mp2b_report("error=unsupported\n");
		return 0;
	}
	return scenario->run(&params);
}

static ssize_t run_write(struct file *file, const char __user *from,
			 size_t count, loff_t *pos)
{
	char line[160];
	int err;

	if (count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, count))
		return -EFAULT;
	line[count] = '\0';

	err = mutex_lock_interruptible(&run_lock);
	if (err)
		return err;
	err = run_line(strim(line));
	mutex_unlock(&run_lock);
	return err ?: count;
}

static const struct file_operations run_fops = {
	.owner	= THIS_MODULE,
	.open	= nonseekable_open,
	.write	= run_write,
};

static ssize_t result_read(struct file *file, char __user *to, size_t count,
			   loff_t *pos)
{
	ssize_t len;

	len = mutex_lock_interruptible(&run_lock);
	if (len)
		return len;
	len = simple_read_from_buffer(to, count, pos, result, result_len);
	mutex_unlock(&run_lock);
	return len;
}

static const struct file_operations result_fops = {
	.owner	= THIS_MODULE,
	.open	= simple_open,
	.read	= result_read,
	.llseek	= default_llseek,
};

static int __init mempool2_bench_init(void)
{
	debugfs_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	/* debugfs is the only interface: without it the module is useless. */
	if (IS_ERR(debugfs_dir))
		return PTR_ERR(debugfs_dir);
	debugfs_create_file("run", 0200, debugfs_dir, NULL, &run_fops);
	debugfs_create_file("result", 0400, debugfs_dir, NULL, &result_fops);
	return 0;
}

static void __exit mempool2_bench_exit(void)
{
	debugfs_remove(debugfs_dir);
}

module_init(mempool2_bench_init);
module_exit(mempool2_bench_exit);

MODULE_DESCRIPTION("Benchmark of mempool2 beside the kernel's mempool");
MODULE_AUTHOR("mempool2 developers");
MODULE_VERSION(MEMPOOL2_VERSION);
MODULE_LICENSE("GPL");
