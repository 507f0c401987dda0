#include <map>
#include <utility>

#include "etcd/rpc.pb.h"
#include "fmt/format.h"
#include "sim/kv/customer.h"
#include "sim/kv/customers.h"
#include "sim/kv/keys.h"

namespace trireme::sim {

namespace {

namespace pb = ::etcdserverpb;
using linear::KvCode;
using linear::KvKind;
using linear::KvResult;

class RegisterCustomer final : public KvCustomer {
 public:
  RegisterCustomer(std::uint64_t number, Surroundings around, Record* record,
                   std::vector<linear::KvCall>* history)
      : KvCustomer(number, around, record), history_(*history) {}

 private:
  void Step() override {
    if (finished_) return;
    const std::string key =
        fmt::format("{}{}", kRegisterPrefix, random_.Below(around_.options->keys));
    const bool read = !finishing_ && Chance(around_.options->read_ppm);
    const bool compare = !finishing_ && !read && random_.OneIn(2);
    linear::KvCall call = {.client = number_,
                           .key = key,
                           .kind = read      ? KvKind::kGet
                                   : compare ? KvKind::kComparePut
                                             : KvKind::kPut,
                           .called = around_.queue->now()};
    if (!read) call.value = fmt::format("{}.{}", number_, history_.size());
    if (compare) call.expected = versions_[key];
    place_ = history_.size();
    history_.push_back(call);
    last_ = finishing_;
    read ? Get(call) : compare ? ComparePut(call) : Put(call);
  }

  void Get(const linear::KvCall& call) {
    pb::RangeRequest request;
    request.set_key(call.key);
    Call(KvMethod::kRange, request.SerializeAsString());
  }
  void Put(const linear::KvCall& call) {
    pb::PutRequest request;
    request.set_key(call.key);
    request.set_value(call.value);
    request.set_prev_kv(true);
    Call(KvMethod::kPut, request.SerializeAsString());
  }
  void ComparePut(const linear::KvCall& call) {
    pb::TxnRequest request;
    pb::Compare& compare = *request.add_compare();
    compare.set_key(call.key);
    compare.set_target(pb::Compare::VERSION);
    compare.set_version(static_cast<std::int64_t>(call.expected));
    pb::PutRequest& put = *request.add_success()->mutable_request_put();
    put.set_key(call.key);
    put.set_value(call.value);
    request.add_failure()->mutable_request_range()->set_key(call.key);
    Call(KvMethod::kTxn, request.SerializeAsString());
  }

  void Answer(const Answered& answer) override {
    linear::KvCall& call = history_[place_];
    if (answer.error != kv::Error::kNone) {
      return record_.Violation(
          fmt::format("{} is refused with error {}", Name(), static_cast<int>(answer.error)));
    }
    call.returned = around_.queue->now();
    call.result = call.kind == KvKind::kGet   ? OfGet(answer.bytes)
                  : call.kind == KvKind::kPut ? OfPut(answer.bytes)
                                              : OfCompare(answer.bytes, call.expected);
    if (call.result->code == KvCode::kOk) versions_[call.key] = call.result->version;
    finished_ = last_;
    StepAfter(Exponential(random_, around_.options->think_us));
  }
  void Unknown() override { StepAfter(Exponential(random_, around_.options->think_us)); }

  KvResult OfGet(const std::string& bytes) {
    const auto response = Parsed<pb::RangeResponse>(bytes);
    if (response.kvs().empty()) return {KvCode::kNoKey};
    return {KvCode::kOk, response.kvs(0).value(),
            static_cast<std::uint64_t>(response.kvs(0).version())};
  }
  KvResult OfPut(const std::string& bytes) {
    const auto response = Parsed<pb::PutResponse>(bytes);
    return {KvCode::kOk, {}, static_cast<std::uint64_t>(response.prev_kv().version()) + 1};
  }
  KvResult OfCompare(const std::string& bytes, std::uint64_t expected) {
    const auto response = Parsed<pb::TxnResponse>(bytes);
    if (response.succeeded()) return {KvCode::kOk, {}, expected + 1};
    const auto& range = response.responses(0).response_range();
    if (range.kvs().empty()) return {KvCode::kNoKey};
    versions_[range.kvs(0).key()] = static_cast<std::uint64_t>(range.kvs(0).version());
    return {KvCode::kWrongVersion};
  }
  template <typename Response>
  Response Parsed(const std::string& bytes) {
    Response response;
    if (!response.ParseFromString(bytes)) {
      record_.Violation(fmt::format("{} cannot read a response", Name()));
    }
    Saw(response.header().revision());
    return response;
  }

  std::vector<linear::KvCall>& history_;
  std::size_t place_ = 0;
  bool last_ = false;
  std::map<std::string, std::uint64_t> versions_;
};

}  // namespace

std::unique_ptr<Customer> MakeRegisterCustomer(std::uint64_t number, Surroundings around,
                                               Record* record,
                                               std::vector<linear::KvCall>* history) {
  return std::make_unique<RegisterCustomer>(number, around, record, history);
}

}  // namespace trireme::sim
