#pragma once

#include <string>
#include <vector>

#include "cli/kv/printer.h"

/// What the formats simple and table show alike. Pure.
namespace trireme::kvcli {

using Row = std::vector<std::string>;
struct Rows {
  Row header;
  std::vector<Row> rows;
};

Rows MemberRows(const etcdserverpb::MemberListResponse& reply);
Rows HealthRows(const std::vector<EndpointHealth>& list);
Rows StatusRows(const std::vector<EndpointStatus>& list);
Rows HashRows(const std::vector<EndpointHash>& list);
Rows SnapshotRows(const SnapshotStatus& status);

/// A line for each row, commas between.
std::string Lines(const Rows& rows);
/// With a frame; the header in capitals and centred, cells to the right.
std::string Table(const Rows& rows);

}  // namespace trireme::kvcli
