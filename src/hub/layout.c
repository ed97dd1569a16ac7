/*
 * The table that says where hubs and fibers are, found by its note
 * (fiber/layout_note.h); and in each hub a mark by which a reader from outside
 * knows that what it has come to is one, and not memory that was one.
 *
 * The table is constant. The mark is written by the hub's thread when the hub
 * begins and wiped out when it ends.
 */
#include "hub/layout.h"

#include "fiber/layout_note.h"
#include "hub/hub.h"
#include "hub/list.h"
#include "hub/part.h"

/* What a hub keeps. */
struct mark {
    uint64_t value; /* MARK; 0 before it begins and once it has ended */
};

#define MARK UINT64_C(0x6275482065766f72) /* "rove Hub" */

static size_t offset;

static int begin(struct hub *hub)
{
    struct mark *mark = hub_keeps(hub, offset);
    mark->value = MARK;
    return 0;
}

static void end(struct hub *hub)
{
    struct mark *mark = hub_keeps(hub, offset);
    assert(mark->value == MARK || mark->value == 0); /* it did not begin */
    *(volatile uint64_t *)&mark->value = 0; /* the memory is freed next */
}

const struct hub_fixture hub_layout_fixture = {
    .size = sizeof(struct mark),
    .offset = &offset,
    .begin = begin,
    .end = end,
};

#define HUB(member) offsetof(struct hub, member)
#define FIBER(member) offsetof(struct grove_fiber, member)

#if defined(GROVE_CONTEXT_UCONTEXT)
#define CONTEXT LAYOUT_UCONTEXT
#if defined(__x86_64__)
#define CONTEXT_AT(member, reg) FIBER(fiber.context.uc.uc_mcontext.gregs[reg])
#define SP CONTEXT_AT(sp, REG_RSP)
#define BP CONTEXT_AT(bp, REG_RBP)
#define IP CONTEXT_AT(ip, REG_RIP)
#else
#define SP 0 /* not known: no stack is told */
#define BP 0
#define IP 0
#endif
#elif defined(__x86_64__)
#define CONTEXT LAYOUT_X86_64
#define SP FIBER(fiber.context.sp)
#define BP FIBER(fiber.context.bp)
#define IP FIBER(fiber.context.ip)
#else
#define CONTEXT LAYOUT_AARCH64
#define SP FIBER(fiber.context.sp)
#define BP FIBER(fiber.context.fp)
#define IP FIBER(fiber.context.pc)
#endif

const struct hub_layout hub_layout = {
    .head = LAYOUT_HEAD(HUB_LAYOUT_VERSION, struct hub_layout),
    .context = CONTEXT,
    .hubs = &hub_list,
    .mark = {&offset, MARK},
    .numbers = &hub_layout_numbers,
    .mailbox = &hub_layout_mailbox,
    .hub =
        {
            .size = sizeof(struct hub),
            .current = HUB(current),
            .loop_fiber = HUB(loop_fiber),
            .root = HUB(root),
            .budget = HUB(budget),
            .switches = HUB(switches),
            .next_id = HUB(next_id),
            .loop_fibers = HUB(loop_fibers),
            .next_hub = HUB(next_hub),
            .polling = HUB(polling),
            .dead = HUB(dead),
            .now = HUB(now),
            .polls = HUB(loop.polls),
            .waits = HUB(loop.waits),
            .timers = HUB(timers.count),
            .claims = HUB(timers.claims),
            .others = HUB(timers.others),
            .offloads = HUB(offloads),
            .stacks = HUB(stacks),
            .waits_begun = HUB(waits),
            .waits_kinds = GROVE_WAIT_KINDS,
            .names_asked = HUB(names.asked),
            .names_found = HUB(names.found),
            .names_failed = HUB(names.failed),
            .names_timed_out = HUB(names.timed_out),
            .names_time = HUB(names.time),
        },
    .fiber =
        {
            .size = FIBER(reason) + sizeof(struct wait_reason),
            .id = FIBER(fiber.id),
            .name = FIBER(fiber.name),
            .name_size = FIBER_NAME_SIZE,
            .live = FIBER(fiber.stack.live),
            .base = FIBER(fiber.stack.base),
            .sp = SP,
            .bp = BP,
            .ip = IP,
            .state = FIBER(state),
            .waiting = FIBER(waiting),
            .hub = FIBER(hub),
            .host = FIBER(host),
            .fn = FIBER(fn),
            .what = FIBER(reason.what),
            .fd = FIBER(reason.fd),
            .since = FIBER(reason.since),
        },
    .stacks =
        {
            .classes = offsetof(struct stack_pool, classes),
            .class_size = sizeof(struct stack_class),
            .kinds = STACK_KINDS,
            .shifts = STACK_SHIFTS,
            .shift = offsetof(struct stack_class, shift),
            .kind = offsetof(struct stack_class, kind),
            .slabs = offsetof(struct stack_class, slabs),
            .record_size = offsetof(struct stack_pool, record_size),
            .hot_offset = offsetof(struct stack_pool, hot_offset),
            .slab_size = sizeof(struct slab),
            .slab_next = offsetof(struct slab, next),
            .slab_base = offsetof(struct slab, base),
            .slab_slots = offsetof(struct slab, slots),
            .slab_used = offsetof(struct slab, used),
            .slab_cold = offsetof(struct slab, is_cold),
            .colours = STACK_COLOURS,
            .colour = STACK_COLOUR,
            .line = STACK_LINE,
            .host_area = STACK_HOST_AREA,
            .hosted = STACK_HOSTED,
        },
};

LAYOUT_NOTE(LAYOUT_NOTE_HUB, hub_layout);
