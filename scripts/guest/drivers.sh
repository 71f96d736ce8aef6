#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scripts/drivers runs this in its guests (busybox sh), after a line that sets
#
#   driver=...     see scripts/drivers
#   part=prove     on loop disks: file systems, verified I/O and failures; $kinds has the builds of the driver, and
#                  $least is the number of elements that the reserves must give; with $soak the load on the build with
#                  mempool2 goes on for at least so many seconds
#   part=measure   on RAM disks and an exact clock: the same load on both builds, in turns; for some of the drivers
#
# Both parts run while memory is full, but for "measure" of f2fs. The first disk has the tools, the second is for swap,
# the third for files behind loop devices; for f2fs it is the disk of the file system, and for nvme it is an NVMe disk.
# The output is lines of "key=value" words and lines "progress: ...", which the host prints at once.

# Set by the host or by eval; and no name here has spaces.
# shellcheck disable=SC2154,SC2086
set -eu

T=/sys/kernel/tracing
VDA_TOOLS=/dev/vda VDB_SWAP=/dev/vdb VDC_FILES=/dev/vdc
export MDADM_NO_UDEV=1 DM_DISABLE_UDEV=1

uptime_s() { cut -d. -f1 /proc/uptime; }

progress() { echo "progress: $(uptime_s) s: $driver: $*"; }

fail() {
	echo "$driver: $*" >&2
	exit 1
}

# The busybox shell prefers what it has itself, which is another mke2fs and another losetup.
for tool in mke2fs e2fsck losetup cryptsetup integritysetup dmsetup mdadm; do
	eval "$tool() { /usr/sbin/$tool \"\$@\"; }"
done
make_bcache() { /usr/sbin/make-bcache "$@"; }
mkfs_f2fs() { /usr/sbin/mkfs.f2fs "$@"; }
fsck_f2fs() { /usr/sbin/fsck.f2fs "$@"; }
fio() { /usr/bin/fio "$@"; }
md5sum() { /usr/bin/md5sum "$@"; }

set_up() {
	mkdir -p /tools /disks /mnt
	mount -t ext4 -o ro $VDA_TOOLS /tools
	for dir in lib lib64 usr; do
		ln -s /tools/$dir /$dir
	done
	mount -t tracefs none $T
	# A task that sleeps for so long is not slow but stuck.
	echo 120 >/proc/sys/kernel/hung_task_timeout_secs
	echo 1 >/proc/sys/kernel/hung_task_panic
	# The kernel keeps this much for itself, and is told not to raise it on its own.
	echo 4096 >/proc/sys/vm/min_free_kbytes
	echo 0 >/proc/sys/vm/watermark_boost_factor
}

# ---- the driver: its modules, and a device of it on $disks

modules() {
	case $driver in
	raid5*) echo "md-mod raid456" ;;
	raid*) echo "md-mod $driver" ;;
	dm-thin) echo "dm-bio-prison dm-thin-pool" ;;
	dm-cache) echo "dm-bio-prison dm-cache dm-cache-smq" ;;
	*) echo "$driver" ;;
	esac
}

load() {
	# nvme's scatter-gather lists would need no element in 7.3.
	settings=
	[ $driver != nvme ] || settings=sgl_threshold=0
	for module in $(modules); do
		insmod "/drivers/$1/$module.ko" $settings
	done
}

unload() {
	for module in $(modules | tr ' ' '\n' | tac); do
		rmmod "$module"
	done
}

# A mapped device of that name and table.
mapped() { dmsetup create "$1" --table "0 $(blockdev --getsz "$2") $3"; }

# crypt NAME DISK
crypt() { echo mempool2 | cryptsetup open --type plain --cipher aes-xts-plain64 --key-size 256 --hash sha256 "$2" "$1"; }

raid() {
	mdadm --create /dev/md0 --run --quiet --metadata=1.2 --bitmap=none --assume-clean \
		--level="${driver#raid}" --raid-devices=$# "$@"
}

# raid5 DISK DISK DISK [JOURNAL]: without a journal it has the partial parity log.
raid5() {
	set -- "$1" "$2" "$3" ${4:+--write-journal "$4"}
	[ $# -gt 3 ] || set -- "$@" --consistency-policy=ppl
	mdadm --create /dev/md0 --run --quiet --metadata=1.2 --assume-clean --level=5 --raid-devices=3 "$@"
}

# No superblock of an earlier device.
blank() { dd if=/dev/zero of="$1" bs=64k count=16 conv=notrunc 2>/dev/null; }

# A write-back cache, with all data that passes through in it.
bcache() {
	blank "$1"
	blank "$2"
	make_bcache --writeback --bucket 64k -B "$1" -C "$2" >/dev/null
	echo "$1" >/sys/fs/bcache/register
	echo "$2" >/sys/fs/bcache/register
	until [ -e /sys/block/bcache0/bcache/cache ]; do
		sleep 0.2
	done
	echo 0 >/sys/block/bcache0/bcache/sequential_cutoff
}

bcache_end() {
	echo 1 >/sys/block/bcache0/bcache/stop
	for set in /sys/fs/bcache/*-*; do
		echo 1 >"$set/stop"
	done
	# The set is gone from there before it lets go of the module.
	until [ ! -e /sys/block/bcache0 ] && [ "$(cat /sys/module/bcache/refcnt)" = 0 ]; do
		sleep 0.2
	done
}

# thin NAME ID: a thin device of the pool, of 340 MiB.
thin() { dmsetup create "$1" --table "0 696320 thin /dev/mapper/pool $2"; }

# cache POLICY: $disk1 caches $disk0.
cache() { echo "0 $(blockdev --getsz "$disk0") cache $disk2 $disk1 $disk0 128 1 writeback $1 0"; }

# make_device DISK...: $device is it.
make_device() {
	case $driver in
	dm-crypt)
		crypt device "$1"
		device=/dev/mapper/device ;;
	dm-snapshot)
		mapped device "$1" "snapshot-origin $1"
		device=/dev/mapper/device ;;
	dm-integrity)
		integritysetup format -q --integrity crc32c "$1" >/dev/null
		integritysetup open --integrity crc32c "$1" device
		device=/dev/mapper/device ;;
	dm-writecache)
		blank "$2"
		mapped device "$1" "writecache s $1 $2 4096 4 high_watermark 4 low_watermark 2"
		device=/dev/mapper/device ;;
	dm-thin)
		blank "$2"
		dmsetup create pool --table "0 $(blockdev --getsz "$1") thin-pool $2 $1 128 0"
		dmsetup message pool 0 "create_thin 0"
		thin device 0
		device=/dev/mapper/device ;;
	dm-cache)
		blank "$3"
		dmsetup create device --table "$(cache smq)"
		device=/dev/mapper/device ;;
	bcache)
		bcache "$@"
		device=/dev/bcache0 ;;
	f2fs)
		device=${1:-$VDC_FILES} ;;
	nvme)
		device=/dev/nvme0n1
		until [ -b $device ]; do
			sleep 0.2
		done ;;
	raid5*)
		raid5 "$@"
		device=/dev/md0 ;;
	raid*)
		raid "$@"
		device=/dev/md0 ;;
	esac
}

remove_device() {
	case $driver in
	bcache)
		bcache_end ;;
	dm-thin)
		dmsetup remove device
		dmsetup remove pool ;;
	raid*)
		mdadm --stop --quiet /dev/md0 ;;
	f2fs | nvme) ;;
	*)
		dmsetup remove device ;;
	esac
}

# ---- the file system on the device

make_fs() {
	case $driver in
	f2fs) mkfs_f2fs -q -f -t 0 -O extra_attr,compression $device >/dev/null ;;
	*) mke2fs -q -t ext4 $device ;;
	esac
}

# With f2fs all files are compressed, four pages at a time.
mount_fs() {
	case $driver in
	f2fs) mount -t f2fs -o 'nodiscard,compress_algorithm=lz4,compress_extension=*' $device /mnt ;;
	*) mount -t ext4 $device /mnt ;;
	esac
}

check_fs() {
	case $driver in
	f2fs) fsck_f2fs --dry-run $device ;;
	*) e2fsck -fn $device ;;
	esac >/tmp/fsck 2>&1 || fail "the file system is damaged: $(cat /tmp/fsck)"
}

# umount_fs: with f2fs, only if blocks were compressed.
umount_fs() {
	if [ $driver = f2fs ]; then
		sync
		saved=$(cat /sys/fs/f2fs/*/compr_saved_block)
		[ $part != prove ] || progress "$kind: compression has saved $saved blocks"
		[ "$saved" -gt 0 ] || fail "nothing was compressed"
	fi
	umount /mnt
}

# snapshot NAME COW: of the first disk, which the file system is quiet for.
snapshot() {
	# An older snapshot that has its mark there would be gone on with.
	dd if=/dev/zero of="$2" bs=64k count=1 conv=notrunc 2>/dev/null
	dmsetup suspend device
	mapped "$1" "$disk0" "snapshot $disk0 $2 P 8"
	dmsetup resume device
}

# ---- memory

pressure_on() {
	available=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
	/bin/hog $((available + 48)) "$1" >/tmp/hog &
	hog=$!
	# Full, and some of it swapped out.
	until awk '/^SwapTotal/ { total = $2 } /^SwapFree/ { exit !(total - $2 > 16384) }' /proc/meminfo; do
		kill -0 $hog || fail "the hog ended: $(cat /tmp/hog)"
		sleep 0.2
	done
	insmod /drivers/squeeze.ko
}

pressure_off() {
	rmmod squeeze
	kill $hog
	wait $hog || fail "swapped memory: $(cat /tmp/hog)"
	echo "scenario=swap driver=$driver kind=$kind $(cat /tmp/hog)"
}

# ---- what the pools did: the kernel counts mempool2's events, by pool

EVENTS=$T/events/mempool2
POOLS=/sys/kernel/debug/mempool2
RESERVE='hist:keys=name'
# A variable of the kernel's, not of the shell's.
# shellcheck disable=SC2016
WAITS='hist:keys=name:ns=wait_ns:onmax($ns).save(nr)'

figures_on() {
	echo "$RESERVE" >$EVENTS/mempool2_reserve_alloc/trigger
	echo "$WAITS" >$EVENTS/mempool2_wait_end/trigger
}

# hits EVENT: how often it happened, in all pools.
hits() { awk '$1 == "Hits:" { hits = $2 } END { print hits + 0 }' "$EVENTS/$1/hist"; }

# given: the elements that the reserves gave. f2fs has other pools than that of the pages for what is compressed, and
# that one is meant.
given() {
	if [ $driver = f2fs ]; then
		awk '/name: f2fs_init_compress_mempool / { print $NF; found = 1 } END { if (!found) print 0 }' \
			$EVENTS/mempool2_reserve_alloc/hist
	else
		hits mempool2_reserve_alloc
	fi
}

# each_fails N: of all pools each Nth call of the alloc function. A pool of a rebuild may end meanwhile.
each_fails() {
	for pool in "$POOLS"/*/fail; do
		{ echo "$1" >"$pool"; } 2>/dev/null || [ ! -e "$pool" ]
	done
}

# From here on each fourth call of an alloc function fails, even if there is memory. Small elements nearly always come
# from a partial slab otherwise.
fail_some() {
	[ -e /tmp/short ] || hits mempool2_reserve_alloc >/tmp/short
	# Opening the table makes a directory for each pool.
	cat $POOLS/pools >/tmp/pools
	each_fails 4
}

# Until the load is over, in turns: for three seconds no alloc function gets anything, so all elements come from the
# reserves; and for three seconds each fourth call fails.
fail_all() {
	fail_some
	while [ ! -e /tmp/over ]; do
		each_fails 1
		sleep 3
		each_fails 4
		sleep 3
	done
}

# fail_some, as soon as the reserve was used for want of memory. A chunk is copied once, when it is written for the
# first time, and then a snapshot has no use for its pool any more.
fail_some_soon() {
	tries=0
	until [ "$(hits mempool2_reserve_alloc)" -ge 10 ] || [ $tries = 20 ]; do
		sleep 0.5
		tries=$((tries + 1))
	done
	fail_some
}

figures_off() {
	longest=$(awk '
		{ for (i = 1; i < NF; i++) if ($i == "max:" && $(i + 1) + 0 > longest) longest = $(i + 1) }
		END { printf "%d", longest / 1000 }' $EVENTS/mempool2_wait_end/hist)
	# Which pools these were, into the log.
	grep hitcount $EVENTS/mempool2_reserve_alloc/hist >&2
	echo "scenario=pools driver=$driver least=$least short=$(cat /tmp/short) reserve=$(hits mempool2_reserve_alloc)" \
		"waits=$(hits mempool2_wait_end) max_wait_us=$longest"
	echo "!$RESERVE" >$EVENTS/mempool2_reserve_alloc/trigger
	echo "!$WAITS" >$EVENTS/mempool2_wait_end/trigger
}

# ---- verified I/O

# Of each page, so many percent are zeros.
shrink=
[ $driver != f2fs ] || shrink="--buffer_compress_percentage=60 --buffer_compress_chunk=4k"

# load_files SEED DIRECTORY OPTION...: four files, two written past the page cache, each block of them read back and
# compared with its checksum.
load_files() {
	seed=$1 where=$2
	shift 2
	fio --directory="$where" --rw=randwrite --bssplit=4k/20:16k/20:64k/30:256k/30 --size="$file_mib"m --numjobs=2 \
		--randseed="$seed" --thread --verify=crc32c --verify_fatal=1 --fallocate=none --group_reporting \
		--minimal $shrink "$@" \
		--name=direct --direct=1 --ioengine=libaio --iodepth=16 \
		--name=buffered --new_group --direct=0 --ioengine=psync >/tmp/fio || fail "fio: $(cat /tmp/fio)"
	# With --verify_only fio says of what it does not write that it wrote it.
	awk -F';' -v driver=$driver -v kind=$kind -v options="$*" '
		{ error += $5; read += $6; wrote += options ~ /verify_only/ ? 0 : $47; groups++ }
		END {
			printf "scenario=io driver=%s kind=%s written_kib=%d verified_kib=%d\n", driver, kind, wrote, read
			exit error || groups != 2 || !read
		}' /tmp/fio || fail "fio: $(cat /tmp/fio)"
}

# The same blocks, read again. That it is the last version of each is not compared: that is what sums is for.
verify_files() { load_files "$1" "$2" --verify_only; }

# enough: how many elements the load has asked for so far differs with the speed of this machine, as one element serves
# as many blocks as are there at that moment. So there is more load, of small blocks in files of its own, until the
# reserves gave $least elements.
enough() {
	more=0
	mkdir /mnt/more
	while [ "$(given)" -lt "$least" ]; do
		[ $more -lt 40 ] || fail "the reserves gave only $(given) elements, with $more more loads"
		more=$((more + 1))
		progress "$kind: the reserves gave $(given) elements; more load, $more"
		load_files $((100 + more)) /mnt/more --bssplit=4k/100 --size=8m
	done
	progress "$kind: the reserves gave $(given) elements"
	rm -r /mnt/more
}

sums() { (cd "$1" && md5sum direct.* buffered.*); }

# as_before FILE DIRECTORY: the files have the sums that are in FILE.
as_before() { [ "$(sums "$2")" = "$(cat "$1")" ] || fail "other files than before in $2: $(cat "$1"; sums "$2")"; }

# ---- what happens to a device while it is in use

raid_settled() {
	while grep -qE 'recovery|resync|check' /proc/mdstat; do
		sleep 1
	done
}

# A disk fails under load, and comes back as a new one.
raid_event() {
	sleep 3
	mdadm --quiet /dev/md0 --fail "$disk1"
	sleep 2
	mdadm --quiet /dev/md0 --remove "$disk1"
	mdadm --zero-superblock "$disk1"
	sleep 3
	mdadm --quiet /dev/md0 --add "$disk1"
}

check_device() {
	case $driver in
	raid*)
		mdadm --detail /dev/md0 | grep -qE 'State : (clean|active) *$' || fail "not clean: $(cat /proc/mdstat)"
		echo check >/sys/block/md0/md/sync_action
		raid_settled
		[ "$(cat /sys/block/md0/md/mismatch_cnt)" = 0 ] ||
			fail "the disks differ: mismatch_cnt $(cat /sys/block/md0/md/mismatch_cnt)" ;;
	esac
}

# What is in a cache goes to the disk behind the cache, which is then compared.
empty_cache() {
	case $driver in
	bcache)
		echo 1 >/sys/block/bcache0/bcache/detach
		until [ "$(cat /sys/block/bcache0/bcache/state)" = "no cache" ]; do
			sleep 0.5
		done ;;
	dm-writecache)
		dmsetup message device 0 flush
		dmsetup suspend device
		dmsetup reload device --table "0 $(blockdev --getsz "$disk0") linear $disk0 0"
		dmsetup resume device ;;
	dm-cache)
		dmsetup suspend device
		dmsetup reload device --table "$(cache cleaner)"
		dmsetup resume device
		until [ "$(dmsetup status device | awk '{ print $14 }')" = 0 ]; do
			sleep 0.5
		done
		dmsetup suspend device
		dmsetup reload device --table "0 $(blockdev --getsz "$disk0") linear $disk0 0"
		dmsetup resume device ;;
	esac
}

# One snapshot that has room for all, one that overflows.
snapshots_make() {
	sums /mnt >/tmp/sums.first
	snapshot large "$disk1"
	snapshot small "$disk2"
	mkdir -p /snapshot
}

# A snapshot of a thin device shares all blocks until they are written.
thin_snapshot() {
	sums /mnt >/tmp/sums.first
	mkdir -p /snapshot
	dmsetup suspend device
	dmsetup message pool 0 "create_snap 1 0"
	dmsetup resume device
}

thin_check() {
	thin snap 1
	mount -t ext4 /dev/mapper/snap /snapshot
	as_before /tmp/sums.first /snapshot
	umount /snapshot
	dmsetup remove snap
}

# The one overflowed; the other still has the files as they were at first.
snapshots_check() {
	dmsetup status small | grep -q Invalid || fail "the small snapshot did not overflow: $(dmsetup status small)"
	dmsetup remove small
	mount -t ext4 /dev/mapper/large /snapshot
	as_before /tmp/sums.first /snapshot
}

# Write to the snapshot, and merge it into the device.
snapshot_merge() {
	load_files 2 /snapshot
	sums /snapshot >/tmp/sums
	umount /snapshot
	dmsetup suspend device
	dmsetup remove large
	dmsetup reload device --table "0 $(blockdev --getsz "$disk0") snapshot-merge $disk0 $disk1 P 8"
	dmsetup resume device
	until dmsetup status device | awk '{ split($4, used, "/"); exit !(used[1] == $5) }'; do
		sleep 1
	done
	check_files 2
}

# again: before a turn of a soak that is like the first one. A snapshot needs its pool only for what is written for the
# first time, so there are new ones.
again() {
	case $driver in
	raid*)
		raid_settled ;;
	dm-snapshot)
		snapshots_check
		umount /snapshot
		dmsetup remove large
		snapshots_make ;;
	dm-thin)
		thin_check
		dmsetup message pool 0 "delete 1"
		thin_snapshot ;;
	esac
}

# ---- prove

# files MIB...: the loop devices $disk0 and on, of so many MiB; the small one for the snapshot that overflows.
files() {
	disks='' number=0
	[ $# != 0 ] || return 0
	mke2fs -q -t ext4 -O ^has_journal -E nodiscard $VDC_FILES
	mount -t ext4 $VDC_FILES /disks
	for mib in "$@"; do
		dd if=/dev/zero of=/disks/$number bs=1M count="$mib" 2>/dev/null
		losetup --direct-io=on /dev/loop$number /disks/$number
		eval "disk$number=/dev/loop$number"
		disks="$disks /dev/loop$number"
		number=$((number + 1))
	done
}

swap_on() {
	swap=$VDB_SWAP
	if [ $driver = dm-crypt ]; then
		crypt swap $VDB_SWAP
		swap=/dev/mapper/swap
	fi
	mkswap $swap >/dev/null
	swapon $swap
}

swap_off() {
	swapoff $swap
	[ $swap = $VDB_SWAP ] || dmsetup remove swap
}

# What is on the device now, read from the device.
check_files() {
	check_fs
	mount_fs
	as_before /tmp/sums /mnt
	verify_files "$1" /mnt
	umount /mnt
}

# The stock build is there to show that all the rest is sound: with less data. In a soak the first two passes take turns.
prove() {
	kind=$1 file_mib=64 passes=2 began=$(uptime_s)
	[ $kind = mempool2 ] || file_mib=16 passes=1
	progress "$kind: making the device and its file system"
	load $kind
	make_device $disks
	swap_on
	make_fs
	mount_fs
	load_files 1 /mnt
	case $driver in
	dm-snapshot) snapshots_make ;;
	dm-thin) thin_snapshot ;;
	esac
	[ $kind != mempool2 ] || figures_on
	pressure_on 20
	pass=1
	while [ $pass -le $passes ] || { [ $kind = mempool2 ] && [ $(($(uptime_s) - began)) -lt "$soak" ]; }; do
		if [ $pass -le $passes ]; then
			progress "$kind: verified I/O while memory is full, $pass of $passes"
		else
			progress "$kind: pass $pass, $(($(uptime_s) - began)) s of $soak"
		fi
		event=
		rm -f /tmp/over
		turn=$(((pass - 1) % 2 + 1))
		if [ $pass -gt 2 ] && [ $turn = 1 ]; then
			again
		fi
		case $turn$kind$driver in
		1*raid*)
			raid_event &
			event=$! ;;
		1mempool2dm-snapshot | 1mempool2dm-thin)
			fail_some_soon &
			event=$! ;;
		2mempool2raid1* | 2mempool2dm-crypt)
			fail_some ;;
		2mempool2dm-snapshot | 2mempool2dm-thin) ;;
		2mempool2*)
			fail_all &
			event=$! ;;
		esac
		load_files $((pass + 1)) /mnt
		[ $pass$kind != 2mempool2 ] || enough
		touch /tmp/over
		[ -z "$event" ] || wait "$event"
		pass=$((pass + 1))
	done
	case $driver in raid*) raid_settled ;; esac
	pressure_off
	[ $kind != mempool2 ] || figures_off
	[ "$soak" = 0 ] || echo "scenario=soak driver=$driver seconds=$(($(uptime_s) - began))"

	progress "$kind: looking at what is on the device"
	sums /mnt >/tmp/sums
	umount_fs
	check_device
	empty_cache
	check_files $pass
	if [ $driver = dm-snapshot ]; then
		progress "$kind: the snapshots, and a merge"
		snapshots_check
		snapshot_merge
	elif [ $driver = dm-thin ]; then
		thin_check
	fi
	swap_off
	remove_device
	progress "$kind: unloading"
	unload
}

part_prove() {
	case $driver in
	dm-crypt) files 340 ;;
	dm-snapshot) files 340 420 16 ;;
	raid1) files 340 340 ;;
	raid10) files 170 170 170 170 ;;
	bcache | dm-writecache) files 340 120 ;;
	dm-integrity) files 380 ;;
	dm-thin) files 640 8 ;;
	dm-cache) files 340 120 8 ;;
	raid5-journal) files 170 170 170 80 ;;
	raid5-ppl) files 170 170 170 ;;
	f2fs | nvme) files ;;
	esac
	for kind in $kinds; do
		prove $kind
	done
}

# ---- measure

# The RAM disks have all their memory before it is full.
ram_disks() {
	disks='' number=0
	for disk in /dev/ram*; do
		dd if=/dev/zero of="$disk" bs=64k 2>/dev/null || :
		eval "disk$number=$disk"
		disks="$disks $disk"
		number=$((number + 1))
	done
}

# measure KIND: $times runs of fio count as one, which would be too short otherwise.
measure() {
	kind=$1
	load $kind
	make_device $disks
	target=--filename=$device
	if [ $driver = f2fs ]; then
		make_fs
		mount_fs
		target=--directory=/mnt
	fi
	# fail() writes to stderr.
	# shellcheck disable=SC2094
	for _ in $(seq $times); do
		[ $driver != dm-snapshot ] || snapshot large "$disk1"
		[ $driver = f2fs ] || insmod /drivers/squeeze.ko
		fio --name=measure $target $job --randseed="$round" --numjobs=2 --thread --group_reporting --minimal ||
			fail "fio: $(cat /tmp/fio)"
		[ $driver = f2fs ] || rmmod squeeze
		[ $driver != dm-snapshot ] || dmsetup remove large
	done >/tmp/fio
	awk -F';' -v driver=$driver -v kind=$kind -v round="$round" -v times=$times '
		function most(one, other) { return one > other ? one : other }
		{ error += $5; kib += $6 + $47; ms += most($9, $50); longest = most(longest, most($39, $80)) }
		END {
			if (error || NR != times || !ms) exit 1
			printf "scenario=speed driver=%s kind=%s round=%d kib_s=%d longest_us=%d\n", driver, kind, round,
				1000 * kib / ms, longest
		}' /tmp/fio || fail "fio: $(cat /tmp/fio)"
	[ $driver != f2fs ] || umount_fs
	remove_device
	unload
}

part_measure() {
	echo 300M >/sys/block/zram0/disksize
	mkswap /dev/zram0 >/dev/null
	swapon /dev/zram0
	ram_disks
	case $driver in
	# Every chunk once, as only its first write is the snapshot's business.
	dm-snapshot) times=4 job="--rw=randwrite --bs=4k --size=12m --offset_increment=12m" ;;
	*) times=1 job="--rw=randrw --bssplit=4k/50:16k/30:64k/20 --size=16m --time_based --runtime=5" ;;
	esac
	case $driver in
	# f2fs has no direct I/O for files that it compresses. Without a flush after each write, how fast the kernel lets
	# a program make pages dirty would be measured, which depends on what was written before. And when memory is full,
	# which pages the kernel drops makes more of a difference than the pools do: one of twenty, in either direction.
	f2fs) job="$job $shrink --ioengine=psync --fdatasync=1" ;;
	*) job="$job --direct=1 --ioengine=libaio --iodepth=16" ;;
	esac
	if [ $driver != f2fs ]; then
		pressure_on 20
		rmmod squeeze
	fi
	order="stock mempool2"
	for round in 1 2 3 4 5; do
		progress "the same load on both, round $round of 5"
		for kind in $order; do
			measure $kind
		done
		[ "$order" = "stock mempool2" ] && order="mempool2 stock" || order="stock mempool2"
	done
	[ $driver != f2fs ] || return 0
	kill $hog
	wait $hog || fail "swapped memory: $(cat /tmp/hog)"
}

set_up
part_$part
rmmod mempool2
echo "scenario=guest driver=$driver part=$part release=$(uname -r)"
