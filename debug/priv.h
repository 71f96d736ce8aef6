/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of debug/ have of each other
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
 * struct mempool2_site - a place in the code that makes pools
 *
 * @list: of all of them, with mp2_registry_lock
 * @address: the place
 * @nr_pools: pools that it has made and that have not ended
 * @text: what the kernel calls the place
 *
 * Most pools are made by functions that the kernel forgets once it has booted or
 * loaded a module, so their names are kept; once, however many pools they make.
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

/* The figures that a CPU counts. On 32 bits they take two steps to write, and to read. */
struct mempool2_figures {
	struct u64_stats_sync		sync;
	struct mempool2_stats	figures;
};

/* Interrupts count too. */
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

/* Add to one of the figures of what a pool has for features. */
#define stats_add(ext, figure, nr)					\
	do {								\
		unsigned long flags;					\
		struct mempool2_stats *own = figures_begin(ext, &flags);	 \
									\
		figure_add(own->figure, nr);				\
		figures_end(ext, flags);				\
	} while (0)

/* The same, if the pool has any, without looking twice. */
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
 * struct mempool2_record - who had an element last
 *
 * @node: in a list of those with the same hash, or of unused ones
 * @element: the element
 * @task: who took it, or freed it; not to be looked into; %NULL for an interrupt
 * @pid: the same, or who was interrupted
 * @comm: the same
 * @from: the same, the caller
 * @stack: the same, its stack, if it was taken
 * @since: when, in jiffies
 * @rests: it was freed, and nobody has taken it since
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
	bool			rests;
};

/* The stack of the calling function's caller, for those who come only once. */
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
void mp2_records_drop_resting(struct mempool2_ext *ext);
void mp2_record_swept(struct mempool2_ext *ext, void *element);
void mp2_record_copy(struct mempool2_ext *ext, const void *element, struct mempool2_record *copy);
bool mp2_pool_may_repeat(const struct mempool2 *pool);

/* debug/report.c */

/* Without the module's name in front, as the sanitizers of the kernel do it. */
#define report_line(fmt, ...)	printk(KERN_ERR fmt, ##__VA_ARGS__)

/* So many are named in a report. */
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
/* More is not worth the time. */
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
 * struct waiter_snapshot - a waiter, as it was seen
 *
 * @pid: its task, or 0 if a function will be called
 * @comm: the task's name
 * @callback: the function
 * @caller: the code that allocates
 * @ns: how long it has waited
 * @missing: elements that it still waits for
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
