#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a kernel in which every memory pool is one of mempool2: a file system of the kind $fs on /dev/ubda, and verified I/O
# on it while allocators fail. The programs come from /usr of the host. Writes the results of fio as JSON, and lines
# "figure NAME VALUE". scripts/whole-kernel runs this after a line that sets fs=, size= (MiB to write) and seed=:
# "corruption" changes a byte that was written, and with "hang" no write completes.

fs=${fs:?} size=${size:?} seed=${seed:-}
disk=/dev/ubda
mnt=/mnt
faults=/sys/kernel/debug
# No end of failures would be -1; from this the number that there were can be told.
plenty=1000000000

fail() { echo "whole-kernel: $*" >&2; exit 1; }

mkdir -p /usr /etc /var/tmp $mnt
mount -t hostfs -o ro,/usr none /usr || fail "cannot look into the host's /usr"
ln -s usr/lib /lib
ln -s usr/lib64 /lib64
export PATH=/usr/sbin:/usr/bin:/bin

# fail_some NAME PERCENT: from now on, of the allocations that may not sleep; for mempool2, of its own calls of its
# users' alloc functions, whether they may sleep or not, so that these come to wait. Nobody else sees those fail.
fail_some() {
	echo 0 >"$faults/$1/verbose"
	echo $plenty >"$faults/$1/times"
	echo "$2" >"$faults/$1/probability"
}
fail_none() {
	for name in failslab fail_page_alloc fail_mempool2_alloc; do
		echo 0 >$faults/$name/probability
	done
}
failures() { echo $((plenty - $(cat $faults/"$1"/times))); }

# Every pool counts what its reserve does, from when they are looked at for the first time.
pools=$faults/mempool2
count() {
	cat $pools/pools >/dev/null
	for file in "$pools"/*/statistics; do
		echo 1 >"$file"
	done
}
# figures: of all pools, the sum, or the largest.
figures() {
	cat $pools/pools >&2
	for name in reserve_allocations waits max_wait_us handovers; do
		cat $pools/*/$name | awk -v name=$name '
			/^[0-9]+$/ { sum += $1; if ($1 > most) most = $1 }
			END { printf "figure %s %d\n", name, name ~ /^longest/ ? most : sum }'
	done
}

io() {
	# What is written twice cannot be verified, and a job's file is its own.
	fio --output-format=json --directory=$mnt --verify=crc32c --verify_fatal=1 --group_reporting \
		--bssplit=4k/40:16k/20:64k/20:256k/15:1m/5 --size="$((size / 4))m" "$@" \
		--name=direct --numjobs=2 --rw=randwrite --direct=1 --ioengine=libaio --iodepth=16 \
		--name=buffered --numjobs=1 --rw=randwrite --ioengine=psync --fsync=64 \
		--name=mapped --numjobs=1 --rw=write --ioengine=mmap --fsync=256
}

echo "making $fs" >&2
case $fs in
ext4) mkfs.ext4 -q -F $disk ;;
xfs) mkfs.xfs -q -f $disk ;;
f2fs) mkfs.f2fs -q -f $disk >/dev/null ;;
esac || fail "mkfs.$fs failed"
mount -t "$fs" $disk $mnt || fail "cannot mount $fs"

count
echo N >$faults/fail_page_alloc/ignore-gfp-highmem
echo 0 >$faults/fail_page_alloc/min-order
fail_some failslab 15
fail_some fail_page_alloc 20
fail_some fail_mempool2_alloc 90

[ "$seed" != hang ] || /usr/sbin/fsfreeze -f $mnt
echo "writing and verifying" >&2
io --do_verify=1 || fail "fio failed on $fs"
figures
echo "unmounting, mounting, verifying once more" >&2
umount $mnt || fail "cannot unmount $fs"
mount -t "$fs" $disk $mnt || fail "cannot mount $fs again"
[ "$seed" != corruption ] || printf x | dd of=$mnt/direct.0.0 bs=1 seek=5000001 conv=notrunc 2>/dev/null
io --verify_only || fail "what $fs gives back is not what was written"
umount $mnt || fail "cannot unmount $fs"

for name in failslab fail_page_alloc fail_mempool2_alloc; do
	echo "figure $name $(failures $name)"
done
fail_none

echo "checking $fs" >&2
case $fs in
ext4) e2fsck -f -n $disk ;;
xfs) xfs_repair -n $disk ;;
f2fs) fsck.f2fs --dry-run $disk ;;
esac >&2 || fail "fsck finds $fs damaged"
echo "figure checked 1"
