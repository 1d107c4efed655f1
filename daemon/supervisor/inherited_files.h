/* Output files that the previous instance left, as the records of its checkpoint tell of them: each
 * is sought by device and inode, whatever it is called by then, and continued in, finished, or
 * lost. */
#ifndef INHERITED_FILES_H
#define INHERITED_FILES_H

#include "output.h"

/* Has them found. `ring`: there is a ring, whose worker continues in the current one. */
void inherited_seek(struct slot_output *output, bool ring);

/* After all slots of a capture have done that, where there is a ring: if there is no record of its
 * current file, the worker continues in another one. */
void inherited_continue(struct slot_output *output);

/* One is found: file->state is FILE_SOUGHT. */
void inherited_found(struct slot_output *output, struct output_file *file);

/* One cannot be found. Where the worker was to continue in it, it gets another one. */
void inherited_failed(struct slot_output *output, struct output_file *file,
		      const struct message_result *result);

#endif
