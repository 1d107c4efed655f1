/* Sections, each by chance. */
#include "admin.h"
#include "world.h"

#include "../../daemon/base/config_reader.h"
#include "../../daemon/base/config_rules.h"

#include <stdio.h>
#include <string.h>

static const char *const names[ADMIN_CAPTURES] = { "a", "b", "c" };

/* What may be chosen for each key. */
static const struct {
	const char *key;
	const char *values[4]; /* NULL: no more */
} keys[] = {
	{ "workers", { "1", "2", "3" } },
	{ "interface", { "va", "vb", "va", "any" } },
	{ "directory", { "/d", "/d", "/e" } },
	{ "ring_size", { "8M", "8M", "4M" } },
	{ "on_missing", { "wait", "wait", "wait", "fail" } },
	{ "fanout_id", { "auto", "auto", "7" } },
	{ "output", { "pcapng", "pcapng", "pcapng", "none" } },
	{ "filter", { "", "", "ip", "tcp" } },
};
#define KEYS	  (sizeof(keys) / sizeof(*keys))
#define FANOUT_ID 5

static struct {
	bool there;
	unsigned chosen[KEYS];
} sections[ADMIN_CAPTURES];

static void key_choose(unsigned i, unsigned key)
{
	unsigned n = 0;

	while (n < 4 && keys[key].values[n])
		n++;
	sections[i].chosen[key] = world_random(n);
}

static void section_choose(unsigned i)
{
	sections[i].there = true;
	for (unsigned key = 0; key < KEYS; key++)
		key_choose(i, key);
}

/* No two may have the same fanout group; one that is not there any more may have had it. */
static void groups_part(void)
{
	bool taken = false;

	for (unsigned i = 0; i < ADMIN_CAPTURES; i++) {
		bool has = sections[i].there && sections[i].chosen[FANOUT_ID] == 2;

		if (has && taken)
			sections[i].chosen[FANOUT_ID] = 0;
		taken |= has;
	}
}

void admin_begin(void)
{
	memset(sections, 0, sizeof(sections));
	section_choose(0);
	for (unsigned i = 1; i < ADMIN_CAPTURES; i++)
		if (world_chance(3))
			section_choose(i);
	groups_part();
}

void admin_change(bool left)
{
	for (unsigned i = 0; i < ADMIN_CAPTURES; i++) {
		if (!sections[i].there) {
			if (world_chance(4))
				section_choose(i);
		} else if (world_chance(6)) {
			sections[i].there = false;
		} else if (world_chance(3)) {
			key_choose(i, world_random(KEYS));
		}
	}
	if (!sections[0].there && !sections[1].there && !sections[2].there && !left)
		section_choose(0);
	groups_part();
}

static void set(struct config *config, unsigned i, const char *key, const char *value)
{
	struct config_error error;
	char text[64];

	snprintf(text, sizeof(text), "%s.%s=%s", names[i], key, value);
	demand(config_option(config, "test", text, &error) == 0, "%s", error.text);
}

void admin_config(struct config *config)
{
	struct config_error error;

	config_init(config);
	for (unsigned i = 0; i < ADMIN_CAPTURES; i++) {
		if (!sections[i].there)
			continue;
		demand(config_add(config, names[i], 1, "test", &error), "%s", error.text);
		for (unsigned key = 0; key < KEYS; key++)
			set(config, i, keys[key].key, keys[key].values[sections[i].chosen[key]]);
		set(config, i, "sync", "5s");
	}
	demand(!config->captures || config_finish(config, &error) == 0, "%s", error.text);
}
