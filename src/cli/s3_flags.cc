#include "cli/s3_flags.h"

#include <CLI/CLI.hpp>

#include "cli/flags.h"

namespace trireme::cli {
namespace {

using mapreduce::S3Options;
constexpr char kGroup[] = "Object storage (s3://BUCKET/KEY; see docs/s3.md)";
constexpr std::int64_t kConnectionsMax = 1024;
constexpr std::int64_t kAheadMax = 64;
constexpr std::int64_t kTriesMax = 100;
constexpr std::int64_t kTimeMsMax = 3'600'000;
constexpr std::uint64_t kRangeBytesMin = 64u << 10;
constexpr std::uint64_t kBytesMax = 1u << 30;

void AddBytes(CLI::App& app, const char* flag, const char* help, std::uint64_t min,
              std::uint64_t* to) {
  AddSize(app, flag, help, min, [=](std::uint64_t bytes) {
    if (bytes > kBytesMax) Refuse(flag, std::to_string(bytes), "at most 1G");
    *to = bytes;
  })->group(kGroup);
}

void AddCount(CLI::App& app, const char* flag, const char* help, std::int64_t max,
              std::uint32_t* to) {
  AddNumber(app, flag, help, 1, max, [=](std::int64_t n) {
    *to = static_cast<std::uint32_t>(n);
  })->group(kGroup);
}

void AddMs(CLI::App& app, const char* flag, const char* help, std::int64_t min_ms,
           std::function<void(std::uint32_t)> store) {
  AddTime(app, flag, help, min_ms, [=](std::int64_t ms) {
    if (ms > kTimeMsMax) Refuse(flag, std::to_string(ms) + "ms", "at most 1h");
    store(static_cast<std::uint32_t>(ms));
  })->group(kGroup);
}

void AddPlace(CLI::App& app, S3Options* options) {
  app.add_option("--s3-endpoint", options->endpoint,
                 "http(s)://HOST[:PORT] (default: $AWS_ENDPOINT_URL_S3, $AWS_ENDPOINT_URL, the "
                 "profile's, AWS)")
      ->type_name("URL")
      ->group(kGroup);
  app.add_option("--s3-region", options->region,
                 "(default: $AWS_REGION, $AWS_DEFAULT_REGION, the profile's, us-east-1)")
      ->type_name("REGION")
      ->group(kGroup);
  AddChoice(app, "--s3-addressing",
            "where the bucket's name goes: path, or virtual (into the host's name; default at AWS)",
            {"path", "virtual"},
            [=](const std::string& kind) {
              options->addressing =
                  kind == "path" ? S3Options::Addressing::kPath : S3Options::Addressing::kVirtual;
            })
      ->group(kGroup);
  app.add_flag("--s3-anonymous", options->anonymous, "sign nothing, for public buckets")
      ->group(kGroup);
}

}  // namespace

void AddS3Flags(CLI::App& app, S3Options* options) {
  AddPlace(app, options);
  AddCount(app, "--s3-connections", "of one process at one time (default 32)", kConnectionsMax,
           &options->connections);
  AddCount(app, "--s3-read-ahead", "ranges under way of one file that is read (default 4)",
           kAheadMax, &options->read_ahead);
  AddBytes(app, "--s3-read-size", "of one such range (default 4M)", kRangeBytesMin,
           &options->read_bytes);
  AddCount(app, "--s3-upload-ahead", "parts under way of one file that is written (default 2)",
           kAheadMax, &options->upload_ahead);
  AddBytes(app, "--s3-part-size", "of one part of an upload (default 8M)",
           mapreduce::kS3PartBytesMin, &options->part_bytes);
  AddCount(app, "--s3-attempts", "of one request, before it has failed (default 8)", kTriesMax,
           &options->attempts_max);
  AddMs(app, "--s3-backoff", "before the second attempt, then doubled, up to 10s (default 100ms)",
        1, [=](std::uint32_t ms) { options->backoff_ms = ms; });
  AddMs(app, "--s3-connect-timeout", "(default 5s)", 1,
        [=](std::uint32_t ms) { options->connect_timeout_ms = ms; });
  AddMs(app, "--s3-stall-timeout", "without a byte, an attempt fails (default 20s)", 1'000,
        [=](std::uint32_t ms) { options->stall_timeout_s = ms / 1'000; });
}

std::vector<std::string> S3PlaceArguments(const S3Options& options) {
  std::vector<std::string> arguments;
  if (!options.endpoint.empty()) arguments = {"--s3-endpoint", options.endpoint};
  if (!options.region.empty()) {
    arguments.insert(arguments.end(), {"--s3-region", options.region});
  }
  if (options.addressing != S3Options::Addressing::kAuto) {
    const bool path = options.addressing == S3Options::Addressing::kPath;
    arguments.insert(arguments.end(), {"--s3-addressing", path ? "path" : "virtual"});
  }
  if (options.anonymous) arguments.push_back("--s3-anonymous");
  return arguments;
}

}  // namespace trireme::cli
