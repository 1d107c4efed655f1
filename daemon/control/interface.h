/* org.afcap.control, from interface.def, in varlink's interface language (varlink.org, "Interface
 * Definition"). */
#ifndef INTERFACE_H
#define INTERFACE_H

#define INTERFACE "org.afcap.control"

/* The interface's description. The caller frees; NULL: no memory. */
char *interface_describe(void);

#endif
