#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest with mempool2 and mempool2_blkq loaded: what is written to the disk of the example is read from it,
# by more requests at once than it has commands; requests had to wait, and commands were sent to them.

disk=/dev/mempool2_blkq
stats=/sys/kernel/debug/mempool2_blkq/stats
if [ ! -b $disk ] || [ ! -r $stats ]; then
	echo "there is no $disk or no $stats" >&2
	exit 1
fi
dd if=/dev/urandom of=/tmp/written bs=4k count=512 2>/dev/null || exit 1
dd if=/tmp/written of=$disk bs=64k conv=fsync 2>/dev/null || exit 1
echo 3 >/proc/sys/vm/drop_caches
dd if=$disk of=/tmp/read bs=64k 2>/dev/null || exit 1
cmp /tmp/written /tmp/read || exit 1
cat $stats
awk '{ figure[$1] = $2 }
	END { exit !(figure["requests"] >= 1024 && figure["waits"] > 0 && figure["sent"] > 0) }' $stats ||
	{ echo "too few requests, or none that waited" >&2; exit 1; }
rmmod mempool2_blkq && rmmod mempool2
