# afcap. `make` builds; `sudo make run` records; `sudo make check` tests. See README.md.

VERSION := $(shell sed -n 's/.*define AFCAP_VERSION "\(.*\)".*/\1/p' lib/afcap.h)
PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
CC ?= cc
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config
Q := $(if $(V),,@)
# What tests take is built by all CPUs, unless the caller says by how many
PARALLEL = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

MODULES_DAEMON := libevent libsystemd inih jansson libpcap libseccomp libcap-ng
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
override CPPFLAGS += -D_GNU_SOURCE -D'AFCAP_VERSION="$(VERSION)"' -MMD -MP
override CFLAGS += -std=c11 $(WARNINGS) -fno-strict-aliasing -fstack-protector-strong
DAEMON_CFLAGS = $(shell $(PKG_CONFIG) --cflags $(MODULES_DAEMON))
DAEMON_LIBS = $(shell $(PKG_CONFIG) --libs $(MODULES_DAEMON))
AFCTL_LIBS = $(shell $(PKG_CONFIG) --libs jansson)

LIB_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard lib/*.c))
PARTS := base worker archive supervisor control
PART_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(foreach p,$(PARTS),$(wildcard daemon/$(p)/*.c)))
AFCTL_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard daemon/afctl/*.c)) $(BUILD)/daemon/base/counters.o

all: $(BUILD)/afcapd $(BUILD)/afctl $(BUILD)/libafcap.so.0 $(BUILD)/libafcap.a $(BUILD)/afcap-counters.7
	@:

$(BUILD)/lib/%.o: lib/%.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC $<")
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -Wconversion -fPIC -fvisibility=hidden -c $< -o $@

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC $<")
	$(Q)$(CC) $(CPPFLAGS) $(DAEMON_CFLAGS) $(CFLAGS) -c $< -o $@

$(BUILD)/libafcap.a: $(LIB_OBJECTS)
	$(if $(V),,@echo "  AR $@")
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/libafcap.so.0: $(LIB_OBJECTS) lib/afcap.map
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,libafcap.so.0 -Wl,--version-script=lib/afcap.map \
		-o $@ $(LIB_OBJECTS) -pthread

$(BUILD)/afcapd: $(BUILD)/daemon/main.o $(PART_OBJECTS) $(BUILD)/libafcap.a
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS) -pthread

$(BUILD)/afctl: $(AFCTL_OBJECTS)
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(AFCTL_LIBS)

# The counters' man page, from their table
$(BUILD)/afcap-counters.7: daemon/base/afcap-counters.7.in daemon/base/counters.def
	@mkdir -p $(@D)
	$(Q)awk 'BEGIN { RS = "COUNTER[(]"; FS = "\"" } NR > 2 { sub(/,.*/, "", $$1); \
		printf ".TP\n.B %s\n%s\nIn %s; metric afcap_%s_total%s.\n", $$1, $$8, $$2, $$4, \
		$$6 == "" ? "" : "{reason=\"" $$6 "\"}" }' daemon/base/counters.def >$@.rows
	$(Q)sed -e '/@COUNTERS@/{r $@.rows' -e 'd}' -e 's/@VERSION@/$(VERSION)/' $< >$@ && rm $@.rows

# ---- for the newcomer ----

deps:
	@.ci/deps all

DEFAULT_ROUTE = $(shell { ip -4 -o route show default; ip -6 -o route show default; } 2>/dev/null | \
	sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
IFACE ?= $(DEFAULT_ROUTE)

# Ctrl-C reaches afcapd, which stops by itself and prints the account; the shell waits for it and passes SIGTERM on.
run:
	@.ci/deps build
	@$(MAKE) --no-print-directory all
	@mkdir -p captures
	@iface=$(IFACE); iface=$${iface:-lo}; \
	echo "recording $$iface into ./captures, metrics at http://127.0.0.1:9749/metrics; Ctrl-C ends it"; \
	owner=$$(stat -c %U captures); user=; [ "$$(id -u)$$owner" = 0root ] || [ "$$(id -u)" != 0 ] || user="-o daemon.user=$$owner"; \
	$(BUILD)/afcapd -c conf/quickstart.conf -o interface=$$iface $$user & daemon=$$!; \
	trap : INT; trap 'kill $$daemon' TERM; \
	until $(BUILD)/afctl -s captures/control.sock status >/dev/null 2>&1 || ! kill -0 $$daemon 2>/dev/null; \
		do sleep 0.1; done; \
	$(BUILD)/afctl -s captures/control.sock stats --watch 2>/dev/null & \
	while wait $$daemon; rc=$$?; kill -0 $$daemon 2>/dev/null; do :; done; wait; exit $$rc

# ---- tests ----

UNIT_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/unit/*.c) tests/fuzz/repair.c)
CHECK_LIBS = $(shell $(PKG_CONFIG) --libs check)

$(BUILD)/tests/unit/check: $(UNIT_OBJECTS) $(PART_OBJECTS) $(BUILD)/libafcap.a
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--wrap=calloc,--wrap=send,--wrap=recvfrom,--wrap=socketpair -o $@ $^ $(DAEMON_LIBS) $(CHECK_LIBS) -pthread

# Needs the library and check alone, so that it runs under other kernels (check-kernels)
LIBRARY_TESTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/library/*.c) tests/fuzz/walk.c)

$(BUILD)/tests/library/check: $(LIBRARY_TESTS) $(BUILD)/libafcap.a
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CHECK_LIBS) -pthread

$(BUILD)/tests/generate: $(BUILD)/tests/bench/generate.o
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

$(BUILD)/tests/frames: $(BUILD)/tests/live/frames.o
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(shell $(PKG_CONFIG) --libs libpcap)

# A file system that cannot do all: where there is libfuse3
FUSE := $(shell $(PKG_CONFIG) --exists fuse3 2>/dev/null && echo $(BUILD)/tests/mirror)

$(BUILD)/tests/mirror: tests/live/mirror.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) -D_GNU_SOURCE -O2 -std=c11 $(WARNINGS) $(shell $(PKG_CONFIG) --cflags fuse3) -o $@ $< $(shell $(PKG_CONFIG) --libs fuse3)

# Another build of the daemon: its workers may die between any two steps, its ledgers are of another version
$(BUILD)/tests/afcapd-other: $(BUILD)/afcapd
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/other CFLAGS="$(CFLAGS) -DCRASH_STEPS -DSLOT_DEATHS=8 -DLEDGER_VERSION=99" $(BUILD)/other/afcapd
	@mkdir -p $(@D)
	$(Q)cp $(BUILD)/other/afcapd $@

$(BUILD)/tests/clock.so $(BUILD)/tests/quota.so: $(BUILD)/tests/%.so: tests/live/%.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) -D_GNU_SOURCE $(CFLAGS) -shared -fPIC -o $@ $<

$(BUILD)/tests/hold.so: tests/faults/hold.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) -D_GNU_SOURCE -O2 -std=c11 $(WARNINGS) -fPIC -shared -o $@ $<

$(BUILD)/tests/red.so: tests/faults/red.c daemon/base/message.h
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) -O2 -std=c11 $(WARNINGS) -fPIC -shared -o $@ $<

# The fuzz targets on their corpora, always under the sanitizers
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,%,$(filter-out %/replay.c %/client.c,$(wildcard tests/fuzz/*.c)))
FUZZ_REPLAYED := $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/replayed-%.o)
ASAN := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

$(BUILD)/libdaemon.a: $(PART_OBJECTS)
	$(if $(V),,@echo "  AR $@")
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/tests/fuzz/replayed-%.o: tests/fuzz/%.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC $<")
	$(Q)$(CC) $(CPPFLAGS) $(DAEMON_CFLAGS) $(CFLAGS) -DLLVMFuzzerTestOneInput=fuzz_$* -c $< -o $@

$(BUILD)/tests/fuzz/replay.o: $(FUZZ_TARGETS:%=tests/fuzz/%.c)
$(BUILD)/tests/fuzz/replay.o: override CPPFLAGS += -D'FUZZ_TARGETS=$(patsubst %,TARGET(%),$(FUZZ_TARGETS))'

ifneq ($(findstring -fsanitize=address,$(CFLAGS))$(findstring --coverage,$(CFLAGS)),)
$(BUILD)/tests/fuzz-replay: $(BUILD)/tests/fuzz/replay.o $(BUILD)/tests/fuzz/client.o $(FUZZ_REPLAYED) \
		$(BUILD)/libdaemon.a $(BUILD)/libafcap.a
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS) -pthread
else
$(BUILD)/tests/fuzz-replay: $(wildcard tests/fuzz/*.[ch]) $(PART_OBJECTS) $(LIB_OBJECTS)
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan CFLAGS="$(ASAN)" $(BUILD)/asan/tests/fuzz-replay
	@mkdir -p $(@D)
	$(Q)cp $(BUILD)/asan/tests/fuzz-replay $@
endif

tests: all $(BUILD)/tests/afcapd-other $(BUILD)/tests/unit/check $(BUILD)/tests/library/check $(BUILD)/tests/frames \
	$(BUILD)/tests/clock.so $(BUILD)/tests/quota.so $(BUILD)/tests/hold.so $(BUILD)/tests/red.so $(BUILD)/tests/fuzz-replay $(FUSE)

check-unit: tests
	$(BUILD)/tests/unit/check
	$(BUILD)/tests/library/check

check:
	@.ci/deps all
	@$(MAKE) $(PARALLEL) --no-print-directory tests
	@BUILD=$(BUILD) tests/run

check-asan:
	@.ci/deps all
	@$(MAKE) $(PARALLEL) --no-print-directory BUILD=build-asan CFLAGS="$(ASAN)" tests
	@BUILD=build-asan KILLS=40 tests/run unit library fuzz $(filter-out %/lib.sh %/library.sh %/newcomer.sh,$(wildcard tests/live/*.sh))
	$(call stops,build-asan/)

# libafcap alone, its readers stopped and closed STOPS times: by several processes, as each close waits for the kernel
STOPS ?= 10000
define stops
	@echo "  STOPS $(STOPS)"; pids=; for i in 1 2 3 4 5; do \
		AFCAP_STOPS=$$(($(STOPS) / 5)) CK_RUN_SUITE=stop $(1)tests/library/check & pids="$$pids $$!"; done; \
	for pid in $$pids; do wait $$pid || exit 1; done
endef

# Which lines the tests of `make check` execute; the parsers of what strangers send, and all of it. Not counted: what a worker
# that was killed did.
COVERAGE := -O0 -g --coverage -fprofile-update=atomic -DCOVERAGE
PARSERS := daemon/base/(channel|config.*|ledger)[.]c daemon/control/(varlink|http.*|refuse|listener)[.]c daemon/archive/(chunks|names|repair)[.]c \
	daemon/supervisor/(checkpoint|filter.*)[.]c daemon/worker/(pcapng|inplace|cooked)[.]c lib/(block|packet|frame)[.]c
# covered: name, percent of the lines at least, which files
covered = gcovr -r . --object-directory build-coverage $(3) build-coverage -s --txt build-coverage/$(1).txt --fail-under-line $(2) \
	>build-coverage/said; rc=$$?; tail -n 3 build-coverage/said; exit $$rc
coverage:
	@.ci/deps all
	@$(MAKE) $(PARALLEL) --no-print-directory BUILD=build-coverage CFLAGS="$(COVERAGE)" tests
	@find build-coverage -name '*.gcda' -delete
	-@BUILD=build-coverage tests/run unit library fuzz $(filter-out %/lib.sh %/library.sh %/newcomer.sh,$(wildcard tests/live/*.sh))
	@echo "all:"; $(call covered,all,90,-f 'daemon/' -f 'lib/' -e 'lib/examples/')
	@echo "the parsers:"; $(call covered,parsers,95,$(foreach p,$(PARSERS),-f '$(p)'))

# Address space randomization off: the sanitizer has its own idea of where things are
TSAN := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
check-tsan:
	@.ci/deps all
	@$(MAKE) $(PARALLEL) --no-print-directory BUILD=build-tsan CFLAGS="$(TSAN)" build-tsan/tests/library/check
	TSAN_OPTIONS=halt_on_error=1 setarch -R build-tsan/tests/library/check
	$(call stops,TSAN_OPTIONS=halt_on_error=1 setarch -R build-tsan/)

# Fuzzes with clang's libFuzzer: each target RUNS runs or SECONDS_EACH seconds, whichever comes first. TARGET=name: that one
# alone; -j2: two beside each other. What is found new goes to build-fuzz/corpus, what fails to build-fuzz.
RUNS ?= 10000000
SECONDS_EACH ?= 600
FUZZ := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FUZZ_CHOSEN = $(or $(TARGET),$(FUZZ_TARGETS))
# The longest input of each, 4098 unless given
FUZZ_LENGTH_channel := 8192
FUZZ_LENGTH_config := 3000
FUZZ_LENGTH_encode := 8200
FUZZ_LENGTH_filter := 400
FUZZ_LENGTH_ledger := 1600
FUZZ_LENGTH_checkpoint := 6000

fuzz: $(FUZZ_CHOSEN:%=fuzz-%)

fuzz-build: deps
	@$(MAKE) $(PARALLEL) --no-print-directory BUILD=build-fuzz CC=clang CFLAGS="$(FUZZ)" $(FUZZ_CHOSEN:%=build-fuzz/fuzz/%)

fuzz-%: fuzz-build
	@echo "  FUZZ $* ($(RUNS) runs, $(SECONDS_EACH) s at most)"; mkdir -p build-fuzz/corpus/$*
	@build-fuzz/fuzz/$* -runs=$(RUNS) -max_total_time=$(SECONDS_EACH) -max_len=$(or $(FUZZ_LENGTH_$*),4098) -timeout=20 \
		$(addprefix -dict=,$(wildcard tests/fuzz/$*.dict)) -print_final_stats=1 -verbosity=0 \
		-artifact_prefix=build-fuzz/$*- build-fuzz/corpus/$* tests/fuzz/corpus/$*

# The kept corpus anew, with what was found since: one small input for each place that is reached. Inputs with names of
# their own stay.
fuzz-keep-%: fuzz-build
	@rm -rf build-fuzz/kept-$*; mkdir -p build-fuzz/kept-$* build-fuzz/corpus/$*
	@find tests/fuzz/corpus/$* -type f | grep -v '/[0-9a-f]\{40\}$$' | xargs -r cp -t build-fuzz/kept-$*
	@build-fuzz/fuzz/$* -merge=1 -use_counters=0 -max_len=$(or $(FUZZ_LENGTH_$*),4098) build-fuzz/kept-$* \
		build-fuzz/corpus/$* tests/fuzz/corpus/$* 2>&1 | tail -n 1
	@rm -rf tests/fuzz/corpus/$* && cp -r build-fuzz/kept-$* tests/fuzz/corpus/$*

.PRECIOUS: $(BUILD)/%.o
$(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/client.o $(BUILD)/libdaemon.a $(BUILD)/libafcap.a
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS) -pthread

check-upstream:
	@.ci/deps all
	@$(MAKE) $(PARALLEL) --no-print-directory tests
	@BUILD=$(BUILD) tests/upstream/run

check-kernels:
	@.ci/deps kernels
	@$(MAKE) $(PARALLEL) --no-print-directory tests
	@BUILD=$(BUILD) tests/kernels/run

# The tests as FILES= and ONLY= choose them (all), in Debian testing: its libc makes other system calls than Debian 12's, its
# compilers see more. SUITE=sid, COMPILERS=gcc
check-testing:
	@.ci/deps distros
	@tests/distros/run $(FILES)

# Programs and libraries that read captures, of Debian 12 or SUITES="bookworm trixie testing", on files of each kind made now:
# READERS in afcap-pcapng(5) has what comes out
check-readers:
	@.ci/deps distros
	@$(MAKE) $(PARALLEL) --no-print-directory tests
	@BUILD=$(BUILD) tests/readers/run $(SUITES)

# libafcap and its header by other compilers: two more word sizes and byte orders, C++
CROSS ?= aarch64-linux-gnu arm-linux-gnueabihf s390x-linux-gnu
check-cross:
	@.ci/deps cross
	@for target in $(CROSS); do $(MAKE) --no-print-directory BUILD=build-cross/$$target CC=$$target-gcc AR=$$target-ar \
		CFLAGS="-O2 -Werror -Wconversion" build-cross/$$target/libafcap.so.0 build-cross/$$target/libafcap.a || exit 1; done
	@for compiler in g++ clang++; do echo "  C++ lib/afcap.h ($$compiler)"; for standard in c++11 c++20; do \
		$$compiler -std=$$standard -Wall -Wextra -Wpedantic -Wconversion -Werror -fsyntax-only -x c++ -include lib/afcap.h \
		/dev/null || exit 1; done; done

# Every kind of write failing once, at each of its first 50 calls; every call of every process failing once; a disk that
# stands still for 20 s; 1000 kills of workers, 200 of the supervisor, 100 of all; 200 flaps; five minutes of all at once
check-faults:
	@.ci/deps all
	@$(MAKE) $(PARALLEL) --no-print-directory tests
	@BUILD=$(BUILD) NTHS="$$(seq -s ' ' 50)" tests/run tests/faults/inject.sh
	@BUILD=$(BUILD) SWEEP=$(or $(SWEEP),all) tests/run tests/faults/sweep.sh
	@BUILD=$(BUILD) FREEZE=20 ONLY=freezes tests/run tests/live/disk.sh
	@BUILD=$(BUILD) KILLS=$(or $(KILLS),1000) ONLY=kills tests/run tests/live/crash.sh
	@BUILD=$(BUILD) DEATHS=$(or $(DEATHS),40) tests/run tests/faults/steps.sh
	@BUILD=$(BUILD) STORM=$(or $(STORM),300) GROUP_KILLS=$(or $(GROUP_KILLS),100) tests/run tests/faults/storm.sh
	@BUILD=$(BUILD) FLAPS=$(or $(FLAPS),200) CYCLES=$(or $(CYCLES),50) ONLY='flaps|made_again$$' tests/run tests/live/link.sh
	@BUILD=$(BUILD) SUPERVISOR_KILLS=$(or $(SUPERVISOR_KILLS),200) RESTARTS=$(or $(RESTARTS),50) tests/run tests/live/handover.sh
	@.ci/deps systemd
	@BUILD=$(BUILD) SUPERVISOR_KILLS=$(or $(SUPERVISOR_KILLS),200) RESTARTS=$(or $(RESTARTS),50) ONLY='kills|restarts' tests/systemd/handover.sh

# The unit under the systemds of these Debians (252, 257, 262 and later), each in a container; what ONLY= chooses of the hand-over
SYSTEMDS ?= bookworm trixie testing
check-systemd:
	@.ci/deps systemd
	@$(MAKE) $(PARALLEL) --no-print-directory tests
	@for suite in $(SYSTEMDS); do for tests in run handover.sh; do \
		SUITE=$$suite BUILD=$(BUILD) tests/systemd/$$tests || exit 1; done; done

bench:
	@.ci/deps bench
	@$(MAKE) $(PARALLEL) --no-print-directory tests $(BUILD)/tests/generate
	@$(MAKE) $(PARALLEL) --no-print-directory BUILD=$(BUILD)/careless CFLAGS="$(CFLAGS) -DWITHOUT_CRASH_PROTOCOL" $(BUILD)/careless/afcapd
	@$(MAKE) $(PARALLEL) --no-print-directory BUILD=$(BUILD)/unconfined CFLAGS="$(CFLAGS) -DWITHOUT_CONFINEMENT" $(BUILD)/unconfined/afcapd
	@BUILD=$(BUILD) tests/bench/run

$(BUILD)/tests/reader: $(BUILD)/tests/bench/reader.o $(BUILD)/libafcap.a
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(shell $(PKG_CONFIG) --libs libpcap) -pthread

# gopacket/afpacket from the distribution's packages
$(BUILD)/tests/reader-go: tests/bench/reader.go
	$(if $(V),,@echo "  GO $@")
	$(Q)GO111MODULE=off GOPATH=/usr/share/gocode go build -o $@ $<

bench-lib:
	@.ci/deps bench
	@$(MAKE) $(PARALLEL) --no-print-directory tests $(BUILD)/tests/reader $(BUILD)/tests/reader-go
	@BUILD=$(BUILD) tests/bench/library

# ---- installation ----

SBINDIR := $(PREFIX)/sbin
BINDIR := $(PREFIX)/bin
LIBDIR := $(PREFIX)/lib
MANDIR := $(PREFIX)/share/man
DOCDIR := $(PREFIX)/share/doc/afcap
SYSCONFDIR ?= /etc
LIBRARY_PAGES := $(wildcard lib/man/*.3)
# Each function of the library is a page, too
LIBRARY_LINKS = $(foreach p,$(LIBRARY_PAGES),$(foreach f,$(filter-out $(basename $(notdir $p)),$(shell \
	sed -n '/^\.SH NAME/{n;s/ \\.*//;s/,//g;p;q}' $p)),$f:$(notdir $p)))
MAN_PAGES := 1:daemon/afctl/afctl.1 $(LIBRARY_PAGES:%=3:%) 5:conf/afcapd.conf.5 5:daemon/worker/afcap-pcapng.5 7:$(BUILD)/afcap-counters.7 7:daemon/afcap-security.7 8:daemon/afcapd.8
FILL := sed -e 's|@PREFIX@|$(PREFIX)|g; s|@SYSCONFDIR@|$(SYSCONFDIR)|g; s|@VERSION@|$(VERSION)|g'

install: all
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include \
		$(DESTDIR)$(LIBDIR)/systemd/system $(DESTDIR)$(LIBDIR)/sysusers.d $(DESTDIR)$(LIBDIR)/tmpfiles.d $(DESTDIR)$(SYSCONFDIR)/afcap
	install -m 755 $(BUILD)/afcapd $(DESTDIR)$(SBINDIR)/afcapd
	install -m 755 $(BUILD)/afctl $(DESTDIR)$(BINDIR)/afctl
	install -m 644 $(BUILD)/libafcap.a $(DESTDIR)$(LIBDIR)/libafcap.a
	install -m 755 $(BUILD)/libafcap.so.0 $(DESTDIR)$(LIBDIR)/libafcap.so.0
	ln -sf libafcap.so.0 $(DESTDIR)$(LIBDIR)/libafcap.so
	install -m 644 lib/afcap.h $(DESTDIR)$(PREFIX)/include/afcap.h
	$(FILL) lib/afcap.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/afcap.pc
	$(FILL) systemd/afcapd.service.in >$(DESTDIR)$(LIBDIR)/systemd/system/afcapd.service
	install -m 644 systemd/afcapd-control.socket systemd/afcapd-metrics.socket $(DESTDIR)$(LIBDIR)/systemd/system/
	install -m 644 systemd/afcap.sysusers $(DESTDIR)$(LIBDIR)/sysusers.d/afcap.conf
	install -m 644 systemd/afcap.tmpfiles $(DESTDIR)$(LIBDIR)/tmpfiles.d/afcap.conf
	test -e $(DESTDIR)$(SYSCONFDIR)/afcap/afcapd.conf || \
		install -m 644 conf/afcapd.conf $(DESTDIR)$(SYSCONFDIR)/afcap/afcapd.conf
	install -d $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man3 $(DESTDIR)$(MANDIR)/man5 \
		$(DESTDIR)$(MANDIR)/man7 $(DESTDIR)$(MANDIR)/man8 $(DESTDIR)$(DOCDIR)/examples
	for page in $(MAN_PAGES); do $(FILL) $${page#*:} \
		>$(DESTDIR)$(MANDIR)/man$${page%%:*}/$$(basename $${page#*:}) || exit 1; done
	for link in $(LIBRARY_LINKS); do ln -sf $${link#*:} $(DESTDIR)$(MANDIR)/man3/$${link%%:*}.3; done
	install -m 644 lib/examples/*.c conf/nginx-metrics.conf $(DESTDIR)$(DOCDIR)/examples/
	test -n "$(DESTDIR)" || ldconfig
	test -n "$(DESTDIR)" || ! command -v systemd-sysusers >/dev/null || systemd-sysusers afcap.conf
	test -n "$(DESTDIR)" || ! command -v systemd-tmpfiles >/dev/null || systemd-tmpfiles --create afcap.conf
	test -n "$(DESTDIR)" || ! test -d /run/systemd/system || systemctl daemon-reload

# The configuration and what was recorded stay.
uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/afcapd $(DESTDIR)$(BINDIR)/afctl $(DESTDIR)$(LIBDIR)/libafcap.a \
		$(DESTDIR)$(LIBDIR)/libafcap.so $(DESTDIR)$(LIBDIR)/libafcap.so.0 $(DESTDIR)$(PREFIX)/include/afcap.h \
		$(DESTDIR)$(LIBDIR)/pkgconfig/afcap.pc $(addprefix $(DESTDIR)$(LIBDIR)/systemd/system/afcapd,.service -control.socket -metrics.socket) \
		$(DESTDIR)$(LIBDIR)/sysusers.d/afcap.conf $(DESTDIR)$(LIBDIR)/tmpfiles.d/afcap.conf
	for link in $(LIBRARY_LINKS); do rm -f $(DESTDIR)$(MANDIR)/man3/$${link%%:*}.3; done
	rm -rf $(DESTDIR)$(DOCDIR)/examples
	for page in $(MAN_PAGES); do rm -f $(DESTDIR)$(MANDIR)/man$${page%%:*}/$$(basename $${page#*:}); done

clean:
	rm -rf $(BUILD)

-include $(shell test -d $(BUILD)/lib && find $(BUILD)/lib $(BUILD)/daemon $(BUILD)/tests -name '*.d' -type f 2>/dev/null)

.PHONY: all deps run tests check check-unit check-asan coverage check-tsan check-upstream check-kernels check-testing check-readers check-cross check-faults check-systemd fuzz fuzz-build bench bench-lib install uninstall clean
