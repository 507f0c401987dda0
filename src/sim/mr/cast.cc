#include "sim/mr/cast.h"

#include "kv/server/entry.h"
#include "sim/kv/cast.h"
#include "sim/kv/etcd_service.h"
#include "sim/mr/customers.h"

namespace trireme::sim {

namespace {

/// A failover or two, and every task once more.
constexpr Options::Number kSettleMsMin = 120'000;

class MrCast final : public Cast {
 public:
  MrCast(Surroundings around, MrBug bug)
      : record_(around.options), books_(MrJobs::Draw(around.options->seed), bug, &record_) {}

  std::unique_ptr<Service> MakeService(Surroundings around, ServiceHost* host) override {
    return std::make_unique<EtcdService>(around, host, &record_);
  }
  std::unique_ptr<Customer> MakeCustomer(std::uint64_t number, Surroundings around) override {
    const MrJobs& jobs = books_.jobs();
    if (number <= jobs.coordinators) return MakeCoordinator(number, around, &record_, &books_);
    if (number <= jobs.coordinators + jobs.workers) {
      return MakeWorker(number, around, &record_, &books_);
    }
    return MakeSubmitter(number, around, &record_, &books_);
  }
  SharedBytes Nudge() override {
    return SharedBytes::Own(kv::EncodeEntry({.body = kv::TickRequest{}}, {}));
  }
  std::string End() override { return record_.violation(); }
  std::uint64_t operations() const override { return books_.promises(); }

 private:
  Record record_;
  Books books_;
};

}  // namespace

Options DrawMrOptions(Options::Number seed) {
  Options options = DrawKvOptions(seed);
  const MrJobs jobs = MrJobs::Draw(seed);
  options.clients = jobs.coordinators + jobs.workers + 1;
  options.settle_ms += kSettleMsMin;
  return options;
}

std::unique_ptr<Cast> MakeMrCast(Surroundings around) {
  return MakeMrCastWith(around, MrBug::kNone);
}

std::unique_ptr<Cast> MakeMrCastWith(Surroundings around, MrBug bug) {
  return std::make_unique<MrCast>(around, bug);
}

}  // namespace trireme::sim
