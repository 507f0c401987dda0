#include "cli/kv/printer.h"
#include "cli/kv/rows.h"

namespace trireme::kvcli {
namespace {

class TablePrinter final : public Printer {
 public:
  TablePrinter() : Printer("table") {}
  Text MemberList(const etcdserverpb::MemberListResponse& reply) const override {
    return Table(MemberRows(reply));
  }
  Text Health(const std::vector<EndpointHealth>& list) const override {
    return Table(HealthRows(list));
  }
  Text Status(const std::vector<EndpointStatus>& list) const override {
    return Table(StatusRows(list));
  }
  Text Hashes(const std::vector<EndpointHash>& list) const override {
    return Table(HashRows(list));
  }
  Text Snapshot(const SnapshotStatus& status) const override { return Table(SnapshotRows(status)); }
};

}  // namespace

std::unique_ptr<Printer> MakeTablePrinter() {
  return std::make_unique<TablePrinter>();
}

}  // namespace trireme::kvcli
