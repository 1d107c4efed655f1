/* Sizes and limits that processes share: of names and texts in messages, in the configuration and
 * in files. Text has its terminating NUL within these. */
#ifndef SIZES_H
#define SIZES_H

#define CAPTURES_MAX 64 /* of a configuration */
#define WORKERS_MAX  64 /* of a capture */

#define CAPTURE_NAME_BYTES 33
#define INTERFACE_BYTES	   128 /* an alternative name: ALTIFNAMSIZ, linux/netdevice.h */
#define DEVICE_BYTES	   16  /* IFNAMSIZ, linux/if.h */
#define FILTER_BYTES	   16385
#define PATH_BYTES	   1024
#define FILE_NAME_BYTES	   128
#define ACCOUNT_BYTES	   257 /* a user's or group's name, as directory services have them */
#define REASON_BYTES	   512
#define ID_BYTES	   16 /* of a machine, of a boot: machine-id(5), sd_id128_get_boot(3) */

#endif
