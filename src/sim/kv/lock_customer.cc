#include <algorithm>

#include "etcd/rpc.pb.h"
#include "fmt/format.h"
#include "sim/kv/customer.h"
#include "sim/kv/customers.h"
#include "sim/kv/keys.h"

namespace trireme::sim {

namespace {

namespace pb = ::etcdserverpb;

constexpr std::int64_t kTtlSeconds = 2;

/// Grant, acquire, then write and renew until it lets go, loses its lease, or is tired of it.
class LockCustomer final : public KvCustomer {
 public:
  LockCustomer(std::uint64_t number, Surroundings around, Record* record)
      : KvCustomer(number, around, record) {}

 private:
  enum class Doing { kGrant, kAcquire, kWrite, kRenew, kRelease };

  void Step() override {
    const Micros now = around_.queue->now();
    if (token_ != 0 && now >= until_) Forget();
    if (finishing_ && token_ == 0) {
      finished_ = true;
      return;
    }
    if (lease_ == 0 || now >= until_) return Grant();
    if (token_ == 0) return Acquire();
    if (finishing_ || random_.OneIn(12)) return Release();
    if (silent_ || random_.OneIn(40)) {  // as a process that hangs: the lease runs out
      silent_ = true;
      return StepAfter(100 * kMillisecond);
    }
    random_.OneIn(3) ? Renew() : Write();
  }

  void Grant() {
    doing_ = Doing::kGrant;
    lease_ = 0;
    pb::LeaseGrantRequest request;
    request.set_ttl(kTtlSeconds);
    request.set_id(asked_ = static_cast<std::int64_t>(number_ * 1'000'000 + ++leases_));
    Call(KvMethod::kLeaseGrant, request.SerializeAsString());
  }
  void Renew() {
    doing_ = Doing::kRenew;
    pb::LeaseKeepAliveRequest request;
    request.set_id(lease_);
    Call(KvMethod::kLeaseKeepAlive, request.SerializeAsString());
  }
  void Acquire() {
    doing_ = Doing::kAcquire;
    lock_ = fmt::format("{}{}", kLockPrefix, random_.Below(2));
    pb::TxnRequest request;
    pb::Compare& compare = *request.add_compare();
    compare.set_key(lock_);
    compare.set_target(pb::Compare::CREATE);
    compare.set_create_revision(0);
    pb::PutRequest& put = *request.add_success()->mutable_request_put();
    put.set_key(lock_);
    put.set_value(Name());
    put.set_lease(lease_);
    Call(KvMethod::kTxn, request.SerializeAsString());
  }
  pb::TxnRequest IfHeld() const {
    pb::TxnRequest request;
    pb::Compare& compare = *request.add_compare();
    compare.set_key(lock_);
    compare.set_target(pb::Compare::CREATE);
    compare.set_create_revision(token_);
    return request;
  }
  void Write() {
    doing_ = Doing::kWrite;
    pb::TxnRequest request = IfHeld();
    pb::PutRequest& put = *request.add_success()->mutable_request_put();
    put.set_key(fmt::format("{}{}", kFencedPrefix, lock_));
    put.set_value(fmt::format("{} by {}", token_, number_));
    Call(KvMethod::kTxn, request.SerializeAsString());
  }
  void Release() {
    doing_ = Doing::kRelease;
    // From here on it does not rely on it any more.
    record_.Releases(lock_, number_);
    pb::TxnRequest request = IfHeld();
    request.add_success()->mutable_request_delete_range()->set_key(lock_);
    Call(KvMethod::kTxn, request.SerializeAsString());
  }
  void Forget() {
    if (token_ != 0) record_.Releases(lock_, number_);
    token_ = 0;
    silent_ = false;
  }

  void Answer(const Answered& answer) override {
    const bool ok = answer.error == kv::Error::kNone;
    if (doing_ == Doing::kGrant) {
      if (ok) Extended(asked_);
    } else if (doing_ == Doing::kRenew) {
      pb::LeaseKeepAliveResponse response;
      if (ok && response.ParseFromString(answer.bytes) && response.ttl() > 0) {
        Extended(lease_);
      } else {
        Lost();
      }
    } else {
      pb::TxnResponse response;
      const bool done = ok && response.ParseFromString(answer.bytes) && response.succeeded();
      if (ok) Saw(response.header().revision());
      AnswerTxn(answer, done, response.header().revision());
    }
    StepAfter(Exponential(random_, around_.options->think_us));
  }
  void AnswerTxn(const Answered& answer, bool done, std::int64_t revision) {
    if (doing_ == Doing::kAcquire) {
      if (done) {
        token_ = revision;
        record_.Holds(lock_, number_, token_, around_.queue->now(), until_);
      } else if (answer.error != kv::Error::kNone) {
        Lost();  // the lease is gone
      }
    } else if (doing_ == Doing::kRelease || !done) {
      Forget();
    }
  }
  void Extended(std::int64_t lease) {
    lease_ = lease;
    record_.Renewed(lease, kTtlSeconds, called());
    until_ = record_.LeaseUntil(called(), kTtlSeconds);
    if (token_ != 0) record_.Holds(lock_, number_, token_, around_.queue->now(), until_);
  }
  void Lost() {
    Forget();
    lease_ = 0;
  }
  /// An acquisition may have succeeded: then its lease runs out.
  void Unknown() override {
    if (doing_ == Doing::kAcquire || doing_ == Doing::kRelease) Lost();
    StepAfter(Exponential(random_, around_.options->think_us));
  }

  Doing doing_ = Doing::kGrant;
  std::uint64_t leases_ = 0;
  std::int64_t asked_ = 0, lease_ = 0;
  Micros until_ = 0;  ///< It relies on the lease until then.
  std::string lock_;
  std::int64_t token_ = 0;
  bool silent_ = false;
};

}  // namespace

std::unique_ptr<Customer> MakeLockCustomer(std::uint64_t number, Surroundings around,
                                           Record* record) {
  return std::make_unique<LockCustomer>(number, around, record);
}

}  // namespace trireme::sim
