#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sim/ledger.h"
#include "sim/oracle.h"

namespace trireme::sim {

/// All oracles. Every event goes to each of them.
class Panel {
 public:
  Panel();

  template <typename... Parameters, typename... Args>
  void Tell(void (Oracle::*event)(Parameters...), const Args&... args) {
    for (const std::unique_ptr<Oracle>& oracle : oracles_) {
      (oracle.get()->*event)(args...);
      undecided_ |= oracle->undecided();
      if (violation_.empty() && !oracle->violation().empty()) violation_ = oracle->violation();
    }
  }
  /// For what no oracle can see: a node's storage that its code refuses, a cluster that stands
  /// still.
  void Violation(std::string what) {
    if (violation_.empty()) violation_ = std::move(what);
  }

  /// The first; empty: none.
  const std::string& violation() const { return violation_; }
  bool undecided() const { return undecided_; }
  const Ledger& ledger() const { return ledger_; }

 private:
  Ledger ledger_;
  std::vector<std::unique_ptr<Oracle>> oracles_;
  std::string violation_;
  bool undecided_ = false;
};

}  // namespace trireme::sim
