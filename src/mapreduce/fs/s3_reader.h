#pragma once

#include <memory>

#include "io/file_system.h"
#include "mapreduce/fs/s3_client.h"

namespace trireme::mapreduce {

/// What is read beyond the range that was said to be read: at a time.
inline constexpr std::size_t kS3OverreadBytes = 64u << 10;

/// An object open for reading. No request is made before the first read. After ExpectSequential the
/// reads are served from ranges that are fetched ahead, S3Options::read_ahead at a time; other
/// reads ask for just what they want. An object that is replaced while it is read is an error.
std::unique_ptr<io::ReadableFile> OpenS3Object(S3Client* client, S3Path path);

}  // namespace trireme::mapreduce
