/* SPDX-License-Identifier: MIT */
/* Runs the code of docs/adding-to-your-vmm.md, which vmm-page.sh has taken out, on the
 * simulator: a guest boots, gives commands, is stopped, comes back, and moves on to
 * another device. */
#include <page.c>

#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY 0x10000u
#define GPA 0x100000u /* where it is for guest and device */
#define NUM 8u
#define DRIVER 0x1000u /* the control ring's parts; at 0 its descriptors */
#define DEVICE 0x2000u
#define COMMAND 0x3000u
#define ANSWER 0x4000u

struct machine {
	uint8_t *memory;
	uint16_t shown; /* commands of the guest's so far */
	struct nic nic;
};

#define need(what)                                                       \
	do {                                                             \
		if (!(what)) {                                           \
			fprintf(stderr, "%d: %s: %s\n", __LINE__, #what, \
				vdpr_ctx_error(m->nic.ctx));             \
			exit(1);                                         \
		}                                                        \
	} while (0)

static int find(void *data, uint64_t gpa, size_t *len, bool write, void **host)
{
	struct machine *m = data;

	(void)write;
	if (gpa < GPA || gpa - GPA >= MEMORY || *len > MEMORY - (gpa - GPA))
		return -EFAULT;
	*host = m->memory + (gpa - GPA);
	return 0;
}

/* What a VMM has ready: the guest's memory, mapped; its control ring. The page's
 * nic_made() wants a descriptor, which the simulator has not. */
static void make(struct machine *m)
{
	struct vdpr_shadow_opts memory = VDPR_INIT(struct vdpr_shadow_opts);
	int fd = memfd_create("guest", 0);

	need(fd >= 0 && !ftruncate(fd, MEMORY));
	m->memory =
		mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	need(m->memory != MAP_FAILED);
	need(nic_made(&m->nic, -1, find, m) == -EBADF);
	memory.translate = find;
	memory.translate_data = m;
	need(!vdpr_dev_open(m->nic.ctx, "sim", &m->nic.dev));
	need(!vdpr_dev_map(m->nic.ctx, m->nic.dev, GPA, MEMORY, m->memory, 0));
	need(!vdpr_shadow_new(m->nic.ctx, m->nic.dev, &memory, &m->nic.shadow));
	m->nic.ram = (struct vdpr_iova_range){ GPA, GPA + MEMORY - 1 };
	m->nic.cvq_index = 8; /* MQ, and the simulator has four pairs */
	m->nic.cvq = (struct vdpr_guest_ring_opts)VDPR_INIT(
		struct vdpr_guest_ring_opts);
	m->nic.cvq.num = NUM;
	m->nic.cvq.desc = GPA;
	m->nic.cvq.driver = GPA + DRIVER;
	m->nic.cvq.device = GPA + DEVICE;
	m->nic.cvq.kick_fd = m->nic.cvq.call_fd = -1;
}

static void gone(struct machine *m)
{
	vdpr_restore_free(m->nic.restore);
	vdpr_shadow_free(m->nic.shadow);
	vdpr_dev_close(m->nic.dev);
	vdpr_state_free(m->nic.final);
	vdpr_ctx_free(m->nic.ctx);
	munmap(m->memory, MEMORY);
}

/* The simulator runs where this test does: numbers need no turning. */
static void put(struct machine *m, size_t at, uint64_t value, size_t len)
{
	memcpy(m->memory + at, &value, len);
}

static void descriptor(struct machine *m, unsigned int i, uint64_t addr,
		       uint32_t len, uint16_t flags)
{
	put(m, 16 * i, addr, 8);
	put(m, 16 * i + 8, len, 4);
	put(m, 16 * i + 12, flags, 2);
	put(m, 16 * i + 14, i + 1, 2);
}

/* VLAN_ADD, and what the device says. */
static void guest_adds_vlan(struct machine *m, uint8_t id)
{
	const uint8_t command[] = { 2, 0, id, 0 };
	uint16_t used = 0;

	memcpy(m->memory + COMMAND, command, sizeof(command));
	m->memory[ANSWER] = 0xff;
	descriptor(m, 0, GPA + COMMAND, sizeof(command), 1);
	descriptor(m, 1, GPA + ANSWER, 1, 2);
	put(m, DRIVER + 4 + 2 * (m->shown % NUM), 0, 2);
	put(m, DRIVER + 2, ++m->shown, 2);
	need(!nic_control(&m->nic));
	while (memcpy(&used, m->memory + DEVICE + 2, 2), used != m->shown) {
		struct pollfd p = { vdpr_shadow_fd(m->nic.shadow), POLLIN, 0 };

		need(poll(&p, 1, 5000) == 1);
		need(!nic_control(&m->nic));
	}
	need(m->memory[ANSWER] == 0);
}

static int steps(struct machine *m)
{
	int step;

	do {
		struct pollfd p = { vdpr_restore_get_fd(m->nic.restore), POLLIN,
				    0 };

		need(poll(&p, 1, 5000) == 1);
		step = nic_incoming_step(&m->nic);
	} while (step == VDPR_STEP_AGAIN || step == VDPR_STEP_WAIT);
	return step;
}

/* The guest and its memory come along; its ring goes on where it stood. */
static void move(struct machine *from, struct machine *m, const char *text)
{
	m->shown = from->shown;
	memcpy(m->memory, from->memory, MEMORY);
	need(!nic_incoming(&m->nic, text));
	need(steps(m) == VDPR_STEP_COMMIT);
	need(!nic_final(&m->nic, text));
	need(steps(m) == VDPR_STEP_DONE);
	/* The events of the device are looked for on. */
	need(nic_incoming_step(&m->nic) == VDPR_STEP_DONE);
}

/* A ring that began elsewhere would have old commands carried out again. */
static void relayed_are(struct machine *m, uint64_t commands)
{
	struct vdpr_shadow_counts counts = VDPR_INIT(struct vdpr_shadow_counts);

	vdpr_shadow_count(m->nic.shadow, &counts);
	need(counts.forwarded == commands && counts.answered == commands);
}

int main(void)
{
	/* CTRL_VQ, CTRL_VLAN, MQ, VERSION_1 */
	const struct vdpr_features negotiated = {
		{ 1ull << 17 | 1ull << 19 | 1ull << 22 | 1ull << 32, 0 }
	};
	struct machine source = { 0 }, destination = { 0 }, *m = &source;
	char *text = NULL;

	make(m);
	need(!nic_driver_ok(&m->nic, &negotiated));
	guest_adds_vlan(m, 42);
	need(!nic_stop(&m->nic, &text));
	need(!nic_go_on(&m->nic));
	free(text);
	guest_adds_vlan(m, 43);
	relayed_are(m, 2);
	need(!nic_stop(&m->nic, &text));
	make(&destination);
	m = &destination;
	move(&source, m, text);
	free(text);
	guest_adds_vlan(m, 44);
	relayed_are(m, 1);
	need(!nic_stop(&m->nic, &text));
	fputs(text, stdout);
	free(text);
	gone(&source);
	gone(&destination);
	return 0;
}
