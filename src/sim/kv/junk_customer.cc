#include <algorithm>

#include "etcd/rpc.pb.h"
#include "fmt/format.h"
#include "sim/kv/customer.h"
#include "sim/kv/customers.h"
#include "sim/kv/keys.h"

namespace trireme::sim {

namespace {

namespace pb = ::etcdserverpb;

class JunkCustomer final : public KvCustomer {
 public:
  JunkCustomer(std::uint64_t number, Surroundings around, Record* record)
      : KvCustomer(number, around, record) {}

 private:
  void Step() override {
    if (finishing_) {
      finished_ = true;
      return;
    }
    switch (random_.Below(12)) {
      case 0:
        return Grant();
      case 1:
        return Compact();
      case 2:
      case 3:
        return Delete();
      case 4:
      case 5:
        return ReadThePast();
      default:
        return Put();
    }
  }

  std::string Key() { return fmt::format("{}{}", kJunkPrefix, random_.Below(8)); }

  void Grant() {
    pb::LeaseGrantRequest request;
    request.set_ttl(ttl_ = static_cast<std::int64_t>(1 + random_.Below(3)));
    request.set_id(asked_ = static_cast<std::int64_t>(number_ * 1'000'000 + ++leases_));
    Call(KvMethod::kLeaseGrant, request.SerializeAsString());
  }
  void Put() {
    asked_ = 0;
    pb::PutRequest request;
    request.set_key(Key());
    request.set_value(fmt::format("junk {}", ++values_));
    if (random_.OneIn(3)) request.set_lease(lease_);
    Call(KvMethod::kPut, request.SerializeAsString());
  }
  void Delete() {
    asked_ = 0;
    pb::DeleteRangeRequest request;
    request.set_key(Key());
    if (random_.OneIn(2)) request.set_range_end(Key());
    Call(KvMethod::kDeleteRange, request.SerializeAsString());
  }
  void Compact() {
    asked_ = 0;
    pb::CompactionRequest request;
    const std::int64_t revision = record_.revision();
    request.set_revision(revision - static_cast<std::int64_t>(random_.Below(std::min<std::uint64_t>(
                                        static_cast<std::uint64_t>(revision), 60))));
    Call(KvMethod::kCompact, request.SerializeAsString());
  }
  void ReadThePast() {
    asked_ = 0;
    past_ = std::max<std::int64_t>(
        1, record_.revision() - static_cast<std::int64_t>(random_.Below(80)));
    pb::RangeRequest request;
    request.set_key(std::string(1, '\0'));
    request.set_range_end(std::string(1, '\0'));
    request.set_revision(past_);
    request.set_serializable(random_.OneIn(2));
    reading_ = true;
    Call(KvMethod::kRange, request.SerializeAsString());
  }

  void Answer(const Answered& answer) override {
    const bool ok = answer.error == kv::Error::kNone;
    if (asked_ != 0 && ok) {
      lease_ = asked_;
      record_.Renewed(lease_, ttl_, called());
    }
    if (reading_ && ok) ComparePast(answer.bytes);
    Unknown();
  }
  void Unknown() override {
    reading_ = false;
    asked_ = 0;
    StepAfter(Exponential(random_, around_.options->think_us));
  }

  /// What was at a revision is so for good: unless it has been compacted meanwhile, the record
  /// still has it.
  void ComparePast(const std::string& bytes) {
    if (past_ < record_.compacted()) return;
    kv::RangeRequest request;
    request.key = request.end = std::string_view("\0", 1);
    request.revision = past_;
    kv::Error error = kv::Error::kNone;
    kv::RangeResult expected;
    pb::RangeResponse response;
    if (!record_.view().Range(request, &error, &expected).ok() || error != kv::Error::kNone) return;
    bool same = response.ParseFromString(bytes) && response.kvs_size() == std::ssize(expected.kvs);
    for (int i = 0; same && i < response.kvs_size(); ++i) {
      const kv::KeyValue& kv = expected.kvs[static_cast<std::size_t>(i)];
      same = response.kvs(i).key() == kv.key && response.kvs(i).value() == kv.value &&
             response.kvs(i).mod_revision() == kv.mod_revision &&
             response.kvs(i).version() == kv.version && response.kvs(i).lease() == kv.lease;
    }
    if (same) return;
    record_.Violation(fmt::format("{} reads {} keys of revision {}, there were {}", Name(),
                                  response.kvs_size(), past_, expected.kvs.size()));
  }

  std::uint64_t leases_ = 0, values_ = 0;
  std::int64_t asked_ = 0, lease_ = 0, ttl_ = 0, past_ = 0;
  bool reading_ = false;
};

}  // namespace

std::unique_ptr<Customer> MakeJunkCustomer(std::uint64_t number, Surroundings around,
                                           Record* record) {
  return std::make_unique<JunkCustomer>(number, around, record);
}

}  // namespace trireme::sim
