/* One value of the configuration, as text and in its struct. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "config_schema.h"

#include <stdio.h>

/* Sets one value in the struct at `base`. On -EINVAL `rule` says what the value must be. */
int config_value_parse(const struct config_key *key, void *base, const char *value, char *rule,
		       size_t rule_size);

/* Writes the value as config_value_parse() accepts it. */
void config_value_print(const struct config_key *key, const void *base, FILE *out);

/* A size as config_value_print() writes it: "64M". Returns `text`, of CONFIG_SIZE_BYTES. */
#define CONFIG_SIZE_BYTES 32
const char *config_size_text(int64_t bytes, char *text);

#endif
