/* SPDX-License-Identifier: MIT */
/* The public interface of libvdpa-restore. */
#ifndef VDPA_RESTORE_H
#define VDPA_RESTORE_H

/*
 * libvdpa-restore saves the control state of a virtio-net device behind
 * vhost-vdpa and restores it in the one order that is right: only the control
 * virtqueue enabled, DRIVER_OK, every control command used and accepted, and
 * only then the data virtqueues.
 *
 * Conventions, for every function unless its own comment says otherwise:
 * - It returns 0 or a negative errno value; results come back through the last
 *   parameters and are written on success only.
 * - Any function that takes a context may also return -ENOMEM. The line for
 *   people is in vdpr_ctx_error(), what to do about it in vdpr_ctx_cure(), and
 *   the class of the failure in vdpr_ctx_cause(). The context may be NULL: then
 *   nothing is kept or logged.
 * - A pointer that is NULL and whose comment does not say that it may be is
 *   -EINVAL (VDPR_CAUSE_USAGE); a function that returns no errno then does
 *   nothing and returns 0, false or "". Only vdpr_shadow_process() does not look:
 *   it is called for every command of a guest.
 * - Numbers are in host byte order, sizes in bytes; a feature "bit n" is bit
 *   n % 64 of word n / 64.
 * - Nothing is printed, no process is ended, no signal handler is installed and
 *   no state is shared between handles. One handle may be used by one thread at
 *   a time; different handles by different threads at once. But the functions of
 *   one shadow may be called from several threads at once, vdpr_control_loaded()
 *   from any.
 * - No thread is started, but for the device of "sim" and with
 *   VDPR_CONTROL_THREAD.
 * - Structs that may grow begin with their own size in bytes. Set it with
 *   VDPR_INIT(), also in those that a function fills in. Members past the caller's
 *   size read as zero, or are left out of what is filled in; members past the
 *   library's are not looked at, so a program that needs what is newer than the
 *   library at hand asks vdpr_has_feature() first. One without a size is refused
 *   (-EINVAL, VDPR_CAUSE_USAGE), one smaller than in the first version that had it
 *   may be; a function that returns no errno then fills in nothing.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VDPR_API __attribute__((visibility("default")))
#define VDPR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define VDPR_MUST_CHECK __attribute__((warn_unused_result))
#else
#define VDPR_API
#define VDPR_PRINTF(fmt, args)
#define VDPR_MUST_CHECK
#endif

/* Initialises a struct whose first member is its size in bytes. */
#ifdef __cplusplus
#define VDPR_INIT(type)                    \
	([] {                              \
		type init_ = {};           \
		init_.size = sizeof(type); \
		return init_;              \
	}())
#else
#define VDPR_INIT(type)              \
	{                            \
		.size = sizeof(type) \
	}
#endif

struct vdpr_ctx;
struct vdpr_state;
struct vdpr_plan;
struct vdpr_dev;
struct vdpr_report;
struct vdpr_restore;

/* ------------------------------------------------------------ the library */

/** vdpr_version() - version of the library that is loaded, "MAJOR.MINOR.PATCH".
 * Return: a string that lives as long as the library.
 */
VDPR_API const char *vdpr_version(void);

/** vdpr_has_feature() - does this library have a capability?
 * @name: "load", "save", "observe", "event", "shadow-cvq", "notify", "control"
 *        or "handover".
 * Return: 1 or 0; 0 for a name it does not know.
 */
VDPR_API int vdpr_has_feature(const char *name);

/* ------------------------------------------------------------ the context */

/*
 * Class of the last failure. The values are the exit codes of the command line
 * tool, so a script and a VMM speak of the same things.
 */
enum vdpr_cause {
	VDPR_CAUSE_NONE = 0, /* nothing failed */
	VDPR_CAUSE_OTHER =
		1, /* no such device, a system call, output, cancel */
	VDPR_CAUSE_USAGE = 2, /* a bad device name, key or option */
	VDPR_CAUSE_REFUSED =
		3,	       /* the state does not fit; nothing was touched */
	VDPR_CAUSE_ACCESS = 4, /* EBUSY, EACCES or EPERM from the device */
	VDPR_CAUSE_DEVICE = 5, /* the device refused or answered wrongly */
	VDPR_CAUSE_DEADLINE = 6, /* the deadline passed */
	VDPR_CAUSE_INPUT = 7,	 /* an input cannot be read or is bad */
};

/* Receives one line without newline; @level is a syslog priority (3..7). */
typedef void (*vdpr_log_fn)(void *data, int level, const char *line);

/** vdpr_ctx_new() - make a context: where errors and log lines go.
 * @out: the context; free it with vdpr_ctx_free() after all that was made
 *       with it.
 * Return: 0 or -ENOMEM.
 */
VDPR_API int vdpr_ctx_new(struct vdpr_ctx **out);

/** vdpr_ctx_free() - free a context. @ctx: may be NULL. */
VDPR_API void vdpr_ctx_free(struct vdpr_ctx *ctx);

/** vdpr_ctx_error() - the last failure in one line: object, operation, reason.
 * Return: never NULL, "" when nothing failed; valid until the next call that
 * takes @ctx.
 */
VDPR_API const char *vdpr_ctx_error(const struct vdpr_ctx *ctx);

/** vdpr_ctx_cure() - what to do about the last failure; "" if nothing is known. */
VDPR_API const char *vdpr_ctx_cure(const struct vdpr_ctx *ctx);

/** vdpr_ctx_cause() - class of the last failure. */
VDPR_API enum vdpr_cause vdpr_ctx_cause(const struct vdpr_ctx *ctx);

/** vdpr_ctx_set_log() - receive warnings and progress.
 * @fn: NULL for silence, which is the default.
 * @level: the highest syslog priority wanted: 4 warnings, 6 progress, 7 all.
 */
VDPR_API void vdpr_ctx_set_log(struct vdpr_ctx *ctx, vdpr_log_fn fn, void *data,
			       int level);

/* --------------------------------------------------------------- features */

/* A virtio feature mask of 128 bits. */
struct vdpr_features {
	uint64_t word[2];
};

/** vdpr_feature_name() - name of a virtio-net or transport feature bit.
 * @bit: 0..127.
 * Return: the name without VIRTIO_NET_F_, VIRTIO_F_ or VIRTIO_ and F_ ("MQ",
 * "RING_PACKED"), or NULL where the bit has none (write it as "bit_N").
 */
VDPR_API const char *vdpr_feature_name(unsigned int bit);

/** vdpr_feature_bit() - the bit of a name, "bit_N" included.
 * Return: 0..127, or -ENOENT.
 */
VDPR_API int vdpr_feature_bit(const char *name);

/* -------------------------------------------------------- device's config */

/* Which members of struct vdpr_net_config are there. */
#define VDPR_CONFIG_MAC (1u << 0)
#define VDPR_CONFIG_LINK_UP (1u << 1)
#define VDPR_CONFIG_ANNOUNCE (1u << 2)
#define VDPR_CONFIG_MAX_PAIRS (1u << 3)
#define VDPR_CONFIG_MTU (1u << 4)
#define VDPR_CONFIG_SPEED (1u << 5)
#define VDPR_CONFIG_DUPLEX (1u << 6)
#define VDPR_CONFIG_RSS_KEY (1u << 7)
#define VDPR_CONFIG_RSS_TABLE (1u << 8)
#define VDPR_CONFIG_HASH_TYPES (1u << 9)

#define VDPR_SPEED_UNKNOWN UINT32_MAX
#define VDPR_DUPLEX_HALF 0
#define VDPR_DUPLEX_FULL 1
#define VDPR_DUPLEX_UNKNOWN 0xff

/* What the device's configuration space says (virtio 1.3, 5.1.4). */
struct vdpr_net_config {
	size_t size;  /* of this struct: VDPR_INIT() */
	uint32_t has; /* VDPR_CONFIG_* */
	uint8_t mac[6];
	bool link_up;
	bool announce;
	uint16_t max_virtqueue_pairs;
	uint16_t mtu;
	uint32_t speed;		  /* Mbit/s or VDPR_SPEED_UNKNOWN */
	uint8_t duplex;		  /* VDPR_DUPLEX_* */
	uint8_t rss_max_key_size; /* bytes */
	uint16_t rss_max_indirection_table_length; /* entries */
	uint32_t supported_hash_types;		   /* VIRTIO_NET_HASH_TYPE_* */
};

/* -------------------------------------------------------------- the state */

/** vdpr_state_new() - an empty state: no features, nothing known.
 * @out: free it with vdpr_state_free().
 */
VDPR_API int vdpr_state_new(struct vdpr_ctx *ctx, struct vdpr_state **out);

/** vdpr_state_free() - free a state. @state: may be NULL. */
VDPR_API void vdpr_state_free(struct vdpr_state *state);

/* Nothing was seen since the device's reset: what is not commanded is unknown. */
#define VDPR_STATE_NOT_FROM_RESET (1u << 0)

/** vdpr_state_start() - begin to follow a device: its state right after reset.
 * @offered: what the device offers; NULL: the same as @negotiated.
 * @negotiated: what the guest's driver acknowledged; NULL: not known, then the
 *              state can be shown but neither planned nor restored.
 * @config: the configuration space as the guest sees it; may be NULL (limits
 *          are then unknown and not checked).
 * @flags: VDPR_STATE_NOT_FROM_RESET.
 *
 * Everything that @state held before is dropped. Call it again whenever the
 * guest resets the device.
 * Return: 0, -EINVAL (a config member without its feature or out of range, or
 * @config has no size).
 */
VDPR_API int vdpr_state_start(struct vdpr_ctx *ctx, struct vdpr_state *state,
			      const struct vdpr_features *offered,
			      const struct vdpr_features *negotiated,
			      const struct vdpr_net_config *config,
			      unsigned int flags);

/** vdpr_state_set_origin() - say where a state comes from.
 * @source: e.g. "transcript:guest.jsonl"; copied. Becomes the "captured" object
 *          (with the present time and this library's version) and the origin of
 *          every section that the state knows.
 */
VDPR_API int vdpr_state_set_origin(struct vdpr_ctx *ctx,
				   struct vdpr_state *state,
				   const char *source);

/** vdpr_state_features() - the negotiated features.
 * Return: 0, -ENODATA if no source knew them.
 */
VDPR_API int vdpr_state_features(const struct vdpr_state *state,
				 struct vdpr_features *out);

struct vdpr_vring;

/** vdpr_state_vring() - where a virtqueue stood, as "vrings" has it.
 * @index: of the virtqueue, that of the control virtqueue included.
 * @out: its "size" is set by the caller. num and the addresses are 0 where the state
 *       does not tell them, kick_fd and call_fd are -1.
 * Return: 0, -ENOENT (the state has no such ring), -ENODATA (it has, but not its
 * base), -EINVAL (@out has no size).
 */
VDPR_API int vdpr_state_vring(const struct vdpr_state *state, uint32_t index,
			      struct vdpr_vring *out);

/** vdpr_state_parse() - read a state file's text, strictly.
 * @text: @len bytes of UTF-8 JSON, at most 4 MiB; need not end in NUL.
 * Return: 0, -EBADMSG (the message names the JSON path and the limit),
 * -EPROTONOSUPPORT (written for newer readers), -EFBIG.
 */
VDPR_API int vdpr_state_parse(struct vdpr_ctx *ctx, const char *text,
			      size_t len, struct vdpr_state **out);

/** vdpr_state_format() - the canonical JSON text of a state.
 * @out: text that ends in a newline and NUL; the caller frees it with free().
 * @len: its length without the NUL; may be NULL.
 */
VDPR_API int vdpr_state_format(struct vdpr_ctx *ctx,
			       const struct vdpr_state *state, char **out,
			       size_t *len);

/** vdpr_state_read() - read a state file.
 * @path: a regular file or a pipe; "-" has no special meaning here.
 * Return: as vdpr_state_parse(), or the errno of open or read (-EISDIR for a
 * directory). The cause is always VDPR_CAUSE_INPUT.
 */
VDPR_API int vdpr_state_read(struct vdpr_ctx *ctx, const char *path,
			     struct vdpr_state **out);

/** vdpr_state_write() - write a state file, whole or not at all.
 * @path: made anew through a temporary file in the same folder, synced and
 *        renamed, mode 0600; something there that is no regular file (a pipe, a
 *        device) is written to directly, a symbolic link is replaced.
 * Return: 0 or the errno of the call that failed.
 */
VDPR_API int vdpr_state_write(struct vdpr_ctx *ctx,
			      const struct vdpr_state *state, const char *path);

enum vdpr_compare_result {
	VDPR_SAME,
	VDPR_DIFFERS,
	VDPR_UNSEEN, /* one side does not know it */
};

/* Compare "vrings" too. */
#define VDPR_COMPARE_RINGS (1u << 0)
/* The second state is that of a device that the first was restored to: what a
 * restore itself makes different is the same. Negotiated features may have
 * ACCESS_PLATFORM besides, where the device offers it, and lack those of the VMM's
 * own that it does not offer; config.mac may be the guest's mac.address, which a
 * device shows there (virtio 1.3, 5.1.6.5.2.1), and so tells of section mac where
 * nothing else does; config.announce, which passes, is not looked at. */
#define VDPR_COMPARE_RESTORED (1u << 1)

/* One section of a comparison; @a and @b are JSON texts or NULL for absent. */
typedef void (*vdpr_compare_fn)(void *data, const char *section,
				enum vdpr_compare_result result, const char *a,
				const char *b);

/** vdpr_state_compare() - compare two states section by section.
 * @flags: VDPR_COMPARE_*.
 * @fn: called once for "features", "config" and every control section that one
 *      of the two has or ought to have; may be NULL.
 * Return: 0 the same as far as both sides know, 1 they differ, or -errno.
 */
VDPR_API int vdpr_state_compare(struct vdpr_ctx *ctx,
				const struct vdpr_state *a,
				const struct vdpr_state *b, unsigned int flags,
				vdpr_compare_fn fn, void *data);

/** vdpr_state_merge() - add what another source knows.
 * @into: gains everything that it does not know and @from does.
 * @prefer: what to do where both know and disagree: NULL refuses; otherwise the
 *          origin whose value wins.
 *
 * Each conflict is logged with both values and sources, priority 3; where @prefer
 * decides, what gives way to what, priority 5.
 * Return: 0, -EEXIST (conflicts, or values that do not fit together; the message has
 * the first and says how many there are; cause VDPR_CAUSE_REFUSED, @into unchanged).
 */
VDPR_API int vdpr_state_merge(struct vdpr_ctx *ctx, struct vdpr_state *into,
			      const struct vdpr_state *from,
			      const char *prefer);

/* ------------------------------------------------------- control commands */

/* One control command as the guest sent it (virtio 1.3, 5.1.6.5). */
struct vdpr_command {
	size_t size;	    /* of this struct: VDPR_INIT() */
	uint8_t ctrl_class; /* VIRTIO_NET_CTRL_* */
	uint8_t command;
	uint8_t ack;	  /* the device's answer: 0 is VIRTIO_NET_OK */
	const void *data; /* what follows class and command, little-endian */
	size_t data_len;
	const void *reply; /* what follows the ack byte, or NULL */
	size_t reply_len;
};

/** vdpr_command_name() - name of a command, e.g. "RSS_CONFIG".
 * Return: NULL if the tables do not know it.
 */
VDPR_API const char *vdpr_command_name(uint8_t ctrl_class, uint8_t command);

/** vdpr_command_section() - section of the state that a command belongs to.
 * Return: e.g. "rss"; NULL for commands that change no section.
 */
VDPR_API const char *vdpr_command_section(uint8_t ctrl_class, uint8_t command);

/** vdpr_command_describe() - decode a command for people, on one line.
 * @out: e.g. "VLAN_ADD 42"; freed by the caller with free(). A command that is
 *       unknown or too short is shown as bytes.
 * Return: 0, -EINVAL (@command has no size), -ENOMEM.
 */
VDPR_API int vdpr_command_describe(struct vdpr_ctx *ctx,
				   const struct vdpr_command *command,
				   char **out);

/** vdpr_observe() - tell the state about a command that the device answered.
 * @command: with the device's ack. A refused command (ack not 0) changes
 *           nothing, but a refused one of class MQ leaves rss and hash_report
 *           unknown (devices disable RSS before they look at it).
 *
 * A command whose values the state cannot hold makes its section unknown and
 * logs the reason; a class that the tables do not know makes "class_N" unknown.
 * Return: 0, -EINVAL (no features known, a payload that is too short, or @command
 * has no size: the state is unchanged).
 */
VDPR_API int vdpr_observe(struct vdpr_ctx *ctx, struct vdpr_state *state,
			  const struct vdpr_command *command);

/* Unknown sections and members send nothing instead of being an error. */
#define VDPR_PLAN_UNKNOWN_DEFAULT (1u << 0)

/** vdpr_plan() - the commands that bring a device from reset to a state.
 * @flags: VDPR_PLAN_*.
 * @out: in the order to be sent; freed with vdpr_plan_free().
 * Return: 0, -EINVAL (negotiated features not known), -ENODATA (something is
 * unknown; the message names all of it); both with VDPR_CAUSE_REFUSED.
 */
VDPR_API int vdpr_plan(struct vdpr_ctx *ctx, const struct vdpr_state *state,
		       unsigned int flags, struct vdpr_plan **out);

/** vdpr_plan_count() - number of commands. */
VDPR_API size_t vdpr_plan_count(const struct vdpr_plan *plan);

/** vdpr_plan_get() - one command.
 * @index: 0..count-1.
 * @out: ctrl_class, command, data and data_len are set; the data lives as long as
 *       the plan.
 * @after_enable: true if the command is sent after the data queues are enabled;
 *                may be NULL.
 * Return: 0, -ERANGE or -EINVAL (@out has no size).
 */
VDPR_API int vdpr_plan_get(const struct vdpr_plan *plan, size_t index,
			   struct vdpr_command *out, bool *after_enable);

/** vdpr_plan_free() - free a plan. @plan: may be NULL. */
VDPR_API void vdpr_plan_free(struct vdpr_plan *plan);

/* One line of a transcript. */
struct vdpr_transcript_line {
	size_t size;
	unsigned int line;		 /* from 1 */
	bool header;			 /* a reset with new features */
	bool from_reset;		 /* of a header */
	struct vdpr_features offered;	 /* of a header */
	struct vdpr_features negotiated; /* of a header */
	struct vdpr_command command;	 /* of any other line */
};

/* Return: 0 to go on, negative to stop with that value. */
typedef int (*vdpr_transcript_fn)(void *data,
				  const struct vdpr_transcript_line *line);

/** vdpr_transcript_parse() - read a transcript: a device's commands as JSON Lines.
 * @text: @len bytes.
 * @fn: called for every line in order; may be NULL.
 * @out: the state after the last line; may be NULL.
 * Return: 0, -EBADMSG (the message names line and key), -EFBIG, or what @fn
 * returned.
 */
VDPR_API int vdpr_transcript_parse(struct vdpr_ctx *ctx, const char *text,
				   size_t len, vdpr_transcript_fn fn,
				   void *data, struct vdpr_state **out);

/* ------------------------------------------------ QEMU's migration streams */

struct vdpr_qemu_stream;

/* Where the bytes of a stream come from. */
struct vdpr_stream {
	size_t size; /* of this struct: VDPR_INIT() */
	/* Reads up to @len bytes at @offset into @buf, waiting for the first one.
	 * Return: how many, 0 at the end, or -errno. Without @length each read is
	 * of the bytes that follow the last one's. */
	ssize_t (*read)(void *data, uint64_t offset, void *buf, size_t len);
	void *data;
	uint64_t length; /* bytes, where any offset can be read; 0: a pipe */
};

/* One virtio-net device of a stream. */
struct vdpr_qemu_nic_info {
	size_t size;	       /* of this struct: VDPR_INIT() */
	const char *id;	       /* of its section: "0000:00:03.0/virtio-net" */
	uint32_t instance;     /* tells apart those with the same id */
	const char *transport; /* "pci", "pci-express" or "mmio" */
	uint64_t offset;       /* of the section's content, in bytes */
	uint64_t length;       /* of it */
	struct vdpr_features negotiated;
	uint8_t mac[6];
	uint16_t queue_pairs;
	uint16_t max_virtqueue_pairs;
	uint16_t vlans; /* ids in the table: 0..4096 */
	bool all_vlans; /* the table passes everything: not the guest's doing */
};

/** vdpr_qemu_stream_read() - read the virtio-net devices in a migration stream.
 * @source: what QEMU wrote by `migrate` to a file or a pipe.
 * @out: freed with vdpr_qemu_stream_free(); it keeps nothing of @source.
 *
 * With a length and a description at the end (every stream but those of machines
 * with suppress-vmdesc=on) guest memory is not read. Otherwise it is gone over
 * record by record. Bytes in guest memory are never taken for a section. Memory
 * used does not grow with the stream.
 * Return: 0 (also with no such device), -EBADMSG (not a stream, truncated, or of
 * a kind that is not known: the message has offset and section), or what
 * @source's read returned, with VDPR_CAUSE_INPUT; -EINVAL (@source has no size or no
 * read), with VDPR_CAUSE_USAGE.
 * Rests on QEMU's migration/savevm.c, migration/ram.c, hw/virtio/virtio.c and
 * hw/net/virtio-net.c, 7.2 to 10.2.
 */
VDPR_API int vdpr_qemu_stream_read(struct vdpr_ctx *ctx,
				   const struct vdpr_stream *source,
				   struct vdpr_qemu_stream **out);

/** vdpr_qemu_stream_read_fd() - the same from a descriptor.
 * @fd: a regular file or block device is read from its present offset on and its
 *      offset left as it is; anything else is read to its end. Stays the
 *      caller's.
 * Return: as vdpr_qemu_stream_read(), or the errno of fstat() or lseek().
 */
VDPR_API int vdpr_qemu_stream_read_fd(struct vdpr_ctx *ctx, int fd,
				      struct vdpr_qemu_stream **out);

/** vdpr_qemu_stream_machine() - the source's machine type, e.g. "pc-q35-7.2".
 * Return: "" where the stream does not say; lives as long as @stream.
 */
VDPR_API const char *
vdpr_qemu_stream_machine(const struct vdpr_qemu_stream *stream);

/** vdpr_qemu_stream_count() - number of virtio-net devices. */
VDPR_API size_t vdpr_qemu_stream_count(const struct vdpr_qemu_stream *stream);

/** vdpr_qemu_stream_get() - one of them.
 * @index: 0..count-1, in the stream's order.
 * @out: strings live as long as @stream.
 * Return: 0, -ERANGE or -EINVAL (@out has no size).
 */
VDPR_API int vdpr_qemu_stream_get(const struct vdpr_qemu_stream *stream,
				  size_t index, struct vdpr_qemu_nic_info *out);

/** vdpr_qemu_stream_find() - the device that a word names.
 * @id: its id, a part of it that no other has, or its index in decimal, which
 *      digits alone always are; NULL: the only one.
 * Return: 0, -ENOENT (none; VDPR_CAUSE_INPUT where the stream has no such device
 * at all), -EEXIST (several); otherwise VDPR_CAUSE_USAGE, and the message names
 * those that there are.
 */
VDPR_API int vdpr_qemu_stream_find(struct vdpr_ctx *ctx,
				   const struct vdpr_qemu_stream *stream,
				   const char *id, size_t *index);

/* A VLAN table that passes everything (QEMU 8.1 to 10.0 begin with it) is
 * unknown, not 0-4095. */
#define VDPR_QEMU_ALL_VLANS_UNKNOWN (1u << 0)

/** vdpr_qemu_stream_state() - the state of one device.
 * @flags: VDPR_QEMU_*.
 * @out: freed with vdpr_state_free(). What the stream has not is unknown; a
 *       warning is logged for what a state cannot hold.
 * Return: 0, -ERANGE, -EBADMSG (values that contradict each other).
 */
VDPR_API int vdpr_qemu_stream_state(struct vdpr_ctx *ctx,
				    const struct vdpr_qemu_stream *stream,
				    size_t index, unsigned int flags,
				    struct vdpr_state **out);

/** vdpr_qemu_stream_free() - free it. @stream: may be NULL. */
VDPR_API void vdpr_qemu_stream_free(struct vdpr_qemu_stream *stream);

/* ---------------------------------------------------------------- captures */

/*
 * Captures take the state of a NIC from what a VMM tells or has written. What a
 * source cannot know is unknown in the state, never a default. All of them take
 * the same options and fail in the same ways:
 * - -EBADMSG, -EFBIG: the source is damaged, or not what it should be
 *   (VDPR_CAUSE_INPUT; the message says where);
 * - -ENODATA: it is sound, but there is no virtio-net device in it
 *   (VDPR_CAUSE_INPUT);
 * - -ENODEV: the NIC that was asked for is not there; -ENOTUNIQ: there are
 *   several and none was asked for (VDPR_CAUSE_USAGE; the message lists those
 *   that are there);
 * - -EINVAL: the options have no size (VDPR_CAUSE_USAGE).
 */

/* Where QEMU 8.1 to 10.0 gives a VLAN table of ones throughout, which it does
 * whatever the guest asked for, the table is unknown. Otherwise it is taken as it
 * is, with a warning: then the guest hears too much rather than too little. */
#define VDPR_CAPTURE_ALL_VLANS_UNKNOWN (1u << 0)

struct vdpr_capture_opts {
	size_t size;	    /* of this struct: VDPR_INIT() */
	unsigned int flags; /* VDPR_CAPTURE_* */
	const char *nic;    /* which NIC, as the source calls it; NULL: the only
			     * one that there is */
	uint64_t deadline;  /* CLOCK_MONOTONIC, nanoseconds; 0: 10 s from the
			     * call. For sources that can keep one waiting */
	int cancel_fd;	    /* readable: give up with -ECANCELED. 0: none */
};

/** vdpr_capture_ch_snapshot() - a NIC in Cloud Hypervisor's state.json.
 * @text: @len bytes, at most 64 MiB: the "state.json" of a snapshot's folder, or
 *        the state that a live migration sends.
 * @opts: nic is the device's id ("_net0"); may be NULL.
 * @out: features, configuration space and rings of a virtio-net device, be it
 *       vDPA, on a tap or vhost-user; all of the control state is unknown, since
 *       Cloud Hypervisor does not keep it.
 * Return: 0 or as said above.
 */
VDPR_API int vdpr_capture_ch_snapshot(struct vdpr_ctx *ctx, const char *text,
				      size_t len,
				      const struct vdpr_capture_opts *opts,
				      struct vdpr_state **out);

/** vdpr_capture_qmp() - a NIC of a running QEMU, through its monitor.
 * @path: a unix socket of QEMU's -qmp unix:PATH,server=on,wait=off; the monitor
 *        must have no other client, and is free again afterwards.
 * @opts: nic is a device's id, its QOM path, or its netdev's id; may be NULL.
 * @out: features, what of the configuration space QEMU tells, MAC address and
 *       tables, receive modes, VLANs, and the rings where QEMU serves them itself.
 *       Unknown stay queue pairs, RSS, hash report, offloads and coalescing, and
 *       all_unicast or all_multicast where no_unicast or no_multicast hides it: a
 *       migration stream has them.
 *
 * Only commands that read are sent (query-rx-filter, x-query-virtio,
 * x-query-virtio-status, x-query-virtio-queue-status, qom-get), and none that a
 * version is known not to survive. QEMU 7.2 or later.
 * Return: 0; as said above; -ETIME (VDPR_CAUSE_DEADLINE: a monitor with another
 * client is silent), -EACCES, -EPERM (VDPR_CAUSE_ACCESS), -EINVAL (a path that no
 * socket can have, VDPR_CAUSE_USAGE), -EOPNOTSUPP (QEMU is too old), -EREMOTEIO
 * (it refused a command), -EPIPE (it hung up), -ECANCELED, or the errno of
 * connect() and its like.
 */
VDPR_API int vdpr_capture_qmp(struct vdpr_ctx *ctx, const char *path,
			      const struct vdpr_capture_opts *opts,
			      struct vdpr_state **out);

/* ------------------------------------------------------------- the device */

/** vdpr_dev_is_name() - is this word a DEV rather than a file?
 * @word: "sim", "sim:...", "vdpa:NAME", "fd:N", "control:...", "pid:..." or the
 *        path of a character device.
 */
VDPR_API bool vdpr_dev_is_name(const char *word);

/** vdpr_dev_check_name() - judge the form of a DEV without touching any device.
 * Return: 0, -EINVAL (VDPR_CAUSE_USAGE), -EOPNOTSUPP (a form that this version
 * cannot open).
 */
VDPR_API int vdpr_dev_check_name(struct vdpr_ctx *ctx, const char *name);

/** vdpr_dev_open() - open a device; this resets it (drivers/vhost/vdpa.c).
 * @name: /dev/vhost-vdpa-N, vdpa:NAME, fd:N, sim[:KEY=VALUE,...] or
 *        pid:PID[,fd=N].
 * @out: closed with vdpr_dev_close().
 *
 * pid: resets nothing: it borrows the descriptor of a process that has the device
 * open (pidfd_getfd(2)), for vdpr_dev_examine() and vdpr_dev_save(); any call that
 * would do more than read gives -EPERM. N: which descriptor, where the process has
 * more than one such device open.
 * Return: 0, -EBUSY (another process has it), -EACCES, -EPERM, -ENOENT, -EINVAL
 * (the name's form), -ENOTTY (not a vhost-vdpa device), -ENODEV (not a network
 * device) or another errno of open(); for pid: also -ESRCH (no such process),
 * -ENOTUNIQ (fd=N is needed), -EBADF and -ENOSYS (before Linux 5.6).
 */
VDPR_API int vdpr_dev_open(struct vdpr_ctx *ctx, const char *name,
			   struct vdpr_dev **out);

/* This process has done VHOST_SET_OWNER on the descriptor already. */
#define VDPR_DEV_OWNED (1u << 0)

struct vdpr_dev_fd_opts {
	size_t size;	    /* of this struct: VDPR_INIT() */
	unsigned int flags; /* VDPR_DEV_* */
	uint64_t
		backend_features; /* acknowledged by the caller; never dropped */
};

/** vdpr_dev_from_fd() - use a descriptor that the caller opened.
 * @fd: stays the caller's: it is not closed by vdpr_dev_close().
 * @opts: may be NULL.
 * Return: 0, -ENOTTY, -ENODEV, or the errno of the first ioctl.
 */
VDPR_API int vdpr_dev_from_fd(struct vdpr_ctx *ctx, int fd,
			      const struct vdpr_dev_fd_opts *opts,
			      struct vdpr_dev **out);

/** vdpr_dev_close() - close a device. One that vdpr_dev_open() opened by path is
 * reset by the kernel at that moment. @dev: may be NULL.
 */
VDPR_API void vdpr_dev_close(struct vdpr_dev *dev);

/* The device may read there, not write. */
#define VDPR_MAP_READ_ONLY (1u << 0)

/** vdpr_dev_map() - let a device reach memory of the caller's: the guest's.
 * @iova: where the device sees it; a guest physical address, for a VMM that maps
 *        one to one.
 * @len: bytes.
 * @host: where it is in this process; shared memory, for parents that work on
 *        virtual addresses. @iova, @len and @host are multiples of the page size.
 * @flags: VDPR_MAP_*.
 *
 * For a caller that has no device layer of its own; another one maps as it always
 * did. One IOTLB update in address space 0, that of the data queues, after
 * VHOST_SET_OWNER where that is still to be done. Resets do not take it away, and
 * every restore keeps off it as off opts.in_use. It stays until vdpr_dev_unmap() or
 * the descriptor's close.
 * Return: 0, -EINVAL (alignment, flags), -EEXIST (overlaps what was mapped by this
 * function), -EBUSY, -EPERM (SET_OWNER; pid:), or -EFAULT, which is the kernel's
 * word for all that can be wrong; the message says what it is.
 */
VDPR_API int vdpr_dev_map(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
			  uint64_t iova, uint64_t len, void *host,
			  unsigned int flags);

/** vdpr_dev_unmap() - take it back.
 * @iova, @len: those of one vdpr_dev_map().
 * Return: 0, -ENOENT (never mapped by that), or the errno of the IOTLB write.
 */
VDPR_API int vdpr_dev_unmap(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
			    uint64_t iova, uint64_t len);

/* What a device says of itself. */
struct vdpr_dev_info {
	size_t size;	    /* of this struct: VDPR_INIT() */
	const char *name;   /* of the vdpa device, or "" */
	const char *driver; /* of its parent, e.g. "mlx5_core", or "" */
	struct vdpr_features features;
	uint64_t backend_features;
	uint8_t status;
	uint32_t vqs; /* number of virtqueues */
	uint32_t groups;
	uint32_t address_spaces;
	uint16_t vring_num; /* largest ring */
	uint64_t iova_first;
	uint64_t iova_last; /* inclusive */
	uint32_t config_size;
	struct vdpr_net_config config;
};

/** vdpr_dev_examine() - ask a device what it is; only reads.
 * @out: strings live as long as the device.
 * Return: 0, -EINVAL (@out has no size) or the errno of the ioctl that failed.
 */
VDPR_API int vdpr_dev_examine(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
			      struct vdpr_dev_info *out);

/** vdpr_dev_save() - what a device can tell about itself, as a state.
 * Features offered, backend features and config; negotiated features and every
 * control section stay unknown, for no ioctl tells them.
 */
VDPR_API int vdpr_dev_save(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
			   struct vdpr_state **out);

/*
 * A caller's own device layer in place of the char device. Two kinds:
 *
 * - Device calls (@ioctl, @map, @unmap): the library does all stages, but every
 *   call goes through the caller. For a VMM that keeps the descriptor to itself.
 * - Control buffers (@info, @send, @poll, @enable): the caller has set the device
 *   up, runs the control virtqueue and has set DRIVER_OK (stages 1 and 3 to 6 are
 *   its own); the library compares, plans, sends, judges every answer and says
 *   when the data queues may be enabled. This is what stands in for the body of
 *   QEMU's vhost_vdpa_net_cvq_load().
 *
 * Every function returns 0 or -errno unless it says otherwise, gets @data, and is
 * called by the thread that called the library.
 */
struct vdpr_dev_hooks {
	size_t size;	    /* of this struct: VDPR_INIT() */
	unsigned int flags; /* VDPR_DEV_OWNED */
	void *data;	    /* the caller's, passed on */
	uint64_t
		backend_features; /* acknowledged by the caller; never dropped */

	/* As ioctl(2) on the char device: requests and arguments of
	 * linux/vhost.h. */
	int (*ioctl)(void *data, unsigned long request, void *arg);
	/* One IOTLB update; all multiples of the page size. */
	int (*map)(void *data, uint32_t asid, uint64_t iova, uint64_t len,
		   const void *addr, bool writable);
	int (*unmap)(void *data, uint32_t asid, uint64_t iova, uint64_t len);

	/* What the device is; copied. @vqs, @features and @config count. */
	const struct vdpr_dev_info *info;
	/* Queues one command: @out_len bytes at @out (class, command, payload;
	 * they stay where they are until the answer) and room for an answer of
	 * @in_len bytes. -EAGAIN: full, ask again after poll. */
	int (*send)(void *data, uint64_t token, const void *out, size_t out_len,
		    size_t in_len);
	/* The next answer, in any order. @in: room for @in_len bytes; @len: what
	 * the device wrote, which may be more than fits and is then an error.
	 * Return: 1 (with @token of send), 0 none yet, -errno. */
	int (*poll)(void *data, uint64_t *token, void *in, size_t in_len,
		    size_t *len);
	/* Enables the data queues and kicks them. */
	int (*enable)(void *data);
	/* Tells the device about what was sent; NULL: send does that. */
	int (*kick)(void *data);
	/* Back to a reset device; NULL: the caller does that by itself when a
	 * restore fails. */
	int (*reset)(void *data);
	/* Readable when poll may have an answer; <= 0: call
	 * vdpr_restore_process() whenever there may be one. Not closed. */
	int answer_fd;
};

/** vdpr_dev_from_hooks() - a device behind a caller's callbacks.
 * @name: for messages; copied.
 * @hooks: copied; what @data points to must outlive the device.
 * Return: 0, -EINVAL (neither kind, or both, is whole; or @info has no size).
 */
VDPR_API int vdpr_dev_from_hooks(struct vdpr_ctx *ctx, const char *name,
				 const struct vdpr_dev_hooks *hooks,
				 struct vdpr_dev **out);

/* One vdpa device of this machine, as sysfs shows it. */
struct vdpr_list_entry {
	size_t size;
	const char *name;    /* "vdpa0" */
	const char *parent;  /* parent device, e.g. "0000:01:00.2" */
	const char *mgmtdev; /* management device, e.g. "pci/0000:01:00.2" */
	const char *driver;  /* driver of the parent, e.g. "mlx5_core", or "" */
	const char *bound;   /* "vhost_vdpa", "virtio_vdpa" or "" */
	const char *chardev; /* "/dev/vhost-vdpa-0" or "" */
};

typedef int (*vdpr_list_fn)(void *data, const struct vdpr_list_entry *entry);

/** vdpr_dev_list() - the vdpa devices of this machine, by name.
 * @fn: called for each; a value other than 0 stops and is returned.
 * Return: 0 (none is no error), or the errno of reading sysfs.
 */
VDPR_API int vdpr_dev_list(struct vdpr_ctx *ctx, vdpr_list_fn fn, void *data);

/* ------------------------------------------------------------- the restore */

/* A data virtqueue of the caller's. Addresses are IOVAs that the caller mapped. */
struct vdpr_vring {
	size_t size;	 /* of this struct: VDPR_INIT() */
	uint32_t index;	 /* virtqueue index */
	uint32_t num;	 /* entries */
	uint32_t base;	 /* SET_VRING_BASE's num: split 0..65535; packed:
				 * avail index and wrap bits 0-15, used 16-31 */
	uint64_t desc;	 /* descriptor table / ring */
	uint64_t driver; /* avail ring / driver event suppression */
	uint64_t device; /* used ring / device event suppression */
	int kick_fd;	 /* eventfd, or -1 */
	int call_fd;	 /* eventfd, or -1 */
};

struct vdpr_iova_range {
	uint64_t first;
	uint64_t last; /* inclusive */
};

/* Go on where the device does not promise ENABLE_AFTER_DRIVER_OK. */
#define VDPR_RESTORE_ASSUME_ENABLE (1u << 0)
/* Unknown sections are left at the device's reset state. */
#define VDPR_RESTORE_UNKNOWN_DEFAULT (1u << 1)
/* A VMM-given feature that the device lacks is a refusal, not a warning. */
#define VDPR_RESTORE_STRICT_FEATURES (1u << 2)
/* Make empty data rings as the state wants them (no @vrings): a rehearsal. */
#define VDPR_RESTORE_EMPTY_RINGS (1u << 3)
/* Notify the control virtqueue through its mapped doorbell even where the kick
 * eventfd would do. Where only the doorbell does it is used without being asked. */
#define VDPR_RESTORE_DOORBELL (1u << 4)
/* Where the device can SUSPEND and RESUME: stages 1 to 7 before the final state
 * is there, with no data queue enabled (vdpr_restore_begin() only). */
#define VDPR_RESTORE_PREWARM (1u << 5)
/* Room to relay the guest's commands after the restore (struct vdpr_shadow): about
 * 160 KiB of memory that the device can reach; SUSPEND and RESUME are acknowledged
 * where they are offered. */
#define VDPR_RESTORE_SHADOW (1u << 6)

/* Warn too of what does not keep the state from being restored: a MAC that
 * differs, what only an open device tells, what the parent driver is known to do
 * (drivers/vdpa/). And look for what a restore finds out in stage 3 only: whether a
 * control virtqueue is too small for a guest without INDIRECT_DESC. The kernel tells
 * its size to the owner alone, so a device that vdpr_dev_open() opened is then owned
 * (VHOST_SET_OWNER). */
#define VDPR_RESTORE_ADVISE (1u << 7)

/*
 * Who chooses the IOVAs of what the library maps for itself: the caller, where it
 * gives this; else the library, above or between the ranges in use.
 */
struct vdpr_iova_ops {
	size_t size; /* of this struct: VDPR_INIT() */
	void *data;
	/* @len bytes, a multiple of the page size, within @within.
	 * Return: 0, -ENOSPC or another errno. */
	int (*alloc)(void *data, uint32_t asid, uint64_t len,
		     const struct vdpr_iova_range *within, uint64_t *iova);
	/* Nothing is mapped there any more. */
	void (*free)(void *data, uint32_t asid, uint64_t iova, uint64_t len);
};

struct vdpr_restore_opts {
	size_t size;	    /* of this struct: VDPR_INIT() */
	unsigned int flags; /* VDPR_RESTORE_* */
	uint64_t deadline;  /* CLOCK_MONOTONIC, nanoseconds; 0: 10 s from
					 * the call */
	const struct vdpr_vring *vrings; /* the caller's data rings */
	size_t n_vrings;
	/* What the caller has mapped, but for vdpr_dev_map(). */
	const struct vdpr_iova_range *in_use;
	size_t n_in_use;
	const char *const *warn; /* sections whose refused commands only warn */
	size_t n_warn;
	int cancel_fd; /* readable: give up with -ECANCELED. 0: none */
	int config_fd; /* eventfd for config interrupts from the end on; 0: none */
	const struct vdpr_iova_ops *iova; /* NULL: the library chooses */
	uint32_t watch_msec; /* event-driven: after the end, ask for the status
					 * so often; 0: only when the device calls */
};

/** vdpr_restore_check() - stages 1 and 2: would this state fit this device?
 * Only reads, but for what VDPR_RESTORE_ADVISE says. @out: may be NULL; set on failure too if a report could be made.
 * Return: 0, or -ENOTSUP with VDPR_CAUSE_REFUSED and every reason in the message;
 * vdpr_report_reason() has them one by one.
 */
VDPR_API int vdpr_restore_check(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
				const struct vdpr_state *state,
				const struct vdpr_restore_opts *opts,
				struct vdpr_report **out);

/* Which members of struct vdpr_dev_info somebody has seen. */
#define VDPR_SEEN_FEATURES (1u << 0)
#define VDPR_SEEN_BACKEND (1u << 1)   /* backend_features */
#define VDPR_SEEN_VRING_NUM (1u << 2) /* vring_num */
#define VDPR_SEEN_GROUPS (1u << 3)    /* groups, address_spaces */
#define VDPR_SEEN_CONFIG (1u << 4)    /* all of config that is offered */
#define VDPR_SEEN_ALL 0x1fu

/* A device that is not open, or does not exist yet, by what is known of it. */
struct vdpr_target {
	size_t size;	  /* of this struct: VDPR_INIT() */
	const char *name; /* for messages */
	/* driver: of the parent, or "". vqs: 0 if it is not known. config.has says
	 * which limits are known. status, IOVA range and config_size are not
	 * looked at. */
	const struct vdpr_dev_info *info;
	unsigned int seen;   /* VDPR_SEEN_* */
	unsigned int kernel; /* the driver's version, as KERNEL_VERSION() packs
			      * it (linux/version.h); 0: not known */
};

/** vdpr_target_check() - stage 2 without a device: would this state fit?
 * The same judgement as vdpr_restore_check(), which cannot be asked while another
 * process has the device. What was not seen is not refused; with
 * VDPR_RESTORE_ADVISE a warning says so.
 * @target: only read; nothing is opened.
 * @opts: as for vdpr_restore_run(); may be NULL.
 * @out: may be NULL; set on failure too if a report could be made.
 * Return: 0, -EINVAL (VDPR_CAUSE_USAGE: flags or sizes that are not known), or
 * -ENOTSUP with VDPR_CAUSE_REFUSED and every reason in the message.
 */
VDPR_API int vdpr_target_check(struct vdpr_ctx *ctx,
			       const struct vdpr_target *target,
			       const struct vdpr_state *state,
			       const struct vdpr_restore_opts *opts,
			       struct vdpr_report **out);

enum vdpr_reason_list {
	VDPR_REFUSALS, /* the state does not fit */
	VDPR_WARNINGS,
};

/* Why a state does not fit a device, or what is worth knowing about it. The
 * strings live as long as the report; none is NULL, "" is nothing. */
struct vdpr_reason_info {
	size_t size;	     /* of this struct: VDPR_INIT() */
	const char *section; /* of the state, or "features", "device" */
	const char
		*kind; /* "feature", "limit", "config", "device", "unknown" */
	const char *name; /* the feature's or the limit's */
	const char *want; /* the state's value */
	const char *have; /* the device's */
	const char *text; /* one clause for people */
	const char *cure; /* what to do about it */
};

/** vdpr_report_reason() - one reason of a report's stage 2.
 * @index: from 0.
 * @out: members past the caller's size are left out.
 * Return: 0, -ERANGE when there are no more, -EINVAL (@out has no size).
 */
VDPR_API int vdpr_report_reason(const struct vdpr_report *report,
				enum vdpr_reason_list list, size_t index,
				struct vdpr_reason_info *out);

/** vdpr_restore_run() - restore a state: stages 1 to 9, blocking.
 * @dev: must not be in use. The device is reset first if its status is not 0; on
 *       any failure from there on, and whenever it is cancelled or its time is
 *       up, it is left reset.
 * @opts: may be NULL.
 * @out: what happened; set on failure too if a report could be made. Free it
 *       with vdpr_report_free().
 * Return: 0, -ENOTSUP (does not fit: nothing was touched), -EPROTO (the device
 * refused or misbehaved), -ETIME (deadline), -ECANCELED, -EBUSY (an event-driven
 * restore of @dev is under way: nothing was touched), or the errno of a call that
 * failed.
 *
 * The memory of the control virtqueue stays mapped in the device, and owned by
 * @dev, until vdpr_dev_close() or the next restore.
 */
VDPR_API int vdpr_restore_run(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
			      const struct vdpr_state *state,
			      const struct vdpr_restore_opts *opts,
			      struct vdpr_report **out);

/* ------------------------------------------------- the event-driven restore */

/*
 * The same restore for a caller with an event loop, and in two halves: what can be
 * done early, from a provisional state, is done while the source still runs.
 *
 *	vdpr_restore_begin(ctx, dev, provisional, &opts, &restore);
 *	add vdpr_restore_get_fd(restore) to the loop; whenever it is readable:
 *		step = vdpr_restore_process(restore);
 *	... VDPR_STEP_COMMIT: once the final state is there:
 *		vdpr_restore_commit(restore, final, &commit);
 *	... VDPR_STEP_DONE or negative: vdpr_restore_result(restore, &report);
 *	vdpr_restore_free(restore);
 *
 * Early are stages 1 to 4, and 5 but for the ring bases; after commit come the
 * bases and stages 6 to 9. A final state with other features means a reset and
 * everything again; any other difference only a new plan.
 *
 * Between two calls nothing runs: no thread, no timer of a signal. A call never
 * waits for the ring, and makes at most one request of the device (a reset takes
 * back what was mapped, too); vdpr_restore_next() says beforehand which.
 */

enum vdpr_step {
	VDPR_STEP_DONE = 0, /* restored: the device runs */
	VDPR_STEP_AGAIN =
		1,	    /* more to do at once: the descriptor is readable */
	VDPR_STEP_WAIT = 2, /* for the device: poll the descriptor */
	VDPR_STEP_COMMIT = 3, /* for vdpr_restore_commit() */
};

/** vdpr_restore_begin() - start an event-driven restore. Touches nothing yet.
 * @dev: in no other use until the restore has ended; it must outlive the handle.
 *       After a good end a shadow may use it; the handle goes on hearing events
 *       of it until it is reset or restored again, and may be freed later still;
 *       vdpr_shadow_reset() says what two threads have to take care of.
 * @state: provisional or final; copied.
 * @opts: as for vdpr_restore_run(); copied with all it points to. @vrings may be
 *        missing or provisional, their bases do not count. @deadline holds until
 *        stage 5 is done (0: none).
 * @out: freed with vdpr_restore_free(), before @dev is closed and @ctx freed.
 * Return: 0, -EINVAL (options), -EBUSY (another restore of @dev is under way), or
 * the errno of epoll, of eventfd or, with @watch_msec, of timerfd. Without that a
 * timer is made at the pause, or when the device is first waited for, and fails the
 * restore.
 */
VDPR_API int vdpr_restore_begin(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
				const struct vdpr_state *state,
				const struct vdpr_restore_opts *opts,
				struct vdpr_restore **out);

struct vdpr_commit_opts {
	size_t size;			 /* of this struct: VDPR_INIT() */
	const struct vdpr_vring *vrings; /* final, with bases; NULL: as begun */
	size_t n_vrings;
	uint64_t
		deadline; /* CLOCK_MONOTONIC, nanoseconds; 0: 10 s from the call */
};

/** vdpr_restore_commit() - the final state and the ring bases are there.
 * @state: copied; NULL: the provisional one was final.
 * @opts: copied; may be NULL.
 *
 * May come at any time after begin, also before the early stages are done. From
 * here on it counts as downtime. Goes on with vdpr_restore_process().
 * Return: 0, -EALREADY (committed or ended), -EINVAL (options), -ENOMEM; after the
 * last two nothing has changed, and it may be called again.
 */
VDPR_API int vdpr_restore_commit(struct vdpr_restore *restore,
				 const struct vdpr_state *state,
				 const struct vdpr_commit_opts *opts);

/** vdpr_restore_get_fd() - the one descriptor to poll for POLLIN: readable when
 * vdpr_restore_process() has something to do.
 * Return: a descriptor that lives as long as the restore and is closed by it.
 */
VDPR_API int vdpr_restore_get_fd(const struct vdpr_restore *restore);

/** vdpr_restore_process() - do the next step.
 * Return: enum vdpr_step, or once it has failed and the device is reset
 * -errno as vdpr_restore_run(), -EOPNOTSUPP (VDPR_RESTORE_PREWARM on a device
 * that cannot suspend and resume). Called again after the end it returns the same
 * and looks for events.
 */
VDPR_API int vdpr_restore_process(struct vdpr_restore *restore);

/* What the next call of vdpr_restore_process() will do. */
struct vdpr_next {
	size_t size;	   /* of this struct: VDPR_INIT() */
	const char *stage; /* "start"; "" at the end. Constant */
	const char *
		request; /* "SET_STATUS(DRIVER_OK)", or "" for none. Constant */
	bool may_be_slow; /* known to take milliseconds or more somewhere */
};

/** vdpr_restore_next() - what comes next, so that a caller can choose when, or in
 * which thread, to let it block.
 */
VDPR_API void vdpr_restore_next(const struct vdpr_restore *restore,
				struct vdpr_next *out);

/** vdpr_restore_cancel() - give up: the device is reset before this returns,
 * whatever it was doing when the restore began. Where even that fails,
 * vdpr_ctx_cure() says so.
 * From another thread make opts.cancel_fd readable instead.
 * Return: 0 (the result is then -ECANCELED), -EALREADY (it had ended: a restored
 * device goes on running).
 */
VDPR_API int vdpr_restore_cancel(struct vdpr_restore *restore);

/** vdpr_restore_result() - how it ended.
 * @out: the report; may be NULL. Handed out once, to be freed with
 *       vdpr_report_free(); NULL the next time.
 * Return: 0, -EINPROGRESS (@out is not set), or the failure.
 */
VDPR_API int vdpr_restore_result(struct vdpr_restore *restore,
				 struct vdpr_report **out);

enum vdpr_event_kind {
	VDPR_EVENT_CONFIG = 1,	    /* the configuration space has changed */
	VDPR_EVENT_NEEDS_RESET = 2, /* the device has broken down */
	VDPR_EVENT_GONE = 3,	    /* it answers no more: unplugged */
};

struct vdpr_event {
	size_t size; /* of this struct: VDPR_INIT() */
	enum vdpr_event_kind kind;
	uint8_t status;		       /* the device's; 0xff: gone */
	struct vdpr_net_config config; /* of VDPR_EVENT_CONFIG */
};

/** vdpr_restore_event() - take what the device has told of itself, one at a time.
 *
 * Looked for by vdpr_restore_process(), during the restore and after its good end
 * for as long as the handle lives. Equal events that nobody has taken are one.
 * Return: 1 (@out is set), 0 none, -EINVAL (@out has no size).
 */
VDPR_API int vdpr_restore_event(struct vdpr_restore *restore,
				struct vdpr_event *out);

/** vdpr_restore_free() - end a restore; one under way is cancelled. A restored
 * device goes on running; config interrupts go to opts.config_fd alone from then
 * on. @restore: may be NULL.
 */
VDPR_API void vdpr_restore_free(struct vdpr_restore *restore);

/** vdpr_report_downtime() - from vdpr_restore_commit() to the end of stage 8.
 * @usec: microseconds.
 * Return: 0, -ENODATA (no commit, or it did not come so far).
 */
VDPR_API int vdpr_report_downtime(const struct vdpr_report *report,
				  uint64_t *usec);

/* --------------------------------------------------------------- the report */

/** vdpr_report_format() - a report as one JSON object (vdpa-restore/report).
 * @out: ends in a newline and NUL; freed by the caller with free().
 */
VDPR_API int vdpr_report_format(struct vdpr_ctx *ctx,
				const struct vdpr_report *report, char **out);

enum vdpr_timeline_format {
	/* Trace events, for Perfetto and the like: {"traceEvents": [...]} */
	VDPR_TIMELINE_JSON,
	VDPR_TIMELINE_SVG, /* one self-contained picture */
};

/** vdpr_report_timeline() - a report as a picture of what happened when.
 * @out: stages, commands, the moment the data queues open; ends in a newline and
 *       NUL; freed by the caller with free().
 * Return: 0, -EINVAL (no such format), -ENOMEM.
 */
VDPR_API int vdpr_report_timeline(struct vdpr_ctx *ctx,
				  const struct vdpr_report *report,
				  enum vdpr_timeline_format format, char **out);

/** vdpr_report_write_timeline() - write such a picture to a file.
 * @path: an SVG if it ends in ".svg", else JSON; written as by
 *        vdpr_state_write().
 * Return: 0 or the errno of the call that failed.
 */
VDPR_API int vdpr_report_write_timeline(struct vdpr_ctx *ctx,
					const struct vdpr_report *report,
					const char *path);

/** vdpr_report_free() - free a report. @report: may be NULL. */
VDPR_API void vdpr_report_free(struct vdpr_report *report);

/** vdpr_report_cvq_iova() - where the restored device's CVQ memory is mapped.
 * @out: the caller must not map anything over it in @asid.
 * Return: 0, -ENODATA (no control virtqueue was set up).
 */
VDPR_API int vdpr_report_cvq_iova(const struct vdpr_report *report,
				  uint32_t *asid, struct vdpr_iova_range *out);

/* ------------------------------------------ the shadow control virtqueue */

/*
 * After a restore the device's control virtqueue belongs to the library, and
 * the guest's commands reach the device through it: each is read once from the
 * guest's ring, checked, forwarded, its answer relayed whole, and recorded. So
 * the state is known at any moment.
 *
 * Who does what, in this order:
 *   the VMM      vdpr_shadow_new(), once a device
 *   the VMM      restores a state with VDPR_RESTORE_SHADOW, from a file or, for
 *                a guest that starts, that of a reset (vdpr_shadow_reset() and
 *                vdpr_shadow_save())
 *   the VMM      vdpr_shadow_start(): here is the guest's ring
 *   the VMM      polls vdpr_shadow_fd(), calls vdpr_shadow_process()
 *   the guest    resets its device (status 0): the VMM calls
 *                vdpr_shadow_reset() before it lets the guest go on; with the
 *                features that the driver then negotiates, it begins again at
 *                the restore
 * Between two of these steps nothing of the guest's ring is read or written.
 *
 * All functions of one shadow may be called from several threads at once, each
 * with a context of its own. vdpr_shadow_save() waits for no command, and a
 * command waits for a save no longer than it takes to copy the state.
 */
struct vdpr_shadow;

/* The device may not write here; the guest's own buffers never are such. */
#define VDPR_GUEST_READ_ONLY (1u << 0)

/* A row of guest memory that this process has mapped. Rows do not overlap. */
struct vdpr_guest_region {
	size_t size;	    /* of this struct: VDPR_INIT() */
	unsigned int flags; /* VDPR_GUEST_READ_ONLY */
	uint64_t gpa;	    /* guest physical address of its first byte */
	uint64_t len;	    /* bytes */
	void *host;	    /* where it is mapped here */
};

/**
 * vdpr_translate_fn - find guest memory.
 * @data: the VMM's.
 * @gpa: guest physical address.
 * @len: in: bytes wanted, more than 0; out: how many of them lie at @host in one
 *       row, at least 1. Left alone it says that all do.
 * @write: the library is going to write there.
 * @host: the address in this process; it must stay valid until the call of the
 *        library that asked has returned, and those of the ring itself (they
 *        are asked for by vdpr_shadow_start()) until vdpr_shadow_reset().
 * Return: 0, or a negative value if any of the first @len bytes is not guest
 * memory; for a ring that is the guest's fault.
 *
 * Called with a lock of the shadow held: it must not call the library.
 */
typedef int (*vdpr_translate_fn)(void *data, uint64_t gpa, size_t *len,
				 bool write, void **host);

struct vdpr_shadow_opts {
	size_t size;		     /* of this struct: VDPR_INIT() */
	unsigned int flags;	     /* 0 */
	vdpr_translate_fn translate; /* or NULL, and then: */
	void *translate_data;
	const struct vdpr_guest_region *regions; /* copied */
	size_t n_regions;
	uint32_t
		answer_msec; /* a device that has not answered a command by then
				 * is broken; 0: there is no limit */
};

/** vdpr_shadow_new() - prepare to stand between a guest and its device.
 * @dev: must outlive the shadow.
 * @opts: where guest memory is.
 * @out: freed with vdpr_shadow_free().
 * Return: 0, -EINVAL (no memory is named, a region has no length or unknown
 * flags, wraps or overlaps another, or a struct is smaller than in 0.1), or the
 * errno of epoll_create1(), eventfd() or timerfd_create().
 */
VDPR_API int vdpr_shadow_new(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
			     const struct vdpr_shadow_opts *opts,
			     struct vdpr_shadow **out);

/** vdpr_shadow_free() - let go of the guest's ring; the device runs on.
 * @shadow: may be NULL.
 */
VDPR_API void vdpr_shadow_free(struct vdpr_shadow *shadow);

/* The guest's control virtqueue. Addresses are guest physical. */
struct vdpr_guest_ring_opts {
	size_t size;	 /* of this struct: VDPR_INIT() */
	uint32_t num;	 /* entries, 1..1024 */
	uint32_t base;	 /* where to begin, as in struct vdpr_vring: 0 (packed
				 * 0x80008000) for a ring that has not run */
	uint64_t desc;	 /* descriptor table / ring */
	uint64_t driver; /* avail ring / driver event suppression */
	uint64_t device; /* used ring / device event suppression */
	int kick_fd;	 /* eventfd that the guest's kick adds to; -1 (0 is a
				 * descriptor here, and VDPR_INIT() leaves it): none,
				 * then every kick is a call of vdpr_shadow_process() */
	int call_fd;	 /* eventfd that interrupts the guest; -1: none, then
				 * VDPR_SHADOW_CALL says when to */
};

/** vdpr_shadow_start() - relay the guest's commands from now on.
 * @state: what the device was restored with; copied, and recorded into from
 *         here on. Its negotiated features decide the format of the ring.
 * @ring: descriptors are duplicated, so the caller may close its own.
 * Return: 0, -EBUSY (started already, or a restore is under way), -ENODATA (the device was not restored
 * with VDPR_RESTORE_SHADOW, or has no control virtqueue), -EOPNOTSUPP (the caller
 * runs that itself), -EINVAL or -EFAULT
 * (the ring is of no valid size, base, alignment or memory: vdpr_ctx_error()),
 * -EBADF (a descriptor).
 */
VDPR_API int vdpr_shadow_start(struct vdpr_ctx *ctx, struct vdpr_shadow *shadow,
			       const struct vdpr_state *state,
			       const struct vdpr_guest_ring_opts *ring);

/** vdpr_shadow_fd() - readable when vdpr_shadow_process() has something to do.
 * Return: a descriptor for poll(), the same for the life of the shadow.
 */
VDPR_API int vdpr_shadow_fd(const struct vdpr_shadow *shadow);

/* What vdpr_shadow_process() has to tell. */
/* Interrupt the guest's control virtqueue (only without a call_fd). */
#define VDPR_SHADOW_CALL (1u << 0)
/* The guest broke its ring: show it DEVICE_NEEDS_RESET. Told once. */
#define VDPR_SHADOW_GUEST_BROKEN (1u << 1)
/* The device answered wrongly, or not within opts.answer_msec: show the guest
 * DEVICE_NEEDS_RESET. Told once. */
#define VDPR_SHADOW_DEVICE_BROKEN (1u << 2)
/* The guest has acknowledged vdpr_shadow_announce(): clear ANNOUNCE in its
 * config. */
#define VDPR_SHADOW_ANNOUNCED (1u << 3)

/** vdpr_shadow_process() - relay what there is to relay; never waits.
 * @events: VDPR_SHADOW_* that happened in this call; may be NULL. Written on
 *          failure too.
 *
 * At most 256 commands are taken in a call; if there are more, vdpr_shadow_fd()
 * stays readable. Allocates no memory but where a command makes the state
 * larger than it ever was, or something is to be said in @ctx.
 * Return: 0, -EPROTO (the guest broke its ring, now or earlier: nothing of it is
 * read or written until vdpr_shadow_reset(); the device, and what it is still
 * doing, are not affected), -EIO (the same of the device; VDPR_CAUSE_DEVICE), or
 * the errno of a kick.
 */
VDPR_API int vdpr_shadow_process(struct vdpr_ctx *ctx,
				 struct vdpr_shadow *shadow,
				 unsigned int *events);

/** vdpr_shadow_save() - the recorded state at this moment.
 * @out: a copy, freed with vdpr_state_free(). Its "vrings" have the guest's
 *       control ring, with the base behind the last command that was answered;
 *       after vdpr_shadow_quiesce() the data rings, too.
 *
 * What the guest has seen acknowledged is in it. A command that is being
 * relayed meanwhile is either in it or before the base.
 * Return: 0, -ENODATA (neither started nor reset yet).
 */
VDPR_API int vdpr_shadow_save(struct vdpr_ctx *ctx, struct vdpr_shadow *shadow,
			      struct vdpr_state **out);

/** vdpr_shadow_reset() - the guest has reset its device, or loads a driver.
 * @features: what the driver negotiated; NULL: nothing yet.
 *
 * The guest's ring is let go and the device reset (SET_STATUS(0)) if it is not
 * at reset, so once this has returned nothing of guest memory is written any
 * more. What was recorded is dropped: the state is now that of a device right
 * after reset. Call it with NULL when the guest writes 0 to its status and again
 * with the features when the driver has negotiated them; vdpr_shadow_save() then
 * gives the state to restore before vdpr_shadow_start(). A restore under way is
 * ended first: by vdpr_restore_free(), which resets the device.
 *
 * The shadow's lock is not that of a restore handle. A handle that was kept after
 * its good end, to hear events of the device, uses the same device in
 * vdpr_restore_process(), vdpr_restore_event() and vdpr_restore_free(): where these
 * may be called by another thread, a lock of the caller's must keep them from
 * running at the same time as this function, vdpr_shadow_quiesce() or
 * vdpr_shadow_unquiesce() of that device.
 * Return: 0, -EBUSY (a restore is under way: nothing has changed), or the errno of
 * an ioctl.
 */
VDPR_API int vdpr_shadow_reset(struct vdpr_ctx *ctx, struct vdpr_shadow *shadow,
			       const struct vdpr_features *features);

/** vdpr_shadow_announce() - have the guest announce itself (virtio 1.3, 5.1.6.5.4).
 *
 * To show VIRTIO_NET_S_ANNOUNCE in the guest's config and interrupt it is the
 * VMM's. The guest's ANNOUNCE_ACK is then answered by the library and not
 * forwarded, for the device knows of no announcement; one that the library
 * did not raise is forwarded. A state with announce.pending true needs no call.
 * Return: 0, -ENOTSUP (GUEST_ANNOUNCE was not negotiated), -ENODATA.
 */
VDPR_API int vdpr_shadow_announce(struct vdpr_ctx *ctx,
				  struct vdpr_shadow *shadow);

struct vdpr_shadow_counts {
	size_t size;	    /* of this struct: VDPR_INIT() */
	uint64_t forwarded; /* commands given to the device */
	uint64_t answered;  /* by the device */
	uint64_t refused;   /* of those, with another ack than OK */
	uint64_t own;	    /* answered by the library alone */
	uint64_t kicks, calls;
};

/** vdpr_shadow_count() - what was relayed since vdpr_shadow_new(). */
VDPR_API void vdpr_shadow_count(struct vdpr_shadow *shadow,
				struct vdpr_shadow_counts *out);

/* The data rings may be other ones after vdpr_shadow_unquiesce(), or there will
 * be none: a device that cannot be given a base may be stopped. */
#define VDPR_QUIESCE_FRESH_RINGS (1u << 0)

struct vdpr_quiesce_opts {
	size_t size;	    /* of this struct: VDPR_INIT() */
	unsigned int flags; /* VDPR_QUIESCE_* */
	uint64_t deadline;  /* CLOCK_MONOTONIC, nanoseconds, for the commands
				 * that are on their way; 0: 10 s from the call */
	/* The data rings, as the restore got them; "base" of each is written. */
	struct vdpr_vring *vrings;
	size_t n_vrings;
};

/** vdpr_shadow_quiesce() - stop the device and take its whole state.
 * @out: as vdpr_shadow_save(), with all rings; may be NULL.
 *
 * For the moment at which the guest's processors stand still. No further command
 * is taken from the guest's ring; those that the device has are waited for. Then
 * the device is suspended where it offers VHOST_BACKEND_F_SUSPEND, else reset.
 * A base is what VHOST_GET_VRING_BASE says of a suspended device; where it does
 * not (vp_vdpa) or the device was reset, it is the used index in guest memory,
 * found by the shadow's translation of vring.device, and the state says
 * "guest-used-index" as the origin of "vrings", else "device": buffers that the
 * device had taken but not used are then processed again. A guest that broke its
 * control ring is no obstacle: a warning is logged, the ring's base is behind the
 * last command that it was answered, and its driver has to begin again, here or
 * elsewhere.
 * Return: 0, -EALREADY, -ENODATA (not started), -ETIME (no answer by the
 * deadline; VDPR_CAUSE_DEADLINE), -EIO (as vdpr_shadow_process()),
 * -EFAULT (a used index is not in guest memory) or the errno of
 * VHOST_GET_VRING_BASE: then the device is quiesced without all bases being known,
 * and vdpr_shadow_unquiesce() brings it back by RESUME; where it has none, only with
 * fresh rings, as after vdpr_shadow_reset(). Or with VDPR_CAUSE_REFUSED and
 * the device running on as before: -EOPNOTSUPP, a packed ring without
 * VHOST_GET_VRING_BASE, whose position guest memory does not tell, or a device
 * that would have to be reset and takes no base (vp_vdpa, eni: facts of their
 * drivers), so that its rings could not go on - unless
 * VDPR_QUIESCE_FRESH_RINGS says that they need not.
 */
VDPR_API int vdpr_shadow_quiesce(struct vdpr_ctx *ctx,
				 struct vdpr_shadow *shadow,
				 const struct vdpr_quiesce_opts *opts,
				 struct vdpr_state **out);

/** vdpr_shadow_unquiesce() - the migration failed: the guest goes on here.
 * @opts: as for the restore, with the data rings and the bases that
 *        vdpr_shadow_quiesce() wrote (or fresh rings with initial ones).
 *        VDPR_RESTORE_SHADOW is implied.
 * @out: the report if the device had to be restored, else NULL; may be NULL.
 *
 * A suspended device that offers VHOST_BACKEND_F_RESUME is resumed, its control
 * virtqueue enabled again (mlx5 forgets that in suspend) and each queue kicked.
 * Any other is reset and restored to the recorded state.
 * Return: 0, -EINVAL (not quiesced), the errno of VHOST_VDPA_RESUME,
 * VHOST_VDPA_SET_VRING_ENABLE or a kick, or as vdpr_restore_run(). After any of
 * these but -EINVAL, -EBUSY and -ENOTSUP, where it stands still as before, the
 * device is reset; vdpr_shadow_unquiesce() may be tried again, and restores it.
 */
VDPR_API int vdpr_shadow_unquiesce(struct vdpr_ctx *ctx,
				   struct vdpr_shadow *shadow,
				   const struct vdpr_restore_opts *opts,
				   struct vdpr_report **out);

/* ------------------------------------------------------- the control socket */

/*
 * Lets scripts talk to the process that has the device: vdpa-restore save, show,
 * verify and load with control:SOCKET. A request is one JSON object on one line,
 * and so is its answer; docs/control-protocol.md describes them.
 *
 * The socket is a unix stream socket of mode 0600 from the moment it exists.
 * Whoever connects must be root or the user of this process (SO_PEERCRED). A
 * request has at most 4 MiB, a client that says nothing or reads nothing is
 * dropped, and nothing here ever waits for a client.
 */
struct vdpr_control;

/*
 * What the process does for a request, each in the thread that called
 * vdpr_control_process() (or in the library's own, VDPR_CONTROL_THREAD). Given
 * @ctx is the socket's, for the library's functions; its message becomes the
 * answer's, and where it has none, the errno's own. They may
 * call vdpr_control_loaded(), and no other function of the same socket.
 */
struct vdpr_control_ops {
	size_t size; /* of this struct: VDPR_INIT() */
	void *data;
	const char *name; /* of the device, for messages; copied. NULL: none */
	/* The state at this moment, which the library frees. NULL: that of
	 * @shadow. Return: 0; -ENODATA (nothing is recorded yet; where it waits
	 * for a state, the answer says so) or another -errno. */
	int (*save)(void *data, struct vdpr_ctx *ctx, struct vdpr_state **out);
	/* Takes @state over and has it restored, then calls
	 * vdpr_control_loaded(). NULL: this process never waits for a state.
	 * Return: 0; -EBUSY (it does not wait for one now: exit code 4) or
	 * another -errno with a message in @ctx, and @state stays the library's. */
	int (*load)(void *data, struct vdpr_ctx *ctx, struct vdpr_state *state);
	/* Does it wait for a state now? NULL: where there is load, always. */
	bool (*waiting)(void *data);
	struct vdpr_shadow *shadow; /* for save and counters; may be NULL */
};

/* Serve the socket in a thread of the library's, which blocks all signals. */
#define VDPR_CONTROL_THREAD (1u << 0)
/* One more user may connect: @uid. It can, only once the caller has changed the
 * socket's owner or mode. */
#define VDPR_CONTROL_UID (1u << 1)

struct vdpr_control_opts {
	size_t size;	      /* of this struct: VDPR_INIT() */
	unsigned int flags;   /* VDPR_CONTROL_* */
	uint32_t uid;	      /* with VDPR_CONTROL_UID */
	uint32_t client_msec; /* for a request to arrive, and for its answer to
				 * be read; 0: 5000 */
	uint32_t clients; /* at a time, at most 1024; 0: 16. The one that has
				 * said nothing for longest makes room */
};

/** vdpr_control_new() - listen on a control socket.
 * @path: of at most 107 bytes. A socket there that nobody listens on is replaced;
 *        removed by vdpr_control_free().
 * @ops: copied; what it points to must outlive the socket.
 * @opts: may be NULL.
 * @out: freed with vdpr_control_free().
 * Return: 0, -EINVAL (a path too long, ops that can do nothing, options),
 * -EADDRINUSE (somebody listens there, or it is no socket), or the errno of
 * socket(), bind(), listen(), epoll_create1(), timerfd_create() or
 * pthread_create().
 */
VDPR_API int vdpr_control_new(struct vdpr_ctx *ctx, const char *path,
			      const struct vdpr_control_ops *ops,
			      const struct vdpr_control_opts *opts,
			      struct vdpr_control **out);

/** vdpr_control_fd() - readable when vdpr_control_process() has something to do.
 * Return: a descriptor for poll(), the same for the life of the socket; -1 with
 * VDPR_CONTROL_THREAD.
 */
VDPR_API int vdpr_control_fd(const struct vdpr_control *control);

/** vdpr_control_process() - serve whoever is there; never waits.
 *
 * At most one request of each client: if there is more, the descriptor stays
 * readable. A request takes processor time as its state is long: for one of 4 MiB,
 * 180,000 addresses, that is some tenths of a second. Whoever may connect can make
 * it take that, so a loop that relays a guest's commands, too, is better served
 * with VDPR_CONTROL_THREAD: there a request holds up other requests alone. What
 * clients do wrong is their own failure, not this function's.
 * Return: 0, -EINVAL (VDPR_CONTROL_THREAD serves it), or the errno of
 * epoll_wait().
 */
VDPR_API int vdpr_control_process(struct vdpr_ctx *ctx,
				  struct vdpr_control *control);

/** vdpr_control_loaded() - how the restore of a loaded state ended.
 * @result: what vdpr_restore_result() returned.
 * @report: borrowed; may be NULL.
 *
 * From any thread. The message of a failure is the report's, else @ctx's, else the
 * errno's. The client's socket takes the answer in this call, unless it is called
 * within load(), so the process may end right after.
 * Return: 0, -ENODATA (no load is under way; its client may be gone, which is no
 * error).
 */
VDPR_API int vdpr_control_loaded(struct vdpr_ctx *ctx,
				 struct vdpr_control *control, int result,
				 const struct vdpr_report *report);

/** vdpr_control_free() - drop all clients, remove the socket.
 * @control: may be NULL.
 *
 * Of answers that are still to be read, each socket is given what it takes now.
 */
VDPR_API void vdpr_control_free(struct vdpr_control *control);

/** vdpr_control_request() - ask a process on its control socket.
 * @path: of its socket.
 * @command: "save", "show", "verify", "load" or "counts".
 * @state: for load and verify, else NULL.
 * @deadline: CLOCK_MONOTONIC, nanoseconds, for all of it; 0: 10 s from the call.
 * @cancel_fd: readable: give up; <= 0: none.
 * @out: the answer, one JSON object; freed by the caller with free(). Also set
 *       where the process answered with a failure; may be NULL.
 * Return: 0, -EACCES or -EPERM (not allowed: also where the socket belongs to
 * another user than this one or root), -ENOENT, -ECONNREFUSED, -ETIME,
 * -ECANCELED, -EPIPE (it hung up), -EBADMSG (what answers is no control socket),
 * -EINVAL (@path, @command, or a @state too many or too few; before anybody is
 * asked), or -EREMOTEIO (the answer is a failure: the message
 * and its VDPR_CAUSE_* are the other side's).
 */
VDPR_API int vdpr_control_request(struct vdpr_ctx *ctx, const char *path,
				  const char *command,
				  const struct vdpr_state *state,
				  uint64_t deadline, int cancel_fd, char **out);

/** vdpr_control_save() - the state of the device of another process.
 *
 * Its origin is "control:" and @path; that of "vrings" stays what the process
 * said where it tells how positions were found ("device", "guest-used-index":
 * vdpr_shadow_quiesce()).
 * Return: as vdpr_control_request().
 */
VDPR_API int vdpr_control_save(struct vdpr_ctx *ctx, const char *path,
			       uint64_t deadline, int cancel_fd,
			       struct vdpr_state **out);

#ifdef __cplusplus
}
#endif

#endif
