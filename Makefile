# afcap. `make` builds; `sudo make run` records; `sudo make check` tests. See README.md.

VERSION := $(shell sed -n 's/.*define AFCAP_VERSION "\(.*\)".*/\1/p' lib/afcap.h)
PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
CC ?= cc
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config
Q := $(if $(V),,@)

MODULES_DAEMON := libevent libsystemd inih jansson libpcap libseccomp libcap-ng
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
override CPPFLAGS += -D_GNU_SOURCE -D'AFCAP_VERSION="$(VERSION)"' -MMD -MP
override CFLAGS += -std=c11 $(WARNINGS) -fno-strict-aliasing -fstack-protector-strong
DAEMON_CFLAGS = $(shell $(PKG_CONFIG) --cflags $(MODULES_DAEMON))
DAEMON_LIBS = $(shell $(PKG_CONFIG) --libs $(MODULES_DAEMON))
AFCTL_LIBS = $(shell $(PKG_CONFIG) --libs jansson)

SHARED := -shared -Wl,-soname,libafcap.so.0 -Wl,--version-script=lib/afcap.map
LIB_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard lib/*.c))
PARTS := base format worker archive supervisor control
PART_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(foreach p,$(PARTS),$(wildcard daemon/$(p)/*.c)))
AFCTL_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard daemon/afctl/*.c)) $(BUILD)/daemon/base/counters.o

# The recipes. Without V=1 they show a verb and a name.
say = $(if $(V),,@echo "  $(1) $(2)")

# compile: flags that CFLAGS may override, flags after them
define compile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(1) $(CFLAGS) $(2) -c $< -o $@
endef

# link: libraries, flags. Objects, archives and sources are the prerequisites.
define link
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(2) -o $@ $(filter %.c %.o %.a,$^) $(1)
endef

define archive
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
endef

all: $(BUILD)/afcapd $(BUILD)/afctl $(BUILD)/libafcap.so.0 $(BUILD)/libafcap.a $(BUILD)/afcap-counters.7 $(BUILD)/afcap-control.7
	@:

$(BUILD)/lib/%.o: lib/%.c
	$(call compile,,-Wconversion -fPIC -fvisibility=hidden)

$(BUILD)/%.o: %.c
	$(call compile,$(DAEMON_CFLAGS))

$(BUILD)/libafcap.a: $(LIB_OBJECTS)
	$(archive)

$(BUILD)/libafcap.so.0: $(LIB_OBJECTS) lib/afcap.map
	$(call link,-pthread,$(SHARED))

$(BUILD)/afcapd: $(BUILD)/daemon/main.o $(PART_OBJECTS) $(BUILD)/libafcap.a
	$(call link,$(DAEMON_LIBS) -pthread)

$(BUILD)/afctl: $(AFCTL_OBJECTS)
	$(call link,$(AFCTL_LIBS))

# The counters' man page, from their table
$(BUILD)/afcap-counters.7: daemon/base/afcap-counters.7.in daemon/base/counters.def
	@mkdir -p $(@D)
	$(Q)awk 'BEGIN { RS = "COUNTER[(]"; FS = "\"" } NR > 2 { sub(/,.*/, "", $$1); \
		printf ".TP\n.B %s\n%s\nIn %s; metric afcap_%s_total%s.\n", $$1, $$8, $$2, $$4, \
		$$6 == "" ? "" : "{reason=\"" $$6 "\"}" }' daemon/base/counters.def >$@.rows
	$(Q)sed -e '/@COUNTERS@/{r $@.rows' -e 'd}' -e 's/@VERSION@/$(VERSION)/' $< >$@ && rm $@.rows

# The control protocol's man page, from its interface
$(BUILD)/afcap-control.7: daemon/control/afcap-control.7.in daemon/control/interface.awk daemon/control/interface.def
	@mkdir -p $(@D)
	$(Q)awk -f daemon/control/interface.awk daemon/control/interface.def >$@.rows
	$(Q)sed -e '/@INTERFACE@/{r $@.rows' -e 'd}' -e 's/@VERSION@/$(VERSION)/' $< >$@ && rm $@.rows

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

include tests/tests.mk

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
MAN_PAGES := 1:daemon/afctl/afctl.1 $(LIBRARY_PAGES:%=3:%) 5:conf/afcapd.conf.5 5:daemon/worker/afcap-pcapng.5 7:$(BUILD)/afcap-control.7 7:$(BUILD)/afcap-counters.7 7:daemon/afcap-internals.7 7:daemon/afcap-security.7 8:daemon/afcapd.8
FILL := sed -e 's|@PREFIX@|$(PREFIX)|g; s|@SYSCONFDIR@|$(SYSCONFDIR)|g; s|@VERSION@|$(VERSION)|g'

install: all
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include \
		$(DESTDIR)$(LIBDIR)/systemd/system $(DESTDIR)$(LIBDIR)/sysusers.d $(DESTDIR)$(LIBDIR)/tmpfiles.d $(DESTDIR)$(SYSCONFDIR)/afcap
	install -m 755 $(BUILD)/afcapd $(DESTDIR)$(SBINDIR)/afcapd
	install -m 755 $(BUILD)/afctl $(DESTDIR)$(BINDIR)/afctl
	install -m 644 $(BUILD)/libafcap.a $(DESTDIR)$(LIBDIR)/libafcap.a
	install -m 755 $(BUILD)/libafcap.so.0 $(DESTDIR)$(LIBDIR)/libafcap.so.0
	ln -sf libafcap.so.0 $(DESTDIR)$(LIBDIR)/libafcap.so
	install -m 644 lib/afcap.h lib/afcap_inline.h $(DESTDIR)$(PREFIX)/include/
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
		$(DESTDIR)$(LIBDIR)/libafcap.so $(DESTDIR)$(LIBDIR)/libafcap.so.0 $(addprefix $(DESTDIR)$(PREFIX)/include/,afcap.h afcap_inline.h) \
		$(DESTDIR)$(LIBDIR)/pkgconfig/afcap.pc $(addprefix $(DESTDIR)$(LIBDIR)/systemd/system/afcapd,.service -control.socket -metrics.socket) \
		$(DESTDIR)$(LIBDIR)/sysusers.d/afcap.conf $(DESTDIR)$(LIBDIR)/tmpfiles.d/afcap.conf
	for link in $(LIBRARY_LINKS); do rm -f $(DESTDIR)$(MANDIR)/man3/$${link%%:*}.3; done
	rm -rf $(DESTDIR)$(DOCDIR)/examples
	for page in $(MAN_PAGES); do rm -f $(DESTDIR)$(MANDIR)/man$${page%%:*}/$$(basename $${page#*:}); done

clean:
	rm -rf $(BUILD)

-include $(shell test -d $(BUILD)/lib && find $(BUILD)/lib $(BUILD)/daemon $(BUILD)/tests -name '*.d' -type f 2>/dev/null)

.PHONY: all deps run install uninstall clean
