#pragma once

#include <nghttp2/nghttp2.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "rpc/metadata.h"

namespace trireme::rpc {

using Headers = absl::InlinedVector<nghttp2_nv, 8>;

/// A header that nghttp2 copies when it is submitted.
nghttp2_nv HeaderOf(std::string_view name, std::string_view value);
/// One that it does not: name and value outlive the frame.
nghttp2_nv LiteralHeader(std::string_view name, std::string_view value);

/// Appends the valid pairs of `metadata`; their encoded values live in `encoded`, which is empty
/// before and must outlive the submission.
void AddMetadata(const Metadata& metadata, Headers& headers, std::vector<std::string>& encoded);

/// Appends a received header to `metadata`, "-bin" values decoded. A "-bin" value may be a list
/// joined by commas; parts that are no base64 are dropped.
void AppendReceivedMetadata(std::string_view name, std::string_view value, Metadata& metadata);

}  // namespace trireme::rpc
