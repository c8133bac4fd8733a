/* SPDX-License-Identifier: MIT */
/* QEMU's words for features, and the bits that they stand for. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "restore/features.h"
#include "restore/json-scan.h"
#include "restore/qmp.h"

/*
 * QEMU tells features as a list of sentences, "VIRTIO_NET_F_RSS: RSS RX steering
 * supported", and what it has no sentence for as a number (hw/virtio/virtio-qmp.c,
 * from 7.2 on). Names are the kernel's but for these. A sentence whose name we do
 * not know is an error, not a bit less.
 */
static const struct {
	const char *text; /* how the sentence begins */
	unsigned int bit;
} odd_words[] = {
	/* The sentence of USO6 has the name of USO4. */
	{ "VIRTIO_NET_F_GUEST_USO4: Driver can receive USOv6",
	  VIRTIO_NET_F_GUEST_USO6 },
	{ "VIRTIO_F_IOMMU_PLATFORM:", VIRTIO_F_ACCESS_PLATFORM },
	/* Bits of vhost's own, below those of virtio that are in use. */
	{ "VHOST_F_LOG_ALL:", 26 },
	{ "VHOST_NET_F_VIRTIO_NET_HDR:", VIRTIO_F_ANY_LAYOUT },
	{ "VHOST_USER_F_PROTOCOL_FEATURES:", 30 },
};

/* What comes before a name, and what of it our names keep. */
static const struct {
	const char *from, *to;
} prefixes[] = {
	{ "VIRTIO_NET_F_", "" },
	{ "VIRTIO_RING_F_", "RING_" },
	{ "VIRTIO_F_", "" },
};

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* Return: the bit or -ENOENT. */
static int bit_of(const char *sentence)
{
	size_t len = strcspn(sentence, ":");
	char name[64];

	for (size_t i = 0; i < ARRAY_SIZE(odd_words); i++)
		if (begins(sentence, odd_words[i].text))
			return (int)odd_words[i].bit;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t skip = strlen(prefixes[i].from);
		size_t keep = strlen(prefixes[i].to);

		if (!begins(sentence, prefixes[i].from))
			continue;
		len -= skip;
		if (keep + len >= sizeof(name))
			return -ENOENT;
		memcpy(name, prefixes[i].to, keep);
		memcpy(name + keep, sentence + skip, len);
		name[keep + len] = '\0';
		return vdpr_feature_bit(name);
	}
	return -ENOENT;
}

static int add_sentence(struct vdpr_json_value value, struct vdpr_features *out,
			char word[VDPR_QMP_WORD])
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int bit, err;

	err = vdpr_value_string(value, &text, &len);
	if (err)
		return err;
	bit = bit_of(text);
	if (bit < 0) {
		static_assert(VDPR_QMP_WORD >= VDPR_QUOTE, "a quote fits");
		vdpr_quote(text, strcspn(text, ":"), word);
		return -ENOENT;
	}
	vdpr_features_set(out, (unsigned int)bit, true);
	return 0;
}

static int add_list(struct vdpr_json_value list, struct vdpr_features *out,
		    char word[VDPR_QMP_WORD])
{
	struct vdpr_json_walk walk = vdpr_value_entries(list);
	int err = 0;

	if (vdpr_value_kind(list) != VDPR_JSON_ARRAY)
		return -EBADMSG;
	while (!err && vdpr_value_next(&walk))
		err = add_sentence(walk.value, out, word);
	return err;
}

/* A mask that is there only if a bit is left over. */
static int add_mask(struct vdpr_json_value mask, uint64_t *out)
{
	uint64_t bits = 0;

	if (vdpr_value_kind(mask) != VDPR_JSON_NONE &&
	    vdpr_value_number(mask, UINT64_MAX, &bits))
		return -EBADMSG;
	*out |= bits;
	return 0;
}

int vdpr_qmp_features(struct vdpr_json_value object, struct vdpr_features *out,
		      char word[VDPR_QMP_WORD])
{
	int err;

	memset(out, 0, sizeof(*out));
	err = add_list(vdpr_value_member(object, "transports"), out, word);
	if (!err)
		err = add_list(vdpr_value_member(object, "dev-features"), out,
			       word);
	if (!err)
		err = add_mask(
			vdpr_value_member(object, "unknown-dev-features"),
			&out->word[0]);
	if (!err)
		err = add_mask(
			vdpr_value_member(object, "unknown-dev-features2"),
			&out->word[1]);
	return err;
}
