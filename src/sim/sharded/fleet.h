#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sim/faults.h"
#include "sim/node.h"
#include "sim/sharded/core/clerk.h"
#include "sim/sharded/record.h"
#include "sim/sharded/server.h"

namespace trireme::sim::sharded {

/// Several Raft clusters on one network and one clock: the store of the configurations and `groups`
/// groups, numbered from 1, of three servers each; and whoever asks them.
class Fleet {
 public:
  Fleet(const Options& options, std::uint64_t groups, Trace::Sink sink = nullptr);
  ~Fleet();

  const Options& options() const { return options_; }
  EventQueue& queue() { return queue_; }
  Network& network() { return network_; }
  Trace& trace() { return trace_; }
  Record& record() { return record_; }
  /// The number of the next to be added, from 1 on.
  std::uint64_t next_number() const { return customers_.size() + 1; }
  /// For who asks; the panel is the store's.
  Surroundings around() const;
  template <typename C>
  C& Add(std::unique_ptr<C> customer) {
    C& added = *customer;
    customers_.push_back(std::move(customer));
    return added;
  }

  const std::vector<ServerId>& servers(GroupId group) const;
  std::vector<std::unique_ptr<Node>>& nodes(GroupId group);
  std::uint64_t group_count() const { return clusters_.size() - 1; }
  Node* Leader(GroupId group);
  void Shutdown(GroupId group, Random& random);
  void Start(GroupId group);

  /// False: it stopped at a violation.
  bool RunFor(Micros duration);
  /// Until `done`, at most for `bound`; whether it is so.
  bool RunUntil(const std::function<bool()>& done, Micros bound);
  /// The first, of any cluster; empty: none.
  std::string violation() const;
  std::uint64_t events() const { return events_; }

  // Of all clusters, as their options say.
  void BeginFaults();
  void EndFaults();
  /// Every cluster has a leader and all servers of it have applied all there is.
  bool IsSettled();
  /// The clusters' servers are in equal states.
  void TellEnd();

 private:
  struct Cluster;
  Cluster& OfGroup(GroupId group);
  Node& NodeAt(Address address);
  void Step();
  void Dispatch(const Event& event);
  void Deliver(std::uint64_t number);

  const Options options_;
  EventQueue queue_;
  Trace trace_;
  Network network_;
  Record record_;
  std::vector<std::unique_ptr<Cluster>> clusters_;  ///< The store is the first.
  std::vector<std::unique_ptr<Customer>> customers_;
  std::uint64_t events_ = 0;
};

}  // namespace trireme::sim::sharded
