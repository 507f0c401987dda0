#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kv/model/requests.h"
#include "kv/model/results.h"

namespace trireme::kv::inline engine {

/// The data model in its dumbest form: a whole map of the keys for every revision. What it gives is
/// what etcd's documents say a request gives.
class Twin {
 public:
  using State = std::map<std::string, KeyValue>;

  Outcome Apply(const Command& command) {
    Outcome outcome;
    time_ms_ = std::max(time_ms_, command.time_ms);
    std::visit([&](const auto& body) { Do(body, outcome); }, command.body);
    outcome.revision = revision();
    return outcome;
  }

  RangeResult Range(const RangeRequest& r, Error* error) const {
    return RangeOf(r, revision(), states_.back(), error);
  }

  std::int64_t revision() const { return std::ssize(states_) - 1; }
  std::int64_t compacted() const { return compacted_; }
  const State& At(std::int64_t revision) const {
    return states_[static_cast<std::size_t>(revision)];
  }
  bool HasLease(LeaseId id) const { return granted_.contains(id); }

 private:
  struct Lease {
    std::int64_t ttl_s, end_ms;
  };
  /// What a transaction changes: the next state and what to tell of it.
  struct Draft {
    State state;
    std::vector<std::pair<EventType, KeyValue>> events;
  };

  static bool Contains(std::string_view key, std::string_view end, std::string_view k) {
    if (end.empty()) return k == key;
    return k >= key && (end == kFromKey || k < end);
  }

  static std::vector<KeyValue> In(const State& state, std::string_view key, std::string_view end) {
    std::vector<KeyValue> kvs;
    for (const auto& [k, kv] : state)
      if (Contains(key, end, k)) kvs.push_back(kv);
    return kvs;
  }

  static bool Before(SortTarget target, const KeyValue& a, const KeyValue& b) {
    if (target == SortTarget::kVersion) return a.version < b.version;
    if (target == SortTarget::kCreate) return a.create_revision < b.create_revision;
    if (target == SortTarget::kMod) return a.mod_revision < b.mod_revision;
    if (target == SortTarget::kValue) return a.value < b.value;
    return a.key < b.key;
  }

  RangeResult RangeOf(const RangeRequest& r, std::int64_t current, const State& newest,
                      Error* error) const {
    const std::int64_t at = r.revision <= 0 ? current : r.revision;
    *error = at < compacted_ ? Error::kCompacted
             : at > current  ? Error::kFutureRevision
                             : Error::kNone;
    if (*error != Error::kNone) return {};
    auto kvs = In(at == current ? newest : At(at), r.key, r.end);
    RangeResult result = {.revision = current, .count = std::ssize(kvs)};
    if (r.count_only) return result;
    const bool bounded = r.min_mod || r.max_mod || r.min_create || r.max_create;
    if (r.limit > 0 && r.order == SortOrder::kNone && !bounded && std::ssize(kvs) > r.limit + 1)
      kvs.resize(static_cast<std::size_t>(r.limit + 1));
    std::erase_if(kvs, [&](const KeyValue& kv) {
      return (r.max_mod && kv.mod_revision > r.max_mod) ||
             (r.min_mod && kv.mod_revision < r.min_mod) ||
             (r.max_create && kv.create_revision > r.max_create) ||
             (r.min_create && kv.create_revision < r.min_create);
    });
    std::ranges::stable_sort(kvs, [&](const KeyValue& a, const KeyValue& b) {
      return r.order == SortOrder::kDescend ? Before(r.target, b, a) : Before(r.target, a, b);
    });
    result.more = r.limit > 0 && std::ssize(kvs) > r.limit;
    if (result.more) kvs.resize(static_cast<std::size_t>(r.limit));
    for (KeyValue& kv : kvs)
      if (r.keys_only) kv.value.clear();
    result.kvs = std::move(kvs);
    return result;
  }

  /// Of two errors the key's comes first within a transaction, the lease's alone.
  Error CheckPut(const PutRequest& r, bool alone) const {
    const bool has_lease = r.lease == kNoLease || HasLease(r.lease);
    if (alone && !has_lease) return Error::kLeaseNotFound;
    if ((r.ignore_value || r.ignore_lease) && !states_.back().contains(std::string(r.key)))
      return Error::kKeyNotFound;
    return has_lease ? Error::kNone : Error::kLeaseNotFound;
  }

  PutResult PutTo(Draft& draft, const PutRequest& r) {
    PutResult result = {.revision = revision() + 1};
    const std::string key(r.key);
    const auto it = draft.state.find(key);
    KeyValue kv = {key, std::string(r.value), revision() + 1, revision() + 1, 1, r.lease};
    if (it != draft.state.end()) {
      kv.create_revision = it->second.create_revision;
      kv.version = it->second.version + 1;
      if (r.ignore_value) kv.value = it->second.value;
      if (r.ignore_lease) kv.lease = it->second.lease;
      if (r.prev_kv) result.prev = it->second;
    }
    draft.state[key] = kv;
    draft.events.emplace_back(EventType::kPut, kv);
    return result;
  }

  DeleteRangeResult DeleteFrom(Draft& draft, const DeleteRangeRequest& r) {
    DeleteRangeResult result;
    for (KeyValue& kv : In(draft.state, r.key, r.end)) {
      ++result.deleted;
      draft.state.erase(kv.key);
      draft.events.emplace_back(EventType::kDelete,
                                KeyValue{.key = kv.key, .mod_revision = revision() + 1});
      if (r.prev_kv) result.prevs.push_back(std::move(kv));
    }
    result.revision = draft.events.empty() ? revision() : revision() + 1;
    return result;
  }

  void Finish(Draft draft, Outcome& outcome) {
    if (draft.events.empty()) return;
    for (const auto& [type, kv] : draft.events) {
      outcome.events.push_back({type,
                                {outcome.Keep(kv.key), outcome.Keep(kv.value), kv.create_revision,
                                 kv.mod_revision, kv.version, kv.lease},
                                type == EventType::kPut && kv.version == 1});
    }
    states_.push_back(std::move(draft.state));
  }

  void Do(const PutRequest& r, Outcome& outcome) {
    outcome.error = CheckPut(r, /*alone=*/true);
    if (outcome.error != Error::kNone) return;
    Draft draft = {states_.back(), {}};
    outcome.result = PutTo(draft, r);
    Finish(std::move(draft), outcome);
  }

  void Do(const DeleteRangeRequest& r, Outcome& outcome) {
    Draft draft = {states_.back(), {}};
    outcome.result = DeleteFrom(draft, r);
    Finish(std::move(draft), outcome);
  }

  static bool Holds(const Compare& c, const KeyValue& kv) {
    const auto with = [&](const auto& a, const auto& b) {
      if (c.result == CompareResult::kEqual) return a == b;
      if (c.result == CompareResult::kGreater) return a > b;
      if (c.result == CompareResult::kLess) return a < b;
      return a != b;
    };
    if (c.target == CompareTarget::kVersion) return with(kv.version, c.number);
    if (c.target == CompareTarget::kCreate) return with(kv.create_revision, c.number);
    if (c.target == CompareTarget::kMod) return with(kv.mod_revision, c.number);
    if (c.target == CompareTarget::kLease) return with(kv.lease, c.number);
    return with(std::string_view(kv.value), c.value);
  }

  bool Succeeds(const TxnRequest& txn) const {
    return std::ranges::all_of(txn.compares, [this](const Compare& c) {
      const auto kvs = In(states_.back(), c.key, c.end);
      if (kvs.empty()) return c.target != CompareTarget::kValue && Holds(c, {});
      return std::ranges::all_of(kvs, [&](const KeyValue& kv) { return Holds(c, kv); });
    });
  }

  /// The leaves that run, in order.
  std::vector<const RequestOp*> Leaves(const TxnRequest& txn) const {
    std::vector<const RequestOp*> leaves;
    for (const RequestOp& op : Succeeds(txn) ? txn.success : txn.failure) {
      if (const auto* nested = std::get_if<TxnRequest>(&op.request)) {
        const auto below = Leaves(*nested);
        leaves.insert(leaves.end(), below.begin(), below.end());
      } else {
        leaves.push_back(&op);
      }
    }
    return leaves;
  }

  Error CheckLeaves(const TxnRequest& txn) const {
    const auto leaves = Leaves(txn);
    for (const RequestOp* op : leaves)
      if (const auto* put = std::get_if<PutRequest>(&op->request))
        if (const Error error = CheckPut(*put, /*alone=*/false); error != Error::kNone)
          return error;
    for (const RequestOp* op : leaves) {
      const auto* range = std::get_if<RangeRequest>(&op->request);
      if (range == nullptr || range->revision == 0) continue;
      if (range->revision > revision()) return Error::kFutureRevision;
      if (range->revision < compacted_) return Error::kCompacted;
    }
    return Error::kNone;
  }

  TxnResult Run(Draft& draft, const TxnRequest& txn) {
    TxnResult result = {.succeeded = Succeeds(txn)};
    for (const RequestOp& op : result.succeeded ? txn.success : txn.failure) {
      auto& response = result.responses.emplace_back().response;
      Error error = Error::kNone;
      const std::int64_t current = draft.events.empty() ? revision() : revision() + 1;
      if (const auto* r = std::get_if<PutRequest>(&op.request)) {
        response = PutTo(draft, *r);
      } else if (const auto* d = std::get_if<DeleteRangeRequest>(&op.request)) {
        response = DeleteFrom(draft, *d);
      } else if (const auto* t = std::get_if<TxnRequest>(&op.request)) {
        response = Run(draft, *t);
      } else {
        response = RangeOf(std::get<RangeRequest>(op.request), current, draft.state, &error);
      }
    }
    return result;
  }

  void Do(const TxnRequest& txn, Outcome& outcome) {
    outcome.error = CheckLeaves(txn);
    if (outcome.error != Error::kNone) return;
    Draft draft = {states_.back(), {}};
    TxnResult result = Run(draft, txn);
    Finish(std::move(draft), outcome);
    result.revision = revision();
    outcome.result = std::move(result);
  }

  void Do(const CompactRequest& r, Outcome& outcome) {
    if (r.revision <= compacted_) {
      outcome.error = Error::kCompacted;
    } else if (r.revision > revision()) {
      outcome.error = Error::kFutureRevision;
    } else {
      compacted_ = r.revision;
    }
  }

  void Do(const LeaseGrantRequest& r, Outcome& outcome) {
    if (r.id == kNoLease) {
      outcome.error = Error::kLeaseNotFound;
    } else if (HasLease(r.id)) {
      outcome.error = Error::kLeaseExists;
    } else {
      granted_[r.id] = {r.ttl_s, std::max(floor_ms_, time_ms_) + r.ttl_s * 1000};
      outcome.result = LeaseResult{r.ttl_s};
    }
  }

  void Revoke(LeaseId id, Outcome& outcome) {
    granted_.erase(id);
    Draft draft = {states_.back(), {}};
    for (const auto& [key, kv] : states_.back())
      if (kv.lease == id) DeleteFrom(draft, {.key = key});
    Finish(std::move(draft), outcome);
  }

  void Do(const LeaseRevokeRequest& r, Outcome& outcome) {
    if (HasLease(r.id)) return Revoke(r.id, outcome);
    outcome.error = Error::kLeaseNotFound;
  }

  void Do(const LeaseKeepAliveRequest& r, Outcome& outcome) {
    LeaseKeepAliveResult result;
    for (const LeaseId id : r.ids) {
      const auto it = granted_.find(id);
      result.ttls_s.push_back(it == granted_.end() ? 0 : it->second.ttl_s);
      if (it != granted_.end())
        it->second.end_ms = std::max(floor_ms_, time_ms_) + it->second.ttl_s * 1000;
    }
    outcome.result = std::move(result);
  }

  void Do(const TickRequest&, Outcome& outcome) {
    std::set<std::pair<std::int64_t, LeaseId>> due;
    for (const auto& [id, lease] : granted_)
      if (lease.end_ms <= time_ms_) due.emplace(lease.end_ms, id);
    TickResult result;
    for (const auto& [end, id] : due) {
      Revoke(id, outcome);
      result.expired.push_back(id);
    }
    outcome.result = std::move(result);
  }

  void Do(const NoteRequest&, Outcome&) {}
  void Do(const ExtendLeasesRequest& r, Outcome&) {
    floor_ms_ = std::max(floor_ms_, time_ms_ + r.extend_ms);
    for (auto& [id, lease] : granted_)
      lease.end_ms = std::max(lease.end_ms, floor_ms_ + lease.ttl_s * 1000);
  }

  std::vector<State> states_ = std::vector<State>(2);  ///< By revision; the first is 1.
  std::int64_t compacted_ = -1;
  std::map<LeaseId, Lease> granted_;
  std::int64_t time_ms_ = 0, floor_ms_ = 0;
};

}  // namespace trireme::kv::inline engine
