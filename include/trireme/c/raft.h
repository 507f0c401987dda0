/* clang-format off */
/*
 * trireme/c/raft.h - C ABI of a deterministic, I/O-free Raft core.
 *
 * The core is a pure state machine.  It owns no thread, clock, socket, file or
 * global variable, calls nothing back, and takes all randomness from
 * tr_raft_config.seed: the same configuration, loaded state and input calls always
 * give the same outputs.  The host owns time, transport, storage and the
 * application; it feeds inputs and drains outputs:
 *
 *     input:   tr_raft_tick | tr_raft_step | tr_raft_propose | tr_raft_compact | tr_raft_unreachable
 *     output:  tr_raft_take_ready -> (store, then send, then apply) -> tr_raft_advance
 *
 * Calls on one handle must be serialised by the host.  Different handles are
 * independent and may be used from different threads at the same time.
 *
 * Pointers handed IN are read during the call only.  Pointers handed OUT (in
 * tr_raft_ready) belong to the core and stay valid until tr_raft_advance.
 *
 * All indexes start at 1; index 0 / term 0 means "none".  Peers are numbered
 * 0..n_peers-1.
 */
#ifndef TRIREME_C_RAFT_H
#define TRIREME_C_RAFT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TR_RAFT_ABI_VERSION 1u

typedef struct tr_raft_core tr_raft_core; /* opaque */

/* ---- result codes ------------------------------------------------------ */
enum {
    TR_RAFT_OK         = 0,
    TR_RAFT_NOT_LEADER = 1, /* proposal refused; index/term outputs: 0 / current term */
    TR_RAFT_INVALID    = 2, /* malformed bytes or arguments; the core is unchanged    */
    TR_RAFT_STALE      = 3, /* nothing to do (for example: already compacted past it) */
    TR_RAFT_BUSY       = 4, /* a ready batch is taken but not advanced; or flow limit */
    TR_RAFT_NOT_YET    = 5  /* tr_raft_compact above what has been handed out as committed */
};

/* ---- configuration ----------------------------------------------------- */
enum {
    TR_RAFT_F_PRE_VOTE     = 1u << 0, /* poll before raising the term                        */
    TR_RAFT_F_CHECK_QUORUM = 1u << 1, /* leader steps down after an election timeout alone   */
    TR_RAFT_F_LEADER_NOOP  = 1u << 2  /* new leader appends one TR_RAFT_ENTRY_INTERNAL entry      */
};

typedef struct tr_raft_config {
    uint32_t abi_version;      /* TR_RAFT_ABI_VERSION                                       */
    uint32_t n_peers;          /* cluster size, this node included                     */
    uint32_t self;             /* this node                                            */
    uint32_t flags;            /* TR_RAFT_F_*                                               */
    uint32_t heartbeat_ticks;  /* leader sends at least this often                     */
    uint32_t election_ticks;   /* timeout drawn anew from [election, 2*election) ticks */
    uint64_t seed;             /* all randomness                                       */
    uint64_t max_append_bytes; /* payload of one append message; at least one entry    */
    uint32_t max_inflight;     /* append messages outstanding per peer; 0: no limit    */
} tr_raft_config;

/* ---- data -------------------------------------------------------------- */
typedef struct tr_raft_slice {
    const uint8_t *data; /* may be NULL when len is 0 */
    size_t         len;
} tr_raft_slice;

enum { TR_RAFT_ENTRY_COMMAND = 0, TR_RAFT_ENTRY_INTERNAL = 1 };

typedef struct tr_raft_entry {
    uint64_t index;
    uint64_t term;
    uint64_t ticket; /* committed list: host's ticket when this very entry was
                        proposed here since tr_raft_start; otherwise 0              */
    uint32_t kind;   /* TR_RAFT_ENTRY_*; INTERNAL entries are stored like any other
                        but the host must not show them to the application    */
    tr_raft_slice data;
} tr_raft_entry;

enum {
    TR_RAFT_MSG_RESPONSE  = 1u << 0, /* answers a message stepped from the same peer */
    TR_RAFT_MSG_SNAPSHOT  = 1u << 1, /* carries a snapshot: the host may rate-limit   */
    TR_RAFT_MSG_HEARTBEAT = 1u << 2, /* carries no entry: the host may drop it        */
    TR_RAFT_MSG_EARLY     = 1u << 3  /* depends on nothing in this batch: the host may
                                        send it before, or while, it stores           */
};

typedef struct tr_raft_message {
    uint32_t to;
    uint32_t flags;
    tr_raft_slice data; /* opaque; give it to tr_raft_step(..., from = self, ...) over there */
} tr_raft_message;

typedef struct tr_raft_hard_state {
    uint64_t term;
    int64_t  vote; /* peer voted for in term; -1: nobody */
} tr_raft_hard_state;

typedef struct tr_raft_snapshot {
    uint64_t index; /* last entry the snapshot covers */
    uint64_t term;
    tr_raft_slice data;
} tr_raft_snapshot;

/* A proposal of this node that will not be reported as committed here.
 * certain = 1: another entry committed at its index, it can never take effect.
 * certain = 0: it left this node's log, or a snapshot jumped over its index;
 *              it may have taken effect.                                       */
typedef struct tr_raft_lost {
    uint64_t ticket;
    uint32_t certain;
} tr_raft_lost;

/* One batch of work.  The host must, in this order:
 *   1. store durably, in one atomic step: snapshot (it replaces the log up to
 *      its index; entries above it stay only when they follow on from it),
 *      entries (entries[0].index may be at or below the last stored index: the
 *      stored suffix from there on is dropped first) and hard_state;
 *   2. send messages, each at most once, in any order, lossy is fine;
 *   3. hand snapshot, then committed, to the application in order;
 *   4. tr_raft_advance.                                                            */
typedef struct tr_raft_ready {
    uint32_t          has_hard_state;
    uint32_t          has_snapshot;
    tr_raft_hard_state     hard_state;
    tr_raft_snapshot       snapshot;
    const tr_raft_entry   *entries;
    size_t            n_entries;
    const tr_raft_entry   *committed;
    size_t            n_committed;
    const tr_raft_message *messages;
    size_t            n_messages;
    const tr_raft_lost    *lost;
    size_t            n_lost;
} tr_raft_ready;

enum { TR_RAFT_FOLLOWER = 0, TR_RAFT_PRE_CANDIDATE = 1, TR_RAFT_CANDIDATE = 2, TR_RAFT_LEADER = 3 };

typedef struct tr_raft_status {
    uint64_t term;
    uint32_t role;
    int32_t  leader;         /* -1: unknown */
    uint64_t commit_index;
    uint64_t last_index;
    uint64_t last_term;
    uint64_t snapshot_index; /* entries at or below are gone from the log */
    uint64_t log_bytes;      /* payload bytes of the entries still in the log */
} tr_raft_status;

/* ---- life cycle -------------------------------------------------------- */
uint32_t tr_raft_abi_version(void);
tr_raft_core *tr_raft_create(const tr_raft_config *cfg); /* NULL: bad configuration */
void     tr_raft_destroy(tr_raft_core *c);

/* Reloading what an earlier incarnation stored.  Order: hard state, snapshot,
 * entries in index order without gaps, tr_raft_start.  Skip what was never stored.
 * Everything at or below the snapshot counts as committed and handed out.     */
int tr_raft_load_hard_state(tr_raft_core *c, uint64_t term, int64_t vote);
int tr_raft_load_snapshot(tr_raft_core *c, uint64_t index, uint64_t term,
                     const uint8_t *data, size_t len);
int tr_raft_load_entry(tr_raft_core *c, uint64_t index, uint64_t term, uint32_t kind,
                  const uint8_t *data, size_t len);
int tr_raft_start(tr_raft_core *c); /* becomes follower; no input is accepted earlier */

/* ---- inputs ------------------------------------------------------------ */
int tr_raft_tick(tr_raft_core *c);
int tr_raft_step(tr_raft_core *c, uint32_t from, const uint8_t *data, size_t len);

/* On TR_RAFT_OK *index and *term are where the entry now stands in the log.  ticket
 * is any non-zero number of the host's choice, or 0 for "not interested".     */
int tr_raft_propose(tr_raft_core *c, uint64_t ticket, const uint8_t *data, size_t len,
               uint64_t *index, uint64_t *term);

/* The application has state covering everything up to index (which must have
 * been handed out as committed).  The core drops those entries and keeps the
 * bytes for peers that lag behind.  The host stores both sides itself.        */
int tr_raft_compact(tr_raft_core *c, uint64_t index, const uint8_t *data, size_t len);

/* Hint: a message to peer is known not to have arrived.  May be ignored.      */
int tr_raft_unreachable(tr_raft_core *c, uint32_t peer);

/* ---- outputs ----------------------------------------------------------- */
/* 1: *out is filled and tr_raft_advance is owed.  0: nothing to do.
 * TR_RAFT_BUSY: the batch taken before is still owed its tr_raft_advance.
 * Messages are built here, not in the input calls, so that any number of
 * proposals since the last batch leaves as ONE append per peer.               */
int  tr_raft_take_ready(tr_raft_core *c, tr_raft_ready *out);
void tr_raft_advance(tr_raft_core *c);
void tr_raft_get_status(const tr_raft_core *c, tr_raft_status *out);

/* ---- reads, leadership, membership ------------------------------------- */
/* A linearizable read: tr_raft_take_reads says when it may run.  Ask the leader;
 * after tr_raft_load_incarnation any node may be asked that knows the leader.
 * NOT_LEADER: neither holds.  BUSY: too many reads are waiting.               */
int tr_raft_read(tr_raft_core *c, uint64_t ticket);

/* Before tr_raft_start: a number that no other life of this node has or had, for
 * instance a counter that the host stores at each start.  What a follower asks its
 * leader travels under numbers made of it, so that an answer to an earlier life is
 * never taken for one to this.  It is part of the input: the same one, the same
 * outputs.                                                                    */
int tr_raft_load_incarnation(tr_raft_core *c, uint64_t incarnation);

/* granted = 1: the application, having applied everything up to index (which has
 * been advanced past), answers the read.  granted = 0: leadership was lost first;
 * ask again.  Every ticket is answered once.                                  */
typedef struct tr_raft_read_state {
    uint64_t ticket;
    uint64_t index;
    uint32_t granted;
} tr_raft_read_state;

/* Moves up to n answers into out and returns how many.  Answers come up in
 * tr_raft_take_ready and tr_raft_advance: ask after each.                     */
size_t tr_raft_take_reads(tr_raft_core *c, tr_raft_read_state *out, size_t n);

/* Hands leadership over to a voter; proposals are refused with BUSY until it is
 * done or an election timeout has passed.                                     */
int tr_raft_transfer(tr_raft_core *c, uint32_t peer);
/* Starts an election now.  STALE: this node leads.  INVALID: it may not.      */
int tr_raft_campaign(tr_raft_core *c);

/* Membership is chosen among peers 0..n_peers-1.  At first all of them vote.
 * tr_raft_change_membership makes the given voters and learners (receive the log,
 * do not vote) the membership, by joint consensus: any number of changes at once.
 * A new voter that lacks entries is a learner until it has caught up; *index and
 * *term are then 0.  The ticket comes up as committed when the new voters vote, or
 * as lost: the change was given up (one of them did not catch up) and the membership
 * is as before, or this node led no longer and the next leader goes on with it.
 * BUSY: another change, or this leader's first entry, is not committed yet.
 * STALE: that is the membership.                                              */
int tr_raft_change_membership(tr_raft_core *c, uint64_t ticket,
                              const uint32_t *voters, size_t n_voters,
                              const uint32_t *learners, size_t n_learners,
                              uint64_t *index, uint64_t *term);
/* The voters and learners in force (while joint: the incoming ones), ascending.
 * Writes up to n of each; the counts are what there is.                       */
int tr_raft_get_membership(const tr_raft_core *c, uint32_t *voters, size_t n, size_t *n_voters,
                           uint32_t *learners, size_t m, size_t *n_learners);
/* A host that changes the membership stores it with each snapshot: opaque bytes,
 * for index = what it gives to tr_raft_compact, before that call, or the index of
 * a snapshot that a ready batch has.  Writes up to n bytes; *len is what there is
 * (BUSY: more than n).  NOT_YET, STALE: no snapshot can be taken there.       */
int tr_raft_membership_at(const tr_raft_core *c, uint64_t index, uint8_t *data, size_t n,
                          size_t *len);
/* Order: after the snapshot, before entries.  Skip what was never stored.     */
int tr_raft_load_membership(tr_raft_core *c, const uint8_t *data, size_t len);

/* ---- texts ------------------------------------------------------------- */
/* What a result code means.  Static storage.                                  */
const char *tr_raft_code_text(int code);
/* Why the last call on this handle that did not return TR_RAFT_OK did not, or "".
 * Valid until the next call on the handle.                                    */
const char *tr_raft_last_error(const tr_raft_core *c);

#ifdef __cplusplus
}
#endif
#endif
/* clang-format on */
