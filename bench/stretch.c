// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scenario "stretch": for how long does a call disable interrupts or preemption?
 *
 * A timer interrupts the CPU every few microseconds, at random distances, and wakes a thread of
 * the highest priority. The delay of the interrupt shows for how long interrupts were disabled.
 * The delay of the thread, after an interrupt with preemption disabled, shows for how long
 * preemption was disabled. Both are charged to the current call of the measured task, less their
 * delay while the task does nothing.
 *
 * For a guest with one CPU, an exact clock and preempt=full on its command line. An interrupt
 * may miss a stretch that is shorter than the distance of two interrupts, or hit it in the
 * middle. So the calls are repeated until many interrupts have hit them, and the longest stretch
 * seen is a few per cent too short.
 *
 * The timer tick, and the work of the kernel after it, also delay interrupts; jiffies shows when
 * it came. Such an interrupt does not count, unless its delay exceeds all that a tick takes.
 * Softirqs and other tasks do not count either: only this task makes the calls.
 *
 * Stretches in the kernel's memory allocator are reported apart: the allocator disables
 * interrupts for some ten thousand instructions now and then, for any caller, and for longer if
 * much is freed. pool=bare allocates and frees as much memory as a pool of elements= needs for
 * its slots, and as much again in single pages.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kallsyms.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/preempt.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/irq_regs.h>

#include "../examples/hrtimer_compat.h"
#include "../mempool2.h"
#include "../mempool2_debug.h"
#include "bench.h"

/* From the time the thread goes to sleep to the next interrupt: between this and twice as long. */
#define PROBE_NS	6000

/* In a long call the distances grow after so many interrupts. */
#define DENSE		1000
#define SPARSE_TIMES	4

/* A timer tick takes at most this. */
#define TICK_NS		(100 * NSEC_PER_USEC)

/* A short call is repeated until so many interrupts have hit it, but not for longer. */
#define WANTED		250
#define REPEAT_NS	(60 * NSEC_PER_MSEC)

#define SMALL		16
#define BULK		16

struct longest {
	u64		ns;
	char		where[KSYM_SYMBOL_LEN];
};

struct call {
	char		name[32];
	bool		is_file;
	unsigned int	nr_probes;
	struct longest	irqs_off;
	struct longest	preempt_off;
	struct longest	in_memory;	/* of both kinds, in the kernel's allocator */
};

#define MAX_CALLS	64

struct stretch {
	struct mp2b_params	params;
	struct mp2b_exhausted	exhausted;
	void			*pool;
	int			nr_calls;
	struct call		calls[MAX_CALLS];
	/* State of the probe */
	struct hrtimer		timer;
	struct task_struct	*thread;
	struct task_struct	*target;
	struct rnd_state	random;
	struct call		*in;		/* the call that the target is in */
	struct call		*hit;		/* the call that the interrupt hit */
	bool			preempt_off;
	unsigned long		jiffies;
	u64			due_ns;
	u64			spent_ns;	/* on finding the function */
	unsigned int		nr_entries;
	unsigned int		first_entry;	/* the first that is not of the probe */
	unsigned long		entries[48];
	char			where[KSYM_SYMBOL_LEN];
	/* The least delays, mostly of the first call, which does nothing */
	u64			irq_least_ns;
	u64			thread_least_ns;
};

static bool tick_has_come(const struct stretch *stretch, u64 late)
{
	return late < TICK_NS && READ_ONCE(jiffies) != stretch->jiffies;
}

/* Prefixes of the names of functions in the kernel's memory allocator. */
static const char *const memory_names[] = {
	"kmalloc", "__kmalloc", "kvmalloc", "__kvmalloc", "vmalloc", "__vmalloc",
	"kmem_cache", "__kmem_cache", "alloc_pages", "__alloc_pages", "get_free_pages",
	"__get_free_pages", "kfree", "kvfree", "vfree", "free_pages", "__free_pages",
	"free_frozen_pages", "__free_frozen_pages", "alloc_frozen_pages",
	"__alloc_frozen_pages", "__vunmap", "free_unref",
};

static bool is_of_memory(const char *name)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(memory_names); i++)
		if (!strncmp(name, memory_names[i], strlen(memory_names[i])))
			return true;
	return false;
}

/*
 * Find the interrupted function: the innermost function of mempool2, or the kernel's function
 * that this module has called. Returns whether the allocator was at work below it.
 */
static bool find_where(struct stretch *stretch)
{
	char name[KSYM_SYMBOL_LEN], *blank;
	bool is_memory = false;
	unsigned int i;

	strscpy(stretch->where, "-", sizeof(stretch->where));
	for (i = stretch->first_entry; i < stretch->nr_entries; i++) {
		snprintf(name, sizeof(name), "%ps", (void *)stretch->entries[i]);
		blank = strchr(name, ' ');
		if (blank && i > stretch->first_entry && !strcmp(blank, " [" KBUILD_MODNAME "]"))
			break;
		if (blank)
			*blank = '\0';
		strscpy(stretch->where, name, sizeof(stretch->where));
		if (blank)
			break;
		is_memory |= is_of_memory(name);
	}
	return is_memory;
}

/* Save the stack of the interrupted task. */
static void find_stack(struct stretch *stretch)
{
	struct pt_regs *regs = get_irq_regs();
	unsigned int i, nr;

	nr = mempool2_stack_save(stretch->entries, ARRAY_SIZE(stretch->entries), 0);
	stretch->nr_entries = nr;
	stretch->first_entry = nr;
	for (i = 0; i < nr && regs; i++) {
		if (stretch->entries[i] == instruction_pointer(regs)) {
			stretch->first_entry = i;
			break;
		}
	}
}

static void note(struct stretch *stretch, struct longest *longest, u64 ns, u64 least)
{
	struct call *call = stretch->hit;

	ns -= min(ns, least);
	if (ns <= longest->ns)
		return;
	if (find_where(stretch)) {
		longest = &call->in_memory;
		if (ns <= longest->ns)
			return;
	}
	longest->ns = ns;
	strscpy(longest->where, stretch->where, sizeof(longest->where));
}

static enum hrtimer_restart probe_fn(struct hrtimer *timer)
{
	struct stretch *stretch = container_of(timer, struct stretch, timer);
	u64 now = ktime_get_ns(), late = now - stretch->due_ns;

	stretch->hit = NULL;
	stretch->spent_ns = 0;
	stretch->preempt_off = preempt_count() & PREEMPT_MASK;
	if (current == stretch->target && !in_serving_softirq() &&
	    !tick_has_come(stretch, late))
		stretch->hit = READ_ONCE(stretch->in);
	if (stretch->hit) {
		stretch->hit->nr_probes++;
		stretch->irq_least_ns = min(stretch->irq_least_ns, late);
		if (stretch->preempt_off ||
		    late - stretch->irq_least_ns > stretch->hit->irqs_off.ns) {
			find_stack(stretch);
			note(stretch, &stretch->hit->irqs_off, late, stretch->irq_least_ns);
			stretch->spent_ns = ktime_get_ns() - now;
		}
	}
	wake_up_process(stretch->thread);
	return HRTIMER_NORESTART;
}

static void probe_once(struct stretch *stretch)
{
	const struct call *call = READ_ONCE(stretch->in);
	u64 now = ktime_get_ns(), late, distance;

	stretch->hit = NULL;
	stretch->jiffies = READ_ONCE(jiffies);
	distance = PROBE_NS + prandom_u32_state(&stretch->random) % PROBE_NS;
	if (call && call->nr_probes > DENSE)
		distance *= SPARSE_TIMES;
	stretch->due_ns = now + distance;
	set_current_state(TASK_UNINTERRUPTIBLE);
	hrtimer_start(&stretch->timer, ns_to_ktime(stretch->due_ns),
		      HRTIMER_MODE_ABS_PINNED_HARD);
	schedule();
	now = ktime_get_ns();
	hrtimer_cancel(&stretch->timer);

	if (!stretch->hit || now < stretch->due_ns)
		return;
	late = now - stretch->due_ns - stretch->spent_ns;
	if (tick_has_come(stretch, late))
		return;
	if (stretch->preempt_off)
		note(stretch, &stretch->hit->preempt_off, late, stretch->thread_least_ns);
	else
		stretch->thread_least_ns = min(stretch->thread_least_ns, late);
}

static int probe_thread_fn(void *data)
{
	struct stretch *stretch = data;

	while (!kthread_should_stop())
		probe_once(stretch);
	return 0;
}

static struct call *call_new(struct stretch *stretch, const char *name)
{
	struct call *call = &stretch->calls[stretch->nr_calls];

	/* The last entry takes all calls for which there is no room. */
	if (stretch->nr_calls < MAX_CALLS - 1)
		stretch->nr_calls++;
	strscpy(call->name, name, sizeof(call->name));
	return call;
}

#define CHARGE(stretch, call, what)					\
do {									\
	WRITE_ONCE((stretch)->in, call);				\
	barrier();							\
	what;								\
	barrier();							\
	WRITE_ONCE((stretch)->in, NULL);				\
} while (0)

static bool is_enough(const struct call *call, u64 since)
{
	cond_resched();
	return call->nr_probes >= WANTED || ktime_get_ns() - since > REPEAT_NS;
}

#define REPEAT(stretch, call, what)					\
do {									\
	u64 __since = ktime_get_ns();					\
									\
	do {								\
		CHARGE(stretch, call, what);				\
	} while (!is_enough(call, __since));				\
} while (0)

static void do_nothing(struct stretch *stretch)
{
	struct call *call = call_new(stretch, "nothing");
	int i;

	REPEAT(stretch, call, ({
		for (i = 0; i < 1000; i++)
			cpu_relax();
	}));
}

static void do_memory(struct stretch *stretch)
{
	size_t size = PAGE_SIZE + stretch->params.elements * sizeof(void *);
	struct call *call = call_new(stretch, "memory");
	struct page *page, *next;
	LIST_HEAD(pages);
	void *memory;
	size_t i;

	REPEAT(stretch, call, ({
		memory = kvzalloc(size, GFP_KERNEL);
		kvfree(memory);
	}));
	call = call_new(stretch, "pages");
	for (i = 0; i < size; i += PAGE_SIZE) {
		CHARGE(stretch, call, page = alloc_page(GFP_KERNEL));
		if (page)
			list_add(&page->lru, &pages);
	}
	list_for_each_entry_safe(page, next, &pages, lru) {
		list_del(&page->lru);
		CHARGE(stretch, call, __free_page(page));
	}
}

static void do_pairs(struct stretch *stretch)
{
	const struct mp2b_kind *kind = stretch->params.kind;
	struct call *alloc = call_new(stretch, "alloc"), *free = call_new(stretch, "free");
	struct call *full = call_new(stretch, "free_full");
	void *pool = stretch->pool, *element;
	u64 since = ktime_get_ns();

	do {
		CHARGE(stretch, alloc, element = kind->alloc(pool, GFP_NOWAIT));
		CHARGE(stretch, free, kind->free(pool, element));
	} while (!is_enough(free, since));
	since = ktime_get_ns();
	do {
		kind->free(pool, kind->alloc(pool, GFP_NOWAIT));
		CHARGE(stretch, full, kind->free(pool, mp2b_number(0)));
	} while (!is_enough(full, since));
}

static void do_bulk(struct stretch *stretch)
{
	struct call *alloc = call_new(stretch, "alloc_bulk");
	struct call *free = call_new(stretch, "free_bulk");
	struct mempool2 *pool = stretch->pool;
	u64 since = ktime_get_ns();
	void *elems[BULK];

	do {
		CHARGE(stretch, alloc, mempool2_alloc_bulk(pool, elems, BULK));
		CHARGE(stretch, free, mempool2_free_bulk(pool, elems, BULK));
	} while (!is_enough(free, since));
}

/* Leaves the reserve empty. */
static void do_refused(struct stretch *stretch)
{
	const struct mp2b_kind *kind = stretch->params.kind;
	struct call *call = call_new(stretch, "refused");
	void *pool = stretch->pool;
	u64 since;

	while (kind->alloc(pool, GFP_NOWAIT))
		cond_resched();
	since = ktime_get_ns();
	do {
		kind->free(pool, mp2b_number(0));
		kind->alloc(pool, GFP_NOWAIT);
		CHARGE(stretch, call, kind->alloc(pool, GFP_NOWAIT));
	} while (!is_enough(call, since));
}

static int do_hand_over(struct stretch *stretch)
{
	struct call *call = call_new(stretch, "hand_over");
	struct mp2b_sleepers sleepers = {
		.kind	= stretch->params.kind,
		.pool	= stretch->pool,
	};
	int i, err = mp2b_sleepers_begin(&sleepers, ARRAY_SIZE(sleepers.tasks));

	for (i = 0; i < 4 * WANTED && !err; i++) {
		CHARGE(stretch, call, sleepers.kind->free(stretch->pool, mp2b_number(0)));
		mp2b_sleepers_await(&sleepers);
		if (call->nr_probes > WANTED)
			break;
	}
	mp2b_sleepers_end(&sleepers);
	return err;
}

static void dropped(struct mempool2_waiter *waiter, void **elems)
{
}

static void do_requests(struct stretch *stretch)
{
	struct call *request = call_new(stretch, "alloc_async");
	struct call *call = call_new(stretch, "hand_over_async");
	struct call *cancel = call_new(stretch, "cancel");
	const struct mp2b_kind *kind = stretch->params.kind;
	struct mempool2_waiter waiters[3];
	u64 since = ktime_get_ns();
	int i;

	for (i = 0; i < ARRAY_SIZE(waiters); i++)
		mempool2_waiter_init(&waiters[i], dropped);
	do {
		for (i = 0; i < ARRAY_SIZE(waiters); i++)
			CHARGE(stretch, request, kind->alloc_async(stretch->pool, GFP_NOWAIT,
								   &waiters[i]));
		for (i = 0; i < ARRAY_SIZE(waiters); i++)
			CHARGE(stretch, cancel, mempool2_cancel_sync(&waiters[i]));
	} while (!is_enough(request, since));
	since = ktime_get_ns();
	do {
		for (i = 0; i < ARRAY_SIZE(waiters); i++)
			kind->alloc_async(stretch->pool, GFP_NOWAIT, &waiters[i]);
		CHARGE(stretch, call, kind->free(stretch->pool, mp2b_number(0)));
		for (i = 0; i < ARRAY_SIZE(waiters); i++)
			mempool2_cancel_sync(&waiters[i]);
	} while (!is_enough(call, since));
}

static int do_resize(struct stretch *stretch)
{
	struct call *shrink = call_new(stretch, "shrink"), *grow = call_new(stretch, "grow");
	struct call *small = call_new(stretch, "resize_small");
	const struct mp2b_params *params = &stretch->params;
	int i, err = 0;
	u64 since;

	for (i = 0; i < 2 && !err; i++) {
		CHARGE(stretch, shrink, err = params->kind->resize(stretch->pool, SMALL));
		if (!err)
			CHARGE(stretch, grow, err = params->kind->resize(stretch->pool,
									 params->elements));
	}
	/*
	 * The part of a resize that does not depend on the elements, often enough for the
	 * interrupts to hit it.
	 */
	if (!err)
		err = params->kind->resize(stretch->pool, SMALL);
	since = ktime_get_ns();
	while (!err && !is_enough(small, since)) {
		CHARGE(stretch, small, err = params->kind->resize(stretch->pool, 8 * SMALL));
		if (!err)
			CHARGE(stretch, small, err = params->kind->resize(stretch->pool, SMALL));
	}
	return err ?: params->kind->resize(stretch->pool, params->elements);
}

static void do_refill(struct stretch *stretch)
{
	struct call *call = call_new(stretch, "refill");

	CHARGE(stretch, call, mempool2_refill((struct mempool2 *)stretch->pool, GFP_KERNEL));
}

static void do_looks(struct stretch *stretch)
{
	struct call *nr = call_new(stretch, "nr_reserved");
	struct call *is = call_new(stretch, "is_saturated");

	REPEAT(stretch, nr, mempool2_nr_reserved(stretch->pool));
	REPEAT(stretch, is, mempool2_is_saturated(stretch->pool));
}

/* Leaves both switched on. */
static int do_switches(struct stretch *stretch)
{
	struct call *statistics = call_new(stretch, "set_statistics");
	struct call *checks_off = call_new(stretch, "set_checks_off");
	struct call *checks_on = call_new(stretch, "set_checks_on");
	struct mempool2 *pool = stretch->pool;
	int i, err = 0;

	for (i = 0; i < 2 && !err; i++) {
		CHARGE(stretch, checks_off, mempool2_set_checks(pool, 0));
		CHARGE(stretch, statistics, mempool2_enable_stats(pool, false));
		CHARGE(stretch, checks_on,
		       err = mempool2_set_checks(pool, MEMPOOL2_CHECK_ALL));
		if (!err)
			CHARGE(stretch, statistics, err = mempool2_enable_stats(pool, true));
	}
	return err;
}

/*
 * The files in debugfs. Only a task with memory of its own can read them: the one that runs the
 * scenario.
 */

#define POOLS_DIR	"/sys/kernel/debug/mempool2"
#define POOL_NAME	"mempool2_bench"
#define MAX_POOLS	1000
#define MAX_FILES	32

struct names {
	struct dir_context	context;
	int			nr;
	char			names[MAX_FILES][32];
};

static bool names_add(struct dir_context *context, const char *name, int len, loff_t pos,
		      u64 inode, unsigned int type)
{
	struct names *names = container_of(context, struct names, context);

	if (type == DT_REG && names->nr < MAX_FILES && len < sizeof(names->names[0]))
		memcpy(names->names[names->nr++], name, len);
	return true;
}

static ssize_t file_read(const char *path, char __user *to, struct stretch *stretch,
			 struct call *call)
{
	struct file *file = filp_open(path, O_RDONLY, 0);
	ssize_t len = 0, all = 0;
	loff_t pos = 0;

	if (IS_ERR(file))
		return PTR_ERR(file);
	do {
		all += len;
		CHARGE(stretch, call, len = file->f_op->read(file, to, PAGE_SIZE, &pos));
	} while (len > 0);
	filp_close(file, NULL);
	return len ?: all;
}

/* Find the directory of the pool: directories have numbers, and a file in each has the name. */
static int find_directory(char *path, size_t size, char __user *page, struct stretch *stretch,
			  struct call *table)
{
	char name[sizeof(POOL_NAME)] = "";
	ssize_t len;
	int i;

	/* Reading the table creates the directories. */
	len = file_read(POOLS_DIR "/pools", page, stretch, table);
	if (len < 0)
		return len;
	for (i = 0; i < MAX_POOLS; i++) {
		snprintf(path, size, "%s/%d/name", POOLS_DIR, i);
		if (file_read(path, page, stretch, NULL) == sizeof(name) &&
		    !copy_from_user(name, page, sizeof(name)) &&
		    !memcmp(name, POOL_NAME "\n", sizeof(name))) {
			snprintf(path, size, "%s/%d", POOLS_DIR, i);
			return 0;
		}
	}
	return -ENOENT;
}

static int read_files(struct stretch *stretch, struct names *names, char __user *page)
{
	char dir[64], path[96];
	struct call *call;
	struct file *file;
	ssize_t len;
	int i, err;

	call = call_new(stretch, "pools");
	call->is_file = true;
	err = find_directory(dir, sizeof(dir), page, stretch, call);
	if (err)
		return err;
	file = filp_open(dir, O_RDONLY | O_DIRECTORY, 0);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = iterate_dir(file, &names->context);
	filp_close(file, NULL);
	REPEAT(stretch, call, len = file_read(POOLS_DIR "/pools", page, stretch, call));
	for (i = 0; i < names->nr && !err; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names->names[i]);
		call = call_new(stretch, names->names[i]);
		call->is_file = true;
		REPEAT(stretch, call, len = file_read(path, page, stretch, call));
		if (len < 0)
			err = len;
	}
	return err;
}

static int do_files(struct stretch *stretch)
{
	unsigned long page;
	struct names *names;
	int err;

	if (!current->mm)
		return -EINVAL;
	err = mempool2_set_name(stretch->pool, POOL_NAME);
	if (err)
		return err;
	page = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, 0);
	if (IS_ERR_VALUE(page))
		return page;
	names = kzalloc(sizeof(*names), GFP_KERNEL);
	err = -ENOMEM;
	if (names && !clear_user((void __user *)page, PAGE_SIZE)) {
		names->context.actor = names_add;
		err = read_files(stretch, names, (char __user *)page);
	}
	kfree(names);
	vm_munmap(page, PAGE_SIZE);
	return err;
}

/* Calls that only mempool2 has. Begins and ends with a full reserve. */
static int do_more(struct stretch *stretch)
{
	int err;

	do_bulk(stretch);
	do_looks(stretch);
	err = do_switches(stretch) ?: do_files(stretch);
	mempool2_set_checks(stretch->pool, 0);
	mempool2_enable_stats(stretch->pool, false);
	return err;
}

static int do_pool(struct stretch *stretch)
{
	const struct mp2b_params *params = &stretch->params;
	bool has_more = params->kind == &mp2b_kinds[MP2B_MEMPOOL2];
	struct call *call = call_new(stretch, "create");
	int err = 0;

	CHARGE(stretch, call,
	       stretch->pool = params->kind->create(params->elements, mp2b_number_alloc,
						    mp2b_number_free, &stretch->exhausted));
	if (!stretch->pool)
		return -ENOMEM;
	do_pairs(stretch);
	if (has_more)
		err = do_more(stretch);
	if (!err)
		err = do_resize(stretch);
	if (!err) {
		do_refused(stretch);
		err = do_hand_over(stretch);
	}
	if (!err && has_more) {
		while (params->kind->alloc(stretch->pool, GFP_NOWAIT))
			cond_resched();
		do_requests(stretch);
		do_refill(stretch);
	} else if (!err) {
		/* Fill the pool, so that each kind destroys as much. */
		err = params->kind->resize(stretch->pool, SMALL) ?:
		      params->kind->resize(stretch->pool, params->elements);
	}
	call = call_new(stretch, "destroy");
	CHARGE(stretch, call, params->kind->destroy(stretch->pool));
	return err;
}

static void longest_report(const char *what, const struct longest *longest)
{
	mp2b_report("%s_ns=%llu %s_in=%s ", what, longest->ns, what,
		    *longest->where ? longest->where : "-");
}

static void stretch_report(const struct stretch *stretch)
{
	const struct mp2b_params *params = &stretch->params;
	const struct call *call;

	for (call = stretch->calls; call < &stretch->calls[stretch->nr_calls]; call++) {
		mp2b_report("scenario=stretch pool=%s elements=%d call=%s file=%d probes=%u ",
			    params->kind->name, params->elements, call->name, call->is_file,
			    call->nr_probes);
		longest_report("irqs_off", &call->irqs_off);
		longest_report("preempt_off", &call->preempt_off);
		longest_report("in_memory", &call->in_memory);
		mp2b_report("\n");
	}
}

static bool stretch_supports(const struct mp2b_params *params)
{
	return params->kind->resize || params->kind == &mp2b_kinds[MP2B_BARE];
}

static int stretch_run(const struct mp2b_params *params)
{
	struct stretch *stretch;
	int err = 0;

	if (num_online_cpus() > 1) {
		pr_notice("the probe is for one CPU\n");
		return -EINVAL;
	}
	stretch = kvzalloc(sizeof(*stretch), GFP_KERNEL);
	if (!stretch)
		return -ENOMEM;
	stretch->params = *params;
	stretch->target = current;
	stretch->irq_least_ns = U64_MAX;
	stretch->thread_least_ns = U64_MAX;
	prandom_seed_state(&stretch->random, 4711);
	hrtimer_setup(&stretch->timer, probe_fn, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_PINNED_HARD);
	stretch->thread = kthread_create(probe_thread_fn, stretch, "mempool2_bench");
	if (IS_ERR(stretch->thread)) {
		err = PTR_ERR(stretch->thread);
		goto free;
	}
	sched_set_fifo(stretch->thread);
	wake_up_process(stretch->thread);

	do_nothing(stretch);
	do_memory(stretch);
	if (params->kind->create)
		err = do_pool(stretch);
	kthread_stop(stretch->thread);
	if (err)
		mp2b_report("scenario=stretch pool=%s error=%d\n", params->kind->name, err);
	else
		stretch_report(stretch);
free:
	kvfree(stretch);
	return err;
}

const struct mp2b_scenario mp2b_stretch = {
	.name		= "stretch",
	.defaults	= {
		.elements	= 524288,
		.cpu		= MP2B_CPU_ANY,
	},
	.supports	= stretch_supports,
	.run		= stretch_run,
};
