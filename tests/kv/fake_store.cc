#include "kv/fake_store.h"

#include <algorithm>

#include "base/status_macros.h"

namespace trireme::kv::test {

namespace pb = etcdserverpb;

bool InRange(const std::string& key, const std::string& begin, const std::string& end) {
  if (end.empty()) return key == begin;
  return key >= begin && (end == std::string(1, '\0') || key < end);
}

namespace {

absl::Status LeaseNotFound() {
  return absl::NotFoundError("etcdserver: requested lease not found");
}

bool Fits(std::int64_t value, std::int64_t min, std::int64_t max) {
  return value >= min && (max == 0 || value <= max);
}

auto SortKey(pb::RangeRequest::SortTarget target) {
  return [target](const mvccpb::KeyValue* kv) -> std::pair<std::int64_t, std::string> {
    switch (target) {
      case pb::RangeRequest::VERSION:
        return {kv->version(), ""};
      case pb::RangeRequest::CREATE:
        return {kv->create_revision(), ""};
      case pb::RangeRequest::MOD:
        return {kv->mod_revision(), ""};
      case pb::RangeRequest::VALUE:
        return {0, kv->value()};
      default:
        return {0, kv->key()};
    }
  };
}

template <class Value>
bool Compares(const Value& left, pb::Compare::CompareResult how, const Value& right) {
  switch (how) {
    case pb::Compare::EQUAL:
      return left == right;
    case pb::Compare::GREATER:
      return left > right;
    case pb::Compare::LESS:
      return left < right;
    default:
      return left != right;
  }
}

}  // namespace

pb::ResponseHeader FakeStore::HeaderLocked() const {
  pb::ResponseHeader header;
  header.set_revision(revision_);
  return header;
}

pb::ResponseHeader FakeStore::Header() {
  const std::lock_guard lock(mutex_);
  return HeaderLocked();
}

std::int64_t FakeStore::revision() {
  const std::lock_guard lock(mutex_);
  return revision_;
}

std::int64_t FakeStore::compacted() {
  const std::lock_guard lock(mutex_);
  return compacted_;
}

/// Runs `body(Writing*, Reply*)` as one revision, or not at all.
template <class Reply, class Body>
absl::StatusOr<Reply> FakeStore::Change(Body body) {
  Reply reply;
  bool changed = false;
  {
    const std::lock_guard lock(mutex_);
    const auto keys_before = keys_;
    Writing writing;
    if (absl::Status status = body(&writing, &reply); !status.ok()) {
      keys_ = keys_before;
      return status;
    }
    if (!writing.events.empty()) {
      ++revision_;
      history_.insert(history_.end(), writing.events.begin(), writing.events.end());
      changed = true;
    }
    *reply.mutable_header() = HeaderLocked();
  }
  const std::lock_guard lock(listeners_mutex_);
  for (const auto& [owner, listener] : listeners_) {
    if (changed) listener();
  }
  return reply;
}

std::vector<const mvccpb::KeyValue*> FakeStore::Select(const pb::RangeRequest& request) const {
  std::vector<const KeyValue*> found;
  for (const auto& [key, kv] : keys_) {
    if (!InRange(key, request.key(), request.range_end())) continue;
    if (!Fits(kv.mod_revision(), request.min_mod_revision(), request.max_mod_revision())) continue;
    if (!Fits(kv.create_revision(), request.min_create_revision(), request.max_create_revision())) {
      continue;
    }
    found.push_back(&kv);
  }
  std::ranges::stable_sort(found, {}, SortKey(request.sort_target()));
  if (request.sort_order() == pb::RangeRequest::DESCEND) std::ranges::reverse(found);
  return found;
}

absl::Status FakeStore::ApplyRange(const pb::RangeRequest& request,
                                   pb::RangeResponse* reply) const {
  if (request.revision() != 0 && request.revision() < compacted_) {
    return absl::OutOfRangeError("etcdserver: mvcc: required revision has been compacted");
  }
  std::vector<const KeyValue*> found = Select(request);
  reply->set_count(static_cast<std::int64_t>(found.size()));
  const auto limit = static_cast<std::size_t>(request.limit());
  if (limit != 0 && found.size() > limit) {
    found.resize(limit);
    reply->set_more(true);
  }
  *reply->mutable_header() = HeaderLocked();
  if (request.count_only()) return absl::OkStatus();
  for (const KeyValue* kv : found) {
    *reply->add_kvs() = *kv;
    if (request.keys_only()) reply->mutable_kvs()->rbegin()->clear_value();
  }
  return absl::OkStatus();
}

absl::Status FakeStore::ApplyPut(const pb::PutRequest& request, Writing* writing) {
  if (request.key().empty()) return absl::InvalidArgumentError("etcdserver: key is not provided");
  if (request.lease() != 0 && leases_.count(request.lease()) == 0) return LeaseNotFound();
  KeyValue& kv = keys_[request.key()];
  mvccpb::Event event;
  if (kv.version() != 0) *event.mutable_prev_kv() = kv;
  if (kv.version() == 0) kv.set_create_revision(revision_ + 1);
  kv.set_key(request.key());
  kv.set_value(request.value());
  kv.set_lease(request.lease());
  kv.set_version(kv.version() + 1);
  kv.set_mod_revision(revision_ + 1);
  *event.mutable_kv() = kv;
  writing->events.push_back(std::move(event));
  return absl::OkStatus();
}

void FakeStore::ApplyDelete(const pb::DeleteRangeRequest& request, Writing* writing,
                            pb::DeleteRangeResponse* reply) {
  for (auto one = keys_.begin(); one != keys_.end();) {
    if (!InRange(one->first, request.key(), request.range_end())) {
      ++one;
      continue;
    }
    mvccpb::Event event;
    event.set_type(mvccpb::Event::DELETE);
    event.mutable_kv()->set_key(one->first);
    event.mutable_kv()->set_mod_revision(revision_ + 1);
    *event.mutable_prev_kv() = one->second;
    writing->events.push_back(std::move(event));
    reply->set_deleted(reply->deleted() + 1);
    one = keys_.erase(one);
  }
}

bool FakeStore::Holds(const pb::Compare& compare) const {
  const auto found = keys_.find(compare.key());
  const KeyValue kv = found == keys_.end() ? KeyValue() : found->second;
  switch (compare.target()) {
    case pb::Compare::VERSION:
      return Compares(kv.version(), compare.result(), compare.version());
    case pb::Compare::CREATE:
      return Compares(kv.create_revision(), compare.result(), compare.create_revision());
    case pb::Compare::MOD:
      return Compares(kv.mod_revision(), compare.result(), compare.mod_revision());
    case pb::Compare::VALUE:
      return found != keys_.end() && Compares(kv.value(), compare.result(), compare.value());
    default:
      return Compares(kv.lease(), compare.result(), compare.lease());
  }
}

absl::Status FakeStore::ApplyOp(const pb::RequestOp& op, Writing* writing, pb::ResponseOp* reply) {
  if (op.has_request_range()) {
    return ApplyRange(op.request_range(), reply->mutable_response_range());
  }
  if (op.has_request_put()) {
    reply->mutable_response_put();
    return ApplyPut(op.request_put(), writing);
  }
  if (op.has_request_delete_range()) {
    ApplyDelete(op.request_delete_range(), writing, reply->mutable_response_delete_range());
    return absl::OkStatus();
  }
  return ApplyTxn(op.request_txn(), writing, reply->mutable_response_txn());
}

absl::Status FakeStore::ApplyTxn(const Txn& request, Writing* writing, pb::TxnResponse* reply) {
  reply->set_succeeded(
      std::ranges::all_of(request.compare(), [&](const auto& one) { return Holds(one); }));
  for (const pb::RequestOp& op : reply->succeeded() ? request.success() : request.failure()) {
    TRIREME_RETURN_IF_ERROR(ApplyOp(op, writing, reply->add_responses()));
  }
  return absl::OkStatus();
}

absl::StatusOr<pb::RangeResponse> FakeStore::Range(const pb::RangeRequest& request) {
  const std::lock_guard lock(mutex_);
  pb::RangeResponse reply;
  TRIREME_RETURN_IF_ERROR(ApplyRange(request, &reply));
  return reply;
}

absl::StatusOr<pb::PutResponse> FakeStore::Put(const pb::PutRequest& request) {
  return Change<pb::PutResponse>(
      [&](Writing* writing, pb::PutResponse*) { return ApplyPut(request, writing); });
}

absl::StatusOr<pb::DeleteRangeResponse> FakeStore::Delete(const pb::DeleteRangeRequest& request) {
  return Change<pb::DeleteRangeResponse>([&](Writing* writing, pb::DeleteRangeResponse* reply) {
    ApplyDelete(request, writing, reply);
    return absl::OkStatus();
  });
}

absl::StatusOr<pb::TxnResponse> FakeStore::Commit(const Txn& request) {
  return Change<pb::TxnResponse>(
      [&](Writing* writing, pb::TxnResponse* reply) { return ApplyTxn(request, writing, reply); });
}

absl::StatusOr<pb::CompactionResponse> FakeStore::Compact(std::int64_t revision) {
  const std::lock_guard lock(mutex_);
  if (revision <= compacted_) {
    return absl::OutOfRangeError("etcdserver: mvcc: required revision has been compacted");
  }
  if (revision > revision_) {
    return absl::OutOfRangeError("etcdserver: mvcc: required revision is a future revision");
  }
  compacted_ = revision;
  return pb::CompactionResponse();
}

absl::StatusOr<pb::LeaseGrantResponse> FakeStore::Grant(std::int64_t id, std::int64_t ttl) {
  const std::lock_guard lock(mutex_);
  if (!leases_.emplace(id, ttl).second) {
    return absl::FailedPreconditionError("etcdserver: lease already exists");
  }
  pb::LeaseGrantResponse reply;
  reply.set_id(id);
  reply.set_ttl(ttl);
  return reply;
}

absl::StatusOr<pb::LeaseRevokeResponse> FakeStore::Revoke(std::int64_t id) {
  return Change<pb::LeaseRevokeResponse>(
      [&](Writing* writing, pb::LeaseRevokeResponse*) -> absl::Status {
        if (leases_.erase(id) == 0) return LeaseNotFound();
        std::vector<std::string> keys;
        for (const auto& [key, kv] : keys_) {
          if (kv.lease() == id) keys.push_back(key);
        }
        for (const std::string& key : keys) {
          pb::DeleteRangeRequest request;
          request.set_key(key);
          pb::DeleteRangeResponse ignored;
          ApplyDelete(request, writing, &ignored);
        }
        return absl::OkStatus();
      });
}

std::int64_t FakeStore::TimeToLive(std::int64_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = leases_.find(id);
  return found == leases_.end() ? 0 : found->second;
}

std::vector<std::int64_t> FakeStore::leases() {
  const std::lock_guard lock(mutex_);
  std::vector<std::int64_t> ids;
  for (const auto& [id, ttl] : leases_) ids.push_back(id);
  return ids;
}

std::optional<std::vector<mvccpb::Event>> FakeStore::EventsSince(std::int64_t from) {
  const std::lock_guard lock(mutex_);
  if (from < compacted_) return std::nullopt;
  std::vector<mvccpb::Event> events;
  for (const mvccpb::Event& event : history_) {
    if (event.kv().mod_revision() >= from) events.push_back(event);
  }
  return events;
}

void FakeStore::OnChange(const void* owner, std::function<void()> callback) {
  const std::lock_guard lock(listeners_mutex_);
  listeners_[owner] = std::move(callback);
}

void FakeStore::Forget(const void* owner) {
  const std::lock_guard lock(listeners_mutex_);
  listeners_.erase(owner);
}

}  // namespace trireme::kv::test
