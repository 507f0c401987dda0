/* Three nodes in one C program, driven through include/trireme/c/raft.h alone: elections,
 * proposals, crashes with reload, a partition, snapshots, reads, transfer and membership. A node's
 * storage, network and application are arrays here; the order in which they are served is the one
 * the header asks for. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trireme/c/raft.h"

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                \
    }                                                                         \
  } while (0)

enum { kNodes = 3, kEntriesMax = 4096, kMessagesMax = 8192, kDataMax = 64 };

typedef struct {
  uint64_t term;
  uint32_t kind;
  size_t len;
  uint8_t data[kDataMax];
} stored_entry;

/* What survives a crash. The application's state is a sum, which is also its whole snapshot. */
typedef struct {
  int has_hard_state;
  tr_raft_hard_state hard_state;
  uint64_t snapshot_index, snapshot_term, snapshot_sum;
  uint8_t membership[kDataMax];
  size_t membership_len;
  uint64_t last;
  stored_entry log[kEntriesMax]; /* by index */
} storage;

typedef struct {
  tr_raft_core* core; /* NULL: crashed */
  storage disk;
  uint64_t applied, sum;
  uint64_t done, lost; /* tickets that ended so */
} node;

typedef struct {
  uint32_t from, to;
  size_t len;
  uint8_t* data;
} message;

static node nodes[kNodes];
static message network[kMessagesMax];
static size_t n_network;
static int cut_off = -1; /* this node's messages are lost */

static tr_raft_config config_of(uint32_t self) {
  tr_raft_config config = {TR_RAFT_ABI_VERSION, kNodes, self, 0, 2, 10, 7 + self, 1000, 8};
  config.flags = TR_RAFT_F_PRE_VOTE | TR_RAFT_F_CHECK_QUORUM | TR_RAFT_F_LEADER_NOOP;
  return config;
}

static void start(uint32_t self) {
  node* n = &nodes[self];
  const storage* disk = &n->disk;
  const tr_raft_config config = config_of(self);
  n->core = tr_raft_create(&config);
  CHECK(n->core != NULL);
  if (disk->has_hard_state) {
    CHECK(tr_raft_load_hard_state(n->core, disk->hard_state.term, disk->hard_state.vote) == 0);
  }
  if (disk->snapshot_index > 0) {
    CHECK(tr_raft_load_snapshot(n->core, disk->snapshot_index, disk->snapshot_term,
                                (const uint8_t*)&disk->snapshot_sum, 8) == TR_RAFT_OK);
    CHECK(tr_raft_load_membership(n->core, disk->membership, disk->membership_len) == TR_RAFT_OK);
  }
  for (uint64_t i = disk->snapshot_index + 1; i <= disk->last; ++i) {
    const stored_entry* entry = &disk->log[i];
    CHECK(tr_raft_load_entry(n->core, i, entry->term, entry->kind, entry->data, entry->len) == 0);
  }
  CHECK(tr_raft_tick(n->core) == TR_RAFT_INVALID);
  CHECK(tr_raft_start(n->core) == TR_RAFT_OK);
  CHECK(tr_raft_start(n->core) == TR_RAFT_INVALID);
  n->applied = disk->snapshot_index;
  n->sum = disk->snapshot_sum;
}

static void crash(uint32_t self) {
  tr_raft_destroy(nodes[self].core);
  nodes[self].core = NULL;
}

static void store(node* n, const tr_raft_ready* ready) {
  storage* disk = &n->disk;
  if (ready->has_snapshot) {
    const tr_raft_snapshot* snapshot = &ready->snapshot;
    const int kept = snapshot->index <= disk->last && snapshot->index > disk->snapshot_index &&
                     disk->log[snapshot->index].term == snapshot->term;
    CHECK(snapshot->data.len == 8);
    memcpy(&disk->snapshot_sum, snapshot->data.data, 8);
    disk->snapshot_index = snapshot->index;
    disk->snapshot_term = snapshot->term;
    if (!kept) disk->last = snapshot->index;
    CHECK(tr_raft_membership_at(n->core, snapshot->index, disk->membership, kDataMax,
                                &disk->membership_len) == TR_RAFT_OK);
  }
  for (size_t i = 0; i < ready->n_entries; ++i) {
    const tr_raft_entry* from = &ready->entries[i];
    stored_entry* to = &disk->log[from->index];
    CHECK(from->index <= disk->last + 1 && from->index > disk->snapshot_index);
    CHECK(from->data.len <= kDataMax && from->ticket == 0);
    to->term = from->term;
    to->kind = from->kind;
    to->len = from->data.len;
    if (from->data.len > 0) memcpy(to->data, from->data.data, from->data.len);
    disk->last = from->index;
  }
  if (ready->has_hard_state) {
    disk->has_hard_state = 1;
    disk->hard_state = ready->hard_state;
  }
}

static void send_all(uint32_t self, const tr_raft_ready* ready, uint32_t early) {
  for (size_t i = 0; i < ready->n_messages; ++i) {
    const tr_raft_message* from = &ready->messages[i];
    if ((from->flags & TR_RAFT_MSG_EARLY) != early) continue;
    CHECK(from->to < kNodes && from->to != self && n_network < kMessagesMax);
    message* to = &network[n_network++];
    to->from = self;
    to->to = from->to;
    to->len = from->data.len;
    to->data = malloc(from->data.len);
    memcpy(to->data, from->data.data, from->data.len);
  }
}

static void apply(node* n, const tr_raft_ready* ready) {
  if (ready->has_snapshot) {
    n->applied = ready->snapshot.index;
    memcpy(&n->sum, ready->snapshot.data.data, 8);
  }
  for (size_t i = 0; i < ready->n_committed; ++i) {
    const tr_raft_entry* entry = &ready->committed[i];
    CHECK(entry->index == n->applied + 1);
    n->applied = entry->index;
    if (entry->kind == TR_RAFT_ENTRY_COMMAND) {
      uint64_t number = 0;
      memcpy(&number, entry->data.data, 8);
      n->sum += number;
    }
    if (entry->ticket != 0) ++n->done;
  }
  n->lost += ready->n_lost;
}

static void serve(uint32_t self) {
  tr_raft_ready ready;
  tr_raft_ready second;
  node* n = &nodes[self];
  while (n->core != NULL && tr_raft_take_ready(n->core, &ready) == 1) {
    CHECK(tr_raft_take_ready(n->core, &second) == TR_RAFT_BUSY); /* one at a time */
    send_all(self, &ready, TR_RAFT_MSG_EARLY);
    store(n, &ready);
    send_all(self, &ready, 0);
    apply(n, &ready);
    tr_raft_advance(n->core);
  }
}

static void deliver_all(void) {
  for (size_t next = 0; next < n_network; ++next) {
    const message m = network[next];
    if (nodes[m.to].core != NULL && (int)m.from != cut_off && (int)m.to != cut_off) {
      CHECK(tr_raft_step(nodes[m.to].core, m.from, m.data, m.len) == TR_RAFT_OK);
      serve(m.to);
    }
    free(m.data);
  }
  n_network = 0;
}

static void tick_all(int ticks) {
  while (ticks-- > 0) {
    for (uint32_t i = 0; i < kNodes; ++i) {
      if (nodes[i].core == NULL) continue;
      CHECK(tr_raft_tick(nodes[i].core) == TR_RAFT_OK);
      serve(i);
    }
    deliver_all();
  }
}

static tr_raft_status status_of(uint32_t self) {
  tr_raft_status status;
  tr_raft_get_status(nodes[self].core, &status);
  return status;
}

static uint32_t elect(void) {
  for (int tries = 0; tries < 200; ++tries) {
    tick_all(1);
    for (uint32_t i = 0; i < kNodes; ++i) {
      if (nodes[i].core == NULL || (int)i == cut_off) continue;
      const tr_raft_status status = status_of(i);
      if (status.role == TR_RAFT_LEADER) return i;
    }
  }
  CHECK(!"a leader within 200 ticks");
  return 0;
}

static void propose(uint32_t leader, uint64_t number) {
  static uint64_t ticket;
  uint64_t index = 0;
  uint64_t term = 0;
  uint8_t data[32] = {0};
  memcpy(data, &number, 8);
  CHECK(tr_raft_propose(nodes[leader].core, ++ticket, data, sizeof data, &index, &term) == 0);
  CHECK(index == status_of(leader).last_index && term == status_of(leader).term);
}

static void expect_sum(uint64_t sum) {
  tick_all(10);
  for (uint32_t i = 0; i < kNodes; ++i) {
    if (nodes[i].core != NULL && (int)i != cut_off) CHECK(nodes[i].sum == sum);
  }
}

static void compact(uint32_t self) {
  node* n = &nodes[self];
  storage* disk = &n->disk;
  CHECK(tr_raft_compact(n->core, n->applied + 1, NULL, 0) == TR_RAFT_NOT_YET);
  CHECK(tr_raft_membership_at(n->core, n->applied, disk->membership, kDataMax,
                              &disk->membership_len) == TR_RAFT_OK);
  disk->snapshot_term = disk->log[n->applied].term;
  disk->snapshot_index = n->applied;
  disk->snapshot_sum = n->sum;
  CHECK(tr_raft_compact(n->core, n->applied, (const uint8_t*)&n->sum, 8) == TR_RAFT_OK);
  CHECK(tr_raft_compact(n->core, n->applied, (const uint8_t*)&n->sum, 8) == TR_RAFT_STALE);
  CHECK(status_of(self).snapshot_index == n->applied);
}

static void reads_see_the_latest(uint32_t leader) {
  tr_raft_read_state read;
  CHECK(tr_raft_read(nodes[leader].core, 77) == TR_RAFT_OK);
  CHECK(tr_raft_read(nodes[(leader + 1) % kNodes].core, 78) == TR_RAFT_NOT_LEADER);
  serve(leader);
  deliver_all();
  serve(leader);
  CHECK(tr_raft_take_reads(nodes[leader].core, &read, 1) == 1);
  CHECK(read.ticket == 77 && read.granted == 1 && read.index <= nodes[leader].applied);
  CHECK(read.index == status_of(leader).commit_index);
  CHECK(tr_raft_take_reads(nodes[leader].core, &read, 1) == 0);
}

static void bad_input_changes_nothing(uint32_t leader) {
  tr_raft_core* core = nodes[leader].core;
  const tr_raft_status before = status_of(leader);
  const uint8_t junk[] = {1, 4, 200, 200, 200, 9};
  const uint32_t peer = (leader + 1) % kNodes;
  tr_raft_status after;
  uint64_t index = 9;
  uint64_t term = 9;
  CHECK(tr_raft_step(core, peer, junk, sizeof junk) == TR_RAFT_INVALID);
  CHECK(strlen(tr_raft_last_error(core)) > 0);
  CHECK(tr_raft_step(core, leader, junk, sizeof junk) == TR_RAFT_INVALID);
  CHECK(tr_raft_step(core, kNodes, junk, sizeof junk) == TR_RAFT_INVALID);
  CHECK(tr_raft_step(core, peer, NULL, 3) == TR_RAFT_INVALID);
  CHECK(tr_raft_unreachable(core, kNodes) == TR_RAFT_INVALID);
  CHECK(tr_raft_propose(core, 1, NULL, 3, NULL, NULL) == TR_RAFT_INVALID);
  CHECK(tr_raft_propose(nodes[peer].core, 1, junk, 1, &index, &term) == TR_RAFT_NOT_LEADER);
  CHECK(index == 0 && term == status_of(peer).term);
  after = status_of(leader);
  CHECK(memcmp(&before, &after, sizeof before) == 0);
}

static void bad_configurations_are_refused(void) {
  tr_raft_config config = config_of(0);
  config.abi_version = 2;
  CHECK(tr_raft_create(&config) == NULL);
  config = config_of(kNodes);
  CHECK(tr_raft_create(&config) == NULL);
  config = config_of(0);
  config.n_peers = 0;
  CHECK(tr_raft_create(&config) == NULL);
  config = config_of(0);
  config.election_ticks = config.heartbeat_ticks;
  CHECK(tr_raft_create(&config) == NULL);
  CHECK(tr_raft_create(NULL) == NULL);
}

static void loading_is_checked(void) {
  const tr_raft_config config = config_of(0);
  tr_raft_core* core = tr_raft_create(&config);
  CHECK(tr_raft_load_entry(core, 1, 1, 0, NULL, 0) == TR_RAFT_INVALID); /* above the hard state */
  CHECK(tr_raft_load_hard_state(core, 5, kNodes) == TR_RAFT_INVALID);
  CHECK(tr_raft_load_hard_state(core, 5, -1) == TR_RAFT_OK);
  CHECK(tr_raft_load_hard_state(core, 6, -1) == TR_RAFT_INVALID);
  CHECK(tr_raft_load_snapshot(core, 10, 6, NULL, 0) == TR_RAFT_INVALID);
  CHECK(tr_raft_load_snapshot(core, 10, 4, NULL, 0) == TR_RAFT_OK);
  CHECK(tr_raft_load_entry(core, 12, 4, 0, NULL, 0) == TR_RAFT_INVALID); /* a gap */
  CHECK(tr_raft_load_entry(core, 11, 3, 0, NULL, 0) == TR_RAFT_INVALID); /* a term that goes back */
  CHECK(tr_raft_load_entry(core, 11, 5, 2, NULL, 0) == TR_RAFT_INVALID); /* no such kind */
  CHECK(tr_raft_load_entry(core, 11, 5, 1, NULL, 0) == TR_RAFT_OK);
  CHECK(tr_raft_load_snapshot(core, 20, 4, NULL, 0) == TR_RAFT_INVALID);
  CHECK(tr_raft_start(core) == TR_RAFT_OK);
  tr_raft_destroy(core);
}

int main(void) {
  CHECK(tr_raft_abi_version() == TR_RAFT_ABI_VERSION);
  CHECK(strcmp(tr_raft_code_text(TR_RAFT_OK), "ok") == 0);
  bad_configurations_are_refused();
  loading_is_checked();
  for (uint32_t i = 0; i < kNodes; ++i) start(i);

  uint32_t leader = elect();
  uint64_t sum = 0;
  for (uint64_t i = 1; i <= 100; ++i) {
    propose(leader, i);
    sum += i;
  }
  serve(leader);
  expect_sum(sum);
  CHECK(nodes[leader].done == 100);
  bad_input_changes_nothing(leader);
  reads_see_the_latest(leader);

  /* The leader crashes; the others go on; it comes back and catches up. */
  crash(leader);
  const uint32_t crashed = leader;
  leader = elect();
  CHECK(leader != crashed);
  propose(leader, 1000);
  sum += 1000;
  expect_sum(sum);
  start(crashed);
  expect_sum(sum);

  /* A leader that is cut off collects proposals that never take effect. */
  cut_off = (int)leader;
  for (int i = 0; i < 5; ++i) propose(leader, 1000000);
  serve(leader);
  const uint32_t deposed = leader;
  leader = elect();
  for (uint64_t i = 1; i <= 20; ++i) propose(leader, i);
  sum += 210;
  expect_sum(sum);
  CHECK(status_of(deposed).role != TR_RAFT_LEADER); /* check-quorum */
  cut_off = -1;
  expect_sum(sum);
  CHECK(nodes[deposed].lost == 5);

  /* A node that is away while the log is compacted gets the snapshot. */
  const uint32_t away = (leader + 1) % kNodes;
  crash(away);
  for (uint64_t i = 1; i <= 50; ++i) propose(leader, i);
  sum += 1275;
  expect_sum(sum);
  compact(leader);
  propose(leader, 5);
  sum += 5;
  expect_sum(sum);
  start(away);
  expect_sum(sum);
  CHECK(status_of(away).snapshot_index > 0);

  /* All restart. */
  for (uint32_t i = 0; i < kNodes; ++i) crash(i);
  for (uint32_t i = 0; i < kNodes; ++i) start(i);
  leader = elect();
  expect_sum(sum);

  /* Leadership is handed over, then a node is removed and added again. */
  const uint32_t successor = (leader + 1) % kNodes;
  CHECK(tr_raft_transfer(nodes[leader].core, successor) == TR_RAFT_OK);
  serve(leader);
  tick_all(3);
  CHECK(status_of(successor).role == TR_RAFT_LEADER);
  const uint32_t both[] = {leader, successor};
  const uint32_t all[] = {0, 1, 2};
  uint32_t voters[kNodes];
  size_t n_voters = 0;
  size_t n_learners = 0;
  CHECK(tr_raft_change_membership(nodes[successor].core, 0, both, 2, NULL, 0, NULL, NULL) == 0);
  expect_sum(sum);
  CHECK(tr_raft_get_membership(nodes[successor].core, voters, kNodes, &n_voters, NULL, 0,
                               &n_learners) == TR_RAFT_OK);
  CHECK(n_voters == 2 && n_learners == 0);
  CHECK(tr_raft_change_membership(nodes[successor].core, 0, all, 3, NULL, 0, NULL, NULL) == 0);
  propose(successor, 7);
  sum += 7;
  serve(successor);
  expect_sum(sum);

  for (uint32_t i = 0; i < kNodes; ++i) crash(i);
  printf("three nodes agree on %" PRIu64 "\n", sum);
  return 0;
}
