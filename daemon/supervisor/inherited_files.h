/* Output files of the previous instance, by the records of its checkpoint: each is sought by device
 * and inode, whatever its name is by then, and continued, finished, or lost. */
#ifndef INHERITED_FILES_H
#define INHERITED_FILES_H

#include "output.h"

/* Requests that they be found. `ring`: there is a ring, whose worker continues in the current
 * file. */
void inherited_seek(struct slot_output *output, bool ring);

/* Called after all slots of a capture have done that, if there is a ring: without a record of its
 * current file, the worker continues in another one. */
void inherited_continue(struct slot_output *output);

/* A file was found: file->state is FILE_SOUGHT. */
void inherited_found(struct slot_output *output, struct output_file *file);

/* A file cannot be found. If the worker was to continue in it, it gets another one. */
void inherited_failed(struct slot_output *output, struct output_file *file,
		      const struct message_result *result);

#endif
