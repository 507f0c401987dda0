#include "cli/kv/importer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "cli/kv/failure.h"
#include "cli/kv/page_reader.h"
#include "etcd/rpc.trireme.h"
#include "fmt/format.h"

namespace trireme::kvcli {
namespace {

using etcdserverpb::KVStub;
using etcdserverpb::LeaseStub;

/// What two copies of a key have in common.
std::string Image(const mvccpb::KeyValue& pair) {
  std::string image;
  AppendSized(image, pair.key());
  AppendSized(image, pair.value());
  AppendVarint(image, static_cast<std::uint64_t>(pair.lease()));
  return image;
}

absl::Status Compacted(std::int64_t revision) {
  return Fail(kError,
              fmt::format("the source compacted revision {} while it was copied: give it a longer "
                          "--auto-compaction-retention for the time, and import again with "
                          "--replace",
                          revision));
}

absl::StatusOr<etcdserverpb::LeaseKeepAliveResponse> KeepAlive(
    const std::shared_ptr<rpc::Channel>& channel, std::int64_t lease, rpc::CallOptions options) {
  auto stream = LeaseStub(channel).LeaseKeepAlive(std::move(options));
  etcdserverpb::LeaseKeepAliveRequest request;
  request.set_id(lease);
  etcdserverpb::LeaseKeepAliveResponse reply;
  (void)stream.Write(request).ok();  // Why it failed shows in Finish.
  if (stream.Read(&reply)) return reply;
  const absl::Status status = stream.Finish();
  return status.ok() ? absl::UnavailableError("the stream ended without an answer") : status;
}

}  // namespace

Importer::Importer(Connection& from, Connection& to, Options options)
    : from_(from), to_(to), options_(std::move(options)) {}

absl::Status Importer::CheckDestination(std::uint64_t source_cluster) {
  etcdserverpb::RangeRequest count;
  count.set_key(options_.begin);
  count.set_range_end(options_.end);
  count.set_count_only(true);
  TRIREME_ASSIGN_OR_RETURN(const auto found, to_.Do(true, [&](auto& channel, auto options) {
    return KVStub(channel).Range(count, std::move(options));
  }));
  if (found.header().cluster_id() == source_cluster && source_cluster != 0)
    return BadArguments("source and destination are the same cluster");
  if (found.count() == 0) return absl::OkStatus();
  if (!options_.replace) {
    return Fail(kError, fmt::format("the destination has {} keys in that range already: --replace "
                                    "deletes them first",
                                    found.count()));
  }
  etcdserverpb::DeleteRangeRequest erase;
  erase.set_key(options_.begin);
  erase.set_range_end(options_.end);
  return to_
      .Do(true,
          [&](auto& channel, auto options) {
            return KVStub(channel).DeleteRange(erase, std::move(options));
          })
      .status();
}

absl::StatusOr<etcdserverpb::LeaseTimeToLiveResponse> Importer::AskSource(std::int64_t lease) {
  etcdserverpb::LeaseTimeToLiveRequest request;
  request.set_id(lease);
  return from_.Do(true, [&](auto& channel, auto options) {
    return LeaseStub(channel).LeaseTimeToLive(request, std::move(options));
  });
}

absl::StatusOr<bool> Importer::Ensure(std::int64_t lease) {
  if (const auto known = leases_.find(lease); known != leases_.end()) return known->second.alive;
  TRIREME_ASSIGN_OR_RETURN(const auto source, AskSource(lease));
  HeldLease held{source.ttl() > 0,
                 absl::Seconds(std::max<std::int64_t>(source.grantedttl(), 3)) / 3, absl::Now()};
  held.due += held.period;
  if (held.alive) {
    etcdserverpb::LeaseGrantRequest grant;
    grant.set_id(lease);
    grant.set_ttl(source.grantedttl());
    const auto granted = to_.Do(true, [&](auto& channel, auto options) {
      return LeaseStub(channel).LeaseGrant(grant, std::move(options));
    });
    const bool there = granted.status().message() == "etcdserver: lease already exists";
    if (!granted.ok() && !there) return granted.status();
    ++counts_.leases;
  }
  leases_[lease] = held;
  return held.alive;
}

absl::Status Importer::Renew(std::int64_t lease, HeldLease* held) {
  TRIREME_ASSIGN_OR_RETURN(const auto source, AskSource(lease));
  held->alive = source.ttl() > 0;
  held->due = absl::Now() + held->period;
  if (!held->alive) return absl::OkStatus();
  return to_
      .Do(true, [&](auto& channel,
                    auto options) { return KeepAlive(channel, lease, std::move(options)); })
      .status();
}

absl::Status Importer::RenewLeases() {
  const absl::Time now = absl::Now();
  for (auto& [lease, held] : leases_) {
    if (held.alive && held.due <= now) TRIREME_RETURN_IF_ERROR(Renew(lease, &held));
  }
  return absl::OkStatus();
}

void Importer::Add(etcdserverpb::RequestOp step) {
  batch_bytes_ += step.ByteSizeLong();
  *batch_.add_success() = std::move(step);
}

absl::Status Importer::Flush() {
  if (batch_.success().empty()) return absl::OkStatus();
  // Done twice it does the same: nobody else writes there.
  const auto reply = to_.Do(true, [&](auto& channel, auto options) {
    return KVStub(channel).Txn(batch_, std::move(options));
  });
  batch_.Clear();
  batch_bytes_ = 0;
  if (reply.status().message() == "etcdserver: too many operations in txn request") {
    return Fail(kError, fmt::format("the destination takes fewer than {} operations in a "
                                    "transaction: give --batch-keys its --max-txn-ops",
                                    options_.batch_keys));
  }
  return reply.status();
}

absl::Status Importer::FlushIfFull() {
  if (batch_.success_size() < options_.batch_keys && batch_bytes_ < kBatchBytes)
    return absl::OkStatus();
  return Flush();
}

absl::Status Importer::CopyPage(const etcdserverpb::RangeResponse& page) {
  for (const mvccpb::KeyValue& pair : page.kvs()) {
    if (pair.lease() != 0) {
      TRIREME_ASSIGN_OR_RETURN(const bool alive, Ensure(pair.lease()));
      counts_.expired += alive ? 0 : 1;
      if (!alive) continue;
    }
    // Before it would grow past the limit, for one value may be nearly as long.
    if (batch_bytes_ + pair.value().size() > kBatchBytes) TRIREME_RETURN_IF_ERROR(Flush());
    etcdserverpb::RequestOp step;
    step.mutable_request_put()->set_key(pair.key());
    step.mutable_request_put()->set_value(pair.value());
    step.mutable_request_put()->set_lease(pair.lease());
    Add(std::move(step));
    copied_.Add(Image(pair));
    ++counts_.keys;
    counts_.bytes += static_cast<std::int64_t>(pair.key().size() + pair.value().size());
    TRIREME_RETURN_IF_ERROR(FlushIfFull());
  }
  TRIREME_RETURN_IF_ERROR(Flush());
  return RenewLeases();
}

absl::Status Importer::Copy() {
  PageReader source(from_, options_.begin, options_.end);
  bool first = true;
  while (true) {
    const auto page = source.Next();
    if (absl::IsOutOfRange(page.status())) return Compacted(source.header().revision());
    if (!page.ok()) return page.status();
    revision_ = source.header().revision();
    if (std::exchange(first, false))
      TRIREME_RETURN_IF_ERROR(CheckDestination(source.header().cluster_id()));
    if (page->kvs().empty()) break;
    TRIREME_RETURN_IF_ERROR(CopyPage(*page));
    options_.progress(counts_);
  }
  return Verify();
}

absl::Status Importer::Verify() {
  PageReader destination(to_, options_.begin, options_.end);
  io::Sha256 found;
  std::int64_t keys = 0;
  while (true) {
    TRIREME_ASSIGN_OR_RETURN(const auto page, destination.Next());
    if (page.kvs().empty()) break;
    for (const mvccpb::KeyValue& pair : page.kvs()) found.Add(Image(pair));
    keys += page.kvs_size();
    TRIREME_RETURN_IF_ERROR(RenewLeases());
  }
  if (keys == counts_.keys && found.Finish() == copied_.Finish()) return absl::OkStatus();
  return Fail(kError, fmt::format("{} keys were copied, but the {} that the destination has now "
                                  "are not the same: somebody else writes there, or leases ran "
                                  "out meanwhile",
                                  counts_.keys, keys));
}

absl::Status Importer::Apply(const std::vector<mvccpb::Event>& events) {
  for (const mvccpb::Event& event : events) {
    etcdserverpb::RequestOp step;
    if (event.type() == mvccpb::Event::DELETE) {
      step.mutable_request_delete_range()->set_key(event.kv().key());
    } else {
      if (event.kv().lease() != 0) {
        TRIREME_ASSIGN_OR_RETURN(const bool alive, Ensure(event.kv().lease()));
        if (!alive) continue;  // Its deletion follows.
      }
      step.mutable_request_put()->set_key(event.kv().key());
      step.mutable_request_put()->set_value(event.kv().value());
      step.mutable_request_put()->set_lease(event.kv().lease());
    }
    Add(std::move(step));
    ++counts_.followed;
    TRIREME_RETURN_IF_ERROR(FlushIfFull());
  }
  return Flush();
}

}  // namespace trireme::kvcli
