"""Helpers for scripts that write RWKV model files, with numpy alone.

tensors         Tensor: a name, a shape, a type and the data as a stream of pieces; f16 and bf16
blocks          ggml's block formats; quantization: which tensors become blocks
shapes          sizes, those of the published models and sensible others
random_weights  random models of every version under BlinkDL's names
names           the naming schemes of other programs: renaming, transposing, stacking
gguf_file, pth_file, safetensors_file, ggmf_file   one writer each
model_file      one call for all formats
vocabulary      the World vocabulary and toy ones in its form
gguf_metadata, hf_config   what a GGUF file and a Hugging Face folder say about the model
"""
