/* What every child of the supervisor does first, and how its role is named. */
#ifndef CHILD_H
#define CHILD_H

/* argv[0] of a process that the supervisor executes anew. */
#define CHILD_WORKER  "afcapd: worker"
#define CHILD_ARCHIVE "afcapd: archive"

/* Ignores the signals that are for the supervisor (a terminal sends them to the whole process
 * group) and keeps the channel from a child of a child. */
void child_init(void);

#endif
