// The readers: one file each, file -> TensorFile. Files are hostile until checked here.
#pragma once

#include <memory>
#include <string>

#include "tensor/tensor_file.h"

namespace rwkv {

// Opens any model file or Hugging Face folder, by its content (not its name). Errors: kIo, kFormat (a rule
// of the format is broken), kUnsupported (a format or element type that is not read here); the sentence
// names the file, the place, what was expected and what was found.
std::unique_ptr<TensorFile> open_tensor_file(const std::string& path);

// One format each; `map` is the file's content. `path` is what the user gave.
std::unique_ptr<TensorFile> read_gguf(const std::string& path, std::shared_ptr<MappedFile> map);
std::unique_ptr<TensorFile> read_pth(const std::string& path, std::shared_ptr<MappedFile> map);
std::unique_ptr<TensorFile> read_safetensors(const std::string& path, std::shared_ptr<MappedFile> map);
std::unique_ptr<TensorFile> read_ggmf(const std::string& path, std::shared_ptr<MappedFile> map);
// A folder with config.json and model.safetensors, or shards with model.safetensors.index.json. The
// configuration's scalars become metadata "config.<key>" (nested objects and arrays are left out); the
// files that stand beside it (tokenizer.json, rwkv_vocab*.txt) are named in metadata "folder.<file name>".
std::unique_ptr<TensorFile> read_hf_folder(const std::string& path);
// The tokenizer's file in the folder that was read: a World vocabulary before tokenizer.json; "" when there is none.
std::string tokenizer_in_folder(const TensorFile& file);

}  // namespace rwkv
