#pragma once

#include "mapreduce/fs/s3_options.h"

namespace CLI {
class App;
}

namespace trireme::cli {

/// The flags of docs/s3.md, each a field of S3Options.
void AddS3Flags(CLI::App& app, mapreduce::S3Options* options);

}  // namespace trireme::cli
