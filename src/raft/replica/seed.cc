#include "raft/replica/seed.h"

#include <span>
#include <utility>

#include "base/status_macros.h"
#include "raft/core/configuration.h"
#include "raft/replica/members.h"

namespace trireme::raft {
namespace {

class Sink final : public SnapshotSink {
 public:
  explicit Sink(SnapshotWriter& writer) : writer_(writer) {}
  absl::Status Append(std::string_view bytes) override { return writer_.Append(bytes); }

 private:
  SnapshotWriter& writer_;
};

}  // namespace

absl::Status SeedGroup(const SeedOptions& options, SnapshotWork state) {
  TRIREME_ASSIGN_OR_RETURN(const Configuration configuration, ToConfiguration(options.members));
  TRIREME_ASSIGN_OR_RETURN(OpenedLog opened, OpenDurableLog(options.log));
  TRIREME_ASSIGN_OR_RETURN(auto writer, opened.store->CreateSnapshot(options.group, options.at));
  Sink sink(*writer);
  TRIREME_RETURN_IF_ERROR(state(sink));
  TRIREME_RETURN_IF_ERROR(writer->Finish());
  GroupWrite write;
  write.group = options.group;
  write.hard_state = HardState{.term = options.at.term};
  write.snapshot =
      LogSnapshot{.last = options.at,
                  .size_bytes = writer->size_bytes(),
                  .configuration = SharedBytes::Own(EncodeConfiguration(configuration))};
  write.drop_to = options.at.index;
  TRIREME_RETURN_IF_ERROR(opened.store->Write(std::span(&write, 1)).status());
  return opened.store->Sync().status();
}

}  // namespace trireme::raft
