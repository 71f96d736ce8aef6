/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Internal interfaces of debug/
 */
#ifndef _MEMPOOL2_DEBUG_PRIV_H
#define _MEMPOOL2_DEBUG_PRIV_H

#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/u64_stats_sync.h>

#include "../core/internal.h"
#include "../mempool2.h"

/**
 * struct mempool2_site - a call site that creates pools
 *
 * @list: in the list of all sites, protected by mp2_registry_lock
 * @address: return address of the call
 * @nr_pools: number of its pools that have not ended
 * @text: the address as %pS prints it
 *
 * Most pools are created by init functions. The kernel drops their symbols once it has booted
 * or loaded the module, so @text is kept; once per site, not once per pool.
 */
struct mempool2_site {
	struct list_head	list;
	unsigned long		address;
	unsigned int		nr_pools;
	char			text[96];
};

/* debug/names.c */

void mp2_word_copy(char *word, const char *text, size_t size);
void mp2_place_name(char *name, const char *place, size_t size);
void mp2_reserve_name(const struct mempool2_reserve *reserve, char *name);
void mp2_pool_name(const struct mempool2 *pool, char *name);

/* debug/stats.c */

/* Statistics of one CPU. 32-bit CPUs access a counter in two steps, hence @sync. */
struct mempool2_figures {
	struct u64_stats_sync		sync;
	struct mempool2_stats	figures;
};

/* Interrupts are disabled, since interrupt handlers count too. */
static inline struct mempool2_stats *figures_begin(const struct mempool2_ext *ext,
						   unsigned long *flags)
{
	struct mempool2_figures *own;

	local_irq_save(*flags);
	own = this_cpu_ptr(ext->figures);
	u64_stats_update_begin(&own->sync);
	return &own->figures;
}

static inline void figures_end(const struct mempool2_ext *ext, unsigned long flags)
{
	u64_stats_update_end(&this_cpu_ptr(ext->figures)->sync);
	local_irq_restore(flags);
}

#define figure_add(figure, nr)		WRITE_ONCE(figure, (figure) + (nr))

/* Add @nr to a counter of @ext. */
#define stats_add(ext, figure, nr)					\
	do {								\
		unsigned long flags;					\
		struct mempool2_stats *own = figures_begin(ext, &flags);	 \
									\
		figure_add(own->figure, nr);				\
		figures_end(ext, flags);				\
	} while (0)

/* Add @nr to a counter of @pool if its statistics are on. */
#define pool_stats_add(pool, figure, nr)				\
	do {								\
		struct mempool2_ext *ext;				\
									\
		if (!pool_is_instrumented(pool))			\
			break;						\
		ext = ext_with(pool, FEATURE_STATS);			\
		if (ext)						\
			stats_add(ext, figure, nr);			\
	} while (0)

bool mp2_ext_should_fail(struct mempool2_ext *ext);
int mp2_ext_set_fail_interval(struct mempool2_ext *ext, unsigned int one_in);
int mp2_ext_enable_stats(struct mempool2_ext *ext, unsigned int on);
void mp2_stats_sum(const struct mempool2_ext *ext, struct mempool2_stats *sum);

/* debug/track.c */

/**
 * struct mempool2_record - the last owner of an element
 *
 * @node: in a hash bucket, or in the list of unused records
 * @element: the element
 * @task: task that took or freed the element, only to be compared with; %NULL for an interrupt
 *	or a callback
 * @pid: PID of that task, or of the task that was interrupted
 * @comm: name of the task with @pid
 * @from: return address of the free, 0 if no free was seen
 * @since: time of the alloc or free, in jiffies
 * @stack: depot handle of the stack of the alloc, 0 if the element is parked
 * @is_parked: the element is parked
 * @is_bare: it is parked without poison
 */
struct mempool2_record {
	struct hlist_node	node;
	void			*element;
	const struct task_struct *task;
	pid_t			pid;
	char			comm[TASK_COMM_LEN];
	unsigned long		from;
	unsigned long		since;
	u32			stack;
	bool			is_parked;
	bool			is_bare;
};

/* The stack of the function's caller, unwound each time: for rare events. */
#define stack_here()							\
	({								\
		struct mempool2_stack here;				\
									\
		mp2_stack_save(&here, __builtin_frame_address(0), _RET_IP_); \
	})

void mp2_depot_prepare(void);
u32 mp2_stack_save(struct mempool2_stack *stack, const unsigned long *frame, unsigned long from);
void mp2_stack_print(u32 stack);
void mp2_stack_show(struct seq_file *file, u32 stack);
int mp2_records_alloc(struct mempool2_ext *ext, unsigned int nr_slots, gfp_t gfp);
unsigned int mp2_records_copy(struct mempool2_ext *ext, const struct task_struct *task,
			      struct mempool2_record *copies, unsigned int max);
void mp2_records_drop_parked(struct mempool2_ext *ext);
void mp2_record_swept(struct mempool2_ext *ext, void *element);
void mp2_record_copy(struct mempool2_ext *ext, const void *element, struct mempool2_record *copy);
bool mp2_record_has_poison(struct mempool2_ext *ext, const void *element);
bool mp2_pool_may_repeat(const struct mempool2 *pool);

/* debug/report.c */

/* Without pr_fmt(), as in the reports of the kernel's sanitizers. */
#define report_line(fmt, ...)	printk(KERN_ERR fmt, ##__VA_ARGS__)

/* Most waiters, and most holders of elements, that a report names. */
#define NAMED	8

unsigned long mp2_report_begin(const char *what, const char *name);
void mp2_report_end(unsigned long flags, const char *chapter);
void mp2_report_here(const char *what);
void mp2_report_record(const char *what, const struct mempool2_record *record);
void mp2_report_holders(const struct mempool2_record *holders, unsigned int nr);
void mp2_report_double_free(struct mempool2 *pool, struct mempool2_ext *ext, const void *element);
void mp2_report_poison(struct mempool2 *pool, struct mempool2_ext *ext, void *element,
		       const u8 *broken);
void mp2_report_nested(struct mempool2 *pool, struct mempool2_ext *ext,
		       const struct mempool2_record *record);
bool mp2_may_report(struct mempool2_ext *ext);

/* debug/checks.c */

#define POISON_PARKED	0x6b
/* Bytes per element that are poisoned at most: checks must stay cheap. */
#define POISON_MOST	4096

void *mp2_poison_area(const struct mempool2_ext *ext, void *element, size_t *size);
void mp2_poison_set(const struct mempool2_ext *ext, void *element);
void mp2_poison_check(struct mempool2 *pool, struct mempool2_ext *ext, void *element);
int mp2_ext_set_checks(struct mempool2_ext *ext, unsigned int checks);
void mp2_checks_param_switch(unsigned int checks);
void mp2_checks_load(void);
void mp2_destroyed_free(void);

/* debug/stall.c */

#define STALL_TIMEOUT_MAX	(24 * 60 * 60)

/**
 * struct waiter_snapshot - copy of a waiter
 *
 * @pid: PID of the task that waits, 0 for a request with a callback
 * @comm: name of the task
 * @callback: the callback, %NULL for a task
 * @caller: return address of the allocation
 * @ns: time since the waiter queued
 * @missing: number of elements that the waiter still misses
 */
struct waiter_snapshot {
	pid_t		pid;
	char		comm[TASK_COMM_LEN];
	mempool2_callback_t *callback;
	unsigned long	caller;
	u64		ns;
	unsigned int	missing;
};

int mp2_waiters_count(const struct mempool2_ext *ext);
unsigned int mp2_waiters_copy(const struct mempool2_ext *ext, struct waiter_snapshot *views,
			      unsigned int max);
const char *mp2_waiter_name(struct waiter_snapshot *view);
int mp2_ext_set_stall_timeout(struct mempool2_ext *ext, unsigned int seconds);
void mp2_stall_cancel(void);

#endif /* _MEMPOOL2_DEBUG_PRIV_H */
