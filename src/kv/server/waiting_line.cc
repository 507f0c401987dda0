#include "kv/server/waiting_line.h"

#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "kv/server/rpc_errors.h"

namespace trireme::kv::inline engine {
namespace {

/// Of the lease that is granted to who brings none, as etcd's sessions have it.
constexpr std::int64_t kSessionTtlS = 60;

absl::Status SessionExpired() {
  return absl::UnknownError("mutex: session is expired");
}

}  // namespace

std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (end.empty()) return std::string(kFromKey);
  ++end.back();
  return end;
}

absl::StatusOr<std::optional<KeyValue>> FirstInLine(const ReadView& view, std::string_view prefix) {
  const std::string end = PrefixEnd(prefix);
  RangeRequest request = {.key = prefix, .end = end, .limit = 1};
  request.order = SortOrder::kAscend;
  request.target = SortTarget::kCreate;
  RangeResult result;
  Error error = Error::kNone;
  TRIREME_RETURN_IF_ERROR(view.Range(request, &error, &result));
  if (result.kvs.empty()) return std::nullopt;
  return result.kvs.front();
}

PlaceInLine::PlaceInLine(Member& member, std::shared_ptr<rpc::ServerCall> call, std::string name,
                         std::string value, bool set_value, Done done)
    : member_(member),
      call_(std::move(call)),
      prefix_(std::move(name) + "/"),
      value_(std::move(value)),
      set_value_(set_value),
      entry_(member.streams(*call_), call_),
      done_(std::move(done)) {}

void PlaceInLine::Join(Member& member, std::shared_ptr<rpc::ServerCall> call, std::string name,
                       LeaseId lease, std::string value, bool set_value, Done done) {
  const auto place = std::make_shared<PlaceInLine>(member, call, std::move(name), std::move(value),
                                                   set_value, std::move(done));
  // The call keeps the place while it lives.
  call->OnCancel([place] { place->Leave(); });
  lease == kNoLease ? place->Grant() : place->Enter(lease);
}

void PlaceInLine::Grant() {
  const LeaseId lease = member_.DrawLeaseId();
  member_.Propose(*call_, {.body = LeaseGrantRequest{lease, kSessionTtlS}},
                  [self = shared_from_this(), lease](absl::StatusOr<std::string> granted) {
                    granted.ok() ? self->Enter(lease) : self->End(granted.status());
                  });
}

void PlaceInLine::Enter(LeaseId lease) {
  place_.lease = lease;
  place_.key = fmt::format("{}{:x}", prefix_, static_cast<std::uint64_t>(lease));
  TxnRequest txn;
  txn.compares.push_back(
      {.result = CompareResult::kEqual, .target = CompareTarget::kCreate, .key = place_.key});
  txn.success.push_back({PutRequest{.key = place_.key, .value = value_, .lease = lease}});
  txn.failure.push_back({RangeRequest{.key = place_.key}});
  member_.Propose(*call_, {.body = std::move(txn)},
                  [self = shared_from_this()](absl::StatusOr<std::string> result) {
                    etcdserverpb::TxnResponse response;
                    if (!result.ok()) return self->End(result.status());
                    if (!response.ParseFromString(*result)) return self->End(Stopped());
                    self->Entered(response);
                  });
}

void PlaceInLine::Entered(const etcdserverpb::TxnResponse& response) {
  if (response.succeeded()) {
    place_.create_revision = response.header().revision();
    return Look();
  }
  const auto& there = response.responses(0).response_range();
  if (there.kvs().empty()) return End(SessionExpired());
  place_.create_revision = there.kvs(0).create_revision();
  set_value_&& there.kvs(0).value() != value_ ? SetValue() : Look();
}

void PlaceInLine::SetValue() {
  member_.Propose(*call_,
                  {.body = PutRequest{.key = place_.key, .value = value_, .lease = place_.lease}},
                  [self = shared_from_this()](absl::StatusOr<std::string> result) {
                    result.ok() ? self->Look() : self->End(result.status());
                  });
}

/// Registered before it looks, so that no deletion is missed.
void PlaceInLine::Look() {
  if (!done_) return;
  for (;;) {
    StopWaiting();
    const auto before = Predecessor(*member_.published().view());
    if (!before.ok()) return End(before.status());
    if (!before->has_value()) break;
    waits_ = member_.key_watch().AddKey(**before, member_.LoopOf(*call_),
                                        [weak = weak_from_this()](auto) {
                                          if (const auto self = weak.lock()) self->Look();
                                        });
    const auto again = Predecessor(*member_.published().view());
    if (again.ok() && *again == *before) return;
  }
  const auto there = StillThere(*member_.published().view());
  if (!there.ok()) return End(there.status());
  *there ? End(place_) : End(SessionExpired());
}

/// The one right before this one in the line.
absl::StatusOr<std::optional<std::string>> PlaceInLine::Predecessor(const ReadView& view) const {
  const std::string end = PrefixEnd(prefix_);
  RangeRequest request = {.key = prefix_, .end = end, .limit = 1};
  request.order = SortOrder::kDescend;
  request.target = SortTarget::kCreate;
  request.keys_only = true;
  request.max_create = place_.create_revision - 1;
  RangeResult result;
  Error error = Error::kNone;
  TRIREME_RETURN_IF_ERROR(view.Range(request, &error, &result));
  if (result.kvs.empty()) return std::nullopt;
  return result.kvs.front().key;
}

absl::StatusOr<bool> PlaceInLine::StillThere(const ReadView& view) const {
  RangeResult result;
  Error error = Error::kNone;
  TRIREME_RETURN_IF_ERROR(view.Range({.key = place_.key}, &error, &result));
  return !result.kvs.empty() && result.kvs.front().create_revision == place_.create_revision;
}

/// Nobody waits any more: the place is given up.
void PlaceInLine::Leave() {
  if (!done_) return;
  End(absl::CancelledError("context canceled"));
  if (place_.key.empty()) return;
  member_.Propose(*call_, {.body = DeleteRangeRequest{.key = place_.key}},
                  [self = shared_from_this()](const absl::StatusOr<std::string>&) {});
}

void PlaceInLine::End(absl::StatusOr<Place> result) {
  StopWaiting();
  if (Done done = std::exchange(done_, nullptr)) done(std::move(result));
}

void PlaceInLine::StopWaiting() {
  if (waits_ != 0) member_.key_watch().Remove(std::exchange(waits_, 0));
}

}  // namespace trireme::kv::inline engine
