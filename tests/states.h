/* SPDX-License-Identifier: MIT */
/* States made from a seed: every feature subset, every section, every form. */
#ifndef VDPR_TESTS_STATES_H
#define VDPR_TESTS_STATES_H

#include "restore/state.h"

enum vdpr_test_form {
	/*
	 * What a plan can express and observing gives back: nothing unknown, no
	 * overflow flag, no null promiscuous, a null address only where the
	 * device has none, no announce, no vrings.
	 */
	VDPR_NORMAL_FORM,
	/* All that the format allows. */
	VDPR_ANY_FORM,
};

/* Seeds 0..VDPR_TEST_SUBSETS-1 go through all subsets of the control features;
 * higher ones begin again with other values. */
#define VDPR_TEST_FEATURES 12
#define VDPR_TEST_SUBSETS (1u << VDPR_TEST_FEATURES)

/* The control features: bit i of a seed decides about the i-th. */
extern const unsigned int vdpr_test_features[VDPR_TEST_FEATURES];

/* vdpr_test_state() - a state that obeys all rules of the format.
 * @seed: the same seed and form give the same state.
 * @out: freed by the caller with vdpr_state_free().
 * Return: 0, -ENOMEM, -EINVAL (the generator itself is wrong; the rule that it
 * broke is in @ctx).
 */
int vdpr_test_state(unsigned int seed, enum vdpr_test_form form,
		    struct vdpr_ctx *ctx, struct vdpr_state **out);

/* A step of a small generator of our own: the same values everywhere. */
uint32_t vdpr_test_random(uint64_t *random);

#endif
