#include "mapreduce/cluster/worker_pages.h"

#include "base/status_macros.h"
#include "io/metrics_page.h"

namespace trireme::mapreduce::cluster {

absl::Status WorkerPages::Start(const std::optional<rpc::Address>& on, const WorkerCounts& counts,
                                const WorkerFacts& facts, OwnerQueue& owner) {
  if (!on) return absl::OkStatus();
  server_.HandleGet("/metrics", [&counts, facts](const rpc::HttpRequest&, auto to) {
    to->Send(200, io::MetricsPage::kContentType, WorkerMetrics(counts, facts));
  });
  server_.HandleGet("/healthz", [&owner](const rpc::HttpRequest&, auto to) {
    if (!owner.Post([to] { to->Send(200, "text/plain", "ok\n"); }))
      to->Send(503, "text/plain", "stopping\n");
  });
  TRIREME_ASSIGN_OR_RETURN(address_, server_.Listen(*on));
  return server_.Start();
}

}  // namespace trireme::mapreduce::cluster
