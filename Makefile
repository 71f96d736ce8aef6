# SPDX-License-Identifier: GPL-2.0-only
#
# What a person runs. The build itself is kbuild's, which reads Kbuild and never this file.

KDIR ?= /lib/modules/$(shell uname -r)/build

# Outside a kernel tree nobody has configured these; CONFIG_MEMPOOL2_BENCH=m may be added on the command line.
CONFIG_MEMPOOL2 := m
CONFIG_MEMPOOL2_DEBUG := y
CONFIG_MEMPOOL2_EXAMPLE := m
CONFIG_MEMPOOL2_EXAMPLE_BLKQ := m

# Type information for BPF is made by pahole, which few have, and modules load without it; nor is then the
# warning wanted that the kernel was built with another pahole.
ifeq ($(shell command -v pahole),)
without_btf = CONFIG_DEBUG_INFO_BTF_MODULES= PAHOLE_VERSION='$$(CONFIG_PAHOLE_VERSION)'
endif

kbuild = $(MAKE) -C $(KDIR) M=$(CURDIR) CONFIG_MEMPOOL2=$(CONFIG_MEMPOOL2) CONFIG_MEMPOOL2_DEBUG=$(CONFIG_MEMPOOL2_DEBUG) \
	CONFIG_MEMPOOL2_EXAMPLE=$(CONFIG_MEMPOOL2_EXAMPLE) \
	CONFIG_MEMPOOL2_EXAMPLE_BLKQ=$(CONFIG_MEMPOOL2_EXAMPLE_BLKQ) $(without_btf)

modules modules_install: kdir
	+$(kbuild) $@

kdir:
	@test -e $(KDIR)/Makefile || { \
		echo "make: no kernel to build against in $(KDIR)." >&2; \
		echo "Install its headers (Debian: apt-get install linux-headers-$$(uname -r)) or give KDIR=." >&2; \
		exit 1; }

clean:
	+@test ! -e $(KDIR)/Makefile || $(kbuild) $@
	rm -rf build

bench bench-guard check check-all coverage demo drivers inside mutants selftest:
	@scripts/$@

verify:
	@scripts/verify
	@scripts/model

# scripts/kernel is what fetches them.
kernel:
	@scripts/whole-kernel

help:
	@echo 'Building:'
	@echo '  modules          - build mempool2.ko and the examples (default)'
	@echo '  modules_install  - install them below INSTALL_MOD_PATH'
	@echo '  clean            - remove what was built'
	@echo '                     KDIR=DIR the kernel to build against [$(KDIR)]'
	@echo '                     W=1 more warnings, C=2 check with sparse, V=1 show commands,'
	@echo '                     CONFIG_MEMPOOL2_BENCH=m, CONFIG_MEMPOOL2_KUNIT_TEST=m more modules'
	@echo
	@echo 'On kernels that are fetched and booted (Debian 12, root for the first time):'
	@echo '  demo             - the module at work beside the mempool of the kernel'
	@echo '                     KERNEL=6.1, 6.12 or 7.3 the kernel to boot [6.1]'
	@echo '  drivers          - dm-crypt, dm-snapshot, raid1 and raid10 on mempool2 while memory is full, beside'
	@echo '                     their stock builds: KERNEL=6.1, 6.12 or 7.3 [6.1],'
	@echo '                     SAVE=1 put the table into Documentation/dropin.rst as well'
	@echo '  check            - the KUnit suite on User-Mode Linux and in stock 6.1, the examples, the litmus tests'
	@echo '                     SUITE=, CASE= only these tests (* and ? allowed)'
	@echo '  check-all        - the KUnit suite in all kernels, stock and other, emulators and sanitizers of the matrix;'
	@echo '                     an interrupted run goes on where it stopped'
	@echo '  kernel           - a 7.3 kernel in which every memory pool is one of mempool2: its own KUnit tests,'
	@echo '                     and file systems that are written and verified while allocations fail'
	@echo '                     SIZE=N the MiB to write on each of them [1200], SAVE=1 as for drivers'
	@echo '  verify           - the litmus tests of the ordering argument, by herd7; and the model of the reserve'
	@echo '                     and the queue, by spin'
	@echo '  coverage         - what the suite reaches in mempool2.c; pages in build/coverage'
	@echo '  mutants          - does the suite catch plausible mistakes? (scripts/mutants NAME: one)'
	@echo '  bench            - mempool2 beside the mempool of the kernel, in figures; into build/bench'
	@echo "                     KERNEL='6.1 7.3' the kernels to boot, SEED=N the order of an earlier run,"
	@echo '                     SAVE=1 put the results into bench/results as well'
	@echo '  bench-guard      - are the main paths still as short as bench/budgets says?'
	@echo '  inside           - debugfs, trace-cmd, bpftrace and drgn at work on pools of stock kernels'
	@echo '  selftest         - do the scripts notice a failing case, a panic, a hang, no KUnit?'
	@echo
	@echo 'scripts/ holds what these are made of; each script prints its usage with --help.'

.DEFAULT_GOAL := modules
.PHONY: modules modules_install kdir clean bench bench-guard check check-all coverage demo drivers inside kernel mutants
.PHONY: selftest verify help
