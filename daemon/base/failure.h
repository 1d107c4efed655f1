/* Texts for errno values, with the limit that causes an error and its remedy. */
#ifndef FAILURE_H
#define FAILURE_H

/* The system's text for an errno, followed by the cause in brackets where that is a limit or can be
 * corrected. Static. */
const char *failure_text(int error);

#endif
