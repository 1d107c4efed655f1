/* Integers in byte arrays, at any alignment: in the machine's byte order, as in files and rings,
 * and in network byte order. Inline, as the encoder stores several of them for each packet.
 * Pure. */
#ifndef BYTES_H
#define BYTES_H

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

static inline void put16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void put16_net(uint8_t *p, uint16_t v)
{
	put16(p, htons(v));
}

static inline void put32_net(uint8_t *p, uint32_t v)
{
	put32(p, htonl(v));
}

static inline uint16_t get16_net(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return ntohs(v);
}

#endif
