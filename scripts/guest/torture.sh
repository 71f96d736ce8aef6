#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest with mempool2: run mempool2_torture with the parameters in /torture.conf. Meanwhile another user of
# mempool2 comes and goes, and all files of all pools are read and written.

parameters=$(grep -v '^#' /torture.conf)
of_torture=/sys/module/mempool2_torture/parameters
if [ -f /modules/mempool2_torture.ko ]; then
	# Parameters are words.
	# shellcheck disable=SC2086
	insmod /modules/mempool2_torture.ko $parameters || exit 1
else
	for parameter in $parameters; do
		echo "${parameter#*=}" >"$of_torture/${parameter%%=*}" || exit 1
	done
	echo 1 >"$of_torture/start" || exit 1
fi

# Random bytes are no value of any file, and what a file shows changes nothing.
abuse() {
	while [ ! -f /tmp/over ]; do
		for file in /sys/kernel/debug/mempool2/pools /sys/kernel/debug/mempool2/*/*; do
			head -c 20 /dev/urandom >"$file"
			cat "$file" >/dev/null
		done 2>/dev/null
		sleep 1
	done
}
[ ! -d /sys/kernel/debug/mempool2 ] || abuse &

while ! dmesg | grep -q 'mempool2_torture: End of test'; do
	if [ -f /modules/mempool2_example.ko ]; then
		insmod /modules/mempool2_example.ko && rmmod mempool2_example || exit 1
	fi
	sleep 1
done
: >/tmp/over
wait
dmesg | grep -q 'mempool2_torture: End of test: SUCCESS' || exit 1
[ ! -f /modules/mempool2_torture.ko ] || { rmmod mempool2_torture && rmmod mempool2; }
