/* Configurations for tests of what is made of them. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "../../daemon/base/config.h"

/* The defaults of a file "test.conf", without a capture. */
void settings_begin(struct config *config);

/* Adds a capture, in line 7, with "KEY=VALUE KEY=VALUE ..." */
struct config_capture *settings_capture(struct config *config, const char *name,
					const char *settings);

/* The rules between keys hold. */
void settings_finish(struct config *config);

#endif
