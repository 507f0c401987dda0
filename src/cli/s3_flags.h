#pragma once

#include <string>
#include <vector>

#include "mapreduce/fs/s3_options.h"

namespace CLI {
class App;
}

namespace trireme::cli {

/// The flags of docs/s3.md, each a field of S3Options.
void AddS3Flags(CLI::App& app, mapreduce::S3Options* options);

/// The flags that say where the store is, for a process that is started for this one.
std::vector<std::string> S3PlaceArguments(const mapreduce::S3Options& options);

}  // namespace trireme::cli
