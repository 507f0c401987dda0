#include "mapreduce/cluster/shuffle.h"

#include "fmt/format.h"

namespace trireme::mapreduce::cluster {

std::string JobDirectory(const std::string& directory, plan::JobId job) {
  return fmt::format("{}/job-{}", directory, static_cast<std::uint64_t>(job));
}

std::string MapOutputPath(const std::string& directory, const MapOutputName& name) {
  return fmt::format("{}/map-{}-{:x}.run", JobDirectory(directory, name.job), name.map,
                     static_cast<std::uint64_t>(name.attempt));
}

}  // namespace trireme::mapreduce::cluster
