/* SPDX-License-Identifier: MIT */
/* From a DEV word to a device: the forms, their checks, examine and save. */
#include "restore/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "restore/ctx.h"
#include "restore/dev-pid.h"
#include "restore/sizes.h"
#include "restore/state.h"
#include "restore/sysfs.h"

enum form {
	FORM_PATH,
	FORM_SIM,
	FORM_VDPA,
	FORM_FD,
	FORM_CONTROL,
	FORM_PID,
};

static const struct {
	const char *prefix;
	enum form form;
} prefixes[] = {
	{ "sim:", FORM_SIM }, { "vdpa:", FORM_VDPA },
	{ "fd:", FORM_FD },   { "control:", FORM_CONTROL },
	{ "pid:", FORM_PID },
};

/* The form of a DEV word; @rest: what follows the prefix. */
static enum form dev_form(const char *word, const char **rest)
{
	*rest = word;
	if (!strcmp(word, "sim"))
		return FORM_SIM;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t len = strlen(prefixes[i].prefix);

		if (strncmp(word, prefixes[i].prefix, len) == 0) {
			*rest = word + len;
			return prefixes[i].form;
		}
	}
	return FORM_PATH;
}

bool vdpr_dev_is_name(const char *word)
{
	const char *rest;
	struct stat st;

	if (!word)
		return false;
	if (dev_form(word, &rest) != FORM_PATH)
		return true;
	return !stat(word, &st) && S_ISCHR(st.st_mode);
}

static int parse_fd(struct vdpr_ctx *ctx, const char *name, const char *rest,
		    int *fd)
{
	uint64_t value;

	if (vdpr_u64_parse(rest, INT_MAX, &value))
		return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "%s: fd: wants a descriptor's number", name);
	*fd = (int)value;
	return 0;
}

int vdpr_dev_check_name(struct vdpr_ctx *ctx, const char *name)
{
	const char *rest;
	int fd;

	if (vdpr_any_null(ctx, name))
		return -EINVAL;
	switch (dev_form(name, &rest)) {
	case FORM_SIM:
		return vdpr_sim_check(ctx, name);
	case FORM_FD:
		return parse_fd(ctx, name, rest, &fd);
	case FORM_VDPA:
		if (*rest && !strchr(rest, '/'))
			return 0;
		return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "%s: vdpa: wants the name of a vdpa device",
				 name);
	case FORM_PID:
		return vdpr_pid_check(ctx, name, rest);
	case FORM_CONTROL:
		if (*rest)
			return 0;
		return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "%s: control: wants the path of a socket",
				 name);
	case FORM_PATH:
		break;
	}
	return 0;
}

static int open_vdpa(struct vdpr_ctx *ctx, const char *name, const char *vdpa,
		     struct vdpr_dev **out)
{
	_cleanup_free_ char *path = NULL;
	int ret = vdpr_sysfs_chardev(vdpa, &path);

	if (ret == -ENXIO) {
		vdpr_fail(ctx, VDPR_CAUSE_OTHER, ret,
			  "%s: not bound to vhost_vdpa, so it has no char "
			  "device",
			  name);
		vdpr_cure(ctx, "load vhost_vdpa, or unbind it from "
			       "virtio_vdpa and bind it to vhost_vdpa");
		return ret;
	}
	if (ret) {
		vdpr_fail(ctx, VDPR_CAUSE_OTHER, ret, "%s: %s", name,
			  ret == -ENOENT ? "no such vdpa device"
					 : strerror(-ret));
		vdpr_cure(ctx, "'vdpa-restore list' shows the devices");
		return ret;
	}
	return vdpr_kernel_open(ctx, name, path, out);
}

static int open_path(struct vdpr_ctx *ctx, const char *name,
		     struct vdpr_dev **out)
{
	struct stat st;

	/* A regular file must not be opened for writing by mistake. */
	if (!stat(name, &st) && !S_ISCHR(st.st_mode))
		return vdpr_fail(ctx, VDPR_CAUSE_OTHER, -ENOTTY,
				 "%s: not a character device", name);
	return vdpr_kernel_open(ctx, name, name, out);
}

static int open_fd(struct vdpr_ctx *ctx, const char *name, const char *rest,
		   struct vdpr_dev **out)
{
	int fd = -1;
	int ret = parse_fd(ctx, name, rest, &fd);

	if (ret)
		return ret;
	if (fcntl(fd, F_GETFD) < 0) {
		ret = -errno;
		vdpr_fail(ctx, VDPR_CAUSE_OTHER, ret, "%s: %s", name,
			  strerror(-ret));
		vdpr_cure(ctx, "open it in the calling process, as in "
			       "'exec 5<>/dev/vhost-vdpa-0'");
		return ret;
	}
	return vdpr_kernel_from_fd(ctx, name, fd, false, out);
}

int vdpr_dev_open(struct vdpr_ctx *ctx, const char *name, struct vdpr_dev **out)
{
	const char *rest;
	int ret;

	if (vdpr_any_null(ctx, name, out))
		return -EINVAL;
	ret = vdpr_dev_check_name(ctx, name);
	if (ret)
		return ret;
	switch (dev_form(name, &rest)) {
	case FORM_SIM:
		return vdpr_sim_open(ctx, name, out);
	case FORM_VDPA:
		return open_vdpa(ctx, name, rest, out);
	case FORM_FD:
		return open_fd(ctx, name, rest, out);
	case FORM_PID:
		return vdpr_pid_open(ctx, name, rest, out);
	case FORM_CONTROL:
		return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EOPNOTSUPP,
				 "%s: another process has that device; see "
				 "vdpr_control_request()",
				 name);
	default:
		return open_path(ctx, name, out);
	}
}

int vdpr_dev_from_fd(struct vdpr_ctx *ctx, int fd,
		     const struct vdpr_dev_fd_opts *opts, struct vdpr_dev **out)
{
	struct vdpr_dev_fd_opts o = { 0 };
	char name[32];
	int ret;

	if (vdpr_any_null(ctx, out))
		return -EINVAL;
	snprintf(name, sizeof(name), "fd:%d", fd);
	if (opts && vdpr_struct_take(&o, sizeof(o), opts, VDPR_LEAST_DEV_FD))
		return vdpr_fail_size(ctx, name, "options", opts->size);
	ret = vdpr_kernel_from_fd(ctx, name, fd, false, out);
	if (ret || !opts)
		return ret;
	(*out)->owned = o.flags & VDPR_DEV_OWNED;
	(*out)->acked = o.backend_features;
	return 0;
}

/* ----------------------------------------------------------------- examine */

static int examine_failed(struct vdpr_ctx *ctx, const struct vdpr_dev *dev,
			  const char *request, int err)
{
	return vdpr_fail(ctx, vdpr_cause_of(err), err, "%s: %s: %s", dev->name,
			 request, strerror(-err));
}

/* Requests that older kernels lack (ENOTTY), with what is true there. */
static int get_u32_or(struct vdpr_dev *dev, unsigned long request,
		      uint32_t absent, uint32_t *out)
{
	int ret = vdpr_dev_get_u32(dev, request, out);

	if (ret != -ENOTTY && ret != -EOPNOTSUPP)
		return ret;
	*out = absent;
	return 0;
}

static int ask_features_array(struct vdpr_dev *dev, struct vdpr_dev_info *info)
{
	/* Kernels without the array know no bit past 63 (vhost-vdpa up to 7.2). */
	dev->has_array = !vdpr_dev_get_features_array(dev, &info->features);
	return 0;
}

static int ask_features(struct vdpr_dev *dev, struct vdpr_dev_info *info)
{
	return dev->has_array ? 0
			      : vdpr_dev_get_features_low(dev, &info->features);
}

static int ask_backend(struct vdpr_dev *dev, struct vdpr_dev_info *info)
{
	return vdpr_dev_get_backend(dev, &info->backend_features);
}

static int ask_status(struct vdpr_dev *dev, struct vdpr_dev_info *info)
{
	return vdpr_dev_get_status(dev, &info->status);
}

static int ask_vqs(struct vdpr_dev *dev, struct vdpr_dev_info *info)
{
	return get_u32_or(dev, VHOST_VDPA_GET_VQS_COUNT, 0, &info->vqs);
}

static int ask_groups(struct vdpr_dev *dev, struct vdpr_dev_info *info)
{
	return get_u32_or(dev, VHOST_VDPA_GET_GROUP_NUM, 1, &info->groups);
}

static int ask_spaces(struct vdpr_dev *dev, struct vdpr_dev_info *info)
{
	return get_u32_or(dev, VHOST_VDPA_GET_AS_NUM, 1, &info->address_spaces);
}

static int ask_vring_num(struct vdpr_dev *dev, struct vdpr_dev_info *info)
{
	return vdpr_dev_get_vring_num(dev, &info->vring_num);
}

static int ask_iova_range(struct vdpr_dev *dev, struct vdpr_dev_info *info)
{
	struct vdpr_iova_range range = { 0, UINT64_MAX };
	int ret = vdpr_dev_get_iova_range(dev, &range);

	info->iova_first = range.first;
	info->iova_last = range.last;
	return ret == -ENOTTY ? 0 : ret;
}

static int ask_config_size(struct vdpr_dev *dev, struct vdpr_dev_info *info)
{
	/* Added in Linux 5.18; before, the space is at least the structure. */
	return get_u32_or(dev, VHOST_VDPA_GET_CONFIG_SIZE, 24,
			  &info->config_size);
}

static int ask_config(struct vdpr_dev *dev, struct vdpr_dev_info *info)
{
	return vdpr_dev_read_config(dev, &info->features, info->config_size,
				    &info->config);
}

/* One request a row. */
static const struct {
	const char *request;
	int (*ask)(struct vdpr_dev *dev, struct vdpr_dev_info *info);
} questions[] = {
	{ "GET_FEATURES_ARRAY", ask_features_array },
	{ "GET_FEATURES", ask_features },
	{ "GET_BACKEND_FEATURES", ask_backend },
	{ "GET_STATUS", ask_status },
	{ "GET_VQS_COUNT", ask_vqs },
	{ "GET_GROUP_NUM", ask_groups },
	{ "GET_AS_NUM", ask_spaces },
	{ "GET_VRING_NUM", ask_vring_num },
	{ "GET_IOVA_RANGE", ask_iova_range },
	{ "GET_CONFIG_SIZE", ask_config_size },
	{ "GET_CONFIG", ask_config },
};

int vdpr_dev_examine_step(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
			  unsigned int step, struct vdpr_dev_info *info)
{
	int ret;

	if (!step) {
		*info = (struct vdpr_dev_info)VDPR_INIT(struct vdpr_dev_info);
		info->name = dev->vdpa ? dev->vdpa : "";
		info->driver = dev->driver ? dev->driver : "";
	}
	ret = questions[step].ask(dev, info);
	if (ret)
		return examine_failed(ctx, dev, questions[step].request, ret);
	return step + 1 < ARRAY_SIZE(questions);
}

int vdpr_dev_examine(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
		     struct vdpr_dev_info *out)
{
	struct vdpr_dev_info info;
	unsigned int step = 0;
	int ret;

	if (vdpr_any_null(ctx, dev, out))
		return -EINVAL;
	do {
		ret = vdpr_dev_examine_step(ctx, dev, step++, &info);
	} while (ret > 0);
	if (ret)
		return ret;
	info.config.size = vdpr_struct_inner(
		out->size, offsetof(struct vdpr_dev_info, config),
		sizeof(info.config));
	if (vdpr_struct_give(out, &info, sizeof(info)))
		return vdpr_fail_size(ctx, dev->name, "an info", out->size);
	return 0;
}

/* -------------------------------------------------------------------- save */

static int save_names(struct vdpr_state *state,
		      const struct vdpr_dev_info *info)
{
	state->device.present = true;
	state->device.type = strdup("net");
	if (!state->device.type)
		return -ENOMEM;
	if (*info->name) {
		state->device.name = strdup(info->name);
		if (!state->device.name)
			return -ENOMEM;
	}
	if (*info->driver) {
		state->device.parent = strdup(info->driver);
		if (!state->device.parent)
			return -ENOMEM;
	}
	return 0;
}

int vdpr_dev_save(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
		  struct vdpr_state **out)
{
	struct vdpr_dev_info info = VDPR_INIT(struct vdpr_dev_info);
	struct vdpr_state *state = NULL;
	_cleanup_free_ char *source = NULL;
	int ret;

	if (vdpr_any_null(ctx, dev, out))
		return -EINVAL;
	ret = vdpr_dev_examine(ctx, dev, &info);
	if (ret)
		return ret;
	ret = vdpr_state_new(ctx, &state);
	if (ret)
		return ret;
	ret = vdpr_state_start(ctx, state, &info.features, NULL, &info.config,
			       VDPR_STATE_NOT_FROM_RESET);
	if (!ret) {
		state->has_backend_features = true;
		state->backend_features = info.backend_features;
		if (save_names(state, &info) ||
		    asprintf(&source, "device:%s", dev->name) < 0)
			ret = vdpr_fail_memory(ctx);
		else
			ret = vdpr_state_set_origin(ctx, state, source);
	}
	if (ret) {
		vdpr_state_free(state);
		return ret;
	}
	*out = state;
	return 0;
}
