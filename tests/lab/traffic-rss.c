/* SPDX-License-Identifier: MIT */
/* Where the guest wants a frame: RSS computed from its state file. */
#include "tests/lab/traffic-rss.h"

#include <cJSON.h>
#include <stdio.h>
#include <string.h>

enum {
	ETH_LEN = 14,
	IP_LEN = 20,
	IP_PROTOCOL = 9,
	IP_ADDRESSES = 12,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
};

static const struct {
	const char *name;
	uint32_t bit;
} hash_types[] = {
	{ "ipv4", 1u << 0 },
	{ "tcpv4", 1u << 1 },
	{ "udpv4", 1u << 2 },
};
#define HASH_IPV4 hash_types[0].bit
#define HASH_TCPV4 hash_types[1].bit
#define HASH_UDPV4 hash_types[2].bit
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ------------------------------------------------------------ the state file */

static int read_u16(const cJSON *item, uint16_t *out)
{
	if (!cJSON_IsNumber(item) || item->valueint < 0 ||
	    item->valueint > UINT16_MAX)
		return -1;
	*out = (uint16_t)item->valueint;
	return 0;
}

static int read_types(const cJSON *list, uint32_t *out)
{
	const cJSON *item;

	*out = 0;
	cJSON_ArrayForEach(item, list)
	{
		size_t i = 0;

		while (i < COUNT(hash_types) && cJSON_IsString(item) &&
		       strcmp(item->valuestring, hash_types[i].name) != 0)
			i++;
		if (i == COUNT(hash_types))
			return -1;
		*out |= hash_types[i].bit;
	}
	return 0;
}

static int read_table(const cJSON *list, struct rss_model *out)
{
	const cJSON *item;

	out->table_len = 0;
	cJSON_ArrayForEach(item, list)
	{
		if (out->table_len == COUNT(out->table) ||
		    read_u16(item, &out->table[out->table_len++]))
			return -1;
	}
	return out->table_len && !(out->table_len & (out->table_len - 1)) ? 0
									  : -1;
}

static int read_key(const cJSON *item, uint8_t key[40])
{
	if (!cJSON_IsString(item) || strlen(item->valuestring) != 80)
		return -1;
	for (size_t i = 0; i < 40; i++)
		if (sscanf(item->valuestring + 2 * i, "%2hhx", &key[i]) != 1)
			return -1;
	return 0;
}

int rss_read(const char *text, struct rss_model *out)
{
	cJSON *state = cJSON_Parse(text);
	const cJSON *rss = cJSON_GetObjectItemCaseSensitive(state, "rss");
	int ret = -1;

	if (cJSON_IsObject(rss) &&
	    !read_types(cJSON_GetObjectItemCaseSensitive(rss, "hash_types"),
			&out->hash_types) &&
	    !read_u16(
		    cJSON_GetObjectItemCaseSensitive(rss, "unclassified_queue"),
		    &out->unclassified) &&
	    !read_table(
		    cJSON_GetObjectItemCaseSensitive(rss, "indirection_table"),
		    out) &&
	    !read_key(cJSON_GetObjectItemCaseSensitive(rss, "key"), out->key))
		ret = 0;
	cJSON_Delete(state);
	return ret;
}

/* ------------------------------------------------------------------ the hash */

/* Toeplitz: for every bit of the input that is set, the 32 bits of the key that
 * begin at the same place. */
static uint32_t toeplitz(const uint8_t key[40], const uint8_t *input,
			 size_t len)
{
	uint32_t window = (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 |
			  (uint32_t)key[2] << 8 | key[3];
	uint32_t hash = 0;

	for (size_t bit = 0; bit < 8 * len; bit++) {
		size_t next = bit + 32;

		if (input[bit / 8] & 0x80 >> bit % 8)
			hash ^= window;
		window <<= 1;
		if (key[next / 8] & 0x80 >> next % 8)
			window |= 1;
	}
	return hash;
}

int rss_queue(const struct rss_model *rss, const uint8_t *frame, size_t len,
	      uint64_t *number)
{
	const uint8_t *ip = frame + ETH_LEN;
	size_t input = 8; /* both addresses; with the ports behind them 12 */
	uint32_t hash;

	if (len < ETH_LEN + IP_LEN + FRAME_TAIL ||
	    memcmp(frame + len - FRAME_TAIL, FRAME_MAGIC, 8) != 0)
		return -1;
	*number = 0;
	for (size_t i = len - 8; i < len; i++)
		*number = *number << 8 | frame[i];
	if (frame[12] != 0x08 || frame[13] != 0x00)
		return rss->unclassified;
	if ((ip[IP_PROTOCOL] == PROTOCOL_TCP && rss->hash_types & HASH_TCPV4) ||
	    (ip[IP_PROTOCOL] == PROTOCOL_UDP && rss->hash_types & HASH_UDPV4))
		input = 12;
	else if (!(rss->hash_types & HASH_IPV4))
		return rss->unclassified;
	/* Addresses and ports stand behind each other: there are no options. */
	hash = toeplitz(rss->key, ip + IP_ADDRESSES, input);
	return rss->table[hash & (rss->table_len - 1)];
}

/* ------------------------------------------------------ the published vectors */

/* "Verifying the RSS Hash Calculation", Microsoft's driver documentation. */
static const uint8_t known_key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
	0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
	0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
	0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static const struct {
	uint8_t from[4], to[4];
	uint16_t from_port, to_port;
	uint32_t ipv4, tcpv4;
} known[] = {
	{ { 66, 9, 149, 187 },
	  { 161, 142, 100, 80 },
	  2794,
	  1766,
	  0x323e8fc2,
	  0x51ccc178 },
	{ { 199, 92, 111, 2 },
	  { 65, 69, 140, 83 },
	  14230,
	  4739,
	  0xd718262a,
	  0xc626b0ea },
	{ { 24, 19, 198, 95 },
	  { 12, 22, 207, 184 },
	  12898,
	  38024,
	  0xd2d0a5de,
	  0x5c2b394a },
	{ { 38, 27, 205, 30 },
	  { 209, 142, 163, 6 },
	  48228,
	  2217,
	  0x82989176,
	  0xafc7327f },
	{ { 153, 39, 163, 191 },
	  { 202, 188, 127, 2 },
	  44251,
	  1303,
	  0x5d1809c5,
	  0x10e828a2 },
};

int rss_selftest(void)
{
	for (size_t i = 0; i < COUNT(known); i++) {
		uint8_t input[12];

		memcpy(input, known[i].from, 4);
		memcpy(input + 4, known[i].to, 4);
		input[8] = (uint8_t)(known[i].from_port >> 8);
		input[9] = (uint8_t)known[i].from_port;
		input[10] = (uint8_t)(known[i].to_port >> 8);
		input[11] = (uint8_t)known[i].to_port;
		if (toeplitz(known_key, input, 8) != known[i].ipv4 ||
		    toeplitz(known_key, input, 12) != known[i].tcpv4)
			return -1;
	}
	return 0;
}
