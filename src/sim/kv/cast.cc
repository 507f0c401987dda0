#include "sim/kv/cast.h"

#include <algorithm>
#include <vector>

#include "kv/server/entry.h"
#include "sim/kv/customers.h"
#include "sim/kv/etcd_service.h"
#include "sim/kv/record.h"
#include "sim/panel.h"

namespace trireme::sim {

namespace {

constexpr Options::Number kSnapshotChunkBytesMin = 1'000;
/// A watcher tries one node after the other, of which all but one may have left the cluster.
constexpr Options::Number kSettleTimes = 3;

class KvCast final : public Cast {
 public:
  explicit KvCast(Surroundings around) : around_(around), record_(around.options) {}

  std::unique_ptr<Service> MakeService(Surroundings around, ServiceHost* host) override {
    return std::make_unique<EtcdService>(around, host, &record_);
  }
  std::unique_ptr<Customer> MakeCustomer(std::uint64_t number, Surroundings around) override {
    switch (number % 4) {
      case 1:
        return MakeRegisterCustomer(number, around, &record_, &history_);
      case 2:
        return MakeWatchCustomer(number, around, &record_);
      case 3:
        return MakeLockCustomer(number, around, &record_);
      default:
        return MakeJunkCustomer(number, around, &record_);
    }
  }
  SharedBytes Nudge() override {
    return SharedBytes::Own(kv::EncodeEntry({.body = kv::TickRequest{}}, {}));
  }
  std::string End() override {
    around_.panel->Tell(&Oracle::EndsHistory, history_);
    return record_.violation();
  }
  std::uint64_t operations() const override { return history_.size(); }

 private:
  Surroundings around_;
  Record record_;
  std::vector<linear::KvCall> history_;
};

}  // namespace

Options DrawKvOptions(Options::Number seed) {
  Options options = Options::Draw(seed);
  options.snapshot_chunk_bytes_max =
      std::max(options.snapshot_chunk_bytes_max, kSnapshotChunkBytesMin);
  options.settle_ms *= kSettleTimes;
  return options;
}

std::unique_ptr<Cast> MakeKvCast(Surroundings around) {
  return std::make_unique<KvCast>(around);
}

}  // namespace trireme::sim
