#pragma once

#include <cstdint>
#include <map>

#include "mapreduce/cluster/attempt_runner.h"
#include "mapreduce/cluster/mailbox.h"

namespace trireme::mapreduce {

/// An attempt's host whose questions are asked by the subclass and answered by a mailbox.
class MailboxHost : public AttemptHost {
 public:
  explicit MailboxHost(Mailbox* mailbox) : mailbox_(*mailbox) {}

  bool MayCommit(const TaskResult& result) final;
  absl::StatusOr<MapInput> FindMapOutput(std::uint32_t map) final;

 protected:
  virtual void AskCommit(const TaskResult& result) = 0;
  virtual void AskMapOutput(std::uint32_t map) = 0;

 private:
  Mailbox& mailbox_;
  bool cancelled_ = false;
};

}  // namespace trireme::mapreduce
