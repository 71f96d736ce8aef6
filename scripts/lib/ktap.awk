# SPDX-License-Identifier: GPL-2.0-only
#
# What kunit.py is to read of a console log, in lines of the same numbers.
#
# Where modules bring the tests (a variable "modules"), KUnit says first of all that the kernel itself has none. Where a
# warning breaks into a line, printk says the line once more, which is then put where it should have been, as kunit.py
# wants some lines right after others; but a head stays before what it is the head of. The announcement may be broken
# too. And a serial console ends its lines in a carriage return.

BEGIN { again = "** replaying previous printk message **" }

{ sub(/\r$/, ""); line[NR] = $0 }

index($0, again) == 1 {
	for (broken = NR - 1; line[broken] != "" && index(again, line[broken]) == 1; broken--)
		;
	next
}

broken && /KTAP version/ {
	for (i = broken; i < NR; i++)
		line[i] = ""
}

broken && !/KTAP version/ && index($0, line[broken]) == 1 {
	line[broken] = $0
	for (i = broken + 1; i <= NR; i++)
		line[i] = ""
}

{ broken = 0 }

/mempool2-vm: up/ && modules {
	for (i = 1; i <= NR; i++)
		line[i] = ""
}

END {
	for (i = 1; i <= NR; i++) {
		if (line[i] ~ /KTAP version/) {
			for (j = i + 1; j < NR && line[j] !~ /# Subtest|KTAP version|ok [0-9]|1\.\./; j++)
				;
			subtest = line[j]
			for (k = j; subtest ~ /# Subtest/ && k > i + 1; k--)
				line[k] = line[k - 1]
			if (k < j)
				line[i + 1] = subtest
		}
		print line[i]
	}
}
