# SPDX-License-Identifier: GPL-2.0-only
#
# Commands for the command line. kbuild does the build: it reads Kbuild and never this file.

KDIR ?= /lib/modules/$(shell uname -r)/build

# Outside a kernel tree no .config sets these. CONFIG_MEMPOOL2_BENCH=m may be added on the command line.
CONFIG_MEMPOOL2 := m
CONFIG_MEMPOOL2_EXAMPLE := m
CONFIG_MEMPOOL2_EXAMPLE_BLKQ := m

# pahole makes the type information for BPF. Few machines have pahole, and modules load without this information.
# PAHOLE_VERSION prevents the warning that the kernel was built with another pahole.
ifeq ($(shell command -v pahole),)
without_btf = CONFIG_DEBUG_INFO_BTF_MODULES= PAHOLE_VERSION='$$(CONFIG_PAHOLE_VERSION)'
endif

kbuild = $(MAKE) -C $(KDIR) M=$(CURDIR) CONFIG_MEMPOOL2=$(CONFIG_MEMPOOL2) \
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

bench bench-guard check check-all check-signing coverage demo drivers inside lint mutants selftest:
	@scripts/$@

verify:
	@scripts/verify
	@scripts/model

embed:
	@scripts/embed "$(DEST)" $(NAME)

check-embed:
	@scripts/$@

# scripts/kernel fetches stock kernels, so the script of this target has another name.
kernel:
	@scripts/whole-kernel

litmus: verify
check-debug: inside
check-scripts: selftest

# scripts/kernel-doc of a kernel tree writes the page of mempool2.h.
htmldocs:
	@scripts/deps docs
	@mkdir -p build/docs
	@tree=$$(scripts/kernel source 7.3) && \
		"$$tree"/scripts/kernel-doc -rst -Werror mempool2.h >build/docs/mempool2.h.rst
	@sphinx-build -q -W --keep-going -b html -d build/docs/doctrees Documentation build/docs/html
	@echo "The pages are in $(CURDIR)/build/docs/html; begin with index.html."

help:
	@echo 'Build the module:'
	@echo '  modules          - build mempool2.ko and the examples (default)'
	@echo '  modules_install  - install them below INSTALL_MOD_PATH'
	@echo '  embed            - a copy of mempool2 for the module of a driver: make embed DEST=my_driver/mempool2'
	@echo '  htmldocs         - the documents as web pages, by Sphinx; in build/docs/html'
	@echo '  clean            - remove all build products'
	@echo
	@echo 'All other targets fetch kernels and boot them (on Debian 12, for the first time as root).'
	@echo
	@echo 'Try it:'
	@echo '  demo             - mempool2 and the mempool of a stock kernel beside each other, without memory'
	@echo '  drivers          - dm-crypt, dm-snapshot, raid1 and raid10 on mempool2 and on mempool, while memory is full'
	@echo '  kernel           - a 7.3 kernel in which all memory pools are mempool2: KUnit tests, ext4, xfs and f2fs'
	@echo
	@echo 'Check it:'
	@echo '  check            - lint, litmus tests, the KUnit suite on User-Mode Linux and stock 6.1, the examples'
	@echo '  check-all        - the KUnit suite in each kernel of the matrix; an interrupted run continues'
	@echo '  lint             - checkpatch, kernel-doc, sparse, W=1, shellcheck, codespell, the version'
	@echo '  check-debug      - debugfs, trace-cmd, bpftrace and drgn on pools of stock kernels (also: inside)'
	@echo '  check-signing    - Secure Boot: which signed modules do stock kernels load, and with which messages?'
	@echo '  check-scripts    - do the scripts notice a failing case, a panic, a hang, no KUnit? (also: selftest)'
	@echo '  check-embed      - two drivers with copies of mempool2 beside mempool2.ko, on 6.1 and 7.3'
	@echo
	@echo 'Prove it:'
	@echo '  litmus           - the litmus tests by herd7, then the model of reserve and queue by spin (also: verify)'
	@echo '  mutants          - does the suite catch each deliberate mistake in mempool2? (scripts/mutants NAME: one)'
	@echo '  coverage         - the lines and branches that the suite reaches; HTML pages in build/coverage'
	@echo
	@echo 'Measure it:'
	@echo '  bench            - mempool2 and mempool in figures and pictures, in build/bench'
	@echo '  bench-guard      - are the main paths still as short as bench/budgets says?'
	@echo
	@echo 'Options:'
	@echo '  KDIR=DIR         - modules: the kernel to build against [$(KDIR)]'
	@echo '  NAME=PREFIX      - embed: the prefix of the symbols of the copy [the name of the directory above DEST]'
	@echo '  W=1 C=2 V=1      - modules: more warnings, check with sparse, show commands'
	@echo '  CONFIG_MEMPOOL2_BENCH=m, CONFIG_MEMPOOL2_KUNIT_TEST=m - modules: build these as well'
	@echo '  KERNEL=6.1       - demo, drivers: boot 6.1, 6.12 or 7.3; bench, bench-guard, check-debug: one or more'
	@echo '  SUITE=, CASE=    - check: only these KUnit suites and cases (* and ? allowed)'
	@echo '  SAVE=1           - bench, drivers, kernel: put the results into the tree, to be committed'
	@echo
	@echo 'Each target runs the script of its name in scripts/, and --help prints the manual of a script'
	@echo '(check-debug: inside, check-scripts: selftest, litmus: verify and model, kernel: whole-kernel).'

.DEFAULT_GOAL := modules
.PHONY: modules modules_install kdir clean bench bench-guard check check-all coverage demo drivers inside kernel lint
.PHONY: check-signing mutants selftest verify litmus check-debug check-scripts embed check-embed htmldocs help
