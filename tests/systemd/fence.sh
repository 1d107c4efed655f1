#!/bin/bash
# What any user may do, and the unit forbids: prints what succeeds. Runs in the container as afcap, in the unit and outside.
try() { # NAME COMMAND...
	name=$1
	shift
	! "$@" >/dev/null 2>&1 || echo "$name"
}
program() { # the copy of one in this directory runs
	cp /usr/bin/true "$1/fence"
	"$1/fence"
	rc=$?
	rm -f "$1/fence"
	return $rc
}
suid() { : >/var/lib/afcap/fence && chmod u+s /var/lib/afcap/fence; }
# A packet that is dropped is not answered: 28, where 7 is a port that nobody listens at
asked() { curl -sm 1 "$1"; [ $? = 7 ]; }
others_read() { rm -f /var/lib/afcap/fence && : >/var/lib/afcap/fence && [ "$(stat -c %a /var/lib/afcap/fence)" != 600 ]; }
core() { [ "$(ulimit -c)" != 0 ]; }

try "writing outside its directories" touch /srv/open/fence
try "reading in /home" ls /home/open
try "the /tmp of all" test -e /tmp/outside
try "seeing other processes" test -d /proc/1
try "executing what it wrote" program /var/lib/afcap
try "executing in /tmp" program /tmp
try "executing in /dev/shm" program /dev/shm
try "setting the set-user-ID bit" suid
try "new namespaces" unshare -U true
try "another personality" setarch -R true
try "another scheduler" chrt -i 0 true
try "IP to other hosts" asked http://10.1.0.1:9
try "files that others may read" others_read
try "a core" core
rm -f /var/lib/afcap/fence
echo tried
