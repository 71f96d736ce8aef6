// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs: files for each pool, and the table of all pools; and the module parameter for checks
 */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "priv.h"

/*
 * Snapshots
 */

/**
 * struct pool_snapshot - copy of a pool for debugfs
 *
 * @name: name of the pool
 * @owner: creation site
 * @min_nr: elements that the pool guarantees
 * @nr_waiting: number of waiters
 * @features: features that are on
 * @fail_interval: one in this many calls of the alloc function fails, 0 for none
 * @stall_timeout: seconds after which a waiter counts as stalled, 0 for never
 * @is_counted: @statistics is valid
 * @statistics: counters
 */
struct pool_snapshot {
	char		name[MEMPOOL2_NAME_LEN];
	char		owner[sizeof_field(struct mempool2_site, text)];
	int		min_nr;
	int		nr_waiting;
	unsigned int	features;
	unsigned int	fail_interval;
	unsigned int	stall_timeout;
	bool		is_counted;
	struct mempool2_stats statistics;
};

/*
 * Fill @view. Returns -ENODEV if the pool has ended. @ext cannot go away: the caller is in an
 * operation of one of its files, or holds @dirs_mutex.
 */
static int ext_snapshot(const struct mempool2_ext *ext, struct pool_snapshot *view)
{
	const struct mempool2_reserve *reserve;

	memset(view, 0, sizeof(*view));
	spin_lock_irq(&mp2_registry_lock);
	reserve = ext->reserve;
	if (reserve) {
		mp2_reserve_name(reserve, view->name);
		if (reserve->site)
			memcpy(view->owner, reserve->site->text, sizeof(view->owner));
		view->min_nr = READ_ONCE(reserve->min_nr);
		view->features = ext_features(ext);
	}
	spin_unlock_irq(&mp2_registry_lock);
	if (!reserve)
		return -ENODEV;
	view->nr_waiting = mp2_waiters_count(ext);
	if (view->features & FEATURE_FAILING)
		view->fail_interval = READ_ONCE(ext->fail_interval);
	if (view->features & FEATURE_STALL)
		view->stall_timeout = READ_ONCE(ext->stall_timeout);
	/* Pairs with mp2_ext_enable_stats(). */
	view->is_counted = smp_load_acquire(&ext->figures);
	if (view->is_counted)
		mp2_stats_sum(ext, &view->statistics);
	return 0;
}

static unsigned int ext_nr_reserved(const struct mempool2_ext *ext)
{
	unsigned int nr;

	spin_lock_irq(&mp2_registry_lock);
	nr = ext->reserve ? mp2_reserve_count(ext->reserve) : 0;
	spin_unlock_irq(&mp2_registry_lock);
	return nr;
}

/* Names of checks, in debugfs and in the module parameter. */
static const struct {
	const char	*name;
	unsigned int	feature;
} check_names[] = {
	{ "poison", FEATURE_CHECK_POISON },
	{ "double_free", FEATURE_CHECK_DOUBLE },
	{ "nested", FEATURE_CHECK_NESTED },
	{ "exit", FEATURE_CHECK_EXIT },
};

/* Print the names of checks, and a newline. The longest output fits into 64 bytes. */
static int checks_print(char *text, size_t size, unsigned int features)
{
	int i, len = 0;

	for (i = 0; i < ARRAY_SIZE(check_names); i++)
		if (features & check_names[i].feature)
			len += scnprintf(text + len, size - len, "%s%s", len ? " " : "",
					 check_names[i].name);
	return len + scnprintf(text + len, size - len, len ? "\n" : "none\n");
}

/* Returns 0 if there is no such check. */
static unsigned int check_find(const char *name, size_t len)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(check_names); i++)
		if (strlen(check_names[i].name) == len &&
		    !memcmp(check_names[i].name, name, len))
			return check_names[i].feature;
	return 0;
}

/* Accepts "all", "none", or names separated by blanks or commas, and a newline at the end. */
static int checks_parse(const char *text, unsigned int *features)
{
	size_t len = strcspn(text, "\n");
	const char *end = text + len;
	unsigned int found;

	*features = 0;
	if (*end && end[1])
		return -EINVAL;
	if (len == 4 && !memcmp(text, "none", len))
		return 0;
	if (len == 3 && !memcmp(text, "all", len)) {
		*features = FEATURES_CHECK;
		return 0;
	}
	do {
		len = strcspn(text, " ,\n");
		found = check_find(text, len);
		if (!found)
			return -EINVAL;
		*features |= found;
		text += len;
		len = strspn(text, " ,");
		text += len;
	} while (len);
	return 0;
}

static int checks_param_set(const char *text, const struct kernel_param *param)
{
	unsigned int checks;
	int err = checks_parse(text, &checks);

	if (!err)
		mp2_checks_param_switch(checks);
	return err;
}

static int checks_param_get(char *text, const struct kernel_param *param)
{
	return checks_print(text, PAGE_SIZE, READ_ONCE(mp2_checks_for_new));
}

static const struct kernel_param_ops checks_param_ops = {
	.set	= checks_param_set,
	.get	= checks_param_get,
};
module_param_cb(checks, &checks_param_ops, NULL, 0600);
MODULE_PARM_DESC(checks, "checks of pools made from now on: all, none, or some of poison double_free nested exit [none]");

static void show_name(struct seq_file *file, const struct pool_snapshot *view)
{
	seq_printf(file, "%s\n", view->name);
}

static void show_owner(struct seq_file *file, const struct pool_snapshot *view)
{
	seq_printf(file, "%s\n", view->owner);
}

static void show_min(struct seq_file *file, const struct pool_snapshot *view)
{
	seq_printf(file, "%d\n", view->min_nr);
}

static void show_waiting(struct seq_file *file, const struct pool_snapshot *view)
{
	seq_printf(file, "%d\n", view->nr_waiting);
}

#define SHOW_FIGURE(name, value)					\
static void show_##name(struct seq_file *file, const struct pool_snapshot *view) \
{									\
	if (view->is_counted)						\
		seq_printf(file, "%llu\n", (unsigned long long)(value)); \
	else								\
		seq_puts(file, "off\n");				\
}

SHOW_FIGURE(reserve_allocations, view->statistics.reserve_allocs)
SHOW_FIGURE(refills, view->statistics.refills)
SHOW_FIGURE(waits, view->statistics.waits)
SHOW_FIGURE(wait_us, div_u64(view->statistics.wait_ns, NSEC_PER_USEC))
SHOW_FIGURE(max_wait_us, div_u64(view->statistics.max_wait_ns, NSEC_PER_USEC))
SHOW_FIGURE(handovers, view->statistics.handovers)
SHOW_FIGURE(failed, view->statistics.failed)
SHOW_FIGURE(resizes, view->statistics.resizes)

static void show_statistics(struct seq_file *file, const struct pool_snapshot *view)
{
	seq_printf(file, "%d\n", !!(view->features & FEATURE_STATS));
}

static void show_fail(struct seq_file *file, const struct pool_snapshot *view)
{
	seq_printf(file, "%u\n", view->fail_interval);
}

static void show_checks(struct seq_file *file, const struct pool_snapshot *view)
{
	char text[64];

	checks_print(text, sizeof(text), view->features);
	seq_puts(file, text);
}

static void show_stuck_after(struct seq_file *file, const struct pool_snapshot *view)
{
	seq_printf(file, "%u\n", view->stall_timeout);
}

/* Not part of the snapshot, as counting the elements takes long. */
static int list_reserve(struct seq_file *file, struct mempool2_ext *ext)
{
	seq_printf(file, "%u\n", ext_nr_reserved(ext));
	return 0;
}

/* Most entries of a list; the rest is left out. */
#define LISTED	64

static int list_waiters(struct seq_file *file, struct mempool2_ext *ext)
{
	struct waiter_snapshot *views = kcalloc(LISTED, sizeof(*views), GFP_KERNEL);
	unsigned int nr, i;

	if (!views)
		return -ENOMEM;
	nr = mp2_waiters_copy(ext, views, LISTED);
	for (i = 0; i < nr; i++)
		seq_printf(file, "%s/%d missing=%u waited_ms=%llu caller=%pS\n",
			   mp2_waiter_name(&views[i]), views[i].pid, views[i].missing,
			   div_u64(views[i].ns, NSEC_PER_MSEC), (void *)views[i].caller);
	kfree(views);
	return 0;
}

static int list_holders(struct seq_file *file, struct mempool2_ext *ext)
{
	struct mempool2_record *holders = kcalloc(LISTED, sizeof(*holders), GFP_KERNEL);
	unsigned int nr, nr_missed, i;
	char comm[TASK_COMM_LEN];

	if (!holders)
		return -ENOMEM;
	mutex_lock(&mp2_features_mutex);
	if (!(ext->features & FEATURE_RECORDS))
		seq_puts(file, "off: switch a check on\n");
	nr = mp2_records_copy(ext, NULL, holders, LISTED);
	nr_missed = READ_ONCE(ext->nr_missed);
	if (nr_missed)
		seq_printf(file, "missed=%u\n", nr_missed);
	mutex_unlock(&mp2_features_mutex);
	for (i = 0; i < nr; i++) {
		mp2_word_copy(comm, holders[i].comm, sizeof(comm));
		seq_printf(file, "%s%s/%d element=%p held_ms=%u\n",
			   holders[i].task ? "" : "interrupt of ", comm,
			   holders[i].pid, holders[i].element,
			   jiffies_to_msecs(jiffies - holders[i].since));
		mp2_stack_show(file, holders[i].stack);
	}
	kfree(holders);
	return 0;
}

static int write_number(struct mempool2_ext *ext, const char *text, unsigned int most,
			int (*set)(struct mempool2_ext *ext, unsigned int value))
{
	unsigned int value;
	int err;

	/* kstrtouint() accepts a plus sign. */
	err = isdigit(*text) ? kstrtouint(text, 10, &value) : -EINVAL;
	if (err)
		return err;
	return value > most ? -EINVAL : set(ext, value);
}

static int write_statistics(struct mempool2_ext *ext, const char *text)
{
	return write_number(ext, text, 1, mp2_ext_enable_stats);
}

static int write_fail(struct mempool2_ext *ext, const char *text)
{
	return write_number(ext, text, INT_MAX, mp2_ext_set_fail_interval);
}

static int write_stuck_after(struct mempool2_ext *ext, const char *text)
{
	return write_number(ext, text, STALL_TIMEOUT_MAX, mp2_ext_set_stall_timeout);
}

static int write_checks(struct mempool2_ext *ext, const char *text)
{
	unsigned int checks;
	int err = checks_parse(text, &checks);

	return err ?: mp2_ext_set_checks(ext, checks);
}

static const struct pool_file {
	const char	*name;
	void		(*show)(struct seq_file *file, const struct pool_snapshot *view);
	int		(*list)(struct seq_file *file, struct mempool2_ext *ext);
	int		(*write)(struct mempool2_ext *ext, const char *text);
} pool_files[] = {
	{ "name", .show = show_name },
	{ "owner", .show = show_owner },
	{ "min", .show = show_min },
	{ "reserve", .list = list_reserve },
	{ "waiting", .show = show_waiting },
	{ "reserve_allocations", .show = show_reserve_allocations },
	{ "refills", .show = show_refills },
	{ "waits", .show = show_waits },
	{ "wait_us", .show = show_wait_us },
	{ "max_wait_us", .show = show_max_wait_us },
	{ "handovers", .show = show_handovers },
	{ "failed", .show = show_failed },
	{ "resizes", .show = show_resizes },
	{ "waiters", .list = list_waiters },
	{ "holders", .list = list_holders },
	{ "statistics", .show = show_statistics, .write = write_statistics },
	{ "fail", .show = show_fail, .write = write_fail },
	{ "checks", .show = show_checks, .write = write_checks },
	{ "stall_timeout", .show = show_stuck_after, .write = write_stuck_after },
};

static struct dentry *debugfs_root;

/*
 * Exts that have a directory, by its number. The mutex keeps them from being freed. It nests
 * inside no other mutex of mempool2, and only spinlocks are taken inside it.
 */
static DEFINE_XARRAY(dirs);
static DEFINE_MUTEX(dirs_mutex);

/*
 * The ext that the directory of @file belongs to. For operations of the file only, which keep
 * it.
 */
static struct mempool2_ext *ext_of(const struct file *file)
{
	return d_inode(file->f_path.dentry->d_parent)->i_private;
}

static int pool_file_show(struct seq_file *seq, void *unused)
{
	const struct pool_file *file = seq->private;
	struct mempool2_ext *ext = ext_of(seq->file);
	struct pool_snapshot view;
	int err = ext_snapshot(ext, &view);

	if (err)
		return err;
	if (file->list)
		return file->list(seq, ext);
	file->show(seq, &view);
	return 0;
}

static int pool_file_open(struct inode *inode, struct file *file)
{
	return single_open(file, pool_file_show, inode->i_private);
}

static ssize_t pool_file_write(struct file *file, const char __user *from, size_t len,
			       loff_t *pos)
{
	const struct pool_file *what = file_inode(file)->i_private;
	char text[64];
	int err;

	if (*pos || len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, len))
		return -EFAULT;
	text[len] = '\0';
	if (strlen(text) != len)
		return -EINVAL;
	mp2_features_lock();
	err = what->write(ext_of(file), text);
	mp2_features_unlock();
	return err ?: len;
}

/*
 * Read-only files have no write operation: root may open them for writing whatever their mode
 * is.
 */
static const struct file_operations pool_file_ro_fops = {
	.owner		= THIS_MODULE,
	.open		= pool_file_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= single_release,
};

static const struct file_operations pool_file_rw_fops = {
	.owner		= THIS_MODULE,
	.open		= pool_file_open,
	.read		= seq_read,
	.write		= pool_file_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};

static void ext_make_dir(struct mempool2_ext *ext)
{
	const struct pool_file *file;
	char name[16];

	snprintf(name, sizeof(name), "%u", ext->id);
	ext->dir = debugfs_create_dir(name, debugfs_root);
	if (IS_ERR(ext->dir))
		return;
	/* A file has its struct pool_file as i_private, so the ext is that of the directory. */
	d_inode(ext->dir)->i_private = ext;
	for (file = pool_files; file < pool_files + ARRAY_SIZE(pool_files); file++) {
		if (file->write)
			debugfs_create_file(file->name, 0600, ext->dir, (void *)file,
					    &pool_file_rw_fops);
		else
			debugfs_create_file(file->name, 0400, ext->dir, (void *)file,
					    &pool_file_ro_fops);
	}
}

/* Make a directory for the next pool without one. Returns 0 if all have one, else 1 or an error. */
static int registry_make_dir(void)
{
	struct mempool2_ext *new, *ext = NULL;
	struct mempool2_reserve *reserve;
	static unsigned int last_id;

	lockdep_assert_held(&mp2_features_mutex);
	if (READ_ONCE(mp2_registry_no_dir) == &mp2_registry)
		return 0;
	new = mp2_ext_create(GFP_KERNEL);
	if (!new || xa_reserve(&dirs, last_id + 1, GFP_KERNEL)) {
		mp2_ext_drop(new);
		return -ENOMEM;
	}
	spin_lock_irq(&mp2_registry_lock);
	if (mp2_registry_no_dir != &mp2_registry) {
		reserve = list_entry(mp2_registry_no_dir, struct mempool2_reserve, registered);
		mp2_registry_no_dir = mp2_registry_no_dir->next;
		if (!reserve->ext) {
			new->reserve = reserve;
			mp2_ext_attach(new, reserve);
			new = NULL;
		}
		/* An ext with an id outlives its pool until the mutex is released. */
		ext = reserve->ext;
		ext->id = ++last_id;
	}
	spin_unlock_irq(&mp2_registry_lock);
	mp2_ext_drop(new);
	if (!ext)
		return 0;
	ext_make_dir(ext);
	/* Cannot fail after xa_reserve(). */
	xa_store(&dirs, ext->id, ext, GFP_KERNEL);
	return 1;
}

/*
 * Make a directory for each pool without one. They cost memory, so they are made when the table
 * is opened. With many pools this takes a while; so the mutex is released after each of them,
 * and a fatal signal ends the loop.
 */
static int registry_make_dirs(void)
{
	int ret;

	do {
		mutex_lock(&mp2_features_mutex);
		ret = fatal_signal_pending(current) ? -EINTR : registry_make_dir();
		mutex_unlock(&mp2_features_mutex);
	} while (ret > 0);
	return ret;
}

void mp2_ext_remove_dir(struct mempool2_ext *ext)
{
	/* Waits for operations on the files, which may wait for mp2_features_mutex. */
	debugfs_remove(ext->dir);
	mutex_lock(&dirs_mutex);
	xa_erase(&dirs, ext->id);
	mutex_unlock(&dirs_mutex);
}

/* The table: a line for each directory. The position is the number of the directory. */

static void *table_find(loff_t *pos)
{
	unsigned long id = *pos;
	void *ext = NULL;

	if (*pos <= UINT_MAX)
		ext = xa_find(&dirs, &id, UINT_MAX, XA_PRESENT);
	if (ext)
		*pos = id;
	return ext;
}

static void *table_start(struct seq_file *file, loff_t *pos)
{
	mutex_lock(&dirs_mutex);
	return *pos ? table_find(pos) : SEQ_START_TOKEN;
}

static void *table_next(struct seq_file *file, void *row, loff_t *pos)
{
	++*pos;
	return table_find(pos);
}

static void table_stop(struct seq_file *file, void *row)
{
	mutex_unlock(&dirs_mutex);
}

static void table_figure(struct seq_file *file, bool is_known, int width, u64 figure)
{
	if (is_known)
		seq_printf(file, " %*llu", width, figure);
	else
		seq_printf(file, " %*s", width, "-");
}

static int table_show(struct seq_file *file, void *row)
{
	const struct mempool2_ext *ext = row;
	struct pool_snapshot view;
	char checks[64];

	if (row == SEQ_START_TOKEN) {
		seq_puts(file, "   id name                               min reserve waiting  taken  waits max_wait_us handovers failed resizes fail checks\n");
		return 0;
	}
	if (ext_snapshot(ext, &view))
		return SEQ_SKIP;
	seq_printf(file, " %4u %-31s %6d %7u", ext->id, view.name, view.min_nr,
		   ext_nr_reserved(ext));
	table_figure(file, true, 7, view.nr_waiting);
	table_figure(file, view.is_counted, 6, view.statistics.reserve_allocs);
	table_figure(file, view.is_counted, 6, view.statistics.waits);
	table_figure(file, view.is_counted, 11,
		     div_u64(view.statistics.max_wait_ns, NSEC_PER_USEC));
	table_figure(file, view.is_counted, 9, view.statistics.handovers);
	table_figure(file, view.is_counted, 6, view.statistics.failed);
	table_figure(file, view.is_counted, 7, view.statistics.resizes);
	checks_print(checks, sizeof(checks), view.features);
	seq_printf(file, " %4u %s", view.fail_interval, checks);
	return 0;
}

static const struct seq_operations table_ops = {
	.start	= table_start,
	.next	= table_next,
	.stop	= table_stop,
	.show	= table_show,
};

static int table_open(struct inode *inode, struct file *file)
{
	return registry_make_dirs() ?: seq_open(file, &table_ops);
}

static const struct file_operations table_fops = {
	.owner		= THIS_MODULE,
	.open		= table_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= seq_release,
};

static int __init debugfs_make_root(void)
{
	debugfs_root = debugfs_create_dir("mempool2", NULL);
	debugfs_create_file("pools", 0400, debugfs_root, NULL, &table_fops);
	return 0;
}

#ifndef MODULE
/* mempool2_load() runs before debugfs is initialized. */
late_initcall(debugfs_make_root);
#endif

int __init mp2_debug_init(void)
{
	mp2_checks_load();
#ifdef MODULE
	return debugfs_make_root();
#else
	return 0;
#endif
}

void __exit mp2_debug_unload(void)
{
	/*
	 * Open files and pools pin the module, so none is left. The directories of ended pools
	 * go before the root directory.
	 */
	mp2_stall_cancel();
	mp2_ext_unload();
	debugfs_remove(debugfs_root);
	mp2_destroyed_free();
}
