// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reports of misuse in the kernel's log
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/spinlock.h>

#include "priv.h"

/* Keeps the lines of concurrent reports apart. */
static DEFINE_RAW_SPINLOCK(report_lock);

#define RULE	"=================================================================="

unsigned long mp2_report_begin(const char *what, const char *name)
	__acquires(&report_lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&report_lock, flags);
	report_line(RULE "\n");
	report_line("BUG: mempool2: %s in pool %s\n", what, name);
	return flags;
}

void mp2_report_end(unsigned long flags, const char *chapter)
	__releases(&report_lock)
{
	report_line("What to do next: Documentation/debugging.rst, \"%s\"\n", chapter);
	report_line(RULE "\n");
	raw_spin_unlock_irqrestore(&report_lock, flags);
}

void mp2_report_here(const char *what)
{
	unsigned long entries[STACK_DEPTH];
	char comm[TASK_COMM_LEN];
	unsigned int nr, i;

	mp2_word_copy(comm, current->comm, sizeof(comm));
	report_line("%s by task %s/%d on CPU %d:\n", what, comm,
		    task_pid_nr(current), raw_smp_processor_id());
	nr = mempool2_stack_save(entries, STACK_DEPTH, 2);
	for (i = 0; i < nr; i++)
		report_line(" %pS\n", (void *)entries[i]);
	if (!nr)
		report_line(" (the stack is not known)\n");
}

void mp2_report_record(const char *what, const struct mempool2_record *record)
{
	char comm[TASK_COMM_LEN];

	if (!record->element)
		return;
	mp2_word_copy(comm, record->comm, sizeof(comm));
	/* A sweep has found it in the reserve: nobody knows the task that freed it. */
	if (record->is_parked && !record->from) {
		report_line("element %p, %s %u ms ago or longer\n", record->element, what,
			    jiffies_to_msecs(jiffies - record->since));
		return;
	}
	report_line("element %p, %s by %s %s/%d %u ms ago%s\n", record->element, what,
		    record->task ? "task" : "an interrupt of", comm, record->pid,
		    jiffies_to_msecs(jiffies - record->since),
		    record->from || record->stack ? ":" : " or longer");
	if (record->from)
		report_line(" %pS\n", (void *)record->from);
	else if (record->stack)
		mempool2_depot_print(record->stack);
}

bool mp2_may_report(struct mempool2_ext *ext)
{
	return __ratelimit(&ext->ratelimit);
}

noinline void mp2_report_double_free(struct mempool2 *pool, struct mempool2_ext *ext,
				     const void *element)
{
	char name[MEMPOOL2_NAME_LEN];
	struct mempool2_record before;
	unsigned long flags;

	if (!mp2_may_report(ext))
		return;
	mp2_pool_name(pool, name);
	mp2_record_copy(ext, element, &before);
	flags = mp2_report_begin("double free", name);
	report_line("element %p of pool %p is freed while it is in the reserve\n",
		    element, pool);
	mp2_report_here("freed again");
	mp2_report_record("freed", &before);
	mp2_report_end(flags, "double free");
}

void mp2_report_poison(struct mempool2 *pool, struct mempool2_ext *ext,
		       void *element, const u8 *broken)
{
	char name[MEMPOOL2_NAME_LEN];
	struct mempool2_record record;
	unsigned long flags;
	size_t size, left;
	u8 *area;

	if (!mp2_may_report(ext))
		return;
	mp2_pool_name(pool, name);
	mp2_record_copy(ext, element, &record);
	area = mp2_poison_area(ext, element, &size);
	left = min_t(size_t, area + size - broken, 16);
	flags = mp2_report_begin("parked element written to", name);
	report_line("element %p of pool %p: byte %zu and what follows, which should be %#x:\n",
		    element, pool, (size_t)(broken - area), POISON_PARKED);
	report_line(" %*ph\n", (int)left, broken);
	mp2_report_here("found");
	mp2_report_record("freed", &record);
	mp2_report_end(flags, "parked element written to");
}

void mp2_report_nested(struct mempool2 *pool, struct mempool2_ext *ext,
		       const struct mempool2_record *record)
{
	char name[MEMPOOL2_NAME_LEN];
	unsigned long flags;

	if (!mp2_may_report(ext))
		return;
	mp2_pool_name(pool, name);
	flags = mp2_report_begin("a task waits while it holds an element", name);
	report_line("if others do the same, none of them will ever go on (pool %p, min %d)\n",
		    pool, READ_ONCE(pool->min_nr));
	mp2_report_here("about to wait");
	mp2_report_record("taken", record);
	mp2_report_end(flags, "a task waits while it holds an element");
}

void mp2_report_holders(const struct mempool2_record *holders, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		mp2_report_record("taken", &holders[i]);
}
