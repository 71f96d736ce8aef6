#!/usr/bin/env drgn
# SPDX-License-Identifier: GPL-2.0-only
"""
drgn [-c DUMP] scripts/look/pools.py MODULE.KO [KALLSYMS]: list mempool2's pools and who waits for them

In a live kernel (/proc/kcore) or, with -c, in a dump. MODULE.KO is the module that the kernel has loaded, with
its debugging information. Where drgn does not find that of the kernel (vmlinux), KALLSYMS says where the module is
in memory: /proc/kallsyms of the same boot, of which a copy is needed for a dump. Nothing has to be switched on
before, and nothing of mempool2 has to work any more.
"""

import re
import sys

import drgn


def list_entries(head, type_, member):
    """The structures of that type on a list."""
    node = head.next
    while node.value_() != head.address_of_().value_():
        yield drgn.container_of(node, type_, member)
        node = node.next


def address_of(prog, name):
    """Where a variable or function of the module is."""
    address = prog[name].address_
    if address >> 32:
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
    """Text from outside as mempool2 shows it: one word of printable ASCII."""
    return "".join(c if "!" <= c <= "~" else "_" for c in text(array))


def pool_name(reserve):
    if reserve.inside and reserve.inside.name[0]:
        return text(reserve.inside.name)
    if reserve.maker:
        return re.split("[+. ]", text(reserve.maker.text))[0]
    return "unknown"


def nr_reserved(reserve):
    total = 0
    while reserve:
        total += sum(reserve.slots[i].value_() > 1 for i in range(reserve.nr_slots))
        reserve = reserve.old
    return total


def who(waiter):
    if waiter.entry.private:
        task = drgn.cast("struct task_struct *", waiter.entry.private)
        return f"{word(task.comm)}/{task.pid.value_()}"
    return f"function {waiter.function.value_():#x}"


def read_waiters(prog, pool):
    ours = [address_of(prog, name) for name in ("sleeper_wake", "mp2_function_wake")]
    lines = []
    for entry in list_entries(pool.wait.head, "struct wait_queue_entry", "entry"):
        if entry.func.value_() in ours:
            waiter = drgn.container_of(entry, "struct mempool2_waiter", "entry")
            lines.append(f"  {who(waiter)} waits for {waiter.nr_missing.value_()},"
                         f" caller {waiter.caller.value_():#x}")
    return lines


def waiters(prog, pool, tries=20):
    """In a live kernel the list may change under our hands: then again."""
    for _ in range(tries):
        try:
            return read_waiters(prog, pool)
        except drgn.FaultError:
            pass
    return ["  the list of waiters changes too fast to be read"]


def main(prog):
    print(f"{'pool':18} {'name':31} {'min':>6} {'reserve':>7} {'waiting':>7}")
    registry = drgn.Object(prog, "struct list_head", address=address_of(prog, "registry"))
    for reserve in list_entries(registry, "struct mempool2_reserve", "registered"):
        pool = reserve.pool
        # It is only known for sure where pools are that are in use.
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
# The module's own information has all that is wanted; the kernel's may be missing.
try:
    prog.load_debug_info([sys.argv[1]])  # noqa: F821
except drgn.MissingDebugInfoError as error:
    print(error, file=sys.stderr)
main(prog)  # noqa: F821
