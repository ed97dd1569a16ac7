/*
 * What every hub has, in the order in which it begins; it ends in the opposite
 * one, and all of it before the hub's loop and stacks do. This is the one place
 * that knows them all.
 */
#include "hub/part.h"

extern const struct hub_fixture hub_mailbox_fixture, hub_message_fixture,
    hub_links_fixture, hub_root_fixture, hub_parts_fixture, hub_shared_fixture,
    hub_fork_fixture, hub_dump_fixture, hub_overflow_fixture,
    hub_descriptor_fixture, hub_hooks_fixture, hub_numbers_fixture,
    hub_spin_fixture, hub_stall_fixture, hub_trace_fixture, hub_layout_fixture,
    hub_visit_fixture;

/* At the end nobody is woken by others any more before parts and the root's
 * last acts, which may still post and send, and only then the mailbox is
 * closed. In a forked child what was on its way arrives before fibers are
 * ended, and parts look at what that has left. */
const struct hub_fixture *const hub_fixtures[] = {
    /* Before all others, to be there as long as anything happens. */
    &hub_trace_fixture,
    /* Early: it may want memory that is not there. */
    &hub_overflow_fixture,
    /* Before the mailbox, to hear of what that gives up. */
    &hub_message_fixture,
    &hub_mailbox_fixture,
    &hub_spin_fixture,
    &hub_links_fixture,
    &hub_descriptor_fixture,
    &hub_fork_fixture,
    /* After it: at a fork the watcher is ended before what it needs is locked.
     */
    &hub_stall_fixture,
    &hub_root_fixture,
    &hub_parts_fixture,
    &hub_shared_fixture,
    &hub_dump_fixture,
    &hub_visit_fixture,
    &hub_hooks_fixture,
    &hub_numbers_fixture,
    /* The last: a hub is marked as one when it is whole. */
    &hub_layout_fixture,
    NULL,
};
