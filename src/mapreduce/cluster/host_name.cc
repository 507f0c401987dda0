#include "mapreduce/cluster/host_name.h"

#include <unistd.h>

#include "fmt/format.h"

namespace trireme::mapreduce::cluster {

std::string HostName() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

std::string ProcessName() {
  return fmt::format("{}:{}", HostName(), ::getpid());
}

rpc::Address Advertised(rpc::Address bound) {
  if (bound.host == "0.0.0.0" || bound.host == "::") bound.host = HostName();
  return bound;
}

}  // namespace trireme::mapreduce::cluster
