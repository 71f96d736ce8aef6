# SPDX-License-Identifier: GPL-2.0-only
#
# Commands for the command line. kbuild does the build: it reads Kbuild and never this file.

KDIR ?= /lib/modules/$(shell uname -r)/build

# Outside a kernel tree no .config sets these. CONFIG_MEMPOOL2_BENCH=m may be added on the command line.
CONFIG_MEMPOOL2 := m

# "make" builds the examples as well; the targets that install want to be asked for each.
examples := $(if $(wildcard examples/Kbuild),CONFIG_MEMPOOL2_EXAMPLE CONFIG_MEMPOOL2_EXAMPLE_BLKQ)
asked_for := $(strip $(foreach name,$(examples),$(if $(filter command line,$(origin $(name))),$(filter m,$($(name))))))
CONFIG_MEMPOOL2_EXAMPLE := m
CONFIG_MEMPOOL2_EXAMPLE_BLKQ := m

# pahole makes the type information for BPF. Few machines have pahole, and modules load without this information.
# PAHOLE_VERSION prevents the warning that the kernel was built with another pahole.
ifeq ($(shell command -v pahole),)
without_btf = CONFIG_DEBUG_INFO_BTF_MODULES= PAHOLE_VERSION='$$(CONFIG_PAHOLE_VERSION)'
endif

# Each build lists its modules, and modules_install reads the list. So the examples are a build of their own.
kbuild_in = $(MAKE) -C $(KDIR) M=$(CURDIR)$(1) $(without_btf)
kbuild = $(call kbuild_in) CONFIG_MEMPOOL2=$(CONFIG_MEMPOOL2) CONFIG_MEMPOOL2_EXAMPLE= CONFIG_MEMPOOL2_EXAMPLE_BLKQ=
kbuild_examples = $(call kbuild_in,/examples) $(foreach name,$(examples),$(name)=$($(name))) \
	KBUILD_EXTRA_SYMBOLS=$(CURDIR)/Module.symvers

# A distribution does not ship the key that it signs modules with, and sign-file would complain.
key = $(shell sed -n 's/^CONFIG_MODULE_SIG_KEY="\(.*\)"/\1/p' $(KDIR)/include/config/auto.conf)
without_key = $(if $(wildcard $(key:%=$(KDIR)/%) $(filter /%,$(key)))$(filter pkcs11:%,$(key)),,CONFIG_MODULE_SIG_ALL=)

modules: kdir
	+$(kbuild) $@
	$(if $(examples),+$(kbuild_examples) $@)

# The modules of the last build, as in the kernel: without the examples, unless they are asked for.
modules_install: kdir
	+$(kbuild) $@ $(without_key)
	$(if $(asked_for),+$(kbuild_examples) $@ $(without_key))

kdir:
	@test $(words $(CURDIR)) = 1 || { \
		echo "make: kbuild cannot build in a directory that has a space in its path: $(CURDIR)" >&2; \
		echo "Move or clone mempool2 to a path without one." >&2; \
		exit 1; }
	@test -e $(KDIR)/Makefile || { \
		echo "make: no kernel to build against in $(KDIR)." >&2; \
		echo "Install its headers (Debian: apt-get install linux-headers-$$(uname -r)) or give KDIR=." >&2; \
		exit 1; }

# ---- installed like any other module

DESTDIR ?=
INSTALL_MOD_PATH ?= $(DESTDIR)
INSTALL_MOD_DIR ?= updates
DEPMOD ?= depmod
export INSTALL_MOD_PATH INSTALL_MOD_DIR

install uninstall: export KDIR := $(KDIR)
install uninstall: export DEPMOD := $(DEPMOD)

# A build that root makes in somebody's directory would leave files of root there. So nothing is built that is there.
install: kdir
	+@test -e mempool2.ko -a -e Module.symvers || $(kbuild) modules
	@scripts/install check
	+@$(kbuild) modules_install $(without_key)
	$(if $(asked_for),+@test -e examples/modules.order || $(kbuild_examples) modules)
	$(if $(asked_for),+@$(kbuild_examples) modules_install $(without_key))
	@scripts/install finish

uninstall: kdir
	@scripts/install remove

clean:
	+@test ! -e $(KDIR)/Makefile || $(kbuild) $@
	rm -rf build

bench bench-guard check check-all check-install check-signing coverage deb demo drivers inside lint mutants selftest torture:
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

check-arch check-kernels:
	@scripts/$(@:check-%=%)

litmus: verify
check-debug: inside
check-scripts: selftest

# scripts/kernel-doc of a kernel tree writes the pages of the headers.
htmldocs:
	@scripts/deps docs
	@mkdir -p build/docs
	@tree=$$(scripts/kernel source 7.3) && \
		for header in mempool2.h mempool2_debug.h; do \
			"$$tree"/scripts/kernel-doc -rst -Werror $$header >build/docs/$$header.rst || exit; \
		done
	@sphinx-build -q -W --keep-going -b html -d build/docs/doctrees Documentation build/docs/html
	@echo "The pages are in $(CURDIR)/build/docs/html; begin with index.html."

help:
	@echo 'Build the module:'
	@echo '  modules          - build mempool2.ko and the examples (default)'
	@echo '  embed            - a copy of mempool2 for the module of a driver: make embed DEST=my_driver/mempool2'
	@echo '  modules_install  - install mempool2.ko (CONFIG_MEMPOOL2_EXAMPLE=m: the examples as well)'
	@echo '  install          - modules_install, then headers and symbols for other modules, and depmod'
	@echo '  uninstall        - remove what install has installed for the kernel of KDIR'
	@echo '  deb              - Debian packages, for DKMS: mempool2-dkms and mempool2-dev; in build/deb'
	@echo '  htmldocs         - the documents as web pages, by Sphinx; in build/docs/html'
	@echo '  clean            - remove all build products'
	@echo
	@echo 'All other targets install from apt what they need, fetch kernels and boot them: on Debian 12 or 13, as root.'
	@echo
	@echo 'Try it:'
	@echo '  demo             - mempool2 and the mempool of a stock kernel beside each other, without memory'
	@echo '  drivers          - md, dm, bcache, f2fs and nvme on mempool2 and on the stock mempool, while memory is full'
	@echo '  kernel           - a 7.3 kernel in which all memory pools are mempool2: KUnit tests, ext4, xfs and f2fs'
	@echo
	@echo 'Check it:'
	@echo '  check            - lint, litmus tests, the KUnit suite on User-Mode Linux and stock 6.1, the examples'
	@echo '  check-all        - the KUnit suite in each kernel of the matrix; an interrupted run continues'
	@echo '  lint             - checkpatch, kernel-doc, sparse, W=1, clang, shellcheck, codespell, the version'
	@echo '  check-kernels    - build for, and load into, the newest kernel of each series and suite of Debian'
	@echo '  check-arch       - build for six other architectures; the KUnit suite on arm64, i386 and s390x'
	@echo '  check-debug      - debugfs, trace-cmd, bpftrace and drgn on pools of stock kernels (also: inside)'
	@echo '  check-signing    - Secure Boot: which signed modules do stock kernels load, and with which messages?'
	@echo '  check-install    - the packages, DKMS and install, in roots of Debian 12 and 13, two kernels each'
	@echo '  check-scripts    - do the scripts notice a failing case, a panic, a hang, no KUnit? (also: selftest)'
	@echo '  check-embed      - two drivers with copies of mempool2 beside mempool2.ko, on 6.1 and 7.3'
	@echo
	@echo 'Prove it:'
	@echo '  litmus           - the litmus tests by herd7, then the model of reserve and queue by spin (also: verify)'
	@echo '  mutants          - does the suite catch each deliberate mistake in mempool2? (scripts/mutants NAME: one)'
	@echo '  torture          - all calls at once for hours, in eight kernels, each result checked; goes on where it stopped'
	@echo '  coverage         - the lines and branches that the suite reaches; HTML pages in build/coverage'
	@echo
	@echo 'Measure it:'
	@echo '  bench            - mempool2 and mempool in figures and pictures, in build/bench'
	@echo '  bench-guard      - are the main paths still as short as bench/budgets says?'
	@echo
	@echo 'Options:'
	@echo '  NAME=PREFIX      - embed: the prefix of the symbols of the copy [the name of the directory above DEST]'
	@echo '  KDIR=DIR         - modules, install: the kernel to build against [$(KDIR)]'
	@echo '  INSTALL_MOD_PATH=DIR, DESTDIR=DIR - modules_install, install, uninstall: below DIR instead of /'
	@echo '  W=1 C=2 V=1      - modules: more warnings, check with sparse, show commands'
	@echo '  CONFIG_MEMPOOL2_BENCH=m, CONFIG_MEMPOOL2_KUNIT_TEST=m - modules: build these as well'
	@echo '  KERNEL=6.1       - demo, drivers: boot 6.1, 6.12 or 7.3; bench, bench-guard, check-debug, torture: one or more'
	@echo '  SUITE=, CASE=    - check: only these KUnit suites and cases (* and ? allowed)'
	@echo '  HOURS=1          - torture: for each kernel; drivers: for each driver, which is not measured then'
	@echo '  JOBS=1           - torture, drivers: guests at a time'
	@echo '  SAVE=1           - bench, drivers, kernel, torture: put the results into the tree, to be committed'
	@echo
	@echo 'Each target runs the script of its name in scripts/, and --help prints the manual of a script'
	@echo '(check-debug: inside, check-scripts: selftest, litmus: verify and model, kernel: whole-kernel,'
	@echo 'check-kernels: kernels, check-arch: arch).'

.DEFAULT_GOAL := modules
.PHONY: modules modules_install install uninstall deb embed kdir clean htmldocs help
.PHONY: check check-all check-arch check-debug check-embed check-install check-kernels check-scripts check-signing
.PHONY: lint inside selftest bench bench-guard coverage demo drivers kernel litmus verify mutants torture
