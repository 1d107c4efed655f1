# afcap. `make` builds; `sudo make run` records; `sudo make check` tests. See README.md.

VERSION := $(shell sed -n 's/.*define AFCAP_VERSION "\(.*\)".*/\1/p' lib/afcap.h)
PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
CC ?= cc
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config
Q := $(if $(V),,@)

MODULES_DAEMON := libevent libsystemd inih jansson libpcap
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

all: $(BUILD)/afcapd $(BUILD)/afctl $(BUILD)/libafcap.so.0 $(BUILD)/libafcap.a

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

# ---- tests ----

UNIT_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/unit/*.c))
CHECK_LIBS = $(shell $(PKG_CONFIG) --libs check)

$(BUILD)/tests/unit/check: $(UNIT_OBJECTS) $(PART_OBJECTS) $(BUILD)/libafcap.a
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS) $(CHECK_LIBS) -pthread

$(BUILD)/tests/frames: $(BUILD)/tests/live/frames.o
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(shell $(PKG_CONFIG) --libs libpcap)

tests: all $(BUILD)/tests/unit/check $(BUILD)/tests/frames

check-unit: tests
	$(BUILD)/tests/unit/check

clean:
	rm -rf $(BUILD)

-include $(shell test -d $(BUILD) && find $(BUILD) -name '*.d')

.PHONY: all tests check-unit clean
