#!/usr/bin/env drgn
# SPDX-License-Identifier: GPL-2.0-only
"""
drgn [-c DUMP] scripts/look/pools.py MODULE.KO [KALLSYMS]: list mempool2's pools and their waiters

Reads a live kernel (/proc/kcore) or, with -c, a dump. MODULE.KO is the module that the kernel has loaded, with its
debugging information. If drgn does not find the kernel's own debugging information (vmlinux), KALLSYMS has the
addresses of the module: /proc/kallsyms, or for a dump a copy of it from the boot of the dump. No switch of mempool2
has to be on, and mempool2 itself need not work any more.
"""

import re
import sys

import drgn


def list_entries(head, type_, member):
    """The structures of type type_ on a list."""
    node = head.next
    while node.value_() != head.address_of_().value_():
        yield drgn.container_of(node, type_, member)
        node = node.next


def address_of(prog, name):
    """The address of a variable or function of the module."""
    address = prog[name].address_
    # drgn may have found a declaration, which has no address.
    if address and address >> 32:
        return address
    # Without the kernel's own debugging information drgn does not know where a module was loaded.
    with open(kallsyms) as symbols:
        for line in symbols:
            fields = line.split()
            if fields[2:] == [name, "[mempool2]"]:
                return int(fields[0], 16)
    sys.exit(f"pools.py: there is no {name} of mempool2 in {kallsyms}")


def text(array):
    return array.string_().decode(errors="replace")


def word(array):
    """A name as mempool2 prints it: one word of printable ASCII."""
    return "".join(c if "!" <= c <= "~" else "_" for c in text(array))


def pool_name(reserve):
    if reserve.ext and reserve.ext.name[0]:
        return text(reserve.ext.name)
    if reserve.site:
        return re.split("[+. ]", text(reserve.site.text))[0]
    return "unknown"


def nr_reserved(reserve):
    total = 0
    while reserve:
        total += sum(reserve.slots[i].value_() > 1 for i in range(reserve.nr_slots)) + reserve.nr_stored.value_()
        reserve = reserve.old
    return total


def waiter_name(waiter):
    if waiter.entry.private:
        task = drgn.cast("struct task_struct *", waiter.entry.private)
        return f"{word(task.comm)}/{task.pid.value_()}"
    return f"callback {waiter.callback.value_():#x}"


def read_waiters(prog, pool):
    ours = [address_of(prog, name) for name in ("sleeper_wake", "mp2_async_wake")]
    lines = []
    for entry in list_entries(pool.wait.head, "struct wait_queue_entry", "entry"):
        if entry.func.value_() in ours:
            waiter = drgn.container_of(entry, "struct mempool2_waiter", "entry")
            lines.append(f"  {waiter_name(waiter)} waits for {waiter.nr_missing.value_()},"
                         f" caller {waiter.caller.value_():#x}")
    return lines


def waiters(prog, pool, tries=20):
    """The list of waiters; in a live kernel the list may change meanwhile, so try several times."""
    for _ in range(tries):
        try:
            return read_waiters(prog, pool)
        except drgn.FaultError:
            pass
    return ["  the list of waiters changes too fast to be read"]


def main(prog):
    print(f"{'pool':18} {'name':31} {'min':>6} {'reserve':>7} {'waiting':>7}")
    registry = drgn.Object(prog, "struct list_head", address=address_of(prog, "mp2_registry"))
    for reserve in list_entries(registry, "struct mempool2_reserve", "registered"):
        pool = reserve.pool
        # The address of a pool is reliable only while the pool uses this reserve.
        is_known = pool and pool.reserve == reserve
        waiting = pool.nr_waiters.value_() if is_known else "-"
        print(f"{pool.value_():#018x} {pool_name(reserve):31} {reserve.min_nr.value_():6}"
              f" {nr_reserved(reserve):7} {waiting:>7}")
        if not is_known:
            continue
        print(*waiters(prog, pool), sep="\n", end="\n" if waiting else "")


if len(sys.argv) not in (2, 3):
    sys.exit(__doc__.strip())
kallsyms = sys.argv[2] if len(sys.argv) == 3 else "/proc/kallsyms"
# The module's own information is enough; that of the kernel may be missing.
try:
    prog.load_debug_info([sys.argv[1]])  # noqa: F821
except drgn.MissingDebugInfoError as error:
    print(error, file=sys.stderr)
main(prog)  # noqa: F821
