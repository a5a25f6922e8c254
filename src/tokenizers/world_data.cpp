// The World vocabulary as a file inside the library. The compile definition RWKV_WORLD_VOCAB_FILE
// is its path, in quotes. The assembler reads the file, so the compiler does not see when it
// changes: the build has to name it as a dependency of this unit.
__asm__(
    ".pushsection .rodata,\"a\"\n"
    ".global rwkv_world_vocabulary_begin\n"
    ".hidden rwkv_world_vocabulary_begin\n"
    ".global rwkv_world_vocabulary_end\n"
    ".hidden rwkv_world_vocabulary_end\n"
    "rwkv_world_vocabulary_begin:\n"
    ".incbin \"" RWKV_WORLD_VOCAB_FILE "\"\n"
    "rwkv_world_vocabulary_end:\n"
    ".byte 0\n"
    ".popsection\n");
