/* Uses libsystemd. */
#include "identity.h"

#include <string.h>
#include <systemd/sd-id128.h>

#define APPLICATION SD_ID128_MAKE(5e, 0c, 3b, 71, 9a, 4f, 4d, 12, 8c, 66, d1, 27, 40, f8, b2, 9e)

void identity_get(uint8_t machine[ID_BYTES], uint8_t boot[ID_BYTES])
{
	sd_id128_t id;

	memset(machine, 0, ID_BYTES);
	memset(boot, 0, ID_BYTES);
	if (sd_id128_get_machine_app_specific(APPLICATION, &id) >= 0)
		memcpy(machine, id.bytes, ID_BYTES);
	if (sd_id128_get_boot_app_specific(APPLICATION, &id) >= 0)
		memcpy(boot, id.bytes, ID_BYTES);
}
