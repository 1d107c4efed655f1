/* Sections that are not configured any more, of which the previous instance left rings and files.
 */
#ifndef FORMER_H
#define FORMER_H

#include "../base/config.h"

/* Adds a section for each record that was left and whose name is none of the configuration's: as it
 * was, where that is in the record. What cannot be added is left to fdstore_end(). */
void former_add(struct config *config);

#endif
