// SPDX-License-Identifier: GPL-2.0-only
/*
 * A request queue that waits for memory without sleeping and without polling: a block driver to
 * copy from.
 *
 * Each request needs a command, which comes from a pool. If there is none a driver today returns
 * BLK_STS_RESOURCE, and the block layer tries again after some milliseconds
 * (blk_mq_delay_run_hw_queue()), whether a command is free then or not. This driver requests the
 * next command from the pool, and stops the queue. The callback command_sent() gets the command,
 * in turn with all other waiters, and starts the queue again.
 *
 * The disk is memory, as slow as a disk. To make requests wait on a machine with plenty of
 * memory, mempool2_set_limit() limits the number of commands. The figures are in
 * mempool2_blkq/stats in debugfs, as "name value" lines.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/bvec.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>

#include "../mempool2.h"
#include "blk_mq_compat.h"

#define DISK_SIZE	SZ_2M
#define MAX_SECTORS	8	/* small requests, so that there are many */
#define QUEUE_DEPTH	32
#define FLIGHT_MS	5	/* how long a request takes */

static int limit = 4;
module_param(limit, int, 0444);
MODULE_PARM_DESC(limit, "So many commands at once, or 0 for as many as there is memory for");

/* One is enough for progress. */
#define MIN_COMMANDS	1

struct command {
	struct list_head	entry;
	struct request		*request;
	unsigned long		due;		/* in jiffies */
};

static struct kmem_cache *command_cache;
static struct mempool2 command_pool;

/* Protects @sent_command; the queue is only stopped while no command has arrived. */
static DEFINE_SPINLOCK(queue_lock);
static struct mempool2_waiter command_waiter;
static struct command *sent_command;

static struct blk_mq_tag_set tag_set;
static struct gendisk *disk;
static char *disk_memory;

static LIST_HEAD(in_flight);			/* oldest first */
static DEFINE_SPINLOCK(in_flight_lock);
static struct timer_list complete_timer;

static struct dentry *debugfs_dir;
static atomic_long_t nr_requests, nr_waits, nr_sent;

/*
 * Callback with a command for a request that found none. It runs in the context of a CPU that
 * frees a command: in complete_commands() here, or in another user of the pool. It must not
 * sleep, and no CPU may free a command with queue_lock held.
 */
static void command_sent(struct mempool2_waiter *waiter, void **elems)
{
	unsigned long flags;

	atomic_long_inc(&nr_sent);
	spin_lock_irqsave(&queue_lock, flags);
	sent_command = elems[0];
	blk_mq_start_stopped_hw_queues(disk->queue, true);
	spin_unlock_irqrestore(&queue_lock, flags);
}

/* Returns a command, or NULL; then the queue is stopped until there is one. */
static struct command *command_get(struct blk_mq_hw_ctx *hctx)
{
	struct command *command;
	unsigned long flags;

	spin_lock_irqsave(&queue_lock, flags);
	command = sent_command;
	sent_command = NULL;
	if (!command) {
		/* Does not run command_sent(), so the lock may be held. */
		command = mempool2_alloc_async(&command_pool, GFP_ATOMIC, &command_waiter);
		if (IS_ERR(command)) {
			/* -EBUSY: the last request has not got its command yet. */
			command = NULL;
			atomic_long_inc(&nr_waits);
			blk_mq_stop_hw_queue(hctx);
		}
	}
	spin_unlock_irqrestore(&queue_lock, flags);
	return command;
}

static blk_status_t queue_rq(struct blk_mq_hw_ctx *hctx,
			     const struct blk_mq_queue_data *data)
{
	struct command *command = command_get(hctx);
	unsigned long flags;

	/*
	 * BLK_STS_DEV_RESOURCE: the driver runs the queue again. BLK_STS_RESOURCE would ask for
	 * retries.
	 */
	if (!command)
		return BLK_STS_DEV_RESOURCE;

	atomic_long_inc(&nr_requests);
	blk_mq_start_request(data->rq);
	command->request = data->rq;
	command->due = jiffies + msecs_to_jiffies(FLIGHT_MS);
	spin_lock_irqsave(&in_flight_lock, flags);
	list_add_tail(&command->entry, &in_flight);
	spin_unlock_irqrestore(&in_flight_lock, flags);
	return BLK_STS_OK;
}

static const struct blk_mq_ops queue_ops = {
	.queue_rq = queue_rq,
};

static blk_status_t request_do(struct request *request)
{
	loff_t pos = (loff_t)blk_rq_pos(request) << SECTOR_SHIFT;
	struct req_iterator iter;
	struct bio_vec bvec;

	if (req_op(request) != REQ_OP_READ && req_op(request) != REQ_OP_WRITE)
		return BLK_STS_NOTSUPP;
	rq_for_each_segment(bvec, request, iter) {
		if (rq_data_dir(request) == WRITE)
			memcpy_from_bvec(disk_memory + pos, &bvec);
		else
			memcpy_to_bvec(&bvec, disk_memory + pos);
		pos += bvec.bv_len;
	}
	return BLK_STS_OK;
}

static void complete_commands(void)
{
	struct command *command, *next;
	unsigned long flags;
	LIST_HEAD(done);

	spin_lock_irqsave(&in_flight_lock, flags);
	list_for_each_entry_safe(command, next, &in_flight, entry) {
		if (time_before(jiffies, command->due))
			break;
		list_move_tail(&command->entry, &done);
	}
	spin_unlock_irqrestore(&in_flight_lock, flags);

	list_for_each_entry_safe(command, next, &done, entry) {
		blk_mq_end_request(command->request, request_do(command->request));
		/* The next request that waits gets the command. */
		mempool2_free(command, &command_pool);
	}
}

static void complete_timer_fn(struct timer_list *timer)
{
	complete_commands();
	mod_timer(timer, jiffies + 1);
}

static const struct block_device_operations disk_ops = {
	.owner = THIS_MODULE,
};

static int stats_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "requests %ld\n", atomic_long_read(&nr_requests));
	seq_printf(seq, "waits %ld\n", atomic_long_read(&nr_waits));
	seq_printf(seq, "sent %ld\n", atomic_long_read(&nr_sent));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int disk_add(void)
{
	int err;

	tag_set = (struct blk_mq_tag_set) {
		.ops = &queue_ops,
		.nr_hw_queues = 1,
		.queue_depth = QUEUE_DEPTH,
		.numa_node = NUMA_NO_NODE,
	};
	err = blk_mq_alloc_tag_set(&tag_set);
	if (err)
		return err;
	disk = alloc_disk_with(&tag_set, NULL, MAX_SECTORS);
	if (IS_ERR(disk)) {
		err = PTR_ERR(disk);
		goto err_tags;
	}
	disk->fops = &disk_ops;
	disk->flags |= GENHD_FL_NO_PART;
	strscpy(disk->disk_name, "mempool2_blkq", DISK_NAME_LEN);
	set_capacity(disk, DISK_SIZE >> SECTOR_SHIFT);
	err = add_disk(disk);
	if (!err)
		return 0;

	put_disk(disk);
err_tags:
	blk_mq_free_tag_set(&tag_set);
	return err;
}

static int __init mempool2_blkq_init(void)
{
	int err = -ENOMEM;

	disk_memory = vzalloc(DISK_SIZE);
	if (!disk_memory)
		return -ENOMEM;
	command_cache = KMEM_CACHE(command, 0);
	if (!command_cache)
		goto err_memory;
	err = mempool2_init_slab_pool(&command_pool, MIN_COMMANDS, command_cache);
	if (err)
		goto err_cache;
	err = mempool2_set_limit(&command_pool, limit);
	if (err)
		goto err_pool;
	mempool2_waiter_init(&command_waiter, command_sent);

	timer_setup(&complete_timer, complete_timer_fn, 0);
	mod_timer(&complete_timer, jiffies + 1);
	err = disk_add();
	if (err)
		goto err_timer;

	/* The module works without the figures, so errors are ignored. */
	debugfs_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("stats", 0444, debugfs_dir, NULL, &stats_fops);
	return 0;

err_timer:
	timer_shutdown_sync(&complete_timer);
err_pool:
	mempool2_exit(&command_pool);
err_cache:
	kmem_cache_destroy(command_cache);
err_memory:
	vfree(disk_memory);
	return err;
}

static void __exit mempool2_blkq_exit(void)
{
	debugfs_remove(debugfs_dir);
	/* When this returns all requests are done ... */
	del_gendisk(disk);
	/* ... their commands are freed once the timer is off ... */
	timer_shutdown_sync(&complete_timer);
	/* ... but one may still be in sent_command, or on its way there. */
	mempool2_cancel_sync(&command_waiter);
	mempool2_free(sent_command, &command_pool);
	put_disk(disk);
	blk_mq_free_tag_set(&tag_set);
	mempool2_exit(&command_pool);
	kmem_cache_destroy(command_cache);
	vfree(disk_memory);
}

module_init(mempool2_blkq_init);
module_exit(mempool2_blkq_exit);

MODULE_DESCRIPTION("Example of a request queue that waits for a mempool2 pool");
MODULE_AUTHOR("mempool2 developers");
MODULE_LICENSE("GPL");
