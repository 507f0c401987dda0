#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/random.h"
#include "kv/model/checks.h"
#include "kv/model/requests.h"

namespace trireme::kv::inline engine {

/// Requests over few keys, so that they meet. Every option is drawn.
class RandomRequests {
 public:
  explicit RandomRequests(std::uint64_t seed) : random_(seed) {}

  Random& random() { return random_; }

  RangeRequest Range(std::int64_t revision, std::int64_t compacted) {
    RangeRequest r = {.key = Key(), .end = End()};
    r.revision = AnyRevision(revision, compacted);
    if (random_.OneIn(2)) r.limit = static_cast<std::int64_t>(random_.Below(5)) - 1;
    if (random_.OneIn(2)) r.order = static_cast<SortOrder>(random_.Below(kSortOrders));
    if (random_.OneIn(2)) r.target = static_cast<SortTarget>(random_.Below(kSortTargets));
    r.keys_only = random_.OneIn(4);
    r.count_only = random_.OneIn(6);
    for (std::int64_t* bound : {&r.min_mod, &r.max_mod, &r.min_create, &r.max_create})
      if (random_.OneIn(8)) *bound = static_cast<std::int64_t>(random_.Below(revision + 2));
    return r;
  }

  Command Any(std::int64_t revision, std::int64_t compacted) {
    time_ms_ += static_cast<std::int64_t>(random_.Below(300));
    Command command = {.time_ms = time_ms_, .body = TickRequest{}};
    switch (random_.Below(14)) {
      case 0:
        command.body = LeaseGrantRequest{Lease(), static_cast<std::int64_t>(1 + random_.Below(5))};
        break;
      case 1:
        command.body = LeaseRevokeRequest{Lease()};
        break;
      case 2:
        command.body = LeaseKeepAliveRequest{{Lease(), Lease()}};
        break;
      case 3:
        break;
      case 4:
        if (random_.OneIn(3)) command.body = ExtendLeasesRequest{500};
        break;
      case 5:
        command.body = CompactRequest{
            random_.OneIn(4)
                ? AnyRevision(revision, compacted)
                : compacted + static_cast<std::int64_t>(random_.Below(
                                  static_cast<std::uint64_t>(revision - compacted + 1)))};
        break;
      case 6:
      case 7:
        command.body = Delete();
        break;
      case 8:
      case 9:
      case 10:
        command.body = SoundTxn(revision, compacted);
        break;
      default:
        command.body = Put();
    }
    return command;
  }

  /// One that passes the checks.
  TxnRequest SoundTxn(std::int64_t revision, std::int64_t compacted) {
    for (;;) {
      TxnRequest txn = Txn(revision, compacted, 0);
      if (Check(txn) == Error::kNone) return txn;
    }
  }

  TxnRequest Txn(std::int64_t revision, std::int64_t compacted, int depth) {
    TxnRequest txn;
    for (std::uint64_t n = random_.Below(3); n > 0; --n)
      txn.compares.push_back(AnyCompare(revision));
    for (auto* ops : {&txn.success, &txn.failure})
      for (std::uint64_t n = random_.Below(4); n > 0; --n)
        ops->push_back(Op(revision, compacted, depth));
    return txn;
  }

  PutRequest Put() {
    PutRequest r = {.key = Key(), .value = Value()};
    if (random_.OneIn(3)) r.lease = Lease();
    r.prev_kv = random_.OneIn(2);
    if (random_.OneIn(6)) {
      r.ignore_value = true;
      r.value = {};
    }
    if (random_.OneIn(6)) {
      r.ignore_lease = true;
      r.lease = kNoLease;
    }
    return r;
  }

  DeleteRangeRequest Delete() { return {Key(), End(), random_.OneIn(2)}; }

  std::string_view Key() {
    static constexpr std::array<std::string_view, 9> kKeys = {std::string_view("\0", 1),
                                                              std::string_view("a\0", 2),
                                                              "a",
                                                              "a\x01",
                                                              "ab",
                                                              "b",
                                                              "b\xff",
                                                              "c/long/key/of/a/path",
                                                              "c"};
    return kKeys[random_.Below(kKeys.size())];
  }

  std::string_view End() {
    if (random_.OneIn(3)) return {};
    return random_.OneIn(4) ? kFromKey : random_.OneIn(4) ? std::string_view("d") : Key();
  }

 private:
  std::string_view Value() {
    static constexpr std::array<std::string_view, 5> kValues = {"", "1", "2", "3",
                                                                "a value that no string holds in "
                                                                "place"};
    return kValues[random_.Below(kValues.size())];
  }

  LeaseId Lease() { return static_cast<LeaseId>(random_.Below(6)); }

  std::int64_t AnyRevision(std::int64_t revision, std::int64_t compacted) {
    if (random_.OneIn(2)) return 0;
    if (random_.OneIn(12)) return revision + 1;
    if (random_.OneIn(12)) return compacted - 1;
    return std::max<std::int64_t>(compacted, 1) +
           static_cast<std::int64_t>(random_.Below(
               static_cast<std::uint64_t>(revision - std::max<std::int64_t>(compacted, 1) + 1)));
  }

  Compare AnyCompare(std::int64_t revision) {
    Compare c = {.result = static_cast<CompareResult>(random_.Below(kCompareResults)),
                 .target = static_cast<CompareTarget>(random_.Below(kCompareTargets)),
                 .key = Key(),
                 .end = random_.OneIn(2) ? std::string_view() : End()};
    if (c.target == CompareTarget::kValue) {
      c.value = Value();
    } else {
      c.number = static_cast<std::int64_t>(
          random_.Below(random_.OneIn(2) ? 3 : static_cast<std::uint64_t>(revision) + 1));
    }
    return c;
  }

  RequestOp Op(std::int64_t revision, std::int64_t compacted, int depth) {
    switch (random_.Below(depth < 3 ? 6 : 5)) {
      case 0:
        return {Delete()};
      case 1:
      case 2:
        return {Range(random_.OneIn(4) ? revision : 0, compacted)};
      case 5:
        return {Txn(revision, compacted, depth + 1)};
      default:
        return {Put()};
    }
  }

  Random random_;
  std::int64_t time_ms_ = 0;
};

}  // namespace trireme::kv::inline engine
