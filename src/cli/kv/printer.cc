#include "cli/kv/printer.h"

#include "cli/kv/failure.h"
#include "fmt/format.h"

namespace trireme::kvcli {

Printer::Text Printer::No() const {
  return Fail(kBadFeature, fmt::format("{} not supported as output format", format_));
}

absl::StatusOr<std::unique_ptr<Printer>> MakePrinter(std::string_view format, bool hex) {
  if (format == "simple") return MakeSimplePrinter(hex);
  if (format == "json") return MakeJsonPrinter();
  if (format == "fields") return MakeFieldsPrinter();
  if (format == "table") return MakeTablePrinter();
  if (format == "protobuf") return MakeProtobufPrinter();
  return Fail(kBadFeature, "unsupported output format");
}

Printer::Text Printer::OfStep(const etcdserverpb::ResponseOp& step) const {
  using etcdserverpb::ResponseOp;
  switch (step.response_case()) {
    case ResponseOp::kResponseRange:
      return Get(step.response_range());
    case ResponseOp::kResponsePut:
      return Put(step.response_put());
    case ResponseOp::kResponseDeleteRange:
      return Delete(step.response_delete_range());
    case ResponseOp::kResponseTxn:
      return Txn(step.response_txn());
    case ResponseOp::RESPONSE_NOT_SET:
      break;
  }
  return "";
}

}  // namespace trireme::kvcli
