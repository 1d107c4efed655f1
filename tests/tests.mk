# The tests, fuzzers and benchmarks; included by the Makefile, whose variables and recipes they use.

# What tests take is built by all CPUs, unless the caller says by how many
PARALLEL = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

UNIT_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/unit/*.c) tests/fuzz/repair.c daemon/afctl/command.c \
	tests/library/places.c)
CHECK_LIBS = $(shell $(PKG_CONFIG) --libs check) -Wl,--wrap=_mark_point
# Calls that a test makes fail
WRAP := -Wl,--wrap=waitpid,--wrap=calloc,--wrap=send,--wrap=recvfrom,--wrap=socketpair,--wrap=fork,--wrap=kill,--wrap=channel_pair,--wrap=pwrite,--wrap=pwritev \
	-Wl,--wrap=fallocate,--wrap=sync_file_range,--wrap=posix_fadvise,--wrap=pthread_setname_np,--wrap=ftruncate,--wrap=fdatasync,--wrap=fcntl,--wrap=afcap_stats_take

$(BUILD)/tests/unit/check: $(UNIT_OBJECTS) $(PART_OBJECTS) $(BUILD)/libafcap.a
	$(call link,$(DAEMON_LIBS) $(CHECK_LIBS) -pthread,$(WRAP))

# The supervisor's state machine, driven by chance: built with its invariants (afcapd-other's build)
DRIVE_WRAPPED := fork kill waitpid channel_pair clock_gettime event_add event_del event_pending event_free event_base_loop captures_due \
	links_new links_free links_by_name links_by_id links_by_index getsockname \
	afcap_filter_set afcap_filter_drop_all afcap_stats_take unread_count compile_begin compile_end \
	notify_manager notify_ready notify_send notify_cancel notify_settled notify_settle notify_passed stream_finish limits_memory
DRIVE_WRAP := $(DRIVE_WRAPPED:%=-Wl,--wrap=%)

$(BUILD)/tests/drive/drive: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/drive/*.c)) $(PART_OBJECTS) $(BUILD)/libafcap.a
	$(call link,$(DAEMON_LIBS) -pthread,$(DRIVE_WRAP))

# Needs the library and check alone, so that it runs under other kernels (check-kernels)
LIBRARY_TESTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/library/*.c) tests/fuzz/walk.c)

$(BUILD)/tests/library/check: $(LIBRARY_TESTS) $(BUILD)/libafcap.a
	$(call link,$(CHECK_LIBS) -pthread)

$(BUILD)/tests/generate: $(BUILD)/tests/bench/generate.o
	$(call link)

$(BUILD)/tests/frames: $(BUILD)/tests/live/frames.o
	$(call link,$(shell $(PKG_CONFIG) --libs libpcap))

# A file system that cannot do all: where there is libfuse3
FUSE := $(shell $(PKG_CONFIG) --exists fuse3 2>/dev/null && echo $(BUILD)/tests/mirror)

$(BUILD)/tests/mirror: tests/live/mirror.c
	$(call link,$(shell $(PKG_CONFIG) --libs fuse3),$(shell $(PKG_CONFIG) --cflags fuse3))

# Another build of the daemon: its workers may die between any two steps, its ledgers are of another version
$(BUILD)/tests/afcapd-other: $(BUILD)/afcapd $(wildcard tests/drive/*)
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/other CFLAGS="$(CFLAGS) -DCRASH_STEPS -DINVARIANTS -DDEATHS_LOOP=8 -DLEDGER_VERSION=99" $(BUILD)/other/afcapd \
		$(BUILD)/other/tests/drive/drive
	@mkdir -p $(@D)
	$(Q)cp $(BUILD)/other/afcapd $@

$(BUILD)/tests/clock.so $(BUILD)/tests/quota.so: $(BUILD)/tests/%.so: tests/live/%.c
	$(call link,,-D_GNU_SOURCE -shared -fPIC)

$(BUILD)/tests/hold.so $(BUILD)/tests/red.so: $(BUILD)/tests/%.so: tests/faults/%.c
	$(call link,,-shared -fPIC)
$(BUILD)/tests/red.so: daemon/base/message.h daemon/base/sizes.h

# Never under the sanitizers: these are loaded into any program, or are a file system's own process
$(BUILD)/tests/mirror $(BUILD)/tests/hold.so $(BUILD)/tests/red.so: override CFLAGS = -D_GNU_SOURCE -O2 -std=c11 $(WARNINGS)

# The fuzz targets on their corpora, always under the sanitizers
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,%,$(filter-out %/replay.c %/client.c,$(wildcard tests/fuzz/*.c)))
FUZZ_REPLAYED := $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/replayed-%.o)
ASAN := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

$(BUILD)/libdaemon.a: $(PART_OBJECTS)
	$(archive)

$(BUILD)/tests/fuzz/replayed-%.o: tests/fuzz/%.c
	$(call compile,$(DAEMON_CFLAGS),-DLLVMFuzzerTestOneInput=fuzz_$*)

$(BUILD)/tests/fuzz/replay.o: $(FUZZ_TARGETS:%=tests/fuzz/%.c)
$(BUILD)/tests/fuzz/replay.o: override CPPFLAGS += -D'FUZZ_TARGETS=$(patsubst %,TARGET(%),$(FUZZ_TARGETS))'

ifneq ($(findstring -fsanitize=address,$(CFLAGS))$(findstring --coverage,$(CFLAGS)),)
$(BUILD)/tests/fuzz-replay: $(BUILD)/tests/fuzz/replay.o $(BUILD)/tests/fuzz/client.o $(FUZZ_REPLAYED) \
		$(BUILD)/libdaemon.a $(BUILD)/libafcap.a
	$(call link,$(DAEMON_LIBS) -pthread)
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

# What measures time by itself, then the others, the longest first
ASAN_LONG := tests/live/handover.sh unit library
ASAN_OTHERS = $(ASAN_LONG) fuzz $(filter-out %/lib.sh %/library.sh %/newcomer.sh %/promises.sh $(ASAN_LONG),$(wildcard tests/live/*.sh))
check-asan:
	@$(MAKE) --no-print-directory check-asan-promises
	@$(MAKE) --no-print-directory check-asan-others

build-asan-tests:
	@.ci/deps all
	@$(MAKE) $(PARALLEL) --no-print-directory BUILD=build-asan CFLAGS="$(ASAN)" tests

check-asan-promises: build-asan-tests
	@BUILD=build-asan tests/run tests/live/promises.sh

check-asan-others: build-asan-tests
	@BUILD=build-asan KILLS=40 tests/run $(ASAN_OTHERS)
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
PARSERS := daemon/base/(channel|config.*|ledger)[.]c daemon/control/(varlink.*|http.*|refuse|listener)[.]c daemon/format/(header|name|walk)[.]c daemon/archive/repair[.]c \
	daemon/supervisor/(checkpoint|filter.*)[.]c daemon/worker/(compact|inplace|cooked)[.]c lib/(block|packet|frame)[.]c
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
TSAN_SUITES := worker ringthread ringloop uplink drain burst batch writer_errors # the worker's threads
TSAN := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
check-tsan:
	@.ci/deps all
	@$(MAKE) $(PARALLEL) --no-print-directory BUILD=build-tsan CFLAGS="$(TSAN)" build-tsan/tests/library/check build-tsan/tests/unit/check
	TSAN_OPTIONS=halt_on_error=1 setarch -R build-tsan/tests/library/check
	@for suite in $(TSAN_SUITES); do \
		CK_RUN_SUITE=$$suite TSAN_OPTIONS=halt_on_error=1 setarch -R build-tsan/tests/unit/check 2>&1 | tee /dev/stderr | \
			grep -q 'Checks: [1-9][0-9]*, Failures: 0, Errors: 0' || exit 1; done
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
	$(call link,$(DAEMON_LIBS) -pthread,-fsanitize=fuzzer)

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
	@BUILD=$(BUILD) FREEZE=20 STALL=30 ONLY='freezes|stands_still' tests/run tests/live/disk.sh
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

# BENCH="--burst --disk 200": one of the modes that tests/bench/run --help lists
bench:
	@.ci/deps bench
	@$(MAKE) $(PARALLEL) --no-print-directory tests $(BUILD)/tests/generate
	@$(MAKE) $(PARALLEL) --no-print-directory BUILD=$(BUILD)/careless CFLAGS="$(CFLAGS) -DWITHOUT_CRASH_PROTOCOL" $(BUILD)/careless/afcapd
	@$(MAKE) $(PARALLEL) --no-print-directory BUILD=$(BUILD)/unconfined CFLAGS="$(CFLAGS) -DWITHOUT_CONFINEMENT" $(BUILD)/unconfined/afcapd
	@BUILD=$(BUILD) tests/bench/run $(BENCH)

$(BUILD)/tests/reader: $(BUILD)/tests/bench/reader.o $(BUILD)/libafcap.a
	$(call link,$(shell $(PKG_CONFIG) --libs libpcap) -pthread)

# gopacket/afpacket from the distribution's packages
$(BUILD)/tests/reader-go: tests/bench/reader.go
	$(call say,GO,$@)
	$(Q)GO111MODULE=off GOPATH=/usr/share/gocode go build -o $@ $<

bench-lib:
	@.ci/deps bench
	@$(MAKE) $(PARALLEL) --no-print-directory tests $(BUILD)/tests/reader $(BUILD)/tests/reader-go
	@BUILD=$(BUILD) tests/bench/library

.PHONY: tests check check-unit check-asan check-asan-promises check-asan-others build-asan-tests coverage check-tsan check-upstream check-kernels check-testing check-readers check-cross \
	check-faults check-systemd fuzz fuzz-build bench bench-lib
