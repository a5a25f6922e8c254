// Adapters merged into a model's weights: LoRA of Blealtan's and RWKV-PEFT's trainers, PiSSA (its
// initial factors are a file of their own), DiSHA / MiSS, Bone, and web-rwkv's files. What a file
// says of a module:
//
//   <m>.lora_A [r, in], <m>.lora_B [out, r]     W + scale B A         (scale = alpha / r, which no
//   file holds) <m>.init_lora_A, <m>.init_lora_B            W - B A               (PiSSA: what
//   training started from) <m>.lora.0 [in, r], <m>.lora.1 [out, r]     W + scale B A (web-rwkv)
//   <m>.disha or .bone [r, out]                 W[o, c r + t] += M[t, o] for every column block c
//   <m>.disha or .bone [in / r, r, r]           blocks: w + w M_b + M_b
//   any other name of the model                 takes its place (web-rwkv: by `scale` parts)
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "convert/encode.h"

namespace rwkv {

class LoraSet {
 public:
  // Reads the files ("PATH" or "PATH:SCALE"), puts vectors in their place in `weights` now and
  // keeps the changes of matrices for later. Error{kMissing} for a name that the model does not
  // have, kShape when sizes do not fit, kFormat when half of a pair is missing. `notes`: what the
  // user should know.
  LoraSet(Weights& weights, const std::vector<std::string>& files, std::vector<std::string>& notes);

  const RowPatch* patch(const std::string& canonical) const;  // null: stays as it is
  bool empty() const { return patches_.empty(); }
  const std::vector<std::string>& paths() const { return paths_; }  // of the files, without scales

 private:
  std::map<std::string, std::unique_ptr<RowPatch>> patches_;
  std::vector<std::string> paths_;
};

}  // namespace rwkv
