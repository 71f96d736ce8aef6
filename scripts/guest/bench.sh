#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scripts/bench and scripts/bench-guard run this in their guests (busybox sh). It writes each line of /plan to the
# benchmark module. The output is the module's lines of "key=value" words, a line "run: ..." before each run, from which
# the host prints its progress, and a last line that describes the kernel and the machine.

set -eu

BENCH=/sys/kernel/debug/mempool2_bench

# For some seconds after the boot the kernel has work of its own, and its timers are coarse.
sleep 6
while read -r line; do
	echo "run: $line"
	echo "$line" >$BENCH/run || { echo "failed: $line" >&2; exit 1; }
	cat $BENCH/result
	echo clear >$BENCH/run
done </plan

rmmod mempool2_bench
rmmod mempool2
accel=tcg
! grep -q 'User Mode Linux' /proc/cpuinfo || accel=uml
# Only KVM offers its guests this clock.
! grep -qs kvm-clock /sys/devices/system/clocksource/clocksource0/available_clocksource || accel=kvm
echo "scenario=guest release=$(uname -r) cpus=$(grep -c '^processor' /proc/cpuinfo) accel=$accel"
