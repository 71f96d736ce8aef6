# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Functions of scripts/bench and scripts/bench-guard. Sourced after lib.sh, never run.

# bench_build SERIES: build the modules for it.
bench_build() {
	"$TOP/scripts/kernel" headers "$1" >/dev/null || exit 2
	step "building the modules for $1" "bench-build-$1" "$TOP/scripts/kernel" build "$1"
}

# bench_boot LOG PLAN MODULES OPTION...: run the lines of the file PLAN in a kernel that scripts/vm boots with
# these options and the modules in the directory MODULES. What the benchmark reports comes out of stdout.
bench_boot() {
	local log=$1 plan=$2 modules=$3 line nr=0 total
	shift 3
	total=$(wc -l <"$plan")
	"$TOP/scripts/vm" "$@" --log "$log" --timeout 1800 \
		--module "$modules/mempool2.ko" --module "$modules/bench/mempool2_bench.ko" \
		--file "$plan:/plan" --script "$TOP/scripts/guest/bench.sh" |
		while IFS= read -r line; do
			case $line in
			"run: "*) ((++nr % 20)) || say "  run $nr of $total: ${line#run: }" ;;
			*) printf '%s\n' "$line" ;;
			esac
		done
}
