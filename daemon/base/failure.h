/* What an errno means here: the limit behind it, and what to do about it. */
#ifndef FAILURE_H
#define FAILURE_H

/* The system's words for an errno, followed by what is behind it in brackets where that is a limit
 * or something that can be mended. Static. */
const char *failure_text(int error);

#endif
