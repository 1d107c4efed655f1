/* Set-up common to all children of the supervisor, and the names of their roles. */
#ifndef CHILD_H
#define CHILD_H

/* argv[0] of a child, which executes the program again. */
#define CHILD_WORKER  "afcapd: worker"
#define CHILD_ARCHIVE "afcapd: archive"

/* Names the process for ps, top and the kernel's messages, from its arguments: its role, what it
 * works for ("eth0/0"; "": it is the only one of its role), and a third one that is not shown. The
 * command line is then "afcapd: worker eth0/0", and the name of 15 bytes "afcapd: eth0/0"; a longer
 * name is cut at its beginning, as its end distinguishes interfaces and workers. argv[1] is
 * unchanged. */
void child_name(char **argv);

/* Ignores the signals that are for the supervisor (a terminal sends them to the whole process
 * group) and makes the channel close-on-exec. */
void child_init(void);

#endif
