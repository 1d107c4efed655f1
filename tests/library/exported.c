/* libafcap's inline functions as another language sees them: by their symbols, without its header.
 */
#include <stdbool.h>

struct afcap_block;
struct afcap_packet;

bool afcap_packet_next(struct afcap_block *block, struct afcap_packet *packet);
bool exported_packet_next(struct afcap_block *block, struct afcap_packet *packet);

bool exported_packet_next(struct afcap_block *block, struct afcap_packet *packet)
{
	return afcap_packet_next(block, packet);
}
