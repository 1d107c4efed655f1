/* What every child of the supervisor does first, and how its role is named. */
#ifndef CHILD_H
#define CHILD_H

/* argv[0] of a process that the supervisor executes anew. */
#define CHILD_WORKER  "afcapd: worker"
#define CHILD_ARCHIVE "afcapd: archive"

/* What the process is called by ps and top, and where the kernel names it, from what it was
 * executed with: its role, for whom ("eth0/0"; "": it is the only one), and a third word that is
 * not shown. The command is "afcapd: worker eth0/0" then, and the name of 15 bytes "afcapd:
 * eth0/0", where of a longer one the end is kept, in which interfaces and workers differ. argv[1]
 * stays as it is. */
void child_name(char **argv);

/* Ignores the signals that are for the supervisor (a terminal sends them to the whole process
 * group) and keeps the channel from a child of a child. */
void child_init(void);

#endif
