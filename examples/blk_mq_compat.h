/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A disk with a limit to the size of its requests. Since 6.9 blk_mq_alloc_disk() takes the
 * limits; before that they were set afterwards. The Kbuild beside this file finds out which of
 * the two applies.
 */
#ifndef _MEMPOOL2_BLK_MQ_COMPAT_H
#define _MEMPOOL2_BLK_MQ_COMPAT_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/err.h>

static inline struct gendisk *alloc_disk_with(struct blk_mq_tag_set *set, void *queuedata,
					      unsigned int max_sectors)
{
	struct gendisk *disk;
#ifdef HAVE_BLK_MQ_ALLOC_DISK_LIMITS
	struct queue_limits limits = { .max_hw_sectors = max_sectors };

	disk = blk_mq_alloc_disk(set, &limits, queuedata);
#else
	disk = blk_mq_alloc_disk(set, queuedata);
	if (!IS_ERR(disk))
		blk_queue_max_hw_sectors(disk->queue, max_sectors);
#endif
	return disk;
}

#endif /* _MEMPOOL2_BLK_MQ_COMPAT_H */
