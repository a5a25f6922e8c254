#include "convert/convert.h"

#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "convert/encode.h"
#include "convert/lora.h"
#include "convert/metadata.h"
#include "formats/formats.h"
#include "formats/imatrix.h"

namespace rwkv {
namespace {

namespace fs = std::filesystem;

std::vector<TensorSpec> specs_of(const Layout& layout) {
  std::vector<TensorSpec> out;
  for (const OutTensor& t : layout.tensors) out.push_back(t.spec);
  return out;
}

// Nothing that is read may be written.
void check_paths(const std::string& out, const std::vector<std::string>& inputs) {
  std::error_code error;
  if (out.empty()) throw Error(Code::kArgument, "no name for the output");
  if (!fs::exists(out, error)) return;
  for (const std::string& in : inputs)
    if (fs::equivalent(in, out, error))
      throw Error(Code::kArgument, "{} and {} are one file; expected another name for the output", in, out);
}

class Conversion {
 public:
  Conversion(const std::string& in, const std::string& out, const ConvertOptions& options)
      : out_(out), o_(options), target_(target_of(options.target, out)) {
    check_paths(out, {in});
    file_ = open_tensor_file(in);
    const auto weights = canonical_weights(file_);
    lora_ = std::make_unique<LoraSet>(*weights, options.lora, report_.notes);
    inputs_ = {o_.imatrix_path, o_.tokenizer_path};
    std::error_code none;
    for (const auto& beside : fs::directory_iterator(in, none)) inputs_.push_back(beside.path().string());  // of a folder
    for (const auto& map : file_->maps()) inputs_.push_back(map->path());
    for (const std::string& path : lora_->paths()) inputs_.push_back(path);
    check_paths(out, inputs_);
    model_ = build_model(weights, {});
    check_norm();
    layout_ = lay_out(model_, target_);
    report_.target = std::string(name(target_));
    report_.notes.insert(report_.notes.end(), layout_.notes.begin(), layout_.notes.end());
    types_ = choose_types(layout_.tensors, model_, target_, options.types, report_.notes);
    if (!options.imatrix_path.empty()) read_importance();
    count();
  }

  ConvertReport run() {
    if (o_.dry_run) return std::move(report_);
    EncodeHooks hooks;
    hooks.patch = [&](const std::string& name) { return lora_->patch(name); };
    if (!imatrix_.empty())
      hooks.importance = [&](const std::string& name) -> std::span<const float> {
        const auto found = imatrix_.find(name);
        return found == imatrix_.end() ? std::span<const float>() : found->second;
      };
    Encoder encoder(*model_.weights, o_.n_thread ? o_.n_thread : default_thread_count(),
                    std::move(hooks));
    const TensorSource source = [&](size_t index, const ByteSink& sink) {
      encoder.encode(layout_.tensors[index], [&](std::span<const std::byte> bytes) {
        sink(bytes);
        done_ += bytes.size();
        if (o_.progress)
          o_.progress(static_cast<float>(static_cast<double>(done_) /
                                         static_cast<double>(report_.bytes_out)));
      });
    };
    write(source);
    if (encoder.n_clipped())
      report_.notes.push_back(
          strf("{} values lie outside of F16's range and became +-65504", encoder.n_clipped()));
    return std::move(report_);
  }

 private:
  // Only two formats have a key for it; readers of all others take the usual one.
  void check_norm() const {
    const Norm& norm = std::get<NormOp>(model_.plan->head.front()).norm;
    if (target_ == Target::kGguf || target_ == Target::kHuggingFace || norm.kind == Norm::Kind::kRms || norm.eps == 1e-5f)
      return;
    throw Error(Code::kUnsupported, "{}: its layer norms have an epsilon of {}, and {} files have no way to say so; write "
                "gguf or hf", file_->path(), norm.eps, name(target_));
  }
  void read_importance() {
    imatrix_ = read_imatrix(o_.imatrix_path);
    size_t n_found = 0, n_matrix = 0;
    for (const OutTensor& t : layout_.tensors) {
      if (t.role != WeightRole::kMatrix) continue;
      ++n_matrix;
      const auto found = imatrix_.find(t.gguf_name);
      if (found == imatrix_.end()) continue;
      if (found->second.size() != t.spec.shape.back())
        throw Error(Code::kShape, "{}: {} has {} columns, but the model's has {}", o_.imatrix_path,
                    t.gguf_name, found->second.size(), t.spec.shape.back());
      ++n_found;
    }
    if (n_found == 0)
      throw Error(Code::kMissing, "{}: knows none of the {} matrices of the model", o_.imatrix_path,
                  n_matrix);
    if (n_found < n_matrix)
      report_.notes.push_back(
          strf("the importance matrix knows {} of {} matrices", n_found, n_matrix));
  }
  void count() {
    for (const auto& [name, entry] : model_.weights->entries())
      report_.bytes_in += entry.bytes.size();
    for (const OutTensor& t : layout_.tensors) {
      report_.tensors.push_back({t.spec.name, t.spec.shape,
                                 model_.weights->at(t.from.front()).dtype, t.spec.dtype,
                                 t.spec.bytes()});
      report_.bytes_out += t.spec.bytes();
    }
  }

  void write(const TensorSource& source) {
    const auto specs = specs_of(layout_);
    switch (target_) {
      case Target::kGguf: return write_as_gguf(specs, source);
      case Target::kPth: return write_pth(out_, specs, source);
      case Target::kSafetensors: return write_safetensors(out_, specs, {{"format", "pt"}}, source);
      case Target::kHuggingFace: return write_folder(specs, source);
      case Target::kGgmf: {
        const Plan& plan = *model_.plan;
        return write_ggmf(out_, {plan.n_vocab, plan.n_embd, plan.n_layer, types_.base}, specs,
                          source);
      }
    }
  }

  void write_as_gguf(const std::vector<TensorSpec>& specs, const TensorSource& source) {
    Metadata meta = gguf_metadata(model_, types_.file_type, o_.tokenizer_path, report_.notes);
    if (!imatrix_.empty()) {
      meta["quantize.imatrix.file"] = fs::path(o_.imatrix_path).filename().string();
      meta["quantize.imatrix.entries_count"] = static_cast<int64_t>(imatrix_.size());
    }
    const size_t n_part = file_->maps().size();
    if (!o_.keep_split || n_part < 2) return write_gguf(out_, meta, specs, source);
    for (size_t i = 0; i < n_part; ++i) check_paths(gguf_part_path(out_, i, n_part), inputs_);
    std::vector<size_t> part_of;
    for (const OutTensor& t : layout_.tensors) part_of.push_back(part_of_source(t));
    write_gguf_parts(out_, meta, specs, part_of, n_part, source);
  }
  // The part of the source that holds the tensor.
  size_t part_of_source(const OutTensor& t) const {
    const Tensor* tensor = file_->find(model_.weights->at(t.from.front()).source);
    for (size_t i = 0; tensor && i < file_->maps().size(); ++i) {
      const auto all = file_->maps()[i]->bytes();
      if (tensor->bytes.data() >= all.data() && tensor->bytes.data() < all.data() + all.size())
        return i;
    }
    return 0;
  }

  void write_folder(const std::vector<TensorSpec>& specs, const TensorSource& source) {
    AtomicFolder folder(out_);
    const std::string float_name = types_.base == DType::kF16    ? "float16"
                                   : types_.base == DType::kBF16 ? "bfloat16"
                                                                 : "float32";
    const std::string config = hf_config(model_, layout_.scheme, float_name);
    AtomicFile file(folder.path() + "/config.json");
    file.write(std::as_bytes(std::span(config.data(), config.size())));
    file.commit();
    write_hf_tokenizer(model_, o_.tokenizer_path, folder.path(), report_.notes);
    write_safetensors(folder.path() + "/model.safetensors", specs, {{"format", "pt"}}, source);
    folder.commit();
  }

  std::string out_;
  const ConvertOptions& o_;
  Target target_;
  std::shared_ptr<TensorFile> file_;
  std::unique_ptr<LoraSet> lora_;
  std::vector<std::string> inputs_;  // every file that is read
  Model model_;
  Layout layout_;
  ChosenTypes types_;
  std::map<std::string, std::vector<float>> imatrix_;  // by GGUF name, [cols]
  ConvertReport report_;
  size_t done_ = 0;
};

}  // namespace

ConvertReport convert_model(const std::string& in, const std::string& out,
                            const ConvertOptions& options) {
  return Conversion(in, out, options).run();
}

}  // namespace rwkv
