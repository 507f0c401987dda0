// The calls of include/trireme/c/raft.h: from C's types to the handle and back.
#include <algorithm>
#include <iterator>
#include <new>
#include <string>
#include <utility>

#include "raft/c_abi/handle.h"
#include "raft/core/configuration.h"
#include "raft/core/quorum.h"

using namespace trireme;        // NOLINT: this file is C's view of these namespaces
using namespace trireme::raft;  // NOLINT

static_assert(TR_RAFT_OK == static_cast<int>(Outcome::kOk));
static_assert(TR_RAFT_NOT_LEADER == static_cast<int>(Outcome::kNotLeader));
static_assert(TR_RAFT_INVALID == static_cast<int>(Outcome::kInvalid));
static_assert(TR_RAFT_STALE == static_cast<int>(Outcome::kStale));
static_assert(TR_RAFT_BUSY == static_cast<int>(Outcome::kBusy));
static_assert(TR_RAFT_NOT_YET == static_cast<int>(Outcome::kNotYet));
static_assert(TR_RAFT_FOLLOWER == static_cast<int>(RoleName::kFollower));
static_assert(TR_RAFT_PRE_CANDIDATE == static_cast<int>(RoleName::kPreCandidate));
static_assert(TR_RAFT_CANDIDATE == static_cast<int>(RoleName::kCandidate));
static_assert(TR_RAFT_LEADER == static_cast<int>(RoleName::kLeader));

namespace {

constexpr std::uint32_t kFlags =
    TR_RAFT_F_PRE_VOTE | TR_RAFT_F_CHECK_QUORUM | TR_RAFT_F_LEADER_NOOP;
constexpr std::uint64_t kProposalBytesMax = 1u << 30;
constexpr std::uint64_t kUncommittedBytesMax = std::uint64_t{4} << 30;
constexpr std::uint32_t kAppendEntriesMax = 1u << 16;

bool Fits(const tr_raft_config& from) {
  return from.abi_version == TR_RAFT_ABI_VERSION && from.n_peers > 0 &&
         from.n_peers <= kVotersMax && from.self < from.n_peers && (from.flags & ~kFlags) == 0;
}

Config ConfigOf(const tr_raft_config& from) {
  Config config;
  config.self = c_abi::NodeOf(from.self);
  config.seed = from.seed;
  config.election_ticks = from.election_ticks;
  config.heartbeat_ticks = from.heartbeat_ticks;
  config.pre_vote = (from.flags & TR_RAFT_F_PRE_VOTE) != 0;
  config.check_quorum = (from.flags & TR_RAFT_F_CHECK_QUORUM) != 0;
  config.leader_noop = (from.flags & TR_RAFT_F_LEADER_NOOP) != 0;
  config.append_bytes_max = std::max<std::uint64_t>(from.max_append_bytes, 1);
  config.append_entries_max = kAppendEntriesMax;
  config.inflight_appends_max = from.max_inflight;
  config.inflight_bytes_max = 0;
  config.proposal_bytes_max = kProposalBytesMax;
  config.uncommitted_bytes_max = kUncommittedBytesMax;
  config.apply_bytes_max = ~std::uint64_t{0};
  config.log_cache_bytes_max = ~std::uint64_t{0};  // the host has no call to read its log back
  return config;
}

bool IsSlice(const std::uint8_t* data, std::size_t len) {
  return data != nullptr || len == 0;
}
std::string_view ViewOf(const std::uint8_t* data, std::size_t len) {
  return {reinterpret_cast<const char*>(data), len};
}

constexpr const char* kNoBytes = "a null pointer instead of bytes";
constexpr const char* kNotStarted = "tr_raft_start has not been called";

/// Where a proposal stands, or 0 and the current term.
int Answered(tr_raft_core* c, Proposed proposed, std::uint64_t* index, std::uint64_t* term) {
  const bool ok = proposed.answer.ok();
  if (index != nullptr) *index = proposed.position.index.value;
  if (term != nullptr) *term = ok ? proposed.position.term.value : c->Status().term.value;
  return c->Say(std::move(proposed.answer));
}

std::vector<NodeId> NodesOf(const std::uint32_t* peers, std::size_t n) {
  std::vector<NodeId> nodes;
  std::transform(peers, peers + n, std::back_inserter(nodes), c_abi::NodeOf);
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

void CopyPeers(const std::vector<NodeId>& nodes, std::uint32_t* out, std::size_t n,
               std::size_t* count) {
  for (std::size_t i = 0; i < std::min(n, nodes.size()); ++i) out[i] = c_abi::PeerOf(nodes[i]);
  *count = nodes.size();
}

}  // namespace

extern "C" {

uint32_t tr_raft_abi_version(void) {
  return TR_RAFT_ABI_VERSION;
}

tr_raft_core* tr_raft_create(const tr_raft_config* cfg) {
  if (cfg == nullptr || !Fits(*cfg)) return nullptr;
  const Config config = ConfigOf(*cfg);
  if (!Validate(config).ok()) return nullptr;
  auto* c = new (std::nothrow) tr_raft_core;
  if (c == nullptr) return nullptr;
  c->config = config;
  c->n_peers = cfg->n_peers;
  for (std::uint32_t peer = 0; peer < cfg->n_peers; ++peer) {
    c->restored.snapshot.configuration.voters.push_back(c_abi::NodeOf(peer));
  }
  return c;
}

void tr_raft_destroy(tr_raft_core* c) {
  delete c;
}

int tr_raft_load_hard_state(tr_raft_core* c, uint64_t term, int64_t vote) {
  return c->LoadHardState(term, vote);
}

int tr_raft_load_snapshot(tr_raft_core* c, uint64_t index, uint64_t term, const uint8_t* data,
                          size_t len) {
  if (!IsSlice(data, len)) return c->Say(TR_RAFT_INVALID, kNoBytes);
  return c->LoadSnapshot(index, term, ViewOf(data, len));
}

int tr_raft_load_membership(tr_raft_core* c, const uint8_t* data, size_t len) {
  if (!IsSlice(data, len)) return c->Say(TR_RAFT_INVALID, kNoBytes);
  return c->LoadMembership(ViewOf(data, len));
}

int tr_raft_load_entry(tr_raft_core* c, uint64_t index, uint64_t term, uint32_t kind,
                       const uint8_t* data, size_t len) {
  if (!IsSlice(data, len)) return c->Say(TR_RAFT_INVALID, kNoBytes);
  return c->LoadEntry(index, term, kind, ViewOf(data, len));
}

int tr_raft_load_incarnation(tr_raft_core* c, uint64_t incarnation) {
  return c->LoadIncarnation(incarnation);
}

int tr_raft_start(tr_raft_core* c) {
  return c->Start();
}

int tr_raft_tick(tr_raft_core* c) {
  if (!c->started()) return c->Say(TR_RAFT_INVALID, kNotStarted);
  c->core->Tick();
  return c->Say({});
}

int tr_raft_step(tr_raft_core* c, uint32_t from, const uint8_t* data, size_t len) {
  if (!IsSlice(data, len)) return c->Say(TR_RAFT_INVALID, kNoBytes);
  return c->Step(from, ViewOf(data, len));
}

int tr_raft_propose(tr_raft_core* c, uint64_t ticket, const uint8_t* data, size_t len,
                    uint64_t* index, uint64_t* term) {
  Proposed proposed{Refuse(Outcome::kInvalid, c->started() ? kNoBytes : kNotStarted), {}};
  if (c->started() && IsSlice(data, len)) {
    proposed = c->core->Propose(Ticket{ticket}, SharedBytes::Copy(ViewOf(data, len)));
  }
  return Answered(c, std::move(proposed), index, term);
}

int tr_raft_compact(tr_raft_core* c, uint64_t index, const uint8_t* data, size_t len) {
  if (!IsSlice(data, len)) return c->Say(TR_RAFT_INVALID, kNoBytes);
  return c->Compact(index, ViewOf(data, len));
}

int tr_raft_unreachable(tr_raft_core* c, uint32_t peer) {
  if (!c->started()) return c->Say(TR_RAFT_INVALID, kNotStarted);
  if (peer >= c->n_peers || c_abi::NodeOf(peer) == c->config.self) {
    return c->Say(TR_RAFT_INVALID, "no such other peer");
  }
  c->core->Unreachable(c_abi::NodeOf(peer));
  return c->Say({});
}

int tr_raft_take_ready(tr_raft_core* c, tr_raft_ready* out) {
  return c->TakeReady(out);
}

void tr_raft_advance(tr_raft_core* c) {
  c->Advance();
}

void tr_raft_get_status(const tr_raft_core* c, tr_raft_status* out) {
  const CoreStatus status = c->Status();
  out->term = status.term.value;
  out->role = static_cast<std::uint32_t>(status.role);
  out->leader = status.leader == kNobody ? -1 : static_cast<int32_t>(c_abi::PeerOf(status.leader));
  out->commit_index = status.commit.value;
  out->last_index = status.last.index.value;
  out->last_term = status.last.term.value;
  out->snapshot_index = status.snapshot.index.value;
  out->log_bytes = status.log_bytes;
}

/// Without an incarnation only of the leader: what a follower asks for travels under a number that
/// a later life of this node with the same seed would use again.
int tr_raft_read(tr_raft_core* c, uint64_t ticket) {
  if (!c->started()) return c->Say(TR_RAFT_INVALID, kNotStarted);
  if (!c->has_incarnation && c->core->Status().role != RoleName::kLeader) {
    return c->Say(TR_RAFT_NOT_LEADER,
                  "without tr_raft_load_incarnation, reads are asked of the leader");
  }
  return c->Say(c->core->Read(Ticket{ticket}));
}

size_t tr_raft_take_reads(tr_raft_core* c, tr_raft_read_state* out, size_t n) {
  const std::size_t count = std::min(n, c->reads.size());
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = c->reads.front();
    c->reads.pop_front();
  }
  return count;
}

int tr_raft_transfer(tr_raft_core* c, uint32_t peer) {
  if (!c->started()) return c->Say(TR_RAFT_INVALID, kNotStarted);
  return c->Say(c->core->Transfer(c_abi::NodeOf(peer)));
}

int tr_raft_campaign(tr_raft_core* c) {
  if (!c->started()) return c->Say(TR_RAFT_INVALID, kNotStarted);
  return c->Say(c->core->Campaign());
}

int tr_raft_change_membership(tr_raft_core* c, uint64_t ticket, const uint32_t* voters,
                              size_t n_voters, const uint32_t* learners, size_t n_learners,
                              uint64_t* index, uint64_t* term) {
  const auto is_peer = [c](std::uint32_t peer) { return peer < c->n_peers; };
  Proposed proposed{Refuse(Outcome::kInvalid, "not started, or no such peer"), {}};
  if (c->started() && std::all_of(voters, voters + n_voters, is_peer) &&
      std::all_of(learners, learners + n_learners, is_peer)) {
    Configuration target;
    target.voters = NodesOf(voters, n_voters);
    target.learners = NodesOf(learners, n_learners);
    proposed = c->core->ChangeMembership(Ticket{ticket}, std::move(target));
  }
  return Answered(c, std::move(proposed), index, term);
}

int tr_raft_get_membership(const tr_raft_core* c, uint32_t* voters, size_t n, size_t* n_voters,
                           uint32_t* learners, size_t m, size_t* n_learners) {
  const Configuration& active =
      c->started() ? c->core->Membership() : c->restored.snapshot.configuration;
  CopyPeers(active.voters, voters, n, n_voters);
  CopyPeers(active.learners, learners, m, n_learners);
  return TR_RAFT_OK;
}

int tr_raft_membership_at(const tr_raft_core* c, uint64_t index, uint8_t* data, size_t n,
                          size_t* len) {
  *len = 0;
  if (!c->started()) return TR_RAFT_INVALID;
  const std::optional<SnapshotMeta> meta = c->core->MetaAt(Index{index});
  if (!meta) {
    return Index{index} < c->Status().snapshot.index ? TR_RAFT_STALE : TR_RAFT_NOT_YET;
  }
  const std::string bytes = EncodeConfiguration(meta->configuration);
  *len = bytes.size();
  if (bytes.size() > n) return TR_RAFT_BUSY;
  std::copy(bytes.begin(), bytes.end(), data);
  return TR_RAFT_OK;
}

const char* tr_raft_code_text(int code) {
  switch (code) {
    case TR_RAFT_OK:
      return "ok";
    case TR_RAFT_NOT_LEADER:
      return "refused: this node does not lead";
    case TR_RAFT_INVALID:
      return "refused: malformed bytes or arguments; nothing has changed";
    case TR_RAFT_STALE:
      return "nothing to do: it is so already, or is past";
    case TR_RAFT_BUSY:
      return "refused: a limit is reached, or another change is under way";
    case TR_RAFT_NOT_YET:
      return "refused: it names something that has not happened here yet";
    default:
      return "no such code";
  }
}

const char* tr_raft_last_error(const tr_raft_core* c) {
  return c->last_error.c_str();
}

}  // extern "C"
