// What torch.save writes for a state dict: a zip of stored entries, archive/data.pkl (a pickle that
// names tensors and their storages), archive/data/N (the bytes of storage N at a multiple of 64)
// and archive/version. torch.load(weights_only=True) reads it, and maps it with mmap=True.
//
// The data stream past only once, so checksums follow the contents (zip's descriptors). Sizes and
// offsets from 4 GiB on stand in ZIP64 fields.
#include "base/atomic_file.h"
#include "base/byte_writer.h"
#include "base/crc32.h"
#include "base/error.h"
#include "formats/writers.h"
#include "formats/zip_layout.h"

namespace rwkv {
namespace {

constexpr size_t kEntryAlignment = 64;
constexpr uint16_t kVersionNeeded = 45, kPadField = 0x4246;
constexpr uint16_t kDate = 0x21;  // 1 January 1980: files of one model are the same bytes

class ZipWriter {
 public:
  explicit ZipWriter(AtomicFile& file) : file_(file) {}

  // `fill` writes all `size` bytes.
  void add(const std::string& name, size_t size, const std::function<void(const ByteSink&)>& fill) {
    Entry entry{name, size, at_, 0};
    const bool large = size >= kZipIn64;
    ByteWriter head;
    head.number(kZipLocalMagic);
    common(head);
    head.number<uint32_t>(0);  // checksum and sizes: in the descriptor
    head.number<uint32_t>(large ? kZipIn64 : 0);
    head.number<uint32_t>(large ? kZipIn64 : 0);
    head.number(static_cast<uint16_t>(name.size()));
    ByteWriter extra;
    if (large) {  // announces that the descriptor's sizes have eight bytes
      extra.number(kZip64Field);
      extra.number<uint16_t>(16);
      extra.number<uint64_t>(0);
      extra.number<uint64_t>(0);
    }
    const size_t start = at_ + head.size() + 2 + name.size() + extra.size() + 4;
    const size_t pad = (kEntryAlignment - start % kEntryAlignment) % kEntryAlignment;
    extra.number(kPadField);
    extra.number(static_cast<uint16_t>(pad));
    extra.text(std::string(pad, 'Z'));
    head.number(static_cast<uint16_t>(extra.size()));
    head.text(name);
    write(head.bytes());
    write(extra.bytes());

    Crc32 crc;
    fill([&](std::span<const std::byte> bytes) {
      crc.add(bytes);
      write(bytes);
    });
    entry.crc = crc.value();
    ByteWriter tail;
    tail.number(kZipDescriptorMagic);
    tail.number(entry.crc);
    for (int i = 0; i < 2; ++i)
      if (large)
        tail.number<uint64_t>(size);
      else
        tail.number(static_cast<uint32_t>(size));
    write(tail.bytes());
    entries_.push_back(std::move(entry));
  }

  void finish() {
    const size_t begin = at_;
    for (const Entry& entry : entries_) write(central(entry).bytes());
    const size_t end = at_;
    ByteWriter out;
    const bool large = begin >= kZipIn64 || end - begin >= kZipIn64 || entries_.size() >= kZipIn64Short;
    if (large) {
      out.number(kZipEnd64Magic);
      out.number<uint64_t>(44);
      out.number(kVersionNeeded);
      out.number(kVersionNeeded);
      out.number<uint32_t>(0);
      out.number<uint32_t>(0);
      out.number<uint64_t>(entries_.size());
      out.number<uint64_t>(entries_.size());
      out.number<uint64_t>(end - begin);
      out.number<uint64_t>(begin);
      out.number(kZipLocatorMagic);
      out.number<uint32_t>(0);
      out.number<uint64_t>(end);
      out.number<uint32_t>(1);
    }
    const auto count = static_cast<uint16_t>(large ? kZipIn64Short : entries_.size());
    out.number(kZipEndMagic);
    out.number<uint32_t>(0);
    out.number(count);
    out.number(count);
    out.number(large ? kZipIn64 : static_cast<uint32_t>(end - begin));
    out.number(large ? kZipIn64 : static_cast<uint32_t>(begin));
    out.number<uint16_t>(0);
    write(out.bytes());
  }

 private:
  struct Entry {
    std::string name;
    size_t size, offset;
    uint32_t crc;
  };

  static void common(ByteWriter& out) {
    out.number(kVersionNeeded);
    out.number(kZipHasDescriptor);
    out.number<uint16_t>(0);  // stored
    out.number<uint16_t>(0);  // midnight
    out.number(kDate);
  }

  static ByteWriter central(const Entry& entry) {
    ByteWriter out, extra;
    for (const size_t value : {entry.size, entry.size, entry.offset})
      if (value >= kZipIn64) extra.number<uint64_t>(value);
    const auto narrow = [](size_t value) {
      return value >= kZipIn64 ? kZipIn64 : static_cast<uint32_t>(value);
    };
    out.number(kZipCentralMagic);
    out.number(kVersionNeeded);
    common(out);
    out.number(entry.crc);
    out.number(narrow(entry.size));
    out.number(narrow(entry.size));
    out.number(static_cast<uint16_t>(entry.name.size()));
    out.number(static_cast<uint16_t>(extra.size() ? extra.size() + 4 : 0));
    out.number<uint16_t>(0);  // comment
    out.number<uint16_t>(0);  // disk
    out.number<uint16_t>(0);  // attributes
    out.number<uint32_t>(0);
    out.number(narrow(entry.offset));
    out.text(entry.name);
    if (extra.size()) {
      out.number(kZip64Field);
      out.number(static_cast<uint16_t>(extra.size()));
      const auto bytes = extra.bytes();
      out.text({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
    return out;
  }

  void write(std::span<const std::byte> bytes) {
    file_.write(bytes);
    at_ += bytes.size();
  }

  AtomicFile& file_;
  size_t at_ = 0;
  std::vector<Entry> entries_;
};

// Protocol 2, without memos: an ordered dict, or a list, of calls of _rebuild_tensor_v2.
class TensorPickle {
 public:
  TensorPickle(const std::string& path, bool list) : path_(path), list_(list) {
    out_.text("\x80\x02");
    if (list)
      out_.text("]");
    else
      dict();
    out_.text("(");
  }
  void tensor(const TensorSpec& t, size_t key) {
    if (!list_) text(t.name);
    global("torch._utils", "_rebuild_tensor_v2");
    out_.text("((");
    text("storage");
    global("torch", storage_class(t));
    text(std::to_string(key));
    text("cpu");
    whole(count_of(t.shape));
    out_.text("tQ");  // the tuple is a persistent id
    whole(0);
    sizes(t.shape);
    Shape strides(t.shape.size(), 1);
    for (size_t i = strides.size(); i-- > 1;) strides[i - 1] = strides[i] * t.shape[i];
    sizes(strides);
    out_.text("\x89");  // requires_grad: False
    dict();             // hooks
    out_.text("tR");
  }
  std::span<const std::byte> finish() {
    out_.text(list_ ? "e." : "u.");
    return out_.bytes();
  }

 private:
  void global(std::string_view module, std::string_view name) {
    out_.text("c");
    out_.text(module);
    out_.text("\n");
    out_.text(name);
    out_.text("\n");
  }
  void dict() {
    global("collections", "OrderedDict");
    out_.text(")R");
  }
  void text(std::string_view text) {
    out_.text("X");
    out_.number(static_cast<uint32_t>(text.size()));
    out_.text(text);
  }
  void whole(size_t value) {
    if (value < size_t{1} << 31) {
      out_.text("J");
      out_.number(static_cast<uint32_t>(value));
    } else {
      out_.text("\x8a\x09");  // nine bytes, so that the sign is clear
      out_.number<uint64_t>(value);
      out_.number<uint8_t>(0);
    }
  }
  void sizes(const Shape& shape) {
    out_.text("(");
    for (const size_t size : shape) whole(size);
    out_.text("t");
  }
  std::string_view storage_class(const TensorSpec& t) const {
    switch (t.dtype) {
      case DType::kF64: return "DoubleStorage";
      case DType::kF32: return "FloatStorage";
      case DType::kF16: return "HalfStorage";
      case DType::kBF16: return "BFloat16Storage";
      default:
        throw Error(Code::kUnsupported,
                    "{}: tensor {} has type {}, expected plain floats for a .pth", path_, t.name,
                    name(t.dtype));
    }
  }

  const std::string& path_;
  bool list_;
  ByteWriter out_;
};

void write_archive(const std::string& path, bool list, const std::vector<TensorSpec>& tensors,
                   const TensorSource& source) {
  TensorPickle pickle(path, list);
  for (size_t i = 0; i < tensors.size(); ++i) pickle.tensor(tensors[i], i);
  const auto data = pickle.finish();
  AtomicFile file(path);
  ZipWriter zip(file);
  const auto add_text = [&](const std::string& name, std::string_view text) {
    zip.add(name, text.size(), [&](const ByteSink& sink) {
      sink(std::as_bytes(std::span(text.data(), text.size())));
    });
  };
  zip.add("archive/data.pkl", data.size(), [&](const ByteSink& sink) { sink(data); });
  add_text("archive/byteorder", "little");
  for (size_t i = 0; i < tensors.size(); ++i) {
    size_t written = 0;
    zip.add("archive/data/" + std::to_string(i), tensors[i].bytes(), [&](const ByteSink& sink) {
      source(i, [&](std::span<const std::byte> bytes) {
        written += bytes.size();
        sink(bytes);
      });
    });
    RWKV_CHECK(written == tensors[i].bytes());
  }
  add_text("archive/version", "3\n");
  zip.finish();
  file.commit();
}

}  // namespace

void write_pth(const std::string& path, const std::vector<TensorSpec>& tensors,
               const TensorSource& source) {
  write_archive(path, false, tensors, source);
}
void write_pth_list(const std::string& path, const std::vector<TensorSpec>& tensors,
                    const TensorSource& source) {
  write_archive(path, true, tensors, source);
}

}  // namespace rwkv
