#include "mapreduce/fs/s3_xml.h"

#include <expat.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "mapreduce/fs/s3_path.h"
#include "mapreduce/fs/text.h"

namespace trireme::mapreduce {
namespace {

/// Walks a document and reports each element that ends, by the names from the root down
/// ("ListBucketResult/Contents/Key") and its text.
class Walk {
 public:
  using OnEnd = std::function<void(std::string_view path, std::string text)>;

  static absl::Status Over(std::string_view xml, OnEnd on_end) {
    Walk walk(std::move(on_end));
    const auto parsed =
        XML_Parse(walk.parser_.get(), xml.data(), static_cast<int>(xml.size()), XML_TRUE);
    if (walk.refused_ != nullptr)
      return absl::DataLossError(fmt::format("the store's answer {}", walk.refused_));
    if (parsed != XML_STATUS_OK)
      return absl::DataLossError(fmt::format("the store's answer is not XML: {} in line {}",
                                             XML_ErrorString(XML_GetErrorCode(walk.parser_.get())),
                                             XML_GetCurrentLineNumber(walk.parser_.get())));
    return absl::OkStatus();
  }

 private:
  struct Free {
    void operator()(XML_ParserStruct* parser) const { XML_ParserFree(parser); }
  };

  explicit Walk(OnEnd on_end) : on_end_(std::move(on_end)), parser_(XML_ParserCreate("UTF-8")) {
    XML_SetUserData(parser_.get(), this);
    XML_SetElementHandler(parser_.get(), &Walk::OnStart, &Walk::OnFinish);
    XML_SetCharacterDataHandler(parser_.get(), &Walk::OnText);
    XML_SetStartDoctypeDeclHandler(parser_.get(), &Walk::OnDoctype);
  }

  void Refuse(const char* why) {
    refused_ = why;
    XML_StopParser(parser_.get(), XML_FALSE);
  }
  static void OnStart(void* self, const char* name, const char**) {
    auto& walk = *static_cast<Walk*>(self);
    if (walk.starts_.size() == kXmlDepthMax) return walk.Refuse("nests too deeply");
    walk.starts_.push_back(walk.path_.size());
    if (!walk.path_.empty()) walk.path_ += '/';
    walk.path_ += name;
    walk.text_.clear();
  }
  static void OnText(void* self, const char* text, int size) {
    static_cast<Walk*>(self)->text_.append(text, static_cast<std::size_t>(size));
  }
  static void OnFinish(void* self, const char*) {
    auto& walk = *static_cast<Walk*>(self);
    walk.on_end_(walk.path_, std::exchange(walk.text_, {}));
    walk.path_.resize(walk.starts_.back());
    walk.starts_.pop_back();
  }
  static void OnDoctype(void* self, const char*, const char*, const char*, int) {
    static_cast<Walk*>(self)->Refuse("declares a document type");
  }

  OnEnd on_end_;
  std::unique_ptr<XML_ParserStruct, Free> parser_;
  std::string path_, text_;
  std::vector<std::size_t> starts_;  // lengths of path_ above each open element
  const char* refused_ = nullptr;
};

/// Keys are asked for percent-encoded, so that none breaks the XML; a '+' is a blank then.
void DecodeKey(std::string* key, absl::Status* status) {
  std::replace(key->begin(), key->end(), '+', ' ');
  auto decoded = UriDecode(*key);
  if (!decoded.ok())
    *status = absl::DataLossError("the store's list has a key that is not percent-encoded");
  if (decoded.ok()) *key = *std::move(decoded);
}

}  // namespace

absl::StatusOr<S3ObjectPage> ParseObjectPage(std::string_view xml) {
  S3ObjectPage page;
  S3ListedObject object;
  bool is_list = false, encoded = false, truncated = false;
  absl::Status status;
  TRIREME_RETURN_IF_ERROR(Walk::Over(xml, [&](std::string_view path, std::string text) {
    if (path == "ListBucketResult/Contents/Key") object.key = std::move(text);
    if (path == "ListBucketResult/Contents/Size") {
      const auto size = ParseNumber64(text);
      object.size_bytes = size.value_or(0);
      if (!size) status = absl::DataLossError("the store's list has a size that is none");
    }
    if (path == "ListBucketResult/Contents") page.objects.push_back(std::exchange(object, {}));
    if (path == "ListBucketResult/CommonPrefixes/Prefix") page.prefixes.push_back(std::move(text));
    if (path == "ListBucketResult/NextContinuationToken") page.next_token = std::move(text);
    if (path == "ListBucketResult/EncodingType") encoded = text == "url";
    if (path == "ListBucketResult/IsTruncated") truncated = text == "true";
    is_list |= path == "ListBucketResult";
  }));
  if (!is_list) return absl::DataLossError("the store's answer is no ListBucketResult");
  if (truncated && page.next_token.empty())
    return absl::DataLossError("the store's list goes on, and does not say where");
  if (!truncated) page.next_token.clear();
  for (S3ListedObject& one : page.objects) {
    if (encoded) DecodeKey(&one.key, &status);
  }
  for (std::string& one : page.prefixes) {
    if (encoded) DecodeKey(&one, &status);
  }
  if (!status.ok()) return status;
  return page;
}

absl::StatusOr<S3UploadPage> ParseUploadPage(std::string_view xml) {
  S3UploadPage page;
  S3ListedUpload upload;
  bool is_list = false, truncated = false, encoded = false;
  TRIREME_RETURN_IF_ERROR(Walk::Over(xml, [&](std::string_view path, std::string text) {
    if (path == "ListMultipartUploadsResult/Upload/Key") upload.key = std::move(text);
    if (path == "ListMultipartUploadsResult/Upload/UploadId") upload.id = std::move(text);
    if (path == "ListMultipartUploadsResult/Upload")
      page.uploads.push_back(std::exchange(upload, {}));
    if (path == "ListMultipartUploadsResult/NextKeyMarker") page.next_key = std::move(text);
    if (path == "ListMultipartUploadsResult/NextUploadIdMarker") page.next_id = std::move(text);
    if (path == "ListMultipartUploadsResult/IsTruncated") truncated = text == "true";
    if (path == "ListMultipartUploadsResult/EncodingType") encoded = text == "url";
    is_list |= path == "ListMultipartUploadsResult";
  }));
  if (!is_list) return absl::DataLossError("the store's answer is no ListMultipartUploadsResult");
  if (!truncated) page.next_key = page.next_id = "";
  if (!encoded) return page;
  absl::Status status;
  for (S3ListedUpload& one : page.uploads) DecodeKey(&one.key, &status);
  DecodeKey(&page.next_key, &status);
  if (!status.ok()) return status;
  return page;
}

absl::StatusOr<std::string> ParseUploadId(std::string_view xml) {
  std::string id;
  TRIREME_RETURN_IF_ERROR(Walk::Over(xml, [&](std::string_view path, std::string text) {
    if (path == "InitiateMultipartUploadResult/UploadId") id = std::move(text);
  }));
  if (id.empty()) return absl::DataLossError("the store's answer has no UploadId");
  return id;
}

S3Error ParseError(std::string_view xml) {
  S3Error error;
  const absl::Status parsed = Walk::Over(xml, [&](std::string_view path, std::string text) {
    if (path == "Error/Code") error.code = std::move(text);
    if (path == "Error/Message") error.message = std::move(text);
    if (path == "Error/Region") error.region = std::move(text);
  });
  return parsed.ok() ? error : S3Error();
}

bool IsErrorXml(std::string_view xml) {
  bool is_error = false;
  const absl::Status parsed =
      Walk::Over(xml, [&](std::string_view path, std::string) { is_error |= path == "Error"; });
  return parsed.ok() && is_error;
}

std::string CompleteUploadXml(const std::vector<std::string>& etags) {
  std::string xml = "<CompleteMultipartUpload>";
  for (std::size_t i = 0; i < etags.size(); ++i) {
    std::string etag;
    for (const char c : etags[i]) {
      switch (c) {
        case '&':
          etag += "&amp;";
          break;
        case '<':
          etag += "&lt;";
          break;
        case '>':
          etag += "&gt;";
          break;
        default:
          etag += c;
      }
    }
    xml += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", i + 1, etag);
  }
  return xml + "</CompleteMultipartUpload>";
}

}  // namespace trireme::mapreduce
