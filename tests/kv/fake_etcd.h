#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "kv/fake_store.h"
#include "rpc/address.h"
#include "rpc/server.h"

/// A member of a cluster whose state is a FakeStore shared by all: a real server on loopback with
/// faults at will.
namespace trireme::kv::test {

/// What is done with one request.
enum class Fault {
  kNone,
  kRefuse,        ///< Not executed, and says so.
  kDropRequest,   ///< Not executed; the client learns nothing.
  kDropReply,     ///< Executed; the client learns nothing.
  kExecuteLater,  ///< The client learns nothing, and it is executed when the test says so.
  kSilence,       ///< Executed and never answered.
};

class FakeEtcd {
 public:
  /// Asked for each unary request, on the io thread, with its path.
  using Faults = std::function<Fault(std::string_view method)>;

  explicit FakeEtcd(std::shared_ptr<FakeStore> store, rpc::ServerOptions options = {});
  ~FakeEtcd();

  const std::string& endpoint() const { return endpoint_; }
  FakeStore& store() { return *store_; }

  void SetFaults(Faults faults);
  /// Executes what kExecuteLater held back.
  void ExecuteHeld();
  /// Trailing metadata of refused requests.
  void SetLeaderHint(std::string endpoint);
  /// Largest number of events in one watch response; more come in fragments.
  void SetFragmentEvents(std::size_t max);
  /// Ends the streams of all watches, or of all lease renewals, with UNAVAILABLE.
  void BreakWatches();
  void BreakRenewals();
  /// Renewals are received and not answered.
  void IgnoreRenewals(bool ignore);
  /// Progress, to all watches.
  void SendProgress();

  /// Closes every connection and the port, as a killed process would; Start opens it again.
  void Stop();
  void Start();

  int requests() const;  ///< Unary ones received, in all.
  int renewals() const;  ///< Answered.
  int renewal_streams() const;
  int watches_opened() const;

 private:
  class Services;

  const std::shared_ptr<FakeStore> store_;
  const rpc::ServerOptions options_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<rpc::Server> server_;
  std::string endpoint_;
};

}  // namespace trireme::kv::test
