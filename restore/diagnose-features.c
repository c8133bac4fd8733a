/* SPDX-License-Identifier: MIT */
/* Diagnosis of features and status: FEATURES_OK and DRIVER_OK fail silently. */
#include "restore/diagnose.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define CURE_LOG                                                        \
	"the device was reset; the parent driver may have said why in " \
	"the kernel log"

/* ---------------------------------------------------------------- dependencies */

struct dependency {
	unsigned int bit;
	unsigned int any_of[2]; /* the same twice where there is no choice */
};

#define NEEDS(bit, other)            \
	{                            \
		VIRTIO_NET_F_##bit,  \
		{                    \
			other, other \
		}                    \
	}
#define NEEDS_CVQ(bit) NEEDS(bit, VIRTIO_NET_F_CTRL_VQ)
#define NEEDS_NET(bit, other) NEEDS(bit, VIRTIO_NET_F_##other)
#define NEEDS_ONE(bit, a, b)                               \
	{                                                  \
		VIRTIO_NET_F_##bit,                        \
		{                                          \
			VIRTIO_NET_F_##a, VIRTIO_NET_F_##b \
		}                                          \
	}

/*
 * What virtio 1.3 requires in 5.1.3.1, what it recommends in 5.1.4 (CTRL_RX_EXTRA
 * and HASH_REPORT), and what 1.4 adds (UDP_TUNNEL, RSS_CONTEXT).
 */
static const struct dependency dependencies[] = {
	NEEDS_NET(GUEST_TSO4, GUEST_CSUM),
	NEEDS_NET(GUEST_TSO6, GUEST_CSUM),
	NEEDS_ONE(GUEST_ECN, GUEST_TSO4, GUEST_TSO6),
	NEEDS_NET(GUEST_UFO, GUEST_CSUM),
	NEEDS_NET(GUEST_USO4, GUEST_CSUM),
	NEEDS_NET(GUEST_USO6, GUEST_CSUM),
	NEEDS_NET(GUEST_UDP_TUNNEL_GSO, GUEST_TSO4),
	NEEDS_NET(GUEST_UDP_TUNNEL_GSO, GUEST_TSO6),
	NEEDS_NET(GUEST_UDP_TUNNEL_GSO, GUEST_USO4),
	NEEDS_NET(GUEST_UDP_TUNNEL_GSO, GUEST_USO6),
	NEEDS_NET(GUEST_UDP_TUNNEL_GSO_CSUM, GUEST_UDP_TUNNEL_GSO),
	NEEDS_NET(HOST_TSO4, CSUM),
	NEEDS_NET(HOST_TSO6, CSUM),
	NEEDS_ONE(HOST_ECN, HOST_TSO4, HOST_TSO6),
	NEEDS_NET(HOST_UFO, CSUM),
	NEEDS_NET(HOST_USO, CSUM),
	NEEDS_NET(HOST_UDP_TUNNEL_GSO, HOST_TSO4),
	NEEDS_NET(HOST_UDP_TUNNEL_GSO, HOST_TSO6),
	NEEDS_NET(HOST_UDP_TUNNEL_GSO, HOST_USO),
	NEEDS_NET(HOST_UDP_TUNNEL_GSO_CSUM, HOST_UDP_TUNNEL_GSO),
	NEEDS_ONE(RSC_EXT, HOST_TSO4, HOST_TSO6),
	NEEDS_CVQ(CTRL_RX),
	NEEDS_CVQ(CTRL_RX_EXTRA),
	NEEDS_CVQ(CTRL_VLAN),
	NEEDS_CVQ(GUEST_ANNOUNCE),
	NEEDS_CVQ(MQ),
	NEEDS_CVQ(CTRL_MAC_ADDR),
	NEEDS_CVQ(NOTF_COAL),
	NEEDS_CVQ(VQ_NOTF_COAL),
	NEEDS_CVQ(RSS),
	NEEDS_CVQ(HASH_REPORT),
	NEEDS_CVQ(HASH_TUNNEL),
	NEEDS_ONE(HASH_TUNNEL, RSS, HASH_REPORT),
	NEEDS_CVQ(RSS_CONTEXT),
	NEEDS_NET(RSS_CONTEXT, RSS),
};

static bool is_met(const struct dependency *d, const struct vdpr_features *f)
{
	return !vdpr_features_has(f, d->bit) ||
	       vdpr_features_has(f, d->any_of[0]) ||
	       vdpr_features_has(f, d->any_of[1]);
}

static void separate(struct vdpr_buf *text)
{
	if (text->len)
		vdpr_buf_str(text, "; ");
}

static void add_dependency(const struct dependency *d, struct vdpr_buf *out)
{
	char text[VDPR_BIT_TEXT];

	separate(out);
	vdpr_buf_printf(out, "%s needs %s", vdpr_feature_name(d->bit),
			vdpr_feature_text(d->any_of[0], text));
	if (d->any_of[1] != d->any_of[0])
		vdpr_buf_printf(out, " or %s",
				vdpr_feature_text(d->any_of[1], text));
	vdpr_buf_str(out, ", which is not among them");
}

static void add_demands(const struct vdpr_features *missing,
			struct vdpr_buf *out)
{
	if (vdpr_features_empty(missing))
		return;
	separate(out);
	vdpr_buf_str(out, "the parent driver insists on ");
	vdpr_features_names(missing, ", ", out);
}

void vdpr_diagnose_features(const struct vdpr_features *asked,
			    const struct vdpr_features *offered,
			    uint64_t demands, struct vdpr_buf *out)
{
	struct vdpr_features wanted = { { demands, 0 } };

	/* Every parent that offers it insists on it. */
	if (vdpr_features_has(offered, VIRTIO_F_ACCESS_PLATFORM))
		vdpr_features_set(&wanted, VIRTIO_F_ACCESS_PLATFORM, true);
	wanted = vdpr_features_minus(&wanted, asked);
	for (size_t i = 0; i < ARRAY_SIZE(dependencies); i++)
		if (!is_met(&dependencies[i], asked))
			add_dependency(&dependencies[i], out);
	add_demands(&wanted, out);
}

/* What is wrong with what was asked for, and the whole of it. */
static void describe_asked(const struct vdpr_run *run, struct vdpr_buf *out,
			   const char **cure)
{
	const struct vdpr_features *asked = &run->fit.asked;
	const struct vdpr_quirk *quirk =
		vdpr_quirk_find(run->dev, VDPR_QUIRK_DEMANDS);
	char mask[VDPR_FEATURES_TEXT];

	vdpr_diagnose_features(asked, &run->info.features,
			       quirk ? quirk->demands : 0, out);
	*cure = out->len ? "no guest may negotiate such a set, so check where "
			   "the state's features come from"
			 : CURE_LOG;
	separate(out);
	vdpr_features_format(asked, mask);
	vdpr_buf_printf(out, "features asked for: %s (", mask);
	vdpr_features_names(asked, ", ", out);
	vdpr_buf_str(out, ")");
}

int vdpr_diagnose_set_features(struct vdpr_run *run, int err)
{
	_cleanup_buf_ struct vdpr_buf text = { 0 };
	const char *cure;

	if (err != -EINVAL && err != -EOPNOTSUPP)
		return vdpr_run_call_failed(run, "SET_FEATURES", err);
	describe_asked(run, &text, &cure);
	vdpr_fail(run->ctx, VDPR_CAUSE_OTHER, err, "%s: SET_FEATURES: %s: %s",
		  run->dev->name, strerror(-err), text.data ? text.data : "");
	vdpr_cure(run->ctx, "%s", cure);
	return err;
}

/* ------------------------------------------------------------------- DRIVER_OK */

static bool add_size(const struct vdpr_run *run, uint32_t index, uint32_t num,
		     struct vdpr_buf *out)
{
	const struct vdpr_quirk *quirk =
		vdpr_quirk_find(run->dev, VDPR_QUIRK_EXACT_SIZE);

	if (!quirk || num == run->info.vring_num)
		return false;
	separate(out);
	vdpr_buf_printf(out,
			"queue %" PRIu32 " has a ring of %" PRIu32
			" entries, not of %u: %s",
			index, num, run->info.vring_num, quirk->text);
	return true;
}

/* The first ring of another size than the one that the parent driver takes. */
static bool find_sizes(const struct vdpr_run *run, struct vdpr_buf *out)
{
	for (uint32_t i = 0; i < run->fit.n_queues; i++)
		if (add_size(run, run->rings[i].index, run->rings[i].num, out))
			return true;
	return run->fit.has_cvq &&
	       add_size(run, run->fit.cvq_index, run->cvq_num, out);
}

static bool is_mapped(const struct vdpr_run *run, uint64_t iova)
{
	for (size_t i = 0; i < run->opts.n_in_use; i++)
		if (iova >= run->opts.in_use[i].first &&
		    iova <= run->opts.in_use[i].last)
			return true;
	return false;
}

/* Rings of the caller's in memory that the caller does not say to have mapped.
 * Some parents walk the IOTLB at DRIVER_OK (mlx5). */
static void find_unmapped(const struct vdpr_run *run, struct vdpr_buf *out)
{
	if (run->opts.flags & VDPR_RESTORE_EMPTY_RINGS || !run->opts.n_in_use)
		return;
	for (uint32_t i = 0; i < run->fit.n_queues; i++) {
		const struct vdpr_vring *ring = &run->rings[i];

		if (is_mapped(run, ring->desc) &&
		    is_mapped(run, ring->driver) &&
		    is_mapped(run, ring->device))
			continue;
		separate(out);
		vdpr_buf_printf(out,
				"the ring of queue %" PRIu32 " (0x%" PRIx64
				", 0x%" PRIx64 ", 0x%" PRIx64
				") is not in the memory in use",
				ring->index, ring->desc, ring->driver,
				ring->device);
		return;
	}
}

static void describe_start(const struct vdpr_run *run, struct vdpr_buf *out,
			   const char **cure)
{
	*cure = CURE_LOG;
	if (find_sizes(run, out))
		*cure = "give the rings the size that the parent driver takes";
	find_unmapped(run, out);
	if (out->len)
		return;
	vdpr_buf_str(out, "the parent driver could not set up its virtqueues "
			  "(interrupts, firmware, memory that is not mapped)");
}

int vdpr_diagnose_status(struct vdpr_run *run, uint8_t bit, uint8_t status)
{
	bool features = bit == VIRTIO_CONFIG_S_FEATURES_OK;
	_cleanup_buf_ struct vdpr_buf text = { 0 };
	const char *cure;

	if (features)
		describe_asked(run, &text, &cure);
	else
		describe_start(run, &text, &cure);
	vdpr_run_device_wrong(run,
			      "device did not keep %s (status 0x%02x%s): %s",
			      features ? "FEATURES_OK" : "DRIVER_OK", status,
			      status & VIRTIO_CONFIG_S_FAILED ? ", FAILED" : "",
			      text.data ? text.data : "");
	vdpr_cure(run->ctx, "%s", cure);
	return -EPROTO;
}
